"""Systems beside each other: rates over seeds and trials, and paired differences from one of them.

A system is a recipe, trained once or with several seeds. All systems are judged on the same trials,
which are drawn again for all of them together, so that what makes a trial hard cancels.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from sylvian.errors import DataError
from sylvian.evaluate.intervals import LEAST_TRIALS, Difference
from sylvian.evaluate.resampling import resampled_sums
from sylvian.types import EditCounts

System = Mapping[int, Sequence[EditCounts]]
"""Edits of each seed's run by seed, the same trials in the same order."""


@dataclass(frozen=True, slots=True)
class Compared:
    """What one system is worth; rates are fractions.

    Attributes:
        counts: Edits of all seeds together.
        low: Lower end of the rate's 95 % interval; NaN where too few trials have a reference, or
            there is no error.
        high: Upper end.
        n_trials: Trials with a reference, in each run.
        seeds: Trainings it rests on.
        change: Its rate minus that of the system compared with; None for that one itself. Interval
            and p are NaN where too few trials have a reference, or neither system errs.
    """

    counts: EditCounts
    low: float
    high: float
    n_trials: int
    seeds: tuple[int, ...]
    change: Difference | None = None


def compare_systems(
    systems: Mapping[str, System],
    *,
    against: str | None = None,
    seed: int = 0,
    n_resamples: int = 10_000,
) -> dict[str, Compared]:
    """Give every system's rate and its difference from one of them, in resamples they share.

    Trials are drawn again for all systems together, seeds together for systems with equal seeds and
    apart for others. An interval runs from the 2.5th to the 97.5th percentile; the p-value is twice
    the smaller share of resamples on either side of zero. With one seed the interval is over trials
    alone and says nothing about training again.

    Args:
        systems: Edits by name.
        against: The system that all others are compared with; None, or a name that is not among
            them, compares none.
        seed: Seed of the resampling.
        n_resamples: Number of resamples.

    Raises:
        DataError: a system has no run, or two runs are not of the same trials.
    """
    lengths = _same_lengths(systems)
    n_trials = sum(length > 0 for length in lengths)
    enough = n_trials >= LEAST_TRIALS
    rates = _resampled(systems, lengths, seed, n_resamples) if enough else {}
    pooled = {
        name: sum((count for run in runs.values() for count in run), EditCounts())
        for name, runs in systems.items()
    }
    found = {}
    for name, counts in pooled.items():
        known = enough and counts.n_errors > 0
        ends = _interval(rates[name]) if known else (math.nan, math.nan)
        change = None
        if against in pooled and name != against:
            errs = counts.n_errors + pooled[against].n_errors > 0
            draws = rates[name] - rates[against] if enough and errs else None
            change = _change(counts.rate - pooled[against].rate, draws)
        found[name] = Compared(counts, *ends, n_trials, tuple(sorted(systems[name])), change)
    return found


def _same_lengths(systems: Mapping[str, System]) -> list[int]:
    """Give the reference length of each trial."""
    lengths: list[int] | None = None
    for name, runs in systems.items():
        if not runs:
            raise DataError(f"{name}: no run to compare; give each system one or more")
        for seed, run in runs.items():
            own = [count.n_reference for count in run]
            if own != (lengths := own if lengths is None else lengths):
                raise DataError(
                    f"{name}, seed {seed}: {len(own)} trials or reference lengths that other runs "
                    "do not have; compare systems on the same trials in the same order"
                )
    return lengths or []


def _resampled(
    systems: Mapping[str, System], lengths: Sequence[int], seed: int, n_resamples: int
) -> dict[str, Float[np.ndarray, " resamples"]]:
    """Draw trials once and seeds once for each set of seeds; NaN where a draw has no reference."""
    errors = [
        [count.n_errors for count in runs[one]] for runs in systems.values() for one in sorted(runs)
    ]
    columns = np.array([lengths, *errors], np.float64).T
    sums = resampled_sums(columns, seed=seed, n_resamples=n_resamples)
    below = np.where(sums[:, 0] > 0, sums[:, 0], np.nan)
    rng = np.random.default_rng([seed, 1])
    drawn: dict[tuple[int, ...], Float[np.ndarray, "resamples seeds"]] = {}
    rates, start = {}, 1
    for name, runs in systems.items():
        n, which = len(runs), tuple(sorted(runs))
        if which not in drawn:
            times = rng.multinomial(n, np.full(n, 1 / n), size=n_resamples)
            drawn[which] = times / n
        rates[name] = (drawn[which] * sums[:, start : start + n]).sum(axis=1) / below
        start += n
    return rates


def _change(difference: float, draws: Float[np.ndarray, " resamples"] | None) -> Difference:
    if draws is None:
        return Difference(difference, math.nan, math.nan, math.nan)
    known = draws[np.isfinite(draws)]
    smaller = min(int((known <= 0).sum()), int((known >= 0).sum()))
    return Difference(difference, *_interval(known), min(1.0, 2 * (smaller + 1) / (len(known) + 1)))


def _interval(draws: Float[np.ndarray, " resamples"]) -> tuple[float, float]:
    low, high = np.nanpercentile(draws, [2.5, 97.5])
    return float(low), float(high)
