"""Two confidences in the same answers: which is better calibrated, and which abstains better."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float, Int

from sylvian.errors import DataError
from sylvian.evaluate.calibration import bin_places
from sylvian.types import EditCounts

Confidences = Float[np.ndarray, " trials"]
Right = Bool[np.ndarray, " trials"]
Times = Float[np.ndarray, "resamples trials"]
_Measure = Callable[[Times], Float[np.ndarray, " resamples"]]


@dataclass(frozen=True, slots=True)
class Difference:
    """One measure of two confidences on the same trials; lower is better.

    Attributes:
        measure: `ece`, `brier` or `aurc`.
        first: Of the first confidence.
        second: Of the second.
        low: Lower end of the 95 % interval of second minus first (basic bootstrap over trials).
        high: Upper end.
        n: Trials.
    """

    measure: str
    first: float
    second: float
    low: float
    high: float
    n: int

    @property
    def difference(self) -> float:
        """Second minus first: below 0 the second is better."""
        return self.second - self.first


def compare_confidences(
    first: Confidences,
    second: Float[np.ndarray, " others"],
    counts: Sequence[EditCounts],
    *,
    n_bins: int = 10,
    seed: int = 0,
    n_resamples: int = 2_000,
) -> tuple[Difference, ...]:
    """Hold two confidences in the same sentences against each other, trials drawn again together.

    * `ece`: expected calibration error over bins of equally many answers; a resample keeps the
      bins.
    * `brier`: mean squared distance of confidence from being entirely right.
    * `aurc`: area under risk and coverage: the word error rate of the surest sentences, averaged
      over how many of them are shown. Sentences of equal confidence come together.

    Args:
        first: Of each sentence, such as without a language model.
        second: Of each sentence, such as with it.
        counts: Word edits of each sentence.
        n_bins: Bins of the calibration error.
        seed: Seed of the bootstrap.
        n_resamples: Number of resamples.

    Raises:
        DataError: the three differ in length, or there are no words to be wrong about.

    Source: El-Yaniv and Wiener 2010; Geifman et al. 2019 for the area.
    """
    n = len(counts)
    if not (len(first) == len(second) == n) or not sum(c.n_reference for c in counts):
        raise DataError(
            f"confidences: {len(first)} and {len(second)} for {n} sentences; give one each, of "
            "sentences with words"
        )
    right = np.array([count.n_errors == 0 for count in counts])
    rng = np.random.default_rng(seed)
    drawn = rng.multinomial(n, np.full(n, 1 / n), size=n_resamples).astype(np.float64)
    once = np.ones((1, n))
    found = []
    for name, make in _MEASURES.items():
        one, other = (make(sure, right, counts, n_bins) for sure in (first, second))
        values = float(one(once)[0]), float(other(once)[0])
        gap = values[1] - values[0]
        low, high = 2 * gap - np.percentile(other(drawn) - one(drawn), [97.5, 2.5])
        found.append(Difference(name, *values, float(low), float(high), n))
    return tuple(found)


def _ece(sure: Confidences, right: Right, counts: Sequence[EditCounts], n_bins: int) -> _Measure:
    places = bin_places(sure, n_bins)
    gaps = np.zeros((len(sure), int(places.max()) + 1))
    gaps[np.arange(len(sure)), places] = sure - right
    return lambda times: np.asarray(np.abs(times @ gaps).sum(axis=1) / times.sum(axis=1))


def _brier(sure: Confidences, right: Right, counts: Sequence[EditCounts], n_bins: int) -> _Measure:
    squared = (sure - right) ** 2
    return lambda times: np.asarray(times @ squared / times.sum(axis=1))


def _aurc(sure: Confidences, right: Right, counts: Sequence[EditCounts], n_bins: int) -> _Measure:
    order = np.argsort(-sure, kind="stable")
    errors, words = (np.array([getattr(c, name) for c in counts], float)[order] for name in _PARTS)
    last = _last_of_equals(sure[order])

    def area(times: Times) -> Float[np.ndarray, " resamples"]:
        drawn = times[:, order]
        wrong, said = (np.cumsum(drawn * own, axis=1)[:, last] for own in (errors, words))
        risks = np.divide(wrong, said, out=np.zeros_like(wrong), where=said > 0)
        return np.asarray((drawn * risks).sum(axis=1) / drawn.sum(axis=1))

    return area


def _last_of_equals(ranked: Confidences) -> Int[np.ndarray, " trials"]:
    """Point each place of a falling sequence to the last place of its value."""
    ends = np.flatnonzero(np.append(ranked[1:] != ranked[:-1], True))
    return np.asarray(ends[np.searchsorted(ends, np.arange(len(ranked)))])


_PARTS = ("n_errors", "n_reference")
_MEASURES = {"ece": _ece, "brier": _brier, "aurc": _aurc}
