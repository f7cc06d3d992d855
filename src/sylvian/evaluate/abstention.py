"""Saying nothing rather than something wrong: risk against coverage, and thresholds that hold."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from sylvian.errors import DataError
from sylvian.evaluate.detection import wilson
from sylvian.evaluate.intervals import LEAST_TRIALS
from sylvian.evaluate.resampling import Share, shares
from sylvian.types import EditCounts

Confidences = Float[np.ndarray, " trials"]
COVERAGES = (1.0, 0.95, 0.9, 0.8, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2)


@dataclass(frozen=True, slots=True)
class Covered:
    """What is left when sentences below a threshold are not shown.

    Attributes:
        threshold: Least confidence that is shown.
        coverage: Share of sentences shown.
        risk: Word error rate of those, with its interval; none where no word is wrong.
        n_shown: Number of them.
        n_wrong: Those of them that are not entirely right.
        most: Word error rate that is not ruled out (95 %), also where no word is wrong; NaN when
            fewer than `LEAST_TRIALS` sentences are shown.
    """

    threshold: float
    coverage: float
    risk: Share
    n_shown: int
    n_wrong: int
    most: float


def risk_coverage(
    confidences: Confidences,
    counts: Sequence[EditCounts],
    *,
    coverages: Sequence[float] = COVERAGES,
    seed: int = 0,
    n_resamples: int = 2_000,
) -> tuple[Covered, ...]:
    """Give the word error rate of the most confident sentences, at several coverages.

    Sentences of equal confidence are shown or withheld together, so a coverage can be larger than
    asked for.

    Args:
        confidences: Of each sentence.
        counts: Word edits of each sentence.
        coverages: Shares of sentences to show.
        seed: Seed of the bootstrap over the sentences shown.
        n_resamples: Number of resamples.

    Raises:
        DataError: there are no sentences, or more or fewer confidences than sentences.

    Source: El-Yaniv and Wiener 2010, "On the foundations of noise-free selective classification".
    """
    _check(confidences, counts)
    ranked = np.sort(confidences)[::-1]
    thresholds = [ranked[max(1, round(c * len(ranked))) - 1] for c in coverages]
    distinct = dict.fromkeys(float(threshold) for threshold in thresholds)
    return tuple(
        covered(confidences, counts, threshold=t, seed=seed, n_resamples=n_resamples)
        for t in distinct
    )


def covered(
    confidences: Confidences,
    counts: Sequence[EditCounts],
    *,
    threshold: float,
    seed: int = 0,
    n_resamples: int = 2_000,
) -> Covered:
    """Give the word error rate of the sentences of at least a confidence.

    With fewer than `LEAST_TRIALS` wrong sentences the bootstrap says little, and with none nothing.
    `most` is then Wilson's bound of how many sentences are wrong, each as wrong as the wrong ones
    of all sentences are on average (wholly wrong where none is), if that is more.

    Raises:
        DataError: there are no sentences, or more or fewer confidences than sentences.
    """
    _check(confidences, counts)
    shown = [c for c, sure in zip(counts, confidences, strict=True) if sure >= threshold]
    errors = np.array([[c.n_errors] for c in shown], np.int64).reshape(-1, 1)
    lengths = np.array([[c.n_reference] for c in shown], np.int64).reshape(-1, 1)
    found = shares(errors, lengths, seed=seed, n_resamples=n_resamples)
    risk = found[0] if shown else Share(math.nan, math.nan, math.nan)
    n_wrong = sum(c.n_errors > 0 for c in shown)
    most = _not_ruled_out(shown, counts, risk)
    return Covered(threshold, len(shown) / len(counts), risk, len(shown), n_wrong, most)


def _not_ruled_out(shown: Sequence[EditCounts], counts: Sequence[EditCounts], risk: Share) -> float:
    n_wrong = sum(c.n_errors > 0 for c in shown)
    words = sum(c.n_reference for c in shown)
    if len(shown) < LEAST_TRIALS or not words:
        return math.nan
    if n_wrong >= LEAST_TRIALS:
        return risk.high
    errors = [c.n_errors for c in counts if c.n_errors]
    per_sentence = words / len(shown)
    each = sum(errors) / len(errors) if errors else per_sentence
    few = wilson(n_wrong, len(shown)).high * each / per_sentence
    return few if math.isnan(risk.high) else max(few, risk.high)


def threshold_for(
    confidences: Confidences,
    counts: Sequence[EditCounts],
    *,
    most_wrong: float,
    seed: int = 0,
    n_resamples: int = 2_000,
) -> Covered | None:
    """Find the threshold that shows most while the word error rate stays below a limit.

    What is not ruled out (`Covered.most`) must be below the limit, not the rate that was found: the
    threshold is to hold on other trials, and few sentences without an error prove little.
    Thresholds at every twentieth of the sentences are tried.

    Args:
        confidences: Of each sentence, such as cross-fitted ones on val.
        counts: Word edits of each sentence.
        most_wrong: Largest word error rate of what is shown (fraction).
        seed: Seed of the bootstrap.
        n_resamples: Number of resamples.

    Returns:
        The first threshold from below that holds; None where none does.

    Raises:
        DataError: the limit is not between 0 and 1, or the input is not of the same sentences.
    """
    if not 0 < most_wrong <= 1:
        raise DataError(f"abstention: {most_wrong} is no word error rate between 0 and 1")
    steps = np.arange(1.0, 0.0, -0.05).tolist()
    tried = risk_coverage(confidences, counts, coverages=steps, seed=seed, n_resamples=n_resamples)
    holding = (one for one in tried if one.most <= most_wrong)  # NaN holds nothing
    return next(holding, None)


def _check(confidences: Confidences, counts: Sequence[EditCounts]) -> None:
    if not counts or len(confidences) != len(counts):
        raise DataError(
            f"abstention: {len(confidences)} confidences for {len(counts)} sentences; give one "
            "each, of one sentence at least"
        )
