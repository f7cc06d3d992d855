"""Count, mean and squared deviations per channel, which add up over trials without the trials."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import reduce

import numpy as np
from jaxtyping import Bool, Float, Float64

# A channel whose spread is this small beside its mean is constant: float32 carries no more digits.
_FLAT = 1e-6


@dataclass(frozen=True, slots=True)
class Moments:
    """First two moments of the bins of one or more trials.

    Attributes:
        n: Number of bins; a real number where older bins weigh less.
        mean: Mean of each channel.
        m2: Summed squared deviation of each channel from its mean.
    """

    n: float
    mean: Float64[np.ndarray, " channels"]
    m2: Float64[np.ndarray, " channels"]

    @classmethod
    def of(cls, features: Float[np.ndarray, "bins channels"]) -> Moments:
        """Measure one trial, in double precision."""
        mean = features.mean(axis=0, dtype=np.float64)
        deviation = features - mean
        return cls(float(len(features)), mean, np.einsum("bc,bc->c", deviation, deviation))

    @classmethod
    def none(cls, n_channels: int) -> Moments:
        """Stand for no bins at all."""
        return cls(0.0, np.zeros(n_channels), np.zeros(n_channels))

    def __add__(self, other: Moments) -> Moments:
        """Pool two sets of bins (Chan, Golub & LeVeque 1983, eq. 2.1)."""
        n = self.n + other.n
        if not n:
            return self
        shift = other.mean - self.mean
        mean = self.mean + shift * (other.n / n)
        return Moments(n, mean, self.m2 + other.m2 + shift**2 * (self.n * other.n / n))

    def faded(self, factor: float) -> Moments:
        """Let the bins weigh `factor` times as much (0 to 1)."""
        return Moments(self.n * factor, self.mean, self.m2 * factor)

    def gain(self, epsilon: float) -> Float64[np.ndarray, " channels"]:
        """Return 1 / (standard deviation + epsilon), and 0 for a channel that never changes.

        A constant channel says nothing, so its z-score is zero, not the rounding error of its mean
        divided by epsilon.
        """
        flat = self.is_flat
        return np.where(flat, 0.0, 1.0 / np.where(flat, 1.0, self._std + epsilon))

    @property
    def is_flat(self) -> Bool[np.ndarray, " channels"]:
        """Whether each channel never changes."""
        return np.asarray(self._std <= _FLAT * np.abs(self.mean))

    @property
    def _std(self) -> Float64[np.ndarray, " channels"]:
        return np.asarray(np.sqrt(self.m2 / (self.n or 1.0)))


def pooled(parts: Iterable[Moments], n_channels: int) -> Moments:
    """Pool the bins of several trials."""
    return reduce(Moments.__add__, parts, Moments.none(n_channels))
