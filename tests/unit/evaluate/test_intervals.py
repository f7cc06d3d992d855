import math
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sylvian.errors import DataError
from sylvian.evaluate import bootstrap_rate, paired_bootstrap
from sylvian.evaluate.intervals import LEAST_TRIALS
from sylvian.types import EditCounts

few = st.integers(0, 5)
counts = st.builds(EditCounts, few, few, few, few)


def simulated(n: int, rate: float, seed: int = 1) -> list[EditCounts]:
    generator = np.random.default_rng(seed)
    lengths = generator.integers(1, 15, n)
    return [EditCounts(int(generator.binomial(k, rate)), 0, 0, int(k)) for k in lengths]


def test_interval_agrees_with_theory() -> None:
    trials = simulated(1_450, 0.2)
    low, high = bootstrap_rate(trials)
    total = sum(trials, EditCounts())
    error = math.sqrt(0.2 * 0.8 / total.n_reference)
    assert (low + high) / 2 == pytest.approx(total.rate, abs=0.1 * error)
    assert high - low == pytest.approx(2 * 1.96 * error, rel=0.1)


def test_benchmark_size_takes_well_under_a_second() -> None:
    trials = simulated(1_450, 0.2)
    start = time.process_time()
    bootstrap_rate(trials)
    assert time.process_time() - start < 0.9


def test_same_seed_same_interval() -> None:
    trials = simulated(40, 0.3)
    assert bootstrap_rate(trials, seed=3) == bootstrap_rate(trials, seed=3)
    assert bootstrap_rate(trials, seed=3) != bootstrap_rate(trials, seed=4)


@pytest.mark.parametrize(
    "trials", [[], [EditCounts(1, 0, 0, 3)], [EditCounts(0, 0, 2, 0), EditCounts(1, 0, 0, 3)]]
)
def test_too_few_trials_have_no_interval(trials: list[EditCounts]) -> None:
    assert all(map(math.isnan, bootstrap_rate(trials)))
    gap = paired_bootstrap(trials, trials)
    assert math.isnan(gap.low)
    assert math.isnan(gap.p)


def test_no_error_has_no_interval() -> None:
    perfect = [EditCounts(n_reference=4)] * 9
    assert all(map(math.isnan, bootstrap_rate(perfect)))
    assert math.isnan(paired_bootstrap(perfect, perfect).high)


def test_six_trials_are_enough_and_five_are_not() -> None:
    assert all(map(math.isnan, bootstrap_rate(simulated(LEAST_TRIALS - 1, 0.3))))
    low, high = bootstrap_rate(simulated(LEAST_TRIALS, 0.3))
    assert 0 <= low < high


@given(st.lists(counts, min_size=2, max_size=20))
@settings(max_examples=50)
def test_interval_is_ordered_or_blank(trials: list[EditCounts]) -> None:
    low, high = bootstrap_rate(trials, n_resamples=200)
    known = sum(c.n_reference > 0 for c in trials) >= LEAST_TRIALS
    known = known and any(c.n_errors for c in trials)
    assert known == (low <= high) == (not math.isnan(low))


def test_chunked_resampling_covers_every_resample() -> None:
    trials = simulated(3_000, 0.1)
    low, high = bootstrap_rate(trials, n_resamples=1_000)
    assert low < sum(trials, EditCounts()).rate < high


def test_paired_comparison_sees_what_two_intervals_hide() -> None:
    worse = simulated(400, 0.3)
    better = list(worse)
    better[::5] = [EditCounts(max(0, c.n_errors - 1), 0, 0, c.n_reference) for c in worse[::5]]
    gap = paired_bootstrap(worse, better)
    assert bootstrap_rate(worse)[0] < bootstrap_rate(better)[1]
    assert 0 < gap.low < gap.difference < gap.high
    assert gap.p < 0.01
    mirrored = paired_bootstrap(better, worse)
    assert mirrored.difference == -gap.difference
    assert mirrored.low == pytest.approx(-gap.high)


def test_paired_comparison_of_equals_finds_nothing() -> None:
    trials = simulated(50, 0.2)
    assert paired_bootstrap(trials, trials) == (0.0, 0.0, 0.0, 1.0)


def test_p_values_are_calibrated() -> None:
    rejections = 0
    for seed in range(100):
        a, b = simulated(120, 0.2, seed), simulated(120, 0.2, seed)
        noise = np.random.default_rng(seed)
        b = [EditCounts(int(noise.binomial(c.n_reference, 0.2)), 0, 0, c.n_reference) for c in b]
        rejections += paired_bootstrap(a, b, n_resamples=500).p < 0.05
    assert rejections <= 12


def test_paired_comparison_needs_the_same_trials() -> None:
    with pytest.raises(DataError, match="same trials in the same order"):
        paired_bootstrap(simulated(5, 0.1), simulated(6, 0.1))
    with pytest.raises(DataError, match="same trials in the same order"):
        paired_bootstrap(simulated(5, 0.1, seed=1), simulated(5, 0.1, seed=2))
