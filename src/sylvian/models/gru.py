"""The recurrent baselines of both Brain-to-Text benchmarks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

import torch
from jaxtyping import Float, Int64
from pydantic import Field, model_validator
from torch import Tensor, nn
from torch.nn import functional

from sylvian.config import Config
from sylvian.errors import ConfigError
from sylvian.models.base import Encoder, Length
from sylvian.models.dropout import drop
from sylvian.models.frontend import DayAffine, pad_rows
from sylvian.models.recurrent import run_gru
from sylvian.models.sessions import SessionSpec
from sylvian.models.smoothing import Smoother, SmootherState, SmoothingConfig


class GruConfig(Config):
    """Sizes of a GRU encoder; the defaults are the Brain-to-Text '25 baseline (dossier §3.5)."""

    kind: Literal["gru"] = "gru"
    width: int = Field(768, gt=0, description="hidden size, per direction")
    depth: int = Field(5, gt=0, description="stacked layers")
    bidirectional: bool = Field(False, description="also run backwards: needs the whole trial")
    kernel_bins: int = Field(14, gt=0, description="bins joined into one frame")
    stride_bins: int = Field(4, gt=0, description="bins from one frame to the next")
    input_dropout: float = Field(0.2, ge=0, lt=1, description="after the day layer")
    dropout: float = Field(0.4, ge=0, lt=1, description="between layers")
    learned_start: bool = Field(True, description="learn the initial hidden state")
    causal: bool = Field(False, description="see no future: smoothing uses past bins only")
    smoothing: SmoothingConfig | None = Field(SmoothingConfig(), description="null: none")

    @classmethod
    def t12(cls) -> GruConfig:
        """Give the Brain-to-Text '24 baseline, bidirectional as its PyTorch version is."""
        return cls(
            width=1024,
            bidirectional=True,
            kernel_bins=32,
            input_dropout=0.0,
            learned_start=False,
        )

    @classmethod
    def t15(cls) -> GruConfig:
        """Give the Brain-to-Text '25 baseline."""
        return cls()

    @model_validator(mode="after")
    def _causal_means_causal(self) -> GruConfig:
        if self.causal and self.bidirectional:
            raise ValueError("causal=true contradicts bidirectional=true; set one of them")
        return self

    @property
    def effective_smoothing(self) -> SmoothingConfig | None:
        """The smoothing as applied: without future bins where the encoder is causal."""
        if self.smoothing is None or not self.causal:
            return self.smoothing
        return self.smoothing.model_copy(update={"lookahead_bins": 0})


@dataclass(frozen=True, slots=True)
class GruState:
    """A trial under way.

    Attributes:
        session: Index of the recording day.
        smoother: What smoothing remembers; None without smoothing.
        waiting: Bins after the day layer that later frames still need.
        hidden: Hidden state of every layer, `layers 1 width`.
        n_frames: Frames made so far.
    """

    session: int
    smoother: SmootherState | None
    waiting: Float[Tensor, "bins channels"]
    hidden: Tensor
    n_frames: int


class Gru(Encoder):
    """Day-specific affine map and softsign, overlapping patches, stacked GRU layers.

    Args:
        config: Sizes.
        sessions: Recording days to serve, all with the same number of channels.

    Raises:
        ConfigError: sessions differ in channels; the recurrent weights fit one layout only.

    Source: Willett et al. (2023), Card et al. (2024); dossier §3.5.
    """

    config: GruConfig
    shares_layers = False

    def __init__(self, config: GruConfig, sessions: Sequence[SessionSpec]) -> None:
        super().__init__(sessions)
        self.config = config
        channels = [spec.n_channels for spec in self.sessions]
        if len(set(channels)) > 1:
            raise ConfigError(
                f"a GRU serves one channel layout, got {sorted(set(channels))} channels; "
                "train one model per participant or use the Transformer"
            )
        directions = 2 if config.bidirectional else 1
        self.width, self.frame_bins = config.width * directions, config.stride_bins
        smoothing = config.effective_smoothing
        self.smoother = None if smoothing is None else Smoother(smoothing)
        future = 0 if smoothing is None else smoothing.future_bins
        self.lookahead_bins = None if config.bidirectional else future
        self.day = DayAffine(channels)
        self.gru = _make_gru(config, channels[0] * config.kernel_bins)
        self.n_states = config.depth * directions
        self.initial = nn.Parameter(_glorot(1, config.width)) if config.learned_start else None

    def n_frames(self, n_bins: Length) -> Length:
        """Kernels that fit into the trial; a shorter trial is completed with zeros to one."""
        kernel, stride = self.config.kernel_bins, self.config.stride_bins
        if isinstance(n_bins, int):
            return max(n_bins - kernel, 0) // stride + 1
        return (n_bins - kernel).clamp(min=0) // stride + 1

    def forward(
        self,
        features: Float[Tensor, "batch bins channels"],
        n_bins: Int64[Tensor, " batch"],
        session: Int64[Tensor, " batch"],
    ) -> Float[Tensor, "batch frames width"]:
        """Encode whole trials; see `Encoder.forward`."""
        lengths, sessions = self.trial_lengths(features, n_bins, session)
        trials = [
            self._patches(self._front(trial[:length], index))
            for trial, length, index in zip(features, lengths, sessions, strict=True)
        ]
        frames = [len(trial) for trial in trials]
        rows = torch.cat(trials)
        return pad_rows(run_gru(self.gru, rows, frames, self._initial_states(rows.dtype)), frames)

    def start(self, session: int) -> GruState:
        """Begin a trial; see `Encoder.start`."""
        if self.config.bidirectional:
            raise ConfigError(
                "a bidirectional GRU needs the whole trial, so it cannot stream; "
                "train one with encoder.bidirectional=false"
            )
        n_channels = self.sessions[session].n_channels
        weight = self.day.weight[session]
        return GruState(
            session=session,
            smoother=None if self.smoother is None else self.smoother.start(n_channels),
            waiting=weight.new_zeros(0, n_channels),
            hidden=self._initial_states(weight.dtype).unsqueeze(1).contiguous(),
            n_frames=0,
        )

    def step(
        self, features: Float[Tensor, "bins channels"], state: GruState
    ) -> tuple[Float[Tensor, "frames width"], GruState]:
        """Take the next bins; see `Encoder.step`."""
        self.check_channels(features.shape[-1], state.session)
        smoother = state.smoother
        if self.smoother is not None and smoother is not None:
            features, smoother = self.smoother.step(features, smoother)
        waiting = torch.cat([state.waiting, self._by_day(features, state.session)])
        state = replace(state, smoother=smoother, waiting=waiting)
        if len(waiting) < self.config.kernel_bins:
            return waiting.new_zeros(0, self.width), state
        return self._advance(state)

    def finish(self, state: GruState) -> Float[Tensor, "frames width"]:
        """End the trial; see `Encoder.finish`."""
        if self.smoother is not None and state.smoother is not None:
            late = self._by_day(self.smoother.finish(state.smoother), state.session)
            state = replace(state, waiting=torch.cat([state.waiting, late]))
        too_short = len(state.waiting) < self.config.kernel_bins
        if len(state.waiting) == 0 or (too_short and state.n_frames):
            return state.waiting.new_zeros(0, self.width)
        return self._advance(state)[0]

    def _advance(self, state: GruState) -> tuple[Float[Tensor, "frames width"], GruState]:
        patches = self._patches(state.waiting)
        latents, hidden = self.gru(patches.unsqueeze(0), state.hidden)
        used = len(patches) * self.config.stride_bins
        done = replace(
            state,
            waiting=state.waiting[used:],
            hidden=hidden,
            n_frames=state.n_frames + len(patches),
        )
        return latents.squeeze(0), done

    def _front(self, trial: Tensor, session: int) -> Tensor:
        smooth = trial if self.smoother is None else self.smoother(trial)
        return self._by_day(smooth, session)

    def _by_day(self, trial: Tensor, session: int) -> Tensor:
        mapped = functional.softsign(self.day(trial, session))
        return drop(mapped, self.config.input_dropout, training=self.training)

    def _patches(self, trial: Float[Tensor, "bins channels"]) -> Float[Tensor, "frames inputs"]:
        if (missing := self.config.kernel_bins - len(trial)) > 0:
            trial = functional.pad(trial, (0, 0, 0, missing))
        kernel, stride = self.config.kernel_bins, self.config.stride_bins
        count = self.n_frames(len(trial))
        # Whole strides are plain copies of contiguous rows; `unfold` gathers single numbers and
        # was two fifths of a training step.
        pieces = []
        for offset in range(0, kernel, stride):
            taken = min(stride, kernel - offset)
            rows = trial[offset : offset + (count - 1) * stride + taken]
            spare = count * stride - len(rows)
            whole = functional.pad(rows, (0, 0, 0, spare)).reshape(count, stride, -1)
            pieces.append(whole[:, :taken].flatten(1))
        return torch.cat(pieces, dim=1)

    def _initial_states(self, dtype: torch.dtype) -> Float[Tensor, "states width"]:
        """Give the first hidden state of every layer and direction."""
        if self.initial is None:
            return torch.zeros(self.n_states, self.config.width, dtype=dtype, device=self.device)
        return self.initial.to(dtype).expand(self.n_states, -1)


def _make_gru(config: GruConfig, n_inputs: int) -> nn.GRU:
    """Give GRU layers with orthogonal recurrent and Glorot input weights, as both baselines."""
    gru = nn.GRU(
        n_inputs,
        config.width,
        num_layers=config.depth,
        dropout=config.dropout if config.depth > 1 else 0.0,
        bidirectional=config.bidirectional,
        batch_first=True,
    )
    for name, parameter in gru.named_parameters():
        if name.startswith("weight_hh"):
            nn.init.orthogonal_(parameter)
        elif name.startswith("weight_ih"):
            nn.init.xavier_uniform_(parameter)
    return gru


def _glorot(*shape: int) -> Tensor:
    return nn.init.xavier_uniform_(torch.empty(shape))
