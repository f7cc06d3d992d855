"""Principal components: the two directions in which a cloud of vectors is widest."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Float64

from sylvian.analyses.estimates import all_alike, checked_rows
from sylvian.errors import DataError

LEAST = 3  # rows


@dataclass(frozen=True, slots=True)
class Pca:
    """A cloud of vectors seen along its widest directions.

    Attributes:
        scores: Where each row lies.
        components: Directions, of length 1; the largest entry of each is positive.
        explained: Share of the variance along each.
        mean: What was subtracted.
    """

    scores: Float64[np.ndarray, "rows components"]
    components: Float64[np.ndarray, "components width"]
    explained: Float64[np.ndarray, " components"]
    mean: Float64[np.ndarray, " width"]


def pca(vectors: Float[np.ndarray, "rows width"], n_components: int = 2) -> Pca:
    """Find the principal components by a singular value decomposition.

    Args:
        vectors: At least `LEAST` rows.
        n_components: How many; no more than rows or dimensions.

    Raises:
        DataError: too few rows or dimensions, NaN, or all rows alike.
    """
    rows = checked_rows(vectors, "pca: vectors")
    if len(rows) < LEAST or min(rows.shape) < n_components:
        raise DataError(f"pca: {rows.shape[0]} vectors of {rows.shape[1]} numbers; needs {LEAST}")
    if all_alike(rows):
        raise DataError(f"pca: {rows.shape[0]} vectors, all alike; there is no direction to see")
    mean = rows.mean(axis=0)
    left, sizes, right = np.linalg.svd(rows - mean, full_matrices=False)
    largest = np.abs(right).argmax(axis=1)
    signs = np.sign(right[np.arange(len(right)), largest])
    scores = left * sizes * signs
    explained = sizes**2 / (sizes**2).sum()
    k = n_components
    return Pca(scores[:, :k], (right * signs[:, None])[:k], explained[:k], mean)
