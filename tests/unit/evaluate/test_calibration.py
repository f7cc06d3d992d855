import math

import numpy as np
import pytest

from sylvian.errors import DataError
from sylvian.evaluate.abstention import covered, risk_coverage, threshold_for
from sylvian.evaluate.calibration import auroc, calibration, plain
from sylvian.evaluate.detection import wilson
from sylvian.evaluate.recalibration import (
    Isotonic,
    Logistic,
    cross_fitted,
    fit_isotonic,
    fit_logistic,
    log_odds,
)
from sylvian.types import EditCounts

FAST = {"n_resamples": 100}


def planted(n: int = 3000, *, error: float = 0.0, seed: int = 0):
    """Confidences that are right as often as they say, or less often by `error`."""
    rng = np.random.default_rng(seed)
    confidences = rng.beta(3, 1, size=n)
    confidences = error + (1 - error) * confidences
    return confidences, rng.random(n) < confidences - error


def test_a_calibrated_model_has_no_error_beyond_chance() -> None:
    for seed in range(3):
        found = calibration(*planted(seed=seed), **FAST)
        assert found.ece < 0.03
        assert abs(found.excess) < 0.01
        assert found.p > 0.01
        assert found.ece_low < 0.005


def test_a_planted_error_is_measured() -> None:
    found = calibration(*planted(error=0.15), **FAST)
    assert found.ece_low < 0.15 < found.ece_high
    assert found.p < 0.01
    assert found.mean_confidence - found.accuracy == pytest.approx(0.15, abs=0.03)
    assert all(one.accuracy < one.confidence for one in found.bins)


def test_few_answers_do_not_look_miscalibrated() -> None:
    """The plain error of 60 calibrated answers is large; what chance gives is as large."""
    found = [calibration(*planted(60, seed=seed), n_resamples=50) for seed in range(12)]
    assert np.mean([one.ece for one in found]) > 0.08
    assert abs(np.mean([one.excess for one in found])) < 0.015


def test_bins_hold_all_answers_and_rise() -> None:
    confidences, right = planted(500)
    found = calibration(confidences, right, **FAST)
    assert sum(one.n for one in found.bins) == found.n == 500
    rising = [one.confidence for one in found.bins]
    assert rising == sorted(rising)
    assert all(one.low <= one.accuracy <= one.high for one in found.bins)
    assert found.brier == pytest.approx(((confidences - right) ** 2).mean())
    alike = calibration(np.full(20, 0.5), np.arange(20) < 15, **FAST)
    assert (len(alike.bins), alike.ece) == (1, 0.25)
    assert plain(alike)["auroc"] == 0.5


def test_words_of_a_sentence_are_drawn_together() -> None:
    """Sentences wholly right or wrong: ten words of each say no more than one."""
    confidences, right = planted(200)
    ten = np.repeat(confidences, 10), np.repeat(right, 10)
    apart = calibration(*ten, **FAST)
    together = calibration(*ten, trials=np.repeat(np.arange(200), 10).tolist(), **FAST)
    assert together.n_trials == 200
    widths = [one.bins[0].high - one.bins[0].low for one in (apart, together)]
    assert widths[1] > 2 * widths[0]


def test_ranking() -> None:
    right = np.array([True, True, False, False])
    assert auroc(np.array([0.9, 0.8, 0.2, 0.1]), right) == 1.0
    assert auroc(np.array([0.5, 0.5, 0.5, 0.5]), right) == 0.5
    assert auroc(np.array([0.9, 0.1, 0.5, 0.1]), right) == 0.625
    assert math.isnan(auroc(np.array([0.9]), np.array([True])))


@pytest.mark.parametrize(
    ("confidences", "right", "told"),
    [
        ([0.5] * 9, [True] * 9, "9 answers are too few"),
        ([0.5] * 9 + [1.5], [True] * 10, "1.5 is not a confidence"),
        ([0.5] * 9 + [math.nan], [True] * 10, "nan is not a confidence"),
        ([0.5] * 10, [True] * 11, "10 confidences, 11 outcomes"),
    ],
)
def test_what_is_no_confidence_is_refused(confidences, right, told) -> None:
    with pytest.raises(DataError, match=told):
        calibration(np.array(confidences), np.array(right))


def test_platts_scaling_undoes_an_overconfident_slope() -> None:
    confidences, right = planted(4000)
    sharp = (3 * log_odds(confidences) + 1)[:, None]
    fitted = fit_logistic(sharp, right)
    slope = fitted.weights[0] / fitted.scales[0]
    assert slope == pytest.approx(1 / 3, rel=0.1)
    mended = fitted.confidences(sharp)
    assert abs(calibration(mended, right, **FAST).excess) < 0.01
    np.testing.assert_allclose(mended, confidences, atol=0.03)


def test_a_second_feature_is_used_and_a_useless_one_is_not() -> None:
    rng = np.random.default_rng(1)
    features = rng.normal(size=(3000, 3))
    odds = features[:, 0] + 2 * features[:, 1]
    fitted = fit_logistic(features, rng.random(3000) < 1 / (1 + np.exp(-odds)))
    np.testing.assert_allclose(fitted.weights, [1, 2, 0], atol=0.2)
    assert Logistic.model_validate_json(fitted.model_dump_json()) == fitted


def test_perfectly_told_apart_answers_stay_finite() -> None:
    fitted = fit_logistic(np.arange(20.0)[:, None], np.arange(20) >= 10)
    found = fitted.confidences(np.array([[0.0], [9.5], [19.0]]))
    assert 0 < found[0] < 0.1 < found[1] < 0.9 < found[2] < 1


def test_isotonic_rises_and_is_never_certain() -> None:
    confidences, right = planted(4000)
    bent = (confidences**3)[:, None]
    fitted = fit_isotonic(bent, right)
    mended = fitted.confidences(bent)
    assert list(fitted.shares) == sorted(fitted.shares)
    assert mended.min() > 0 and mended.max() < 1
    assert np.abs(mended - confidences).mean() < 0.03
    assert mended[np.argmax(bent)] == mended.max()
    assert Isotonic.model_validate_json(fitted.model_dump_json()) == fitted
    alone = fit_isotonic(np.array([[1.0], [2.0], [3.0]]), np.array([True, False, True]))
    assert alone.shares == (0.5, 2 / 3)


def test_cross_fitting_never_sees_its_own_fold() -> None:
    features = np.array([[1.0], [2.0], [3.0], [4.0], [1.0], [2.0], [3.0], [4.0]])
    right = np.array([False, True, False, True, True, False, True, False])
    folds = [0, 0, 0, 0, 1, 1, 1, 1]
    found = cross_fitted(features, right, folds, fit_logistic)
    other = fit_logistic(features[4:], right[4:]).confidences(features[:4])
    np.testing.assert_array_equal(found[:4], other)
    with pytest.raises(DataError, match="two folds"):
        cross_fitted(features, right, [0] * 8, fit_logistic)
    with pytest.raises(DataError, match="all 2 answers are right"):
        cross_fitted(features[:4], np.array([True, True, False, True]), [0, 0, 1, 1], fit_isotonic)


def sentences(n: int = 600):
    rng = np.random.default_rng(3)
    sure = rng.random(n)
    counts = [EditCounts(int((rng.random(6) > s).sum()), 0, 0, 6) for s in 0.5 + sure / 2]
    return sure, counts


def test_the_sure_sentences_are_better() -> None:
    sure, counts = sentences()
    points = risk_coverage(sure, counts, n_resamples=100)
    risks = [one.risk.value for one in points]
    assert [round(one.coverage, 2) for one in points[:3]] == [1.0, 0.95, 0.9]
    assert risks == sorted(risks, reverse=True)
    assert points[0].n_shown == 600
    assert points[0].risk.value == sum(counts, EditCounts()).rate
    unsure = risk_coverage(np.full(600, 0.5), counts, n_resamples=100)
    assert [(one.coverage, one.n_shown) for one in unsure] == [(1.0, 600)]


def test_the_threshold_holds_with_its_interval() -> None:
    sure, counts = sentences()
    found = threshold_for(sure, counts, most_wrong=0.15, n_resamples=100)
    assert found is not None
    assert (
        found.most
        == found.risk.high
        <= 0.15
        < risk_coverage(sure, counts, n_resamples=100)[0].risk.high
    )
    assert threshold_for(sure, counts, most_wrong=0.0001, n_resamples=100) is None
    nothing = covered(sure, counts, threshold=2.0)
    assert (nothing.n_shown, math.isnan(nothing.risk.value)) == (0, True)
    with pytest.raises(DataError, match="no word error rate"):
        threshold_for(sure, counts, most_wrong=0.0)
    with pytest.raises(DataError, match="600 confidences for 0 sentences"):
        covered(sure, [], threshold=0.5)


def few_wrong(n_wrong: int, n: int = 43) -> list[EditCounts]:
    """Sentences of five words; of the unsure last five, and of so many sure ones, two are wrong."""
    return [EditCounts(2 * (place < n_wrong or place >= n - 5), 0, 0, 5) for place in range(n)]


def test_no_error_among_few_sentences_proves_little() -> None:
    """What no sentence shown did wrong is no certainty: 3.84 / (n + 3.84) of them may be wrong."""
    sure = np.linspace(1, 0, 43)
    assert threshold_for(sure, few_wrong(0), most_wrong=0.0001, n_resamples=100) is None
    found = threshold_for(sure, few_wrong(0), most_wrong=0.05, n_resamples=100)
    assert found is not None
    assert (found.risk.value, found.n_wrong) == (0.0, 0)
    assert math.isnan(found.risk.high)
    assert found.most == pytest.approx(3.8415 / (found.n_shown + 3.8415) * 2 / 5, rel=1e-3)
    untouched = [EditCounts(0, 0, 0, 5)] * 43  # how wrong a sentence would be is not known either
    every = covered(sure, untouched, threshold=0.0, n_resamples=100)
    assert every.most == pytest.approx(3.8415 / (43 + 3.8415), rel=1e-3)


def test_one_error_proves_no_more_than_none() -> None:
    sure = np.linspace(1, 0, 43)
    bounds = [
        covered(sure, few_wrong(n_wrong), threshold=0.2, n_resamples=500).most
        for n_wrong in range(9)
    ]
    assert bounds == sorted(bounds)
    few = covered(sure, few_wrong(1), threshold=0.99, n_resamples=100)
    assert few.n_shown < 6 and math.isnan(few.most)


def test_a_bin_of_few_answers_that_are_all_right_has_a_bar() -> None:
    sure = np.repeat(np.linspace(0.05, 0.95, 10), 4)
    right = np.repeat(np.arange(10) >= 3, 4)
    found = calibration(sure, right, **FAST)
    low, high = found.bins[0], found.bins[-1]
    assert (low.accuracy, low.low) == (0.0, 0.0)
    assert low.high == pytest.approx(3.8415 / (4 + 3.8415), rel=1e-3)
    assert (high.accuracy, high.high) == (1.0, 1.0)
    assert high.low == pytest.approx(4 / (4 + 3.8415), rel=1e-3)


def test_bars_of_answers_that_stand_together_are_those_of_their_trials() -> None:
    sure, right = np.full(120, 0.5), np.arange(120) % 12 < 6
    apart = calibration(sure, right, **FAST).bins[0]
    trials = (np.arange(120) // 6).tolist()  # each trial wholly right or wholly wrong
    together = calibration(sure, right, trials=trials, **FAST).bins[0]
    of_twenty = wilson(10, 20)
    assert (together.low, together.high) == pytest.approx((of_twenty.low, of_twenty.high))
    of_all = wilson(60, 120)
    assert (apart.low, apart.high) == pytest.approx((of_all.low, of_all.high))
    alone = calibration(sure[:10], np.arange(10) < 5, trials=[0] * 10, **FAST).bins[0]
    assert alone.high - alone.low > 0.7  # one trial is one trial
