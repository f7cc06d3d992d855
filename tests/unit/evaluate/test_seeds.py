import math

import numpy as np
import pytest

from sylvian.errors import DataError
from sylvian.evaluate import bootstrap_rate, bootstrap_seeds, paired_bootstrap_seeds, seeds_rate
from sylvian.types import EditCounts


def runs_of(rates: list[float], n_trials: int = 60, length: int = 20) -> list[list[EditCounts]]:
    rng = np.random.default_rng(3)
    hard = rng.uniform(-0.05, 0.05, size=n_trials)
    return [
        [EditCounts(int(rng.binomial(length, rate + extra)), 0, 0, length) for extra in hard]
        for rate in rates
    ]


def test_one_seed_is_the_bootstrap_over_trials() -> None:
    runs = runs_of([0.2])
    ours, known = bootstrap_seeds(runs), bootstrap_rate(runs[0])
    assert ours == pytest.approx(known, abs=0.004)
    assert ours[0] < seeds_rate(runs) < ours[1]


def test_seeds_that_disagree_widen_the_interval() -> None:
    alike, apart = runs_of([0.2, 0.2, 0.2]), runs_of([0.1, 0.2, 0.3])
    widths = [high - low for low, high in map(bootstrap_seeds, (alike, apart))]
    assert widths[1] > 3 * widths[0]


def test_a_difference_is_seen_and_none_is_not() -> None:
    worse, better = runs_of([0.30, 0.31, 0.29]), runs_of([0.2, 0.21, 0.19])
    gain = paired_bootstrap_seeds(better, worse)
    assert gain.low < gain.difference < gain.high < 0
    assert gain.p < 0.01
    same = paired_bootstrap_seeds(worse, worse)
    assert (same.difference, same.low, same.high, same.p) == (0, 0, 0, 1)


def test_the_pooled_rate_is_errors_over_references() -> None:
    runs = [[EditCounts(1, 0, 0, 4), EditCounts(0, 0, 0, 0)], [EditCounts(2, 0, 0, 4),
            EditCounts(0, 0, 0, 0)]]  # fmt: skip
    assert seeds_rate(runs) == 3 / 8
    assert all(map(math.isnan, bootstrap_seeds(runs)))


def test_runs_of_other_trials_are_refused() -> None:
    with pytest.raises(DataError, match="same trials"):
        bootstrap_seeds([*runs_of([0.2]), *runs_of([0.2], n_trials=5)])
    with pytest.raises(DataError, match="same seeds"):
        paired_bootstrap_seeds(runs_of([0.2]), runs_of([0.2, 0.3]))
