"""How far to trust an error rate: bootstrap over trials."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from sylvian.errors import DataError
from sylvian.types import EditCounts

LEAST_TRIALS = 6
"""Fewer trials that all favour one side can happen by chance in more than 5 % (2 / 2**n)."""

_CELLS = 1 << 20  # resampled trials held in memory at a time
_BITS = 32  # below them the lengths, above them the errors; no corpus has 2**31 words


class Difference(NamedTuple):
    """How much two systems differ on the same trials.

    Attributes:
        difference: Error rate of the first minus error rate of the second (fraction).
        low: Lower end of the 95 % interval.
        high: Upper end of the 95 % interval.
        p: Two-sided bootstrap p-value for no difference.
    """

    difference: float
    low: float
    high: float
    p: float


def bootstrap_rate(
    counts: Sequence[EditCounts], *, seed: int = 0, n_resamples: int = 10_000
) -> tuple[float, float]:
    """Give the 95 % interval of a pooled error rate when trials are drawn again.

    Each resample draws as many trials as there are, with replacement, and pools their edits and
    reference lengths; the interval runs from the 2.5th to the 97.5th percentile.

    Args:
        counts: Edits of each trial.
        seed: Seed of the resampling; the same counts and seed give the same interval.
        n_resamples: Number of resamples.

    Returns:
        Low and high (fractions); both NaN when fewer than `LEAST_TRIALS` trials have a reference,
        and when there is no error at all: drawn again, none is still none, which would look like
        certainty.

    Source: `calculate_aggregate_error_rate` of speechBCI and nejm-brain-to-text (10,000 resamples
    of sentences).
    """
    if not enough(counts) or not any(count.n_errors for count in counts):
        return math.nan, math.nan
    errors, lengths = _columns(counts)
    return _percentiles(_resampled_rates(errors, lengths, seed=seed, n_resamples=n_resamples))


def paired_bootstrap(
    a: Sequence[EditCounts],
    b: Sequence[EditCounts],
    *,
    seed: int = 0,
    n_resamples: int = 10_000,
) -> Difference:
    """Compare two systems on the same trials.

    Both systems are resampled together, so what makes a trial hard cancels. The p-value is twice
    the smaller share of resamples on either side of zero, never below 2 / (n_resamples + 1).

    Args:
        a: Edits of the first system, one per trial.
        b: Edits of the second system, the same trials in the same order.
        seed: Seed of the resampling.
        n_resamples: Number of resamples.

    Returns:
        The difference a - b; all NaN but `difference` when fewer than `LEAST_TRIALS` trials have
        a reference, or neither system errs.

    Raises:
        DataError: the two lists cannot be of the same trials.

    Source: Bisani and Ney 2004, "Bootstrap estimates for confidence intervals in ASR performance
    evaluation".
    """
    if [count.n_reference for count in a] != [count.n_reference for count in b]:
        raise DataError(
            f"paired comparison: {len(a)} and {len(b)} trials, or other reference lengths; "
            "give both systems' counts of the same trials in the same order"
        )
    difference = sum(a, EditCounts()).rate - sum(b, EditCounts()).rate
    if not enough(a) or not any(count.n_errors for count in (*a, *b)):
        return Difference(difference, math.nan, math.nan, math.nan)
    (errors_a, lengths), (errors_b, _) = _columns(a), _columns(b)
    differences = _resampled_rates(errors_a - errors_b, lengths, seed=seed, n_resamples=n_resamples)
    smaller = min(int((differences <= 0).sum()), int((differences >= 0).sum()))
    p = min(1.0, 2 * (smaller + 1) / (len(differences) + 1))
    return Difference(difference, *_percentiles(differences), p)


def enough(counts: Sequence[EditCounts]) -> bool:
    """Say whether as many trials have a reference as an interval needs."""
    return sum(count.n_reference > 0 for count in counts) >= LEAST_TRIALS


def _columns(counts: Sequence[EditCounts]) -> tuple[Int[np.ndarray, " n"], Int[np.ndarray, " n"]]:
    errors = np.array([count.n_errors for count in counts], np.int64)
    return errors, np.array([count.n_reference for count in counts], np.int64)


def _resampled_rates(
    errors: Int[np.ndarray, " trials"],
    lengths: Int[np.ndarray, " trials"],
    *,
    seed: int,
    n_resamples: int,
) -> Float[np.ndarray, " resamples"]:
    # both numbers of a trial travel in one integer, so that each draw is looked up once
    packed = (errors << _BITS) + lengths
    generator = np.random.default_rng(seed)
    step = max(1, _CELLS // len(packed))
    sums = np.concatenate(
        [
            packed.take(generator.integers(len(packed), size=(size, len(packed)))).sum(axis=1)
            for size in _sizes(n_resamples, step)
        ]
    )
    pooled_lengths = sums & ((1 << _BITS) - 1)
    kept = pooled_lengths > 0  # a resample of nothing but empty references has no rate
    return np.asarray((sums >> _BITS)[kept] / pooled_lengths[kept])


def _sizes(total: int, step: int) -> list[int]:
    return [min(step, total - start) for start in range(0, total, step)]


def _percentiles(rates: Float[np.ndarray, " resamples"]) -> tuple[float, float]:
    low, high = np.percentile(rates, [2.5, 97.5])
    return float(low), float(high)
