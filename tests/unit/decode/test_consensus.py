import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sylvian.decode.config import DecodeConfig
from sylvian.decode.consensus import Pool, beliefs, minimum_risk
from sylvian.errors import DecodeError
from sylvian.evaluate import word_edits
from sylvian.types import Hypothesis, NBest, Scores, TrialKey

KEY = TrialKey("synthetic", "A", "2024-01-01", 1, 1)
SENTENCES = st.lists(st.sampled_from(["we", "go", "home", "now"]), max_size=5).map(" ".join)


def test_the_middle_wins_over_the_most_probable() -> None:
    """No other candidate shares the favourite's words; the rest nearly agree."""
    belief = {"a b c d": 0.4, "we go home now": 0.3, "we go home": 0.3}
    found = minimum_risk(KEY, [belief])
    assert found.best == "we go home now"
    assert found.risks[0] == pytest.approx(0.4 * 4 + 0.3 * 1)
    assert found.texts[-1] == "a b c d"


@given(st.lists(st.dictionaries(SENTENCES, st.floats(0.1, 1), min_size=1), min_size=1, max_size=4))
def test_risks_are_expected_word_errors(drawn: list[dict[str, float]]) -> None:
    systems = [{t: b / sum(one.values()) for t, b in one.items()} for one in drawn]
    found = minimum_risk(KEY, systems)
    assert set(found.texts) == {text for system in systems for text in system}
    assert list(found.risks) == sorted(found.risks)
    for text, risk in zip(found.texts, found.risks, strict=True):
        expected = [
            sum(b * word_edits(other, text).n_errors for other, b in system.items())
            for system in systems
        ]
        assert risk == pytest.approx(np.mean(expected), abs=1e-9)


def test_systems_vote_alike() -> None:
    systems = [{"we go": 1.0}, {"we go": 1.0}, {"they go there": 1.0}]
    assert minimum_risk(KEY, systems).best == "we go"
    assert minimum_risk(KEY, systems[1:]).best == "we go"  # equal risks: first proposed


def test_sharpness_moves_belief() -> None:
    hypotheses = tuple(
        Hypothesis(text, (), Scores(acoustic)) for text, acoustic in (("a", -1.0), ("b", -2.0))
    )
    config = DecodeConfig(acoustic_scale=1.0)
    nbest = NBest(KEY, hypotheses)
    assert beliefs(nbest, config)["a"] == pytest.approx(1 / (1 + np.exp(-1)))
    assert beliefs(nbest, config, sharpness=0.0) == {"a": 0.5, "b": 0.5}
    assert beliefs(nbest, config, sharpness=3.0)["a"] == pytest.approx(1 / (1 + np.exp(-3)))
    twice = NBest(KEY, (*hypotheses, hypotheses[0]))
    assert sum(beliefs(twice, config).values()) == pytest.approx(1.0)


def test_nothing_to_choose_from_is_refused() -> None:
    with pytest.raises(DecodeError, match="b01/t001: every system needs candidates"):
        minimum_risk(KEY, [])
    with pytest.raises(DecodeError, match="sum to 1"):
        minimum_risk(KEY, [{"a": 1.0}, {}])


def test_a_language_model_sways_beliefs() -> None:
    systems = [{"we go home": 1.0}, {"we go home": 1.0}, {"we go there now": 1.0}]
    pool = Pool.of(KEY, systems)
    nats = {"we go home": -30.0, "we go there now": -10.0}
    assert pool.consensus(nats, weight=0.0) == pool.consensus() == minimum_risk(KEY, systems)
    swayed = pool.consensus(nats, weight=0.1)
    shares = np.array([2 / 3 * np.exp(-3.0), 1 / 3 * np.exp(-1.0)])
    assert swayed.best == "we go there now"
    assert swayed.risks[0] == pytest.approx(2 * shares[0] / shares.sum())


def test_a_candidate_nobody_read_is_as_improbable_as_the_worst() -> None:
    systems = [{"a b": 0.5, "": 0.3, "a c": 0.2}]
    nats = {"a b": -8.0, "a c": -2.0}
    left_out = Pool.of(KEY, systems).consensus(nats, weight=0.5)
    assert left_out == Pool.of(KEY, systems).consensus(nats | {"": -8.0}, weight=0.5)
    assert left_out.best == "a c"


def test_equal_risks_are_equal_whatever_the_rounding() -> None:
    """Votes of a seventh: sums of such shares differ in their last bits."""
    said = ["we go", "we want", "we go", "we want", "we so", "we go", "we want"]
    pool = Pool.of(KEY, [{text: 1.0} for text in said])
    assert pool.consensus().best == "we go"
    swapped = [said[i] for i in (1, 0, 3, 2, 4, 6, 5)]
    assert Pool.of(KEY, [{text: 1.0} for text in swapped]).consensus().best == "we want"
