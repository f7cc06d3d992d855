"""Two confidences in the same sentences."""

import numpy as np
import pytest

from sylvian.errors import DataError
from sylvian.evaluate.calibration import calibration
from sylvian.evaluate.selective import compare_confidences
from sylvian.types import EditCounts


def planted(n=1500, seed=0):
    """Sentences of five words that are right as often as a confidence says."""
    rng = np.random.default_rng(seed)
    sure = rng.beta(2, 1, size=n)
    wrong = rng.random(n) >= sure
    return sure, [EditCounts(int(one), 0, 0, 5) for one in wrong]


def found(first, second, counts, **kwargs):
    made = compare_confidences(first, second, counts, n_resamples=300, **kwargs)
    return {one.measure: one for one in made}


def test_the_measures_are_those_they_are_called() -> None:
    sure, counts = planted()
    one = found(sure, sure, counts)
    right = np.array([count.n_errors == 0 for count in counts])
    known = calibration(sure, right, n_resamples=50)
    assert one["ece"].first == pytest.approx(known.ece)
    assert one["brier"].first == pytest.approx(known.brier)
    for measure in one.values():
        assert (measure.difference, measure.low, measure.high, measure.n) == (0.0, 0.0, 0.0, 1500)


def test_overconfidence_costs_calibration_and_leaves_the_ranking() -> None:
    sure, counts = planted()
    over = sure ** (1 / 4)
    one = found(over, sure, counts)
    assert one["ece"].second < 0.04 < 0.15 < one["ece"].first
    assert one["ece"].high < -0.1
    assert one["brier"].high < 0
    assert one["aurc"].difference == pytest.approx(0.0, abs=1e-12)


def test_a_confidence_that_ranks_worse_risks_more() -> None:
    sure, counts = planted()
    rng = np.random.default_rng(1)
    blind = rng.permutation(sure)
    one = found(blind, sure, counts)["aurc"]
    assert one.high < 0
    rate = sum(counts, EditCounts()).rate
    assert one.first == pytest.approx(rate, rel=0.15)  # what is shown does not matter


def test_the_area_is_that_of_the_definition() -> None:
    counts = [EditCounts(n, 0, 0, 2) for n in (0, 1, 2, 0)]
    sure = np.array([0.9, 0.5, 0.5, 0.1])
    one = found(sure, np.array([0.9, 0.8, 0.7, 0.1]), counts, n_bins=2)["aurc"]
    assert one.first == pytest.approx((0 + 3 / 6 + 3 / 6 + 3 / 8) / 4)  # equals come together
    assert one.second == pytest.approx((0 + 1 / 4 + 3 / 6 + 3 / 8) / 4)


def test_intervals_cover_what_was_planted() -> None:
    """A useless second feature moves nothing: the interval of the difference holds zero."""
    held = 0
    for seed in range(20):
        sure, counts = planted(400, seed)
        rng = np.random.default_rng(100 + seed)
        noisy = [np.clip(sure + rng.normal(0, 0.1, size=400), 0, 1) for _ in range(2)]
        one = found(*noisy, counts, seed=seed)["brier"]
        held += one.low <= 0 <= one.high
    assert held >= 17


def test_what_does_not_belong_together_is_refused() -> None:
    sure, counts = planted(20)
    with pytest.raises(DataError, match="20 and 19 for 20 sentences"):
        compare_confidences(sure, sure[1:], counts)
    with pytest.raises(DataError, match="sentences with words"):
        compare_confidences(sure, sure, [EditCounts()] * 20)
