import math

import numpy as np
import pytest
from scipy.stats import binomtest

from sylvian.errors import DataError
from sylvian.evaluate.detection import (
    choose_threshold,
    cross_checked,
    detection,
    detection_curve,
    least_others,
    wilson,
)


@pytest.mark.parametrize(("hits", "n"), [(0, 10), (3, 10), (10, 10), (17, 1000)])
def test_wilsons_interval_is_scipys(hits: int, n: int) -> None:
    known = binomtest(hits, n).proportion_ci(method="wilson")
    found = wilson(hits, n)
    assert found.value == hits / n
    assert (found.low, found.high) == pytest.approx((known.low, known.high), abs=1e-12)


def test_nothing_of_nothing_is_unknown() -> None:
    assert all(math.isnan(value) for value in wilson(0, 0))


def test_both_errors_at_a_threshold() -> None:
    keywords, others = np.array([0.9, 0.8, 0.3]), np.array([0.1, 0.2, 0.85, 0.3])
    found = detection(keywords, others, threshold=0.8)
    assert (found.false_accepts.value, found.misses.value) == (0.25, pytest.approx(1 / 3))
    assert (found.n_others, found.n_keywords) == (4, 3)
    curve = detection_curve(keywords, others)
    accepts = [one.false_accepts.value for one in curve]
    misses = [one.misses.value for one in curve]
    assert accepts == sorted(accepts, reverse=True)
    assert misses == sorted(misses)
    with pytest.raises(DataError, match="no utterance"):
        detection(np.zeros(0), np.zeros(0), threshold=0.5)


def test_the_threshold_keeps_false_accepts_below_the_limit() -> None:
    rng = np.random.default_rng(0)
    keywords, others = rng.normal(4, 1, size=100), rng.normal(0, 1, size=500)
    found = choose_threshold(keywords, others, most_false=0.02)
    assert found is not None
    assert found.false_accepts.high <= 0.02
    fresh = detection(rng.normal(4, 1, 2000), rng.normal(0, 1, 20000), threshold=found.threshold)
    assert fresh.false_accepts.value < 0.02
    assert fresh.misses.value < 0.15


def test_too_few_utterances_prove_nothing() -> None:
    keywords, others = np.array([9.0]), np.zeros(100)
    assert choose_threshold(keywords, others, most_false=0.01) is None
    assert choose_threshold(keywords, np.zeros(500), most_false=0.01) is not None
    with pytest.raises(DataError, match="keyword and others"):
        choose_threshold(keywords, np.zeros(0), most_false=0.01)
    with pytest.raises(DataError, match="no share"):
        choose_threshold(keywords, others, most_false=0.0)


def test_the_threshold_is_as_strict_as_the_keywords_allow() -> None:
    keywords, others = np.array([1.0, 2.0, 3.0]), np.linspace(-1.0, 0.0, 200)
    found = choose_threshold(keywords, others, most_false=0.05)
    assert found is not None
    assert found.threshold == 1.0
    assert (found.false_accepts.value, found.misses.value) == (0.0, 0.0)
    never = choose_threshold(keywords - 9, others, most_false=0.05)
    assert never is not None
    assert never.misses.value == 1.0
    silent = choose_threshold(keywords, np.full(200, -np.inf), most_false=0.05)
    assert silent is not None
    assert silent.threshold == 1.0


def test_errors_are_counted_where_nothing_was_chosen() -> None:
    """Twenty keywords that are like the others: chosen on themselves they look better than new."""
    rng = np.random.default_rng(0)
    apparent, honest, true = [], [], []
    for _ in range(20):
        keywords, others = rng.normal(2, 1, size=20), rng.normal(0, 1, size=100)
        chosen = choose_threshold(keywords, others, most_false=0.1)
        held = cross_checked(keywords, others, most_false=0.1)
        assert chosen is not None and held is not None
        assert (held.n_keywords, held.n_others) == (20, 100)
        fresh = detection(
            rng.normal(2, 1, 4000), rng.normal(0, 1, 4000), threshold=chosen.threshold
        )
        for found, into in ((chosen, apparent), (held, honest), (fresh, true)):
            into.append(found.false_accepts.value + found.misses.value)
    # folds have fewer utterances to prove the limit with, so that they are rather too strict
    assert np.mean(apparent) < np.mean(true) < np.mean(honest) + 0.03


def test_held_out_needs_enough_of_both() -> None:
    keywords = np.arange(5.0) + 9
    assert cross_checked(keywords, np.zeros(20), most_false=0.05) is None
    with pytest.raises(DataError, match="4 keywords cannot be held out in 5 folds"):
        cross_checked(keywords[:4], np.zeros(200), most_false=0.05)


@pytest.mark.parametrize("most_false", [0.01, 0.02, 0.05, 0.1])
def test_how_many_others_prove_a_limit(most_false: float) -> None:
    n = least_others(most_false)
    assert wilson(0, n).high <= most_false < wilson(0, n - 1).high
