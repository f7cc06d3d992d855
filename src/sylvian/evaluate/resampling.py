"""Trials drawn again: sums of any columns over bootstrap samples, and intervals of their ratios."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Shaped

from sylvian.evaluate.intervals import LEAST_TRIALS

_CELLS = 1 << 21  # trials drawn and held in memory at a time


class Share(NamedTuple):
    """A ratio of sums over trials with its 95 % interval, all fractions.

    Attributes:
        value: The ratio; NaN when there is nothing to divide by.
        low: Lower end of the interval; NaN when fewer than `LEAST_TRIALS` trials say anything.
        high: Upper end.
    """

    value: float
    low: float
    high: float


def resampled_sums(
    columns: Shaped[np.ndarray, "trials columns"], *, seed: int = 0, n_resamples: int = 10_000
) -> Float[np.ndarray, "resamples columns"]:
    """Sum columns over as many trials as there are, drawn with replacement, many times.

    Args:
        columns: What each trial contributes.
        seed: Seed of the draws.
        n_resamples: Number of resamples.
    """
    n = len(columns)
    values = np.asarray(columns, np.float64)
    generator = np.random.default_rng(seed)
    step = max(1, _CELLS // max(n, 1))
    parts = []
    for start in range(0, n_resamples, step):
        rows = min(step, n_resamples - start)
        drawn = generator.integers(n, size=(rows, n)) + n * np.arange(rows)[:, None]
        times = np.bincount(drawn.ravel(), minlength=rows * n).reshape(rows, n)
        parts.append(times @ values)
    return np.concatenate(parts)


def shares(
    numerators: Shaped[np.ndarray, "trials columns"],
    denominators: Shaped[np.ndarray, "trials one_or_columns"],
    *,
    seed: int = 0,
    n_resamples: int = 10_000,
) -> tuple[Share, ...]:
    """Divide sums by sums, column by column, with bootstrap intervals over trials.

    What never happened happens in no resample either, and what always did in every one: an interval
    of no width would look like certainty, so there is none.

    Args:
        numerators: Counts of each trial.
        denominators: What they are counted out of, in each trial; one column serves all.
        seed: Seed of the draws.
        n_resamples: Number of resamples.
    """
    below = np.broadcast_to(denominators, np.shape(numerators))
    n = numerators.shape[1]
    tops, bottoms = numerators.sum(axis=0), below.sum(axis=0)
    values = [t / b if b else math.nan for t, b in zip(tops, bottoms, strict=True)]
    if len(numerators) < LEAST_TRIALS or n == 0:
        return tuple(Share(float(value), math.nan, math.nan) for value in values)
    both = np.concatenate([numerators, below], axis=1)
    sums = resampled_sums(both, seed=seed, n_resamples=n_resamples)
    differing = (tops > 0) & (numerators != below).any(axis=0)
    told = differing & ((below > 0).sum(axis=0) >= LEAST_TRIALS)
    return tuple(
        Share(float(values[c]), *(_ends(sums[:, c], sums[:, n + c]) if told[c] else _NONE))
        for c in range(n)
    )


_NONE = (math.nan, math.nan)


def _ends(
    tops: Float[np.ndarray, " resamples"], bottoms: Float[np.ndarray, " resamples"]
) -> tuple[float, float]:
    kept = bottoms > 0
    low, high = np.percentile(tops[kept] / bottoms[kept], [2.5, 97.5])
    return float(low), float(high)
