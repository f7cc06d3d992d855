import pytest

from sylvian.errors import ConfigError
from sylvian.models.sessions import SessionSpec, check_sessions, layers_of, locate

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


MIXED = [
    SessionSpec(path=f"{participant}/{day}", participant=participant, n_channels=size)
    for participant, day, size in [
        ("a/X", "2020-01-01", 4),
        ("b/Y", "2020-01-01", 4),
        ("a/Z", "2020-01-01", 4),
        ("a/X", "2020-01-02", 4),
    ]
]


@pytest.mark.parametrize(
    ("per", "names", "of_session"),
    [
        ("participant", ["a/X", "b/Y", "a/Z"], (0, 1, 2, 0)),
        ("corpus", ["a", "b"], (0, 1, 0, 0)),
        ("session", [spec.path for spec in MIXED], (0, 1, 2, 3)),
    ],
)
def test_layers_belong_to_whom_they_were_asked_for(per, names, of_session):
    channels, found = layers_of(MIXED, per=per)
    assert list(channels) == names
    assert set(channels.values()) == {4}
    assert found == of_session


def test_only_sessions_that_share_no_layer_may_differ_in_channels():
    odd = [*MIXED, SessionSpec(path="a/X/2020-01-03", participant="a/X", n_channels=9)]
    assert len(check_sessions(odd, per="session")) == 5
    assert layers_of(odd, per="session")[0]["a/X/2020-01-03"] == 9
    for per, owner in (("participant", "a/X"), ("corpus", "a")):
        with pytest.raises(ConfigError, match=rf"01-03: 9 channels, .*{owner} have 4.*read_in="):
            check_sessions(odd, per=per)
