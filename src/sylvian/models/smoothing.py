"""Gaussian smoothing along time, for whole trials and bin by bin."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

from sylvian.config import Config

_BLOCK_BINS = 16


class SmoothingConfig(Config):
    """Gaussian smoothing along time, in training and at inference alike."""

    std_bins: float = Field(2.0, gt=0, description="kernel width; 2 bins are 40 ms")
    lookahead_bins: int | None = Field(
        None, ge=0, description="bins of future the kernel sees; null: symmetric, 3 std"
    )

    @property
    def past_bins(self) -> int:
        """Bins of past the kernel sees: three standard deviations."""
        return math.ceil(3 * self.std_bins)

    @property
    def future_bins(self) -> int:
        """Bins of future the kernel sees."""
        limit = self.past_bins
        return limit if self.lookahead_bins is None else min(self.lookahead_bins, limit)


@dataclass(frozen=True, slots=True)
class SmootherState:
    """What a stream of bins has to remember.

    Attributes:
        recent: Raw bins still needed, oldest first.
        n_done: How many of `recent` were smoothed already.
    """

    recent: Float[Tensor, "bins channels"]
    n_done: int


class Smoother(nn.Module):
    """Smooth each channel along time with a truncated Gaussian.

    Bins outside the trial count as missing: the kernel is renormalised over the bins that exist.
    At the published sizes: standard deviation 2 bins, 13 taps.

    Source: dossier §2 item 1. Why here: reference code smooths padding into the last bins, and
    differently in training, evaluation and real time; a layer that sees one trial cannot.
    """

    def __init__(self, config: SmoothingConfig) -> None:
        super().__init__()
        self.past, self.future = config.past_bins, config.future_bins
        offsets = torch.arange(-self.past, self.future + 1, dtype=torch.float64)
        kernel = torch.exp(-0.5 * (offsets / config.std_bins) ** 2)
        self.register_buffer("kernel", (kernel / kernel.sum()).float(), persistent=False)
        self.register_buffer("band", _band(self.kernel, _BLOCK_BINS), persistent=False)

    kernel: Tensor
    band: Tensor

    def forward(self, features: Float[Tensor, "bins channels"]) -> Float[Tensor, "bins channels"]:
        """Smooth one whole trial (float32)."""
        n_bins = len(features)
        smooth = self._slide(features.unsqueeze(0))[0]
        head = min(self.past, n_bins)
        tail = max(head, n_bins - self.future)
        share = self._share(n_bins).unsqueeze(1)
        smooth[:head] /= share[:head]
        smooth[tail:] /= share[tail:]
        return smooth

    def visible(
        self, features: Float[Tensor, "bins channels"], hidden: Bool[Tensor, " bins"]
    ) -> Float[Tensor, "bins channels"]:
        """Smooth one whole trial as if the hidden bins had never been recorded.

        The kernel is renormalised over the visible bins; where it reaches none the result is 0. No
        value of a hidden bin, NaN included, enters any result.
        """
        shown: Tensor = self(features.masked_fill(hidden.unsqueeze(1), 0.0))
        mass: Tensor = self((~hidden).to(features.dtype).unsqueeze(1))
        return shown / mass.clamp(min=torch.finfo(mass.dtype).tiny)

    def visible_together(
        self, features: Float[Tensor, "batch bins channels"], absent: Bool[Tensor, "batch bins"]
    ) -> Float[Tensor, "batch bins channels"]:
        """Smooth a padded batch as `forward` and `visible` do each of its trials, in a few kernels.

        Args:
            features: Trials; what absent bins hold does not matter.
            absent: Which bins are hidden or padding.
        """
        shown = self._slide(features.masked_fill(absent.unsqueeze(2), 0.0))
        mass = self._slide((~absent).to(features.dtype).unsqueeze(2))
        return shown / mass.clamp(min=torch.finfo(mass.dtype).tiny)

    def _slide(
        self, features: Float[Tensor, "batch bins channels"]
    ) -> Float[Tensor, "batch bins channels"]:
        """Smooth as if there were zeros around (float32)."""
        n_trials, n_bins, n_channels = features.shape
        n_blocks = -(-n_bins // _BLOCK_BINS)
        n_padded = self.past + n_blocks * _BLOCK_BINS + self.future
        padded = features.new_zeros(n_trials, n_padded, n_channels)
        padded[:, self.past : self.past + n_bins] = features
        # Overlapping windows times one banded matrix: no transposes, which a convolution needs.
        windows = padded.as_strided(
            (n_trials, n_blocks, self.band.shape[1], n_channels),
            (n_padded * n_channels, _BLOCK_BINS * n_channels, n_channels, 1),
        )
        with torch.autocast(features.device.type, enabled=False):
            blocks = torch.matmul(self.band, windows)
        return blocks.reshape(n_trials, -1, n_channels)[:, :n_bins]

    def _share(self, n_bins: int) -> Float[Tensor, " bins"]:
        """How much of the kernel's mass falls inside the trial, for every bin."""
        cumulative = functional.pad(self.kernel.cumsum(0), (1, 0))
        bins = torch.arange(n_bins, device=self.kernel.device)
        first = (self.past - bins).clamp(min=0)
        last = (self.past + n_bins - bins).clamp(max=len(self.kernel))
        return cumulative[last] - cumulative[first]

    def start(self, n_channels: int) -> SmootherState:
        """Begin a trial that arrives in pieces."""
        return SmootherState(self.kernel.new_zeros(0, n_channels), 0)

    def step(
        self, features: Float[Tensor, "bins channels"], state: SmootherState
    ) -> tuple[Float[Tensor, "ready channels"], SmootherState]:
        """Take more bins; returns those whose future is complete, smoothed, and a new state."""
        recent = torch.cat([state.recent, features])
        ready = len(recent) - self.future
        if ready <= state.n_done:
            return features[:0], SmootherState(recent, state.n_done)
        smooth = self(recent)[state.n_done : ready]
        forgotten = max(0, ready - self.past)
        return smooth, SmootherState(recent[forgotten:], ready - forgotten)

    def finish(self, state: SmootherState) -> Float[Tensor, "ready channels"]:
        """Smooth the bins still waiting: there is no more future."""
        if len(state.recent) == state.n_done:
            return state.recent[:0]
        rest: Tensor = self(state.recent)[state.n_done :]
        return rest


def _band(kernel: Tensor, n_rows: int) -> Tensor:
    band = kernel.new_zeros(n_rows, n_rows + len(kernel) - 1)
    for row in range(n_rows):
        band[row, row : row + len(kernel)] = kernel
    return band
