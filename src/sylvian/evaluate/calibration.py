"""Whether confidence means what it says: reliability, expected calibration error, ranking.

A confidence of 0.8 is calibrated when four in five of such answers are right. The plain expected
calibration error is above zero even for perfect confidences, because a bin of few answers is never
right in exactly its share; `by_chance` says how much of it that is.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int

from sylvian.errors import DataError
from sylvian.evaluate.detection import wilson
from sylvian.evaluate.intervals import LEAST_TRIALS
from sylvian.evaluate.resampling import resampled_sums

Confidences = Float[np.ndarray, " answers"]
Right = Bool[np.ndarray, " answers"]
LEAST = 10  # answers below which no calibration is stated
_NULL = 1000  # draws of what chance alone would give


@dataclass(frozen=True, slots=True)
class ReliabilityBin:
    """Answers of similar confidence.

    Attributes:
        n: How many.
        confidence: Their mean confidence.
        accuracy: Share of them that is right.
        low: Lower end of the accuracy's 95 % interval (Wilson's), also where all are right;
            answers of one trial that are right or wrong together count as fewer.
        high: Its upper end.
    """

    n: int
    confidence: float
    accuracy: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class Calibration:
    """How confidences fare against outcomes; everything in fractions but `log_loss` (nats).

    Attributes:
        n: Answers.
        n_trials: Trials they are from; intervals are over trials.
        accuracy: Share of answers that are right.
        mean_confidence: Mean confidence.
        ece: Expected calibration error: mean distance of accuracy from confidence over bins.
        ece_low: Lower end of its 95 % interval (basic bootstrap, which takes the resamples' own
            bias out; never below 0).
        ece_high: Upper end.
        by_chance: The `ece` that perfectly calibrated confidences of the same values would show.
        p: Share of such perfect draws whose `ece` is at least the found one.
        brier: Mean squared distance of confidence from outcome.
        log_loss: Mean negative log-probability of the outcomes.
        auroc: Chance that a right answer has more confidence than a wrong one; NaN without both.
        bins: Reliability, rising confidence.
    """

    n: int
    n_trials: int
    accuracy: float
    mean_confidence: float
    ece: float
    ece_low: float
    ece_high: float
    by_chance: float
    p: float
    brier: float
    log_loss: float
    auroc: float
    bins: tuple[ReliabilityBin, ...]

    @property
    def excess(self) -> float:
        """Calibration error beyond what chance alone gives; about 0 when calibrated."""
        return self.ece - self.by_chance


def calibration(
    confidences: Confidences,
    right: Bool[np.ndarray, " outcomes"],
    *,
    trials: Sequence[int] | None = None,
    n_bins: int = 10,
    seed: int = 0,
    n_resamples: int = 2_000,
) -> Calibration:
    """Hold confidences against outcomes.

    Bins hold equally many answers; answers of equal confidence stay together.

    Args:
        confidences: Between 0 and 1.
        right: Whether each answer was right.
        trials: Trial of each answer, where a trial has several (words of a sentence); they are
            drawn again together. None: an answer a trial.
        n_bins: Number of bins, fewer where confidences repeat.
        seed: Seed of the bootstrap and of the chance level.
        n_resamples: Number of resamples.

    Raises:
        DataError: there are fewer than 10 answers, they differ in number from outcomes, or a
            confidence is not between 0 and 1.

    Source: equal-mass bins, Nixon et al. 2019; chance level by drawing outcomes from the
    confidences, Bröcker and Smith 2007, "Increasing the reliability of reliability diagrams".
    """
    _check(confidences, right)
    places = bin_places(confidences, n_bins)
    n_used = int(places.max()) + 1
    owner = np.arange(len(right)) if trials is None else np.unique(trials, return_inverse=True)[1]
    if len(owner) != len(right):
        raise DataError(f"calibration: {len(owner)} trials named for {len(right)} answers")
    table = _table(confidences, right, places, owner)
    sums = resampled_sums(table, seed=seed, n_resamples=n_resamples)
    found = _ece(table.sum(axis=0)[None])[0]
    draws = _ece(sums)
    low, high = 2 * found - np.percentile(draws, [97.5, 2.5])
    chance = _chance(confidences, places, seed)
    clipped = np.clip(confidences, 1e-12, 1 - 1e-12)
    return Calibration(
        n=len(right),
        n_trials=len(table),
        accuracy=float(right.mean()),
        mean_confidence=float(confidences.mean()),
        ece=float(found),
        ece_low=float(max(0.0, low)),
        ece_high=float(max(0.0, high)),
        by_chance=float(chance.mean()),
        p=float(((chance >= found).sum() + 1) / (len(chance) + 1)),
        brier=float(((confidences - right) ** 2).mean()),
        log_loss=float(-np.log(np.where(right, clipped, 1 - clipped)).mean()),
        auroc=auroc(confidences, right),
        bins=_reliability(table.reshape(len(table), 3, n_used)),
    )


def auroc(confidences: Confidences, right: Right) -> float:
    """Chance that a right answer has more confidence than a wrong one, ties half; NaN without both.

    Source: the Mann-Whitney statistic.
    """
    n_right, n_wrong = int(right.sum()), int((~right).sum())
    if not n_right or not n_wrong:
        return math.nan
    _, place, counts = np.unique(confidences, return_inverse=True, return_counts=True)
    ranks = np.cumsum(counts) - (counts - 1) / 2  # mean rank of equal confidences
    above = ranks[place][right].sum() - n_right * (n_right + 1) / 2
    return float(above / (n_right * n_wrong))


def _check(confidences: Confidences, right: Bool[np.ndarray, " outcomes"]) -> None:
    if len(confidences) != len(right):
        raise DataError(f"calibration: {len(confidences)} confidences, {len(right)} outcomes")
    if len(right) < LEAST:
        raise DataError(f"calibration: {len(right)} answers are too few; give {LEAST} or more")
    strange = confidences[~((confidences >= 0) & (confidences <= 1))]
    if len(strange):
        raise DataError(f"calibration: {strange[0]} is not a confidence between 0 and 1")


def bin_places(confidences: Confidences, n_bins: int) -> Int[np.ndarray, " answers"]:
    """Put each confidence into one of at most so many bins of equally many answers."""
    edges = np.unique(np.quantile(confidences, np.linspace(0, 1, n_bins + 1)[1:-1]))
    places = np.searchsorted(edges, confidences, side="right")
    return np.asarray(np.unique(places, return_inverse=True)[1], np.int64)


def _table(
    confidences: Confidences,
    right: Right,
    places: Int[np.ndarray, " answers"],
    owner: Int[np.ndarray, " answers"],
) -> Float[np.ndarray, "trials columns"]:
    """Sum each trial's answers bin by bin: how many, their confidence, how many right."""
    n_bins = int(places.max()) + 1
    table = np.zeros((int(owner.max()) + 1, 3, n_bins))
    for row, values in enumerate((np.ones(len(right)), confidences, right.astype(float))):
        np.add.at(table[:, row], (owner, places), values)
    return table.reshape(len(table), -1)


def _ece(sums: Float[np.ndarray, "rows columns"]) -> Float[np.ndarray, " rows"]:
    n, confidence, right = sums.reshape(len(sums), 3, -1).transpose(1, 0, 2)
    return np.asarray(np.abs(confidence - right).sum(axis=1) / n.sum(axis=1))


def _chance(
    confidences: Confidences, places: Int[np.ndarray, " answers"], seed: int
) -> Float[np.ndarray, " draws"]:
    """Draw outcomes that the confidences are right about, and see what error they show."""
    rng = np.random.default_rng(seed)
    order = np.argsort(places, kind="stable")
    starts = np.flatnonzero(np.diff(places[order], prepend=-1))
    values = confidences[order]
    means = np.add.reduceat(values, starts)
    draws = [
        np.abs(np.add.reduceat(rng.random(len(values)) < values, starts, dtype=float) - means).sum()
        for _ in range(_NULL)
    ]
    return np.array(draws) / len(values)


def _reliability(
    table: Float[np.ndarray, "trials three bins"],
) -> tuple[ReliabilityBin, ...]:
    found = []
    for n, confidence, right in table.transpose(2, 1, 0):
        answers, accuracy = float(n.sum()), float(right.sum() / n.sum())
        alone = _alone(n, right)
        share = wilson(accuracy * alone, alone)
        mean = float(confidence.sum() / answers)
        found.append(ReliabilityBin(round(answers), mean, accuracy, share.low, share.high))
    return tuple(found)


def _alone(n: Float[np.ndarray, " trials"], right: Float[np.ndarray, " others"]) -> float:
    """Say how many answers, each of a trial of its own, would tell as much.

    Where few trials or answers that are all alike cannot say how much trials differ, each counts
    once.

    Source: the design effect of a ratio over clusters, Kish 1965; Wilson's interval at the number
    of answers it leaves, Korn and Graubard 1998.
    """
    answers = float(n.sum())
    share = float(right.sum()) / answers
    spread = float(((right - share * n) ** 2).sum()) / answers**2
    n_trials = int((n > 0).sum())
    if n_trials < LEAST_TRIALS or not 0 < share < 1:
        return float(n_trials)
    return min(answers, share * (1 - share) / spread) if spread else answers


def plain(found: Calibration) -> dict[str, Any]:
    """Give the numbers without the bins as plain data; None where one means nothing."""
    names = ("n", "n_trials", "accuracy", "mean_confidence", "ece", "ece_low", "ece_high")
    more = ("by_chance", "p", "excess", "brier", "log_loss", "auroc")
    values = {name: getattr(found, name) for name in (*names, *more)}
    return {
        name: None if isinstance(value, float) and math.isnan(value) else value
        for name, value in values.items()
    }
