"""Representational similarity: do sentences that are alike in one space lie together in another?"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
from jaxtyping import Bool, Float, Float64, Int
from pydantic import Field, model_validator
from scipy.stats import rankdata

from sylvian.analyses.estimates import (
    Estimate,
    all_alike,
    checked_rows,
    interval,
    p_value,
    same_length,
)
from sylvian.analyses.permute import permuted_products
from sylvian.config import Config
from sylvian.errors import DataError
from sylvian.text import counted

LEAST = 10  # sentences; below them a correlation of distances says nothing
CHUNK = 256  # resamples whose weights are in memory at a time

PUBLISHED: Mapping[str, tuple[int, int]] = {"t12": (45, 80), "t15": (120, 200)}
"""Lengths of the sentences that the BIT paper compares, in tokens (of 100 ms, it seems)."""

Metric = Literal["cosine", "correlation", "euclidean"]
Square = Float64[np.ndarray, "items items"]


class RsaConfig(Config):
    """How distances are made and compared; the defaults are the published ones.

    Source: paper.md section 8 (10 segments, cosine, Pearson; lengths as in `PUBLISHED`). The
    published text leaves intervals and tests open.
    """

    metric: Metric = Field("cosine", description="distance of two vectors")
    method: Literal["pearson", "spearman"] = Field(
        "pearson", description="correlation of distances; spearman: of their ranks"
    )
    centre: bool = Field(False, description="subtract the mean vector of each space first")
    shortest: int | None = Field(None, ge=0, description="leave shorter sentences out, in frames")
    longest: int | None = Field(None, ge=1, description="leave longer sentences out, in frames")
    lengths: Literal["t12", "t15"] | None = Field(
        None, description="the published range: t12: 45 to 80 frames, t15: 120 to 200; null: all"
    )
    control_length: bool = Field(
        False, description="partial correlation: differences of length are regressed out"
    )
    n_permutations: int = Field(10_000, ge=100, description="random pairings, for the p-value")
    n_resamples: int = Field(1_000, ge=100, description="resamples of sentences, for the interval")

    @property
    def range(self) -> tuple[int, int | None]:
        """Shortest and longest sentence that counts, in frames; None: however long."""
        if self.lengths is not None:
            return PUBLISHED[self.lengths]
        return self.shortest or 0, self.longest

    @model_validator(mode="after")
    def _one_range(self) -> RsaConfig:
        if self.lengths is not None and (self.shortest, self.longest) != (None, None):
            raise ValueError("give a published range in `lengths`, or `shortest` and `longest`")
        low, high = self.range
        if high is not None and high < low:
            raise ValueError(f"no sentence is between {low} and {high} frames long")
        return self


@dataclass(frozen=True, slots=True)
class RsaResult:
    """How much two spaces agree about which sentences are alike.

    Attributes:
        estimate: Correlation of the distances, over pairs of distinct sentences.
        n_left_out: Sentences outside the range of lengths.
        n_pairs: Pairs compared.
        seed: Of permutations and resamples.
        config: How it was computed.
    """

    estimate: Estimate
    n_left_out: int
    n_pairs: int
    seed: int
    config: RsaConfig

    def row(self) -> dict[str, object]:
        """Give one line of a table."""
        return self.estimate.columns("r") | {
            "n_pairs": self.n_pairs,
            "n_left_out": self.n_left_out,
            "metric": self.config.metric,
            "method": self.config.method,
            "seed": self.seed,
            "note": self.estimate.note,
        }


def rsa(
    neural: Float[np.ndarray, "sentences inputs"],
    text: Float[np.ndarray, "texts width"],
    *,
    lengths: Int[np.ndarray, " lengths"] | None = None,
    config: RsaConfig | None = None,
    seed: int = 0,
) -> RsaResult:
    """Correlate the distances among sentences in two spaces.

    The p-value is one-sided: sentences are paired anew with each other's text, that is, rows and
    columns of one matrix are permuted together. The interval draws sentences with replacement;
    pairs of a sentence with itself are left out, since their distance is 0 in both spaces. Ranks
    and regressions are those of all sentences in every resample.

    Args:
        neural: A vector for each sentence, none said twice (`average_by`).
        text: A vector for each of the same sentences.
        lengths: Lengths in frames; needed to filter or to control for them.
        config: How.
        seed: Of permutations and resamples.

    Returns:
        A blank estimate where fewer than `LEAST` sentences are left or a space has no distances.

    Raises:
        DataError: not the same number of sentences, NaN, or a vector without direction.

    Source: Kriegeskorte et al. 2008; permuted residuals for the partial correlation as method 3 of
    Legendre 2000, "Comparison of permutation methods for the partial correlation".
    """
    config = config or RsaConfig()
    same_length(len(neural), len(text), "rsa: neural and text vectors")
    kept = within_lengths(lengths, len(neural), config)
    n, left_out = int(kept.sum()), int((~kept).sum())
    n_pairs = n * (n - 1) // 2
    if n < LEAST:
        said = f"{counted(n, 'sentence')}, {left_out} outside the range of lengths; needs {LEAST}"
        return RsaResult(Estimate.blank(n, said), left_out, n_pairs, seed, config)
    chosen = None if lengths is None else lengths[kept]
    pair = [
        _standard_distances(space[kept], what, chosen, config)
        for space, what in ((neural, "neural vectors"), (text, "text vectors"))
    ]
    flat = [what for what, one in zip(("neural", "text"), pair, strict=True) if one is None]
    if flat or pair[0] is None or pair[1] is None:
        estimate = Estimate.blank(n, f"the {' and '.join(flat)} distances are all alike")
    else:
        estimate = _estimate(pair[0], pair[1], config, seed)
    return RsaResult(estimate, left_out, n_pairs, seed, config)


def within_lengths(
    lengths: Int[np.ndarray, " lengths"] | None, n: int, config: RsaConfig
) -> Bool[np.ndarray, " sentences"]:
    """Mark the sentences whose length is in the range.

    Raises:
        DataError: lengths are needed and not given, or not one for each of `n` sentences.
    """
    if lengths is None:
        if config.range != (0, None) or config.control_length:
            raise DataError("rsa: lengths are to be filtered or controlled for, but none are given")
        return np.ones(n, dtype=bool)
    same_length(len(lengths), n, "rsa: lengths and sentences")
    low, high = config.range
    return np.asarray((lengths >= low) & (lengths <= (np.inf if high is None else high)))


def distances(
    vectors: Float[np.ndarray, "items width"],
    metric: Metric = "cosine",
    *,
    centre: bool = False,
    what: str = "vectors",
) -> Square:
    """Give the distance of every pair: 1 - cosine, 1 - correlation, or Euclidean.

    Raises:
        DataError: NaN, or a vector that has no direction (zero, or constant for `correlation`).
    """
    rows = checked_rows(vectors, what)
    if all_alike(rows):
        return np.zeros((len(rows), len(rows)))
    if centre:
        rows = rows - rows.mean(axis=0)
    if metric == "euclidean":
        norms = (rows**2).sum(axis=1)
        squared = norms[:, None] + norms - 2 * rows @ rows.T
        found = np.sqrt(np.maximum(squared, 0.0))
    else:
        if metric == "correlation":
            rows = rows - rows.mean(axis=1, keepdims=True)
        norms = np.linalg.norm(rows, axis=1, keepdims=True)
        if (norms <= 1e-12 * norms.max()).any():
            row = int(np.argmin(norms))
            raise DataError(f"{what}: row {row} has no direction; use metric=euclidean")
        found = 1.0 - (rows / norms) @ (rows / norms).T
    np.fill_diagonal(found, 0.0)
    return np.asarray(found)


def _standard_distances(
    vectors: Float[np.ndarray, "items width"],
    what: str,
    lengths: Int[np.ndarray, " items"] | None,
    config: RsaConfig,
) -> Square | None:
    """Give distances whose upper triangle has mean 0 and length 1; None where all are alike."""
    square = distances(vectors, config.metric, centre=config.centre, what=what)
    upper = np.triu_indices(len(square), k=1)
    values = square[upper]
    if np.ptp(values) <= 1e-12:
        return None
    controls = [np.ones_like(values)]
    if config.control_length and lengths is not None:
        controls.append(np.abs(lengths[upper[0]] - lengths[upper[1]]).astype(np.float64))
    if config.method == "spearman":
        values, controls[1:] = rankdata(values), [rankdata(one) for one in controls[1:]]
    design = np.stack(controls, axis=1)
    values = values - design @ np.linalg.lstsq(design, values, rcond=None)[0]
    norm = float(np.linalg.norm(values))
    if norm <= 1e-12 * len(values):
        return None
    standard: Square = np.zeros_like(square)
    standard[upper] = values / norm
    return np.asarray(standard + standard.T)


def _estimate(neural: Square, text: Square, config: RsaConfig, seed: int) -> Estimate:
    value = float((neural * text).sum() / 2)
    null = permuted_products(neural, text, n_permutations=config.n_permutations, seed=seed)
    low, high = interval(_resampled(neural, text, config.n_resamples, seed))
    return Estimate(value, low, high, p_value(null, value), len(neural), *interval(null))


def _resampled(
    a: Square, b: Square, n_resamples: int, seed: int
) -> Float64[np.ndarray, " resamples"]:
    """Correlate resampled distances: each pair counts as often as both its sentences were drawn.

    Weighted sums over pairs are quadratic forms of how often each sentence was drawn, so that many
    resamples are a few matrix products.
    """
    n, rng = len(a), np.random.default_rng(seed)
    stacked = np.concatenate([a, b, a * a, b * b, a * b], axis=1)
    found = []
    for start in range(0, n_resamples, CHUNK):
        size = min(CHUNK, n_resamples - start)
        drawn = rng.multinomial(n, np.full(n, 1 / n), size=size).astype(np.float64)
        sums = ((drawn @ stacked).reshape(size, 5, n) * drawn[:, None]).sum(axis=2)
        n_pairs = n**2 - (drawn**2).sum(axis=1)
        mean_a, mean_b, aa, bb, ab = (sums / n_pairs[:, None]).T
        spread = (aa - mean_a**2) * (bb - mean_b**2)
        with np.errstate(invalid="ignore", divide="ignore"):
            found.append((ab - mean_a * mean_b) / np.sqrt(np.where(spread > 0, spread, np.nan)))
    return np.concatenate(found)
