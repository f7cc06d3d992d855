import math

import numpy as np
import pytest
from scipy.stats import binomtest

from sylvian.errors import DataError
from sylvian.evaluate.detection import choose_threshold, detection, detection_curve, wilson


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
