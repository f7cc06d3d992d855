"""Linear centred kernel alignment: how much of one space is a rotation of another."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Float64, Int64
from scipy.stats import t as student

from sylvian.analyses.estimates import (
    NAN,
    Estimate,
    all_alike,
    checked_rows,
    interval,
    p_value,
    same_length,
)
from sylvian.analyses.permute import permuted_products

LEAST = 10  # items
GROUPS = 20  # of items that the jackknife leaves out in turn

Rows = Float[np.ndarray, "_ _"]
Square = Float64[np.ndarray, "items items"]


@dataclass(frozen=True, slots=True)
class CkaTable:
    """Every layer of one model against every layer of another, on the same items.

    Attributes:
        rows: Names of the first model's layers.
        columns: Names of the second model's layers.
        estimates: One for each pair, row by row.
        debiased: Whether the estimator without the bias of few items was used.
        n: Items.
        seed: Of the permutations and the jackknife's groups.
    """

    rows: tuple[str, ...]
    columns: tuple[str, ...]
    estimates: tuple[tuple[Estimate, ...], ...]
    debiased: bool
    n: int
    seed: int

    @property
    def values(self) -> Float64[np.ndarray, "rows columns"]:
        """The alignments; NaN where there is none."""
        return np.array([[one.value for one in row] for row in self.estimates])

    def table_rows(self) -> list[dict[str, object]]:
        """Give a line for each pair of layers."""
        return [
            {
                "layer": first,
                "other": second,
                "cka": one.value,
                "low": one.low,
                "high": one.high,
                "p": one.p,
                "n": one.n,
                "seed": self.seed,
                "note": one.note,
            }
            for first, own in zip(self.rows, self.estimates, strict=True)
            for second, one in zip(self.columns, own, strict=True)
        ]


def cka(
    x: Rows, y: Rows, *, debiased: bool = True, n_permutations: int = 1_000, seed: int = 0
) -> Estimate:
    """Align two spaces; see `cka_layers`."""
    table = cka_layers(
        {"x": x}, {"y": y}, debiased=debiased, n_permutations=n_permutations, seed=seed
    )
    return table.estimates[0][0]


def cka_layers(
    first: Mapping[str, Rows],
    second: Mapping[str, Rows],
    *,
    debiased: bool = True,
    n_permutations: int = 200,
    seed: int = 0,
) -> CkaTable:
    """Align every layer of one model with every layer of another.

    1 where one space is the other rotated and scaled. The debiased value is near 0 for unrelated
    spaces; the plain one is not unless there are many more items than dimensions. The interval is a
    jackknife over `GROUPS` groups of items (Student's t); the p-value pairs items at random.

    Args:
        first: A matrix for each layer, one row an item.
        second: Of the same items in the same order.
        debiased: Use the unbiased estimator of the dependence.
        n_permutations: Random pairings.
        seed: Of the permutations and the groups.

    Returns:
        Blank estimates where there are fewer than `LEAST` items or a layer is constant.

    Raises:
        DataError: NaN, or not the same number of items.

    Source: Kornblith et al. 2019 (linear CKA); Song et al. 2012, Nguyen et al. 2021 (debiased).
    """
    sizes = [len(values) for values in (*first.values(), *second.values())]
    n = sizes[0]
    for size in sizes:
        same_length(n, size, "cka: items of two layers")
    names = f"{', '.join(first)} against {', '.join(second)}"
    if n < LEAST:
        blank = Estimate.blank(n, f"{n} items; needs {LEAST} ({names})")
        blanks = tuple(tuple(blank for _ in second) for _ in first)
        return CkaTable(tuple(first), tuple(second), blanks, debiased, n, seed)
    grams = [[_gram(values, name) for name, values in one.items()] for one in (first, second)]
    everyone, *partly = (
        _alignments(grams[0], grams[1], kept, debiased=debiased) for kept in _groups(n, seed)
    )
    estimates = tuple(
        tuple(
            _estimate(
                float(everyone[i, j]),
                np.array([one[i, j] for one in partly]),
                _null(own, other, n_permutations, seed, debiased=debiased),
                n,
            )
            for j, other in enumerate(grams[1])
        )
        for i, own in enumerate(grams[0])
    )
    return CkaTable(tuple(first), tuple(second), estimates, debiased, n, seed)


def centred_gram(gram: Square, *, debiased: bool) -> Square:
    """Centre the products of all pairs, so that the sum of two such matrices' products is HSIC.

    Args:
        gram: Symmetric.
        debiased: Leave the diagonal out ("U-centring"), which makes the sum unbiased.
    """
    n = len(gram)
    if not debiased:
        means = gram.mean(axis=0)
        return np.asarray(gram - means - means[:, None] + means.mean())
    hollow = gram - np.diag(np.diagonal(gram))
    sums = hollow.sum(axis=0) / (n - 2)
    centred = hollow - sums - sums[:, None] + hollow.sum() / ((n - 1) * (n - 2))
    np.fill_diagonal(centred, 0.0)
    return np.asarray(centred)


def _gram(values: Rows, name: str) -> Square:
    """Give the products of all pairs of items, all 0 where the space is constant."""
    rows = checked_rows(values, f"layer {name}")
    if all_alike(rows):
        return np.zeros((len(rows), len(rows)))
    rows = rows - rows.mean(axis=0)
    gram: Square = rows @ rows.T
    return gram


def _groups(n: int, seed: int) -> list[Int64[np.ndarray, " kept"]]:
    """Name the items that stay when each group is left out in turn; first: all stay."""
    order = np.random.default_rng(seed).permutation(n)
    parts = np.array_split(order, min(GROUPS, n))
    return [np.arange(n), *(np.setdiff1d(np.arange(n), part) for part in parts)]


def _alignments(
    first: Sequence[Square],
    second: Sequence[Square],
    kept: Int64[np.ndarray, " kept"],
    *,
    debiased: bool,
) -> Float64[np.ndarray, "rows columns"]:
    """Align all pairs of layers on some of the items; NaN where one is constant."""
    units = [
        np.stack([_unit(gram[np.ix_(kept, kept)], debiased=debiased).ravel() for gram in grams])
        for grams in (first, second)
    ]
    return np.asarray(units[0] @ units[1].T)


def _unit(gram: Square, *, debiased: bool) -> Square:
    centred = centred_gram(gram, debiased=debiased)
    norm = float(np.linalg.norm(centred))
    return centred / norm if norm > 0 else np.full_like(centred, NAN)


def _estimate(
    value: float,
    left_out: Float64[np.ndarray, " groups"],
    null: Float64[np.ndarray, " permutations"],
    n: int,
) -> Estimate:
    if np.isnan(value):
        return Estimate.blank(n, "a layer is constant")
    spread = np.sqrt((len(left_out) - 1) * np.mean((left_out - left_out.mean()) ** 2))
    reach = float(spread * student.ppf(0.975, len(left_out) - 1))
    ends = max(value - reach, -1.0), min(value + reach, 1.0)
    return Estimate(value, *ends, p_value(null, value), n, *interval(null))


def _null(
    own: Square, other: Square, n_permutations: int, seed: int, *, debiased: bool
) -> Float64[np.ndarray, " permutations"]:
    """Align randomly paired items; a pairing permutes rows and columns of one matrix."""
    a, b = _unit(own, debiased=debiased), _unit(other, debiased=debiased)
    if debiased:  # no diagonal
        return 2 * permuted_products(a, b, n_permutations=n_permutations, seed=seed)
    rng = np.random.default_rng(seed)
    orders = (rng.permutation(len(a)) for _ in range(n_permutations))
    return np.array([np.vdot(a, b[np.ix_(order, order)]) for order in orders])
