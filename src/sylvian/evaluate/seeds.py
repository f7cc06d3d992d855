"""Error rates of a recipe rather than of one training: bootstrap over seeds and trials together."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Int

from sylvian.errors import DataError
from sylvian.evaluate.intervals import Difference, enough
from sylvian.types import EditCounts

Runs = Sequence[Sequence[EditCounts]]
"""Edits of each seed's run, the same trials in the same order."""


def seeds_rate(runs: Runs) -> float:
    """Pool the edits of all seeds; NaN without a reference."""
    return sum((count for run in runs for count in run), EditCounts()).rate


def bootstrap_seeds(runs: Runs, *, seed: int = 0, n_resamples: int = 10_000) -> tuple[float, float]:
    """Give the 95 % interval of the pooled error rate when seeds and trials are drawn again.

    Args:
        runs: Edits of each seed's run.
        seed: Seed of the resampling.
        n_resamples: Number of resamples.

    Returns:
        Low and high (fractions); NaN where fewer than `LEAST_TRIALS` trials have a
        reference, or there is no error. With one seed
        the interval is over trials alone and says nothing about training again.

    Raises:
        DataError: the runs are not of the same trials.
    """
    errors, lengths = _matrix(runs)
    if not enough(runs[0]) or not errors.any():
        return math.nan, math.nan
    return _interval(_resampled(errors, lengths, seed, n_resamples))


def paired_bootstrap_seeds(
    a: Runs, b: Runs, *, seed: int = 0, n_resamples: int = 10_000
) -> Difference:
    """Compare two recipes on the same trials with the same seeds.

    Seeds and trials are drawn again for both together. The p-value is twice the smaller share of
    resamples on either side of zero.

    Args:
        a: Edits of the first recipe's runs, one a seed.
        b: Edits of the second's, the same seeds and trials in the same order.
        seed: Seed of the resampling.
        n_resamples: Number of resamples.

    Raises:
        DataError: the runs are not of the same seeds and trials.
    """
    (errors_a, lengths), (errors_b, lengths_b) = _matrix(a), _matrix(b)
    if errors_a.shape != errors_b.shape or (lengths != lengths_b).any():
        raise DataError("paired comparison: give both recipes' runs of the same seeds and trials")
    difference = seeds_rate(a) - seeds_rate(b)
    if not enough(a[0]) or not (errors_a.any() or errors_b.any()):
        return Difference(difference, math.nan, math.nan, math.nan)
    draws = _resampled(errors_a - errors_b, lengths, seed, n_resamples)
    smaller = min(int((draws <= 0).sum()), int((draws >= 0).sum()))
    p = min(1.0, 2 * (smaller + 1) / (len(draws) + 1))
    return Difference(difference, *_interval(draws), p)


def _matrix(
    runs: Runs,
) -> tuple[Int[np.ndarray, "seeds trials"], Int[np.ndarray, " trials"]]:
    lengths = [[count.n_reference for count in run] for run in runs]
    if not runs or any(own != lengths[0] for own in lengths):
        raise DataError("runs of several seeds must be of the same trials in the same order")
    errors = np.array([[count.n_errors for count in run] for run in runs], dtype=np.int64)
    return errors, np.array(lengths[0], dtype=np.int64)


def _resampled(
    errors: Int[np.ndarray, "seeds trials"],
    lengths: Int[np.ndarray, " trials"],
    seed: int,
    n_resamples: int,
) -> Float[np.ndarray, " resamples"]:
    rng = np.random.default_rng(seed)
    n_seeds, n_trials = errors.shape
    which = rng.multinomial(n_seeds, np.full(n_seeds, 1 / n_seeds), size=n_resamples)
    trials = rng.multinomial(n_trials, np.full(n_trials, 1 / n_trials), size=n_resamples)
    total = ((which @ errors) * trials).sum(1)
    pooled = n_seeds * (trials @ lengths)
    kept = pooled > 0
    return np.asarray(total[kept] / pooled[kept])


def _interval(draws: Float[np.ndarray, " resamples"]) -> tuple[float, float]:
    low, high = np.percentile(draws, [2.5, 97.5])
    return float(low), float(high)
