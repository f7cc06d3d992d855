import math

import numpy as np
import pytest

from sylvian.decode.combine import confidences
from sylvian.decode.confidence import (
    believe,
    fit_temperature,
    sentence_features,
    softmax,
    vote,
    word_features,
)
from sylvian.decode.config import DecodeConfig
from sylvian.errors import DecodeError
from sylvian.types import Hypothesis, NBest, Scores, TrialKey

KEY = TrialKey("synthetic", "A", "2024-01-01", 1, 1)
CONFIG = DecodeConfig(acoustic_scale=1.0, llm_weight=0.5)


def listed(*candidates: tuple[str, float], llm: float | None = None) -> NBest:
    made = (
        Hypothesis(t, (), Scores(float(total), 0.0, len(t.split()), llm)) for t, total in candidates
    )
    return NBest(KEY, tuple(made))


def test_belief_in_words_is_that_of_all_lists_that_have_them() -> None:
    totals = np.log([0.5, 0.25, 0.25])
    nbest = listed(("go home now", totals[0]), ("go home", totals[1]), ("no home now", totals[2]))
    found = believe(nbest, CONFIG)
    assert found.text == "go home now"
    assert found.share == pytest.approx(0.5)
    assert found.words == pytest.approx((0.75, 1.0, 0.75))
    assert found.share == pytest.approx(confidences(nbest, CONFIG)[0])


def test_equal_texts_are_one_candidate() -> None:
    found = believe(listed(("a", 0.0), ("b", 0.0), ("a", 0.0)), CONFIG)
    assert found.share == pytest.approx(2 / 3)
    assert found.words == pytest.approx((2 / 3,))


def test_heat_makes_a_list_less_sure() -> None:
    nbest = listed(("a", 0.0), ("b", -2.0))
    shares = [believe(nbest, CONFIG, temperature=t).share for t in (0.1, 1.0, 10.0)]
    assert shares == sorted(shares, reverse=True)
    assert shares[0] == pytest.approx(1.0, abs=1e-6)
    assert shares[2] == pytest.approx(0.55, abs=0.01)


def test_an_empty_sentence_has_no_words() -> None:
    found = believe(listed(("", 0.0)), CONFIG)
    assert (found.words, found.share) == ((), 1.0)
    assert sentence_features([found]).shape == (1, 3)
    assert word_features([found]).shape == (0, 3)


def test_features_say_what_they_are_called() -> None:
    found = believe(listed(("a b", 0.0), ("a c", 0.0), llm=-6.0), CONFIG)
    row = sentence_features([found])[0]
    assert row.tolist() == pytest.approx([0.0, -3.0, math.log(3)])
    words = word_features([found])
    assert words[:, 0].tolist() == pytest.approx([math.log(999), 0.0], rel=1e-3)
    assert words[:, 1].tolist() == pytest.approx([0.0, 0.0])
    assert word_features([found], least=0.05)[0, 0] == pytest.approx(math.log(19))


def test_votes_that_do_not_add_up_are_refused() -> None:
    with pytest.raises(DecodeError, match="do not sum to 1"):
        vote(["a", "b"], np.array([0.5, 0.4]))
    with pytest.raises(DecodeError, match="0 candidates"):
        vote([], np.zeros(0))


@pytest.mark.parametrize("planted", [0.3, 1.0, 4.0])
def test_a_planted_temperature_is_found(planted: float) -> None:
    rng = np.random.default_rng(0)
    totals = -np.sort(-rng.normal(0, 2 * planted, size=(3000, 4)), axis=1)
    shares = 1 / np.exp((totals - totals[:, :1]) / planted).sum(axis=1)
    assert shares[0] == pytest.approx(softmax(totals[0] / planted)[0])
    lists = [*totals, np.array([1.0])]  # a list of one has nothing to doubt
    right = np.append(rng.random(3000) < shares, True)
    assert fit_temperature(lists, right) == pytest.approx(planted, rel=0.15)


def test_no_list_has_no_temperature() -> None:
    with pytest.raises(DecodeError, match="0 lists, 0 outcomes"):
        fit_temperature([], np.zeros(0, bool))
