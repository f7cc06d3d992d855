"""Can a straight cut tell two tasks apart? Linear discriminants, cross-validated by block."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import comb

import numpy as np
from jaxtyping import Bool, Float, Float64, Int64
from scipy.stats import t as student

from sylvian.analyses.estimates import (
    Estimate,
    all_alike,
    checked_rows,
    interval,
    p_value,
    same_length,
)

LEAST = 8  # trials of either task
FEW_WAYS = 200  # labellings below which p cannot fall to what it says

Labels = Bool[np.ndarray, " trials"]
Places = Int64[np.ndarray, " trials"]
Square = Float64[np.ndarray, "trials trials"]


@dataclass(frozen=True, slots=True)
class SeparabilityResult:
    """How well held-out trials are told apart.

    Attributes:
        estimate: Balanced accuracy (fraction; chance is 0.5).
        n_first: Trials of the first task.
        n_second: Trials of the second task.
        n_groups: Groups (blocks or sessions) that never lay on both sides of a fold.
        n_folds: Folds.
        shrinkage: Mean over folds of the share of the covariance replaced by its scaled identity.
        seed: Of folds and permutations.
    """

    estimate: Estimate
    n_first: int
    n_second: int
    n_groups: int
    n_folds: int
    shrinkage: float
    seed: int

    def row(self) -> dict[str, object]:
        """Give one line of a table."""
        return self.estimate.columns("balanced_accuracy") | {
            "n_first": self.n_first,
            "n_second": self.n_second,
            "n_groups": self.n_groups,
            "n_folds": self.n_folds,
            "shrinkage": self.shrinkage,
            "seed": self.seed,
            "note": self.estimate.note,
        }


@dataclass(frozen=True)
class _Fold:
    """One fold's discriminant, for any labels of its training trials.

    Attributes:
        train: Places of the training trials.
        test: Places of the others.
        on_train: Products of training trials in the metric of the shrunken covariance; they also
            turn label weights into scores of those trials.
        on_test: From label weights to scores of the others.
        groups: Group of each training trial, counted from 0.
        shrinkage: As chosen for the training trials, without their labels.
    """

    train: Int64[np.ndarray, " train"]
    test: Int64[np.ndarray, " test"]
    on_train: Float64[np.ndarray, "train train"]
    on_test: Float64[np.ndarray, "test train"]
    groups: Int64[np.ndarray, " train"]
    shrinkage: float


def separability(
    vectors: Float[np.ndarray, "trials width"],
    is_second: Bool[np.ndarray, " labels"],
    groups: Sequence[str],
    *,
    n_folds: int = 5,
    n_permutations: int = 1_000,
    seed: int = 0,
) -> SeparabilityResult:
    """Tell two tasks apart with shrunken LDA, each group held out whole.

    Trials of one block share its drifts, so no block is on both sides of a fold. Where every group
    is of one task, the permutations hand whole groups to the tasks; else trials change labels
    within their group. The interval is Welch's t over groups.

    Args:
        vectors: One for each trial; many more dimensions than trials are fine.
        is_second: Which trials are of the second task.
        groups: Block or session of each trial; the trial itself where nothing is shared.
        n_folds: At most so many; fewer where a task has fewer groups.
        n_permutations: Random labellings, for the p-value.
        seed: Of everything random.

    Returns:
        A blank estimate where a task is missing, has fewer than `LEAST` trials or two groups, or
        all vectors are alike.

    Raises:
        DataError: NaN, or vectors, labels and groups of different lengths.

    Source: Ledoit and Wolf 2004 (shrinkage). Why here: the direction that total and within-class
    scatter give is the same up to scale, so one factorisation a fold serves all permutations; and
    shrinkage that does not know the labels cannot leak them.
    """
    same_length(len(vectors), len(is_second), "lda: vectors and labels")
    same_length(len(vectors), len(groups), "lda: vectors and groups")
    if not len(vectors):
        return _blank(is_second, groups, seed, "no trials")
    rows = checked_rows(vectors, "lda: vectors")
    _, places = np.unique(np.asarray(groups), return_inverse=True)
    fold_of, why = _folds(is_second, places.astype(np.int64), n_folds, seed)
    if not why and all_alike(rows):
        why = "all vectors are alike"
    if why:
        return _blank(is_second, groups, seed, why)
    rows = rows - rows.mean(axis=0)
    gram = rows @ rows.T
    places = places.astype(np.int64)
    noisy = places if _is_whole(is_second, places) else np.arange(len(rows))
    folds = [
        _fold(gram, fold_of == f, noisy, width=rows.shape[1]) for f in range(int(fold_of.max()) + 1)
    ]
    right = _right(folds, is_second[:, None])[:, 0]
    value = float(_balanced(right[:, None], is_second[:, None])[0])
    shuffled = _relabelled(is_second, places, n_permutations, seed)
    null = _balanced(_right(folds, shuffled), shuffled)
    spread = _spread(right, is_second, places)
    return SeparabilityResult(
        estimate=Estimate(
            value,
            *spread,
            p_value(null, value),
            len(rows),
            *interval(null),
            note=_few_labellings(is_second, places),
        ),
        n_first=int((~is_second).sum()),
        n_second=int(is_second.sum()),
        n_groups=int(places.max()) + 1,
        n_folds=len(folds),
        shrinkage=float(np.mean([fold.shrinkage for fold in folds])),
        seed=seed,
    )


def _blank(is_second: Labels, groups: Sequence[str], seed: int, why: str) -> SeparabilityResult:
    n_second = int(is_second.sum())
    estimate = Estimate.blank(len(is_second), why)
    n_first, n_groups = len(is_second) - n_second, len(set(groups))
    return SeparabilityResult(estimate, n_first, n_second, n_groups, 0, estimate.value, seed)


def _folds(is_second: Labels, places: Places, n_folds: int, seed: int) -> tuple[Places, str]:
    """Deal groups to folds, those of either task evenly; or say why it cannot be done."""
    counts = [int((~is_second).sum()), int(is_second.sum())]
    if min(counts) < LEAST:
        return places, f"{counts[0]} and {counts[1]} trials of the tasks; needs {LEAST} of each"
    members = [np.unique(places[is_second == task]) for task in (False, True)]
    fewest = min(map(len, members))
    if fewest < 2:
        return places, "a task has one block only; held-out blocks need two of each"
    k, rng = min(n_folds, fewest), np.random.default_rng(seed)
    fold_of_group = np.full(int(places.max()) + 1, -1)
    at = 0
    for own in sorted(members, key=len):
        for group in rng.permutation(own):
            if fold_of_group[group] < 0:
                fold_of_group[group] = at % k
                at += 1
    fold_of = fold_of_group[places]
    for fold in range(int(fold_of.max()) + 1):
        if len(np.unique(is_second[fold_of != fold])) < 2:
            return places, "a fold would train on one task only; record more blocks"
    return fold_of, ""


def _is_whole(is_second: Labels, places: Places) -> bool:
    """Say whether every group is of one task."""
    second = np.bincount(places, weights=is_second)
    return bool(((second == 0) | (second == np.bincount(places))).all())


def _fold(gram: Square, is_test: Labels, groups: Places, *, width: int) -> _Fold:
    train, test = np.flatnonzero(~is_test), np.flatnonzero(is_test)
    own, cross = gram[np.ix_(train, train)], gram[np.ix_(test, train)]
    means = own.mean(axis=0)
    own_centred = own - means - means[:, None] + means.mean()
    cross_centred = cross - cross.mean(axis=1, keepdims=True) - means + means.mean()
    n = len(train)
    shrinkage, variance = ledoit_wolf(own_centred, width)
    inner = (1 - shrinkage) / n * own_centred
    inner[np.diag_indices(n)] += shrinkage * variance
    inverse = np.linalg.inv(inner)
    return _Fold(
        train,
        test,
        own_centred @ inverse,
        cross_centred @ inverse,
        np.unique(groups[train], return_inverse=True)[1].astype(np.int64),
        shrinkage,
    )


def ledoit_wolf(gram: Square, width: int) -> tuple[float, float]:
    """Choose how far to shrink a covariance, from the products of centred rows.

    Args:
        gram: Products of all pairs of rows, centred.
        width: Dimensions of a row.

    Returns:
        Share of the scaled identity (kept above 1e-4, so that an inverse exists), and its scale:
        the mean variance.

    Source: Ledoit and Wolf 2004, "A well-conditioned estimator for large-dimensional covariance
    matrices", lemma 3.1 and section 3.2.
    """
    n = len(gram)
    variance = float(np.trace(gram)) / n / width
    squared = float((gram**2).sum()) / n**2
    off = squared / width - variance**2
    noise = (float((np.diagonal(gram) ** 2).sum()) / n**2 - squared / n) / width
    share = min(max(noise, 0.0) / off, 1.0) if off > 1e-12 * variance**2 else 1.0
    return max(share, 1e-4), variance


def _few_labellings(is_second: Labels, places: Places) -> str:
    """Say so where whole groups can be handed to the tasks in a few ways only."""
    if not _is_whole(is_second, places):
        return ""
    n_second = len(np.unique(places[is_second]))
    ways = comb(int(places.max()) + 1, n_second)
    return f"only {ways} labellings of the blocks, p is coarse" if ways < FEW_WAYS else ""


def _right(
    folds: Sequence[_Fold], labels: Bool[np.ndarray, "trials labellings"]
) -> Bool[np.ndarray, "trials labellings"]:
    """Say which held-out trials are put on their own side, for many labellings at once."""
    right = np.zeros(labels.shape, dtype=bool)
    for fold in folds:
        own = labels[fold.train]
        n_second, n_first = own.sum(axis=0), (~own).sum(axis=0)
        with np.errstate(divide="ignore", invalid="ignore"):
            second, first = own / n_second, ~own / n_first
        weights = np.nan_to_num(second) - np.nan_to_num(first)
        middle = (_height(fold, second) - _height(fold, first)) / 2
        guess = fold.on_test @ weights > middle
        guess[:, n_first == 0] = True  # only one task to be guessed
        guess[:, n_second == 0] = False
        right[fold.test] = guess == labels[fold.test]
    return right


def _height(
    fold: _Fold, weights: Float64[np.ndarray, "train labellings"]
) -> Float64[np.ndarray, " labellings"]:
    """Estimate the squared length of a task's mean in the metric of the shrunken covariance.

    The mean's own noise lengthens it, the more the fewer groups it comes from; the variance of the
    mean over groups is subtracted. Else held-out trials would fall to the task with more training
    groups, of which the test fold has fewer: below chance.
    """
    seen = fold.on_train @ weights
    length = (weights * seen).sum(axis=0)
    member = np.zeros((int(fold.groups.max()) + 1, len(fold.groups)))
    member[fold.groups, np.arange(len(fold.groups))] = 1.0
    share = member @ weights  # of each group in its task's mean
    # the sum over groups of share^2 |group mean - mean|^2, all in products of pairs
    within = np.einsum("gt,tu,gu->g", member, fold.on_train, member) / member.sum(axis=1) ** 2
    means = member @ seen / member.sum(axis=1, keepdims=True)
    spread = (share**2 * (within[:, None] - 2 * means + length)).sum(axis=0)
    n_groups = (share > 0).sum(axis=0)
    noise = np.where(n_groups > 1, spread * n_groups / np.maximum(n_groups - 1, 1), 0.0)
    return np.asarray(length - noise)


def _balanced(
    right: Bool[np.ndarray, "trials labellings"], labels: Bool[np.ndarray, "trials labellings"]
) -> Float64[np.ndarray, " labellings"]:
    """Average the shares of both tasks' trials that are put right."""
    shares = [(right & own).sum(axis=0) / own.sum(axis=0) for own in (labels, ~labels)]
    return np.asarray((shares[0] + shares[1]) / 2)


def _relabelled(
    is_second: Labels, places: Places, n: int, seed: int
) -> Bool[np.ndarray, "trials labellings"]:
    """Draw labellings that are as likely as the true one if the tasks did not differ."""
    rng = np.random.default_rng(seed)
    of_group = [is_second[places == group] for group in range(int(places.max()) + 1)]
    if _is_whole(is_second, places):
        task = np.array([bool(own[0]) for own in of_group])
        return np.stack([rng.permutation(task)[places] for _ in range(n)], axis=1)
    shuffled = np.empty((len(is_second), n), dtype=bool)
    for group, own in enumerate(of_group):
        shuffled[places == group] = rng.permuted(np.tile(own[:, None], (1, n)), axis=0)
    return shuffled


def _spread(right: Labels, is_second: Labels, places: Places) -> tuple[float, float]:
    """Give the 95 % interval of the balanced accuracy from how groups differ (Welch's t)."""
    shares, variances, weights = [], [], []
    for task in (False, True):
        own = is_second == task
        _, at = np.unique(places[own], return_inverse=True)
        sizes, hits = np.bincount(at), np.bincount(at, weights=right[own])
        shares.append(hits.sum() / sizes.sum())
        off = (hits - shares[-1] * sizes) / sizes.mean()
        variances.append(float((off**2).sum()) / len(sizes) / (len(sizes) - 1))
        weights.append(1 / (len(sizes) - 1))
    value, total = float(np.mean(shares)), sum(variances)
    if total == 0:
        return value, value
    freedom = total**2 / sum(v**2 * w for v, w in zip(variances, weights, strict=True))
    reach = float(student.ppf(0.975, freedom)) * total**0.5 / 2
    return max(value - reach, 0.0), min(value + reach, 1.0)
