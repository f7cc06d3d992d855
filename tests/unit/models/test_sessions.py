import pytest

from sylvian.errors import ConfigError
from sylvian.models.sessions import SessionSpec, check_sessions, locate

NEW = "toy/T15/2023-08-30"


def test_known_sessions_keep_their_index(sessions):
    assert locate(sessions, ["toy/T15/2023-09-01"], shared=False) == {"toy/T15/2023-09-01": 2}


def test_an_unseen_session_is_refused_by_name(sessions):
    with pytest.raises(ConfigError, match=r"2023-08-30: .*nearest.*Known: toy/T15/2023-08-11, "):
        locate(sessions, [NEW], shared=False)


def test_an_unseen_session_can_borrow_the_nearest_day(sessions):
    assert locate(sessions, [NEW], shared=False, unseen="nearest") == {NEW: 2}
    tie = "toy/T15/2023-08-12"
    assert locate(sessions, [tie], shared=False, unseen="nearest") == {tie: 0}


def test_shared_layers_serve_any_day_of_a_known_participant(sessions):
    assert locate(sessions, [NEW], shared=True) == {NEW: 0}


def test_an_unknown_participant_is_refused_even_when_layers_are_shared(sessions):
    with pytest.raises(ConfigError, match="train on this participant"):
        locate(sessions, ["toy/T12/2023-08-11"], shared=True, unseen="nearest")


def test_nearest_needs_dates():
    odd = [SessionSpec(path="toy/T15/first", participant="toy/T15", n_channels=2)]
    with pytest.raises(ConfigError, match="not ISO dates"):
        locate(odd, [NEW], shared=False, unseen="nearest")


def test_contradictory_sessions_are_refused(sessions):
    with pytest.raises(ConfigError, match="listed twice"):
        check_sessions([*sessions, sessions[0]])
    other = SessionSpec(path=NEW, participant="toy/T15", n_channels=7)
    with pytest.raises(ConfigError, match="7 channels"):
        check_sessions([*sessions, other])
    with pytest.raises(ConfigError, match="at least one session"):
        check_sessions([])
