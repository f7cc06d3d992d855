"""From bins to encoder inputs: smoothing, patching, the day's affine map and the read-in."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby

import torch
from jaxtyping import Float
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

from sylvian.config import Config

_BLOCK_BINS = 64


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
        n_bins, n_channels = features.shape
        n_blocks = -(-n_bins // _BLOCK_BINS)
        padded = features.new_zeros(self.past + n_blocks * _BLOCK_BINS + self.future, n_channels)
        padded[self.past : self.past + n_bins] = features
        # Overlapping windows times one banded matrix: no transposes, which a convolution needs.
        windows = padded.as_strided(
            (n_blocks, self.band.shape[1], n_channels), (_BLOCK_BINS * n_channels, n_channels, 1)
        )
        with torch.autocast(features.device.type, enabled=False):
            smooth: Tensor = torch.matmul(self.band, windows).reshape(-1, n_channels)[:n_bins]
        return smooth / self._share(n_bins).unsqueeze(1)

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


class DayAffine(nn.Module):
    """One affine map of the channels for each recording day, the identity at first.

    Source: the day-specific input layers of Willett et al. (2023) and Card et al. (2024).
    """

    def __init__(self, n_channels: Sequence[int]) -> None:
        super().__init__()
        self.weight = nn.ParameterList(torch.eye(size) for size in n_channels)
        self.bias = nn.ParameterList(torch.zeros(size) for size in n_channels)

    def forward(
        self, features: Float[Tensor, "bins channels"], session: int
    ) -> Float[Tensor, "bins channels"]:
        """Apply the map of `session` to one trial."""
        return functional.linear(features, self.weight[session], self.bias[session])


class ReadIn(nn.Module):
    """LayerNorm, linear map to the shared width, LayerNorm (dossier §3.1).

    The first normalisation's scale and shift are folded into the linear map: the same function of
    the same parameters, but the gradient never has to travel back to the wide input.
    """

    def __init__(self, n_inputs: int, width: int) -> None:
        super().__init__()
        self.norm_in = nn.LayerNorm(n_inputs)
        self.linear = nn.Linear(n_inputs, width)
        self.norm_out = nn.LayerNorm(width)

    def forward(self, patches: Float[Tensor, "rows inputs"]) -> Float[Tensor, "rows width"]:
        """Map patches to latents."""
        norm, linear = self.norm_in, self.linear
        weight = linear.weight * norm.weight
        bias = linear.bias + (linear.weight * norm.bias).sum(1)
        flat = functional.layer_norm(patches, norm.normalized_shape, eps=norm.eps)
        mapped: Tensor = self.norm_out(functional.linear(flat, weight, bias))
        return mapped


class ReadIns(nn.Module):
    """One read-in per participant or per session, chosen trial by trial.

    Args:
        n_inputs: Patch sizes, one per read-in.
        width: Size of the shared space.
        of_session: Which read-in each session uses.
    """

    def __init__(self, n_inputs: Sequence[int], *, width: int, of_session: Sequence[int]) -> None:
        super().__init__()
        self.maps = nn.ModuleList(ReadIn(size, width) for size in n_inputs)
        self.of_session = tuple(of_session)

    def forward(
        self, patches: Float[Tensor, "rows inputs"], lengths: Sequence[int], sessions: Sequence[int]
    ) -> Float[Tensor, "rows width"]:
        """Map packed patches; neighbouring trials with the same read-in go in one product."""
        runs = groupby(
            zip(sessions, lengths, strict=True), key=lambda pair: self.of_session[pair[0]]
        )
        chosen = [(read_in, sum(length for _, length in run)) for read_in, run in runs]
        pieces = torch.split(patches, [length for _, length in chosen])
        mapped = [self.maps[at](piece) for (at, _), piece in zip(chosen, pieces, strict=True)]
        return mapped[0] if len(mapped) == 1 else torch.cat(mapped)


def patch_rows(
    trials: Sequence[Float[Tensor, "_ channels"]], patch_bins: int
) -> Float[Tensor, "rows inputs"]:
    """Cut trials into patches, one row each, trial after trial; channels vary fastest in a row.

    A trial's last patch is completed with zeros, the mean of z-scored features.
    """
    n_channels = trials[0].shape[1]
    pieces: list[Tensor] = []
    for trial in trials:
        pieces.append(trial)
        if missing := -len(trial) % patch_bins:
            pieces.append(trial.new_zeros(missing, n_channels))
    return torch.cat(pieces).view(-1, patch_bins * n_channels)


def pad_rows(
    rows: Float[Tensor, "rows width"], lengths: Sequence[int]
) -> Float[Tensor, "batch frames width"]:
    """Lay packed rows out as a zero-padded batch."""
    return nn.utils.rnn.pad_sequence(list(torch.split(rows, list(lengths))), batch_first=True)
