"""How well bins were reconstructed: sums that add up over trials, and R² at the very end."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from sylvian.errors import ConfigError

_SUMS = ("total", "squares", "sse")
_ROUNDING = 1e-12
_AT_ONCE = 250  # resamples held in memory together


@dataclass(frozen=True, slots=True, eq=False)
class ReconstructionSums:
    """Sums over some bins (the hidden ones), channel by channel, in float64.

    Adding the sums of trials gives the sums of the data set; means and R² are derived last.

    Attributes:
        n_bins: Number of bins.
        total: Sum of the true values.
        squares: Sum of their squares.
        sse: Sum of squared errors of the reconstruction.
    """

    n_bins: int
    total: Float[np.ndarray, " channels"]
    squares: Float[np.ndarray, " channels"]
    sse: Float[np.ndarray, " channels"]

    @classmethod
    def of(
        cls, truth: Float[np.ndarray, "bins channels"], guess: Float[np.ndarray, "bins channels"]
    ) -> ReconstructionSums:
        """Compare bins with their reconstruction."""
        exact = truth.astype(np.float64)
        return cls(
            n_bins=len(exact),
            total=exact.sum(0),
            squares=(exact**2).sum(0),
            sse=((exact - guess) ** 2).sum(0),
        )

    @property
    def n_channels(self) -> int:
        """Number of channels."""
        return len(self.sse)

    @property
    def sst(self) -> Float[np.ndarray, " channels"]:
        """Squared deviations of each channel from its own mean over these bins."""
        spread: Float[np.ndarray, " channels"] = self.squares - self.total**2 / max(self.n_bins, 1)
        # What rounding leaves of a channel that never changes is not variance.
        return np.where(spread > _ROUNDING * self.squares, spread, 0.0)

    @property
    def r2(self) -> float:
        """1 − ΣSSE/ΣSST over all channels; NaN where nothing varies."""
        return pooled_r2([self])

    @property
    def channel_r2(self) -> Float[np.ndarray, " channels"]:
        """1 − SSE/SST of each channel; NaN for a channel that does not vary."""
        sst = self.sst
        ratio = np.divide(self.sse, sst, out=np.full(len(sst), np.nan), where=sst > 0)
        return np.asarray(1.0 - ratio)

    def __add__(self, other: ReconstructionSums) -> ReconstructionSums:
        if self.n_channels != other.n_channels:
            raise ConfigError(
                f"reconstructions of {self.n_channels} and {other.n_channels} channels do not add "
                "up; sum each participant or session apart and use pooled_r2"
            )
        return ReconstructionSums(
            self.n_bins + other.n_bins,
            self.total + other.total,
            self.squares + other.squares,
            self.sse + other.sse,
        )


def add_up(sums: Iterable[ReconstructionSums]) -> ReconstructionSums:
    """Add the sums of trials with the same channels.

    Raises:
        ConfigError: there is none, or they differ in channels.
    """
    known = list(sums)
    if not known:
        raise ConfigError("no trial was reconstructed; the split is empty")
    return sum(known[1:], start=known[0])


def pooled_r2(groups: Iterable[ReconstructionSums]) -> float:
    """R² over groups with different channels (participants, days), each about its own means.

    Every entry weighs the same, so a group counts by what varies in it. NaN where nothing varies.
    """
    known = list(groups)
    sst = sum(float(own.sst.sum()) for own in known)
    sse = sum(float(own.sse.sum()) for own in known)
    return 1.0 - sse / sst if sst > 0 else float("nan")


def bootstrap_r2(
    trials: Sequence[ReconstructionSums], *, seed: int = 0, n_resamples: int = 2000
) -> tuple[float, float]:
    """Give the 95 % interval of R² over trials with the same channels, drawn with replacement.

    Raises:
        ConfigError: there is no trial, or they differ in channels.
    """
    return _interval(_resampled(trials, seed, n_resamples))


def bootstrap_r2_gain(
    ours: Sequence[ReconstructionSums],
    theirs: Sequence[ReconstructionSums],
    *,
    seed: int = 0,
    n_resamples: int = 2000,
) -> tuple[float, float]:
    """Give the 95 % interval of our R² minus theirs, both drawn on the same trials each time.

    Raises:
        ConfigError: there is no trial, or the two were not judged on the same bins.
    """
    pairs = list(zip(ours, theirs, strict=False))
    if len(ours) != len(theirs) or any(one.n_bins != other.n_bins for one, other in pairs):
        raise ConfigError("the two were judged on different bins; use the same trials and masks")
    return _interval(_resampled(ours, seed, n_resamples) - _resampled(theirs, seed, n_resamples))


def _resampled(
    trials: Sequence[ReconstructionSums], seed: int, n_resamples: int
) -> Float[np.ndarray, " resamples"]:
    add_up(trials)  # refuses what does not add up
    n_bins = np.array([own.n_bins for own in trials], dtype=np.float64)
    sums = {name: np.stack([getattr(own, name) for own in trials]) for name in _SUMS}
    rng = np.random.default_rng(seed)
    chances = np.full(len(trials), 1 / len(trials))
    parts = [
        _drawn_r2(rng.multinomial(len(trials), chances, size=size), n_bins, sums)
        for size in np.diff([*range(0, n_resamples, _AT_ONCE), n_resamples])
    ]
    return np.concatenate(parts)


def _drawn_r2(
    weights: Int[np.ndarray, "resamples trials"],
    n_bins: Float[np.ndarray, " trials"],
    sums: Mapping[str, Float[np.ndarray, "trials channels"]],
) -> Float[np.ndarray, " resamples"]:
    """R² of every resample; NaN where nothing varies."""
    total, squares, sse = (weights @ sums[name] for name in _SUMS)
    spread = squares - total**2 / np.maximum(weights @ n_bins, 1)[:, None]
    sst = np.where(spread > _ROUNDING * squares, spread, 0.0).sum(1)
    ratio = np.divide(sse.sum(1), sst, out=np.full(len(sst), np.nan), where=sst > 0)
    return np.asarray(1.0 - ratio)


def _interval(draws: Float[np.ndarray, " resamples"]) -> tuple[float, float]:
    known = draws[np.isfinite(draws)]
    if len(known) == 0:
        return float("nan"), float("nan")
    low, high = np.quantile(known, [0.025, 0.975])
    return float(low), float(high)
