"""From latents of any length to one vector: a trial's, a sentence's."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Float32, Float64

from sylvian.analyses.estimates import same_length
from sylvian.errors import DataError


def segment_vector(
    latents: Float[np.ndarray, "frames width"], n_segments: int
) -> Float32[np.ndarray, " inputs"]:
    """Cut a trial into equally long segments, average each, and join the averages.

    A frame on the border of two segments counts to both by its share, so that trials of every
    length are cut alike, also those with fewer frames than segments.

    Args:
        latents: One trial.
        n_segments: The published number is 10; 1 is the mean over time.

    Raises:
        DataError: the trial has no frames.

    Source: paper.md section 8.
    """
    n_frames = len(latents)
    if n_frames == 0:
        raise DataError("a trial without frames has no vector; leave it out")
    sums = np.zeros((n_frames + 1, latents.shape[1]))
    np.cumsum(latents, axis=0, dtype=np.float64, out=sums[1:])
    edges = np.linspace(0, n_frames, n_segments + 1)
    whole = np.minimum(edges.astype(np.int64), n_frames - 1)
    at = sums[whole] + (edges - whole)[:, None] * (sums[whole + 1] - sums[whole])
    means: Float64[np.ndarray, "segments width"] = np.diff(at, axis=0) * (n_segments / n_frames)
    return means.astype(np.float32).ravel()


def average_by(
    vectors: Float[np.ndarray, "rows width"], names: Sequence[str]
) -> tuple[tuple[str, ...], Float32[np.ndarray, "names width"]]:
    """Average the rows of equal name: what was said several times counts once.

    Returns:
        The names, sorted, and their mean vectors.

    Raises:
        DataError: not as many names as rows.
    """
    same_length(len(vectors), len(names), "average: rows and names")
    found, places = np.unique(np.asarray(names), return_inverse=True)
    sums = np.zeros((len(found), vectors.shape[1]))
    np.add.at(sums, places, vectors)
    means = sums / np.bincount(places, minlength=len(found))[:, None]
    return tuple(str(name) for name in found), means.astype(np.float32)
