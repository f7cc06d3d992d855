"""Maps from scores to confidences, fitted on trials whose truth is known: logistic and isotonic."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol

import numpy as np
from jaxtyping import Bool, Float
from pydantic import Field

from sylvian.config import Config
from sylvian.errors import DataError

Features = Float[np.ndarray, "answers features"]
Confidences = Float[np.ndarray, " answers"]
Right = Bool[np.ndarray, " answers"]
_STEPS = 50


class Map(Protocol):
    """A fitted map."""

    def confidences(self, features: Features) -> Confidences:
        """Turn features into confidences between 0 and 1."""
        ...


class Logistic(Config):
    """A logistic function of standardised features: Platt's scaling where there is one feature."""

    means: tuple[float, ...] = Field(description="Mean of each feature where it was fitted.")
    scales: tuple[float, ...] = Field(description="Standard deviation of each, 1 for constants.")
    weights: tuple[float, ...] = Field(description="Weight of each standardised feature.")
    bias: float = Field(description="Log-odds of a right answer of average features.")

    def confidences(self, features: Features) -> Confidences:
        """Turn features into confidences between 0 and 1."""
        standard = (features - np.array(self.means)) / np.array(self.scales)
        return _sigmoid(standard @ np.array(self.weights) + self.bias)


class Isotonic(Config):
    """A rising step function of one score, linear between the middles of its steps."""

    scores: tuple[float, ...] = Field(description="Mean score of each step, rising.")
    shares: tuple[float, ...] = Field(description="Confidence of each step, rising.")

    def confidences(self, features: Features) -> Confidences:
        """Turn the first feature into confidences; the others are not looked at."""
        return np.asarray(np.interp(features[:, 0], self.scores, self.shares))


def fit_logistic(features: Features, right: Right, *, l2: float = 1.0) -> Logistic:
    """Fit by penalised maximum likelihood, Newton's method.

    Args:
        features: Of each answer.
        right: Whether it was right.
        l2: Half of this times the squared weights is added to the negative log-likelihood; it keeps
            weights finite where right and wrong answers can be told apart perfectly.

    Raises:
        DataError: there is no right answer, or no wrong one, so that nothing can be learnt.

    Source: Platt 1999; with several features, logistic regression.
    """
    _check(len(features), right)
    means, scales = features.mean(axis=0), features.std(axis=0)
    scales = np.where(scales > 1e-12, scales, 1.0)
    inputs = np.column_stack([(features - means) / scales, np.ones(len(right))])
    penalty = np.append(np.full(features.shape[1], l2), 1e-6)
    weights = np.zeros(inputs.shape[1])
    for _ in range(_STEPS):
        shares = _sigmoid(inputs @ weights)
        slope = inputs.T @ (shares - right) + penalty * weights
        curve = (inputs * (shares * (1 - shares))[:, None]).T @ inputs + np.diag(penalty)
        step = np.linalg.solve(curve, slope)
        weights -= step / max(1.0, float(np.abs(step).max()))
        if np.abs(step).max() < 1e-9:
            break
    *slopes, bias = weights.tolist()
    return Logistic(
        means=tuple(means.tolist()), scales=tuple(scales.tolist()), weights=tuple(slopes), bias=bias
    )


def fit_isotonic(features: Features, right: Right) -> Isotonic:
    """Fit the rising function of the first feature that is nearest to the outcomes.

    Steps are drawn in from 0 and 1 by one imagined answer of each kind, so that no finite number of
    right answers gives certainty.

    Args:
        features: Of each answer; the first is the score.
        right: Whether it was right.

    Raises:
        DataError: there is no right answer, or no wrong one.

    Source: pool adjacent violators, Ayer et al. 1955; calibration by it, Zadrozny and Elkan 2002.
    """
    _check(len(features), right)
    values, place, counts = np.unique(features[:, 0], return_inverse=True, return_counts=True)
    hits = np.bincount(place, weights=right.astype(float))
    blocks: list[tuple[float, float, float]] = []  # answers, right ones, sum of scores
    for value, n, hit in zip(values.tolist(), counts.tolist(), hits.tolist(), strict=True):
        blocks.append((n, hit, n * value))
        while len(blocks) > 1 and blocks[-2][1] * blocks[-1][0] >= blocks[-1][1] * blocks[-2][0]:
            last, before = blocks.pop(), blocks.pop()
            blocks.append((last[0] + before[0], last[1] + before[1], last[2] + before[2]))
    shares = np.maximum.accumulate([(hit + 1) / (n + 2) for n, hit, _ in blocks])
    return Isotonic(
        scores=tuple(total / n for n, _, total in blocks), shares=tuple(shares.tolist())
    )


def cross_fitted(
    features: Features,
    right: Right,
    folds: Sequence[int],
    fit: Callable[[Features, Right], Map],
) -> Confidences:
    """Give each answer the confidence of a map that was fitted without its fold.

    Args:
        features: Of each answer.
        right: Whether it was right.
        folds: Fold of each answer, such as that of its recording day.
        fit: `fit_logistic` or `fit_isotonic`.

    Raises:
        DataError: there are fewer than two folds, or a fit is impossible.
    """
    fold = np.asarray(folds)
    if len(set(folds)) < 2:
        raise DataError("cross-fitting needs two folds or more, such as two recording days")
    found = np.zeros(len(right))
    for one in set(folds):
        held = fold == one
        found[held] = fit(features[~held], right[~held]).confidences(features[held])
    return found


def log_odds(shares: Confidences, *, floor: float = 1e-6) -> Confidences:
    """Log of p / (1 - p), kept finite: no share counts as nearer to 0 or 1 than `floor`."""
    kept = np.clip(shares, floor, 1 - floor)
    return np.asarray(np.log(kept) - np.log1p(-kept))


def _check(n: int, right: Right) -> None:
    if n != len(right):
        raise DataError(f"calibration: features of {n} answers, outcomes of {len(right)}")
    if not right.any() or right.all():
        kind = "right" if right.all() else "wrong"
        raise DataError(
            f"calibration: all {len(right)} answers are {kind}, so confidence cannot be fitted; "
            "fit it on a split with both"
        )


def _sigmoid(values: Confidences) -> Confidences:
    return np.asarray(0.5 * (1 + np.tanh(0.5 * values)))
