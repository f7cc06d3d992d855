"""The BIT Transformer: patches of 100 ms, pre-norm blocks, rotary positions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal, cast

import torch
from jaxtyping import Bool, Float, Int64
from pydantic import Field, model_validator
from torch import Tensor, nn
from torch.nn import functional

from sylvian.config import Config
from sylvian.errors import ConfigError
from sylvian.models import frontend
from sylvian.models.attention import Attention, Context, KeyValueCache, Layout
from sylvian.models.base import Encoder, Length
from sylvian.models.dropout import drop
from sylvian.models.frontend import DayAffine, ReadIns, pad_rows, round_up, standard_patches
from sylvian.models.masking import span_mask
from sylvian.models.rotary import Rotary
from sylvian.models.sessions import LayersPer, SessionSpec, layers_of
from sylvian.models.smoothing import Smoother, SmootherState, SmoothingConfig


class TransformerConfig(Config):
    """Sizes of the BIT encoder; the defaults are the published ones (dossier §3.1, Table 10)."""

    kind: Literal["transformer"] = "transformer"
    width: int = Field(384, gt=0, description="size of a latent")
    depth: int = Field(7, gt=0, description="number of blocks")
    heads: int = Field(6, gt=0, description="attention heads")
    head_width: int = Field(64, gt=0, multiple_of=2, description="size of a head")
    feedforward: int = Field(512, gt=0, description="hidden size of a block's MLP")
    patch_bins: int = Field(5, gt=0, description="bins joined into one frame")
    input_dropout: float = Field(0.2, ge=0, lt=1, description="after the read-in")
    attention_dropout: float = Field(0.4, ge=0, lt=1, description="on weights and heads' outputs")
    feedforward_dropout: float = Field(0.4, ge=0, lt=1, description="at the end of a block's MLP")
    mask_ratio: float = Field(0.0, ge=0, lt=1, description="share of frames hidden in training")
    mask_max_span: int = Field(15, gt=0, description="longest hidden span in frames")
    causal: bool = Field(False, description="see no future: neither attention nor smoothing")
    context_backward: int | None = Field(None, ge=0, description="frames of past; null: all")
    context_forward: int | None = Field(None, ge=0, description="frames of future; null: all")
    rope_base: float = Field(10_000.0, gt=0, description="slowest rotary wavelength over 2π, bins")
    rescale: bool = Field(True, description="Fixup-like shrinking of the initial weights")
    read_in: LayersPer = Field("participant", description="one read-in per")
    day_affine: bool = Field(False, description="a day-specific affine map before patching")
    smoothing: SmoothingConfig | None = Field(SmoothingConfig(), description="null: none")

    @model_validator(mode="after")
    def _causal_means_causal(self) -> TransformerConfig:
        if self.causal and self.context_forward:
            raise ValueError("causal=true contradicts context_forward; set one of them")
        return self

    @property
    def context(self) -> Context:
        """How far attention looks in each block."""
        return Context(self.context_backward, 0 if self.causal else self.context_forward)

    @property
    def effective_smoothing(self) -> SmoothingConfig | None:
        """The smoothing as applied: without future bins where the encoder is causal."""
        if self.smoothing is None or not self.causal:
            return self.smoothing
        return self.smoothing.model_copy(update={"lookahead_bins": 0})


class Block(nn.Module):
    """Pre-norm attention and MLP, each added to the residual stream."""

    def __init__(self, config: TransformerConfig) -> None:
        super().__init__()
        self.attention_norm = nn.LayerNorm(config.width)
        self.attention = Attention(
            config.width,
            heads=config.heads,
            head_width=config.head_width,
            dropout=config.attention_dropout,
        )
        self.mlp_norm = nn.LayerNorm(config.width)
        self.up_proj = nn.Linear(config.width, config.feedforward)
        self.down_proj = nn.Linear(config.feedforward, config.width)
        self.dropout, self.context = config.feedforward_dropout, config.context

    def forward(
        self, rows: Float[Tensor, "rows width"], layout: Layout
    ) -> Float[Tensor, "rows width"]:
        """Transform packed trials."""
        rows = rows + self.attention(self.attention_norm(rows), layout).to(rows.dtype)
        return rows + self._mlp(rows).to(rows.dtype)

    def step(
        self, rows: Float[Tensor, "rows width"], cache: KeyValueCache, *, table: Tensor
    ) -> tuple[Float[Tensor, "rows width"], KeyValueCache]:
        """Transform the next frames of one trial given the past ones' keys and values."""
        heard, cache = self.attention.step(
            self.attention_norm(rows), cache, table=table, context=self.context
        )
        rows = rows + heard
        return rows + self._mlp(rows), cache

    @torch.no_grad()
    def rescale(self, scale: float) -> None:
        """Shrink the initial weights of both branches."""
        self.attention.qkv_proj.weight.chunk(3)[2].mul_(scale * 2**0.5)
        for layer in (self.attention.out_proj, self.up_proj, self.down_proj):
            layer.weight.mul_(scale)

    def _mlp(self, rows: Float[Tensor, "rows width"]) -> Float[Tensor, "rows width"]:
        hidden = functional.gelu(self.up_proj(self.mlp_norm(rows)))
        return drop(self.down_proj(hidden), self.dropout, training=self.training)


@dataclass(frozen=True, slots=True)
class TransformerState:
    """A trial under way.

    Attributes:
        session: Index of the recording day.
        smoother: What smoothing remembers; None without smoothing.
        waiting: Smoothed bins that do not yet fill a patch.
        caches: Keys and values of each block, no longer than its context.
        n_frames: Frames made so far.
    """

    session: int
    smoother: SmootherState | None
    waiting: Float[Tensor, "bins channels"]
    caches: tuple[KeyValueCache, ...]
    n_frames: int


class Transformer(Encoder):
    """BIT's encoder (arXiv 2511.21740; dossier §3.1), running on packed trials.

    Args:
        config: Sizes.
        sessions: Recording days to serve.
    """

    config: TransformerConfig

    def __init__(self, config: TransformerConfig, sessions: Sequence[SessionSpec]) -> None:
        super().__init__(sessions, per=config.read_in)
        self.config = config
        self.width, self.frame_bins = config.width, config.patch_bins
        smoothing = config.effective_smoothing
        self.smoother = None if smoothing is None else Smoother(smoothing)
        self.lookahead_bins = _lookahead(config, 0 if smoothing is None else smoothing.future_bins)
        self.shares_layers = config.read_in in ("participant", "corpus") and not config.day_affine
        channels = [spec.n_channels for spec in self.sessions]
        self.day = DayAffine(channels) if config.day_affine else None
        self.read_ins = _read_ins(config, self.sessions)
        self.mask_token = nn.Parameter(torch.randn(config.width))
        self.rotary = Rotary(config.head_width, base=config.rope_base)
        self.blocks = nn.ModuleList(Block(config) for _ in range(config.depth))
        self.norm = nn.LayerNorm(config.width)
        if config.rescale:
            # Dossier §3.1, Fixup-like: residual branches start smaller the deeper the stack.
            for block in self._blocks():
                block.rescale(0.67 * config.depth**-0.25)

    def trunk_parameters(self) -> list[nn.Parameter]:
        """The parameters that do not depend on whose recording it is."""
        return [self.mask_token, *self.blocks.parameters(), *self.norm.parameters()]

    def trunk_names(self) -> tuple[str, ...]:
        """What `state_dict` calls the trunk's parameters."""
        trunk = {id(parameter) for parameter in self.trunk_parameters()}
        return tuple(name for name, own in self.named_parameters() if id(own) in trunk)

    def n_frames(self, n_bins: Length) -> Length:
        """Patches needed to hold every bin."""
        return -(-n_bins // self.frame_bins)

    def forward(
        self,
        features: Float[Tensor, "batch bins channels"],
        n_bins: Int64[Tensor, " batch"],
        session: Int64[Tensor, " batch"],
    ) -> Float[Tensor, "batch frames width"]:
        """Encode whole trials; see `Encoder.forward`."""
        return self._encode(features, n_bins, session, None)

    def encode_masked(
        self,
        features: Float[Tensor, "batch bins channels"],
        n_bins: Int64[Tensor, " batch"],
        session: Int64[Tensor, " batch"],
        hidden: Bool[Tensor, " rows"],
    ) -> Float[Tensor, "batch frames width"]:
        """Encode whole trials, some frames of which are hidden.

        The bins of hidden frames are missing before anything is computed, smoothing included, and
        the mask token takes their frames' places: no latent depends on what they held.

        Args:
            features: As for `forward`.
            n_bins: As for `forward`.
            session: As for `forward`.
            hidden: Which frames to hide, trial after trial, without padding.

        Source: dossier §3.2. Why here: the reference smooths before it masks, so that visible
        patches give the hidden bins away (§9.2).
        """
        return self._encode(features, n_bins, session, hidden)

    def _encode(
        self, features: Tensor, n_bins: Tensor, session: Tensor, hidden: Tensor | None
    ) -> Float[Tensor, "batch frames width"]:
        lengths, sessions = self.trial_lengths(features, n_bins, session)
        frames = [self.n_frames(length) for length in lengths]
        patches = self._patches(features, lengths, sessions, hidden)
        rows = self._embed(patches, frames, sessions, hidden)
        longest = max(frames)
        unseen = self.config.context.hidden(longest, device=rows.device)
        layout = Layout(frames, self._table(0, longest), unseen, self.config.context.causal)
        for block in self._blocks():
            rows = block(rows, layout)
        return pad_rows(self.norm(rows), frames)

    def start(self, session: int) -> TransformerState:
        """Begin a trial; see `Encoder.start`."""
        if self.config.context.forward != 0:
            raise ConfigError(
                "this Transformer attends to the future, so it cannot stream; "
                "train one with encoder.causal=true (or context_forward=0)"
            )
        n_channels = self.sessions[session].n_channels
        return TransformerState(
            session=session,
            smoother=None if self.smoother is None else self.smoother.start(n_channels),
            waiting=self.mask_token.new_zeros(0, n_channels),
            caches=tuple(block.attention.start() for block in self._blocks()),
            n_frames=0,
        )

    def step(
        self, features: Float[Tensor, "bins channels"], state: TransformerState
    ) -> tuple[Float[Tensor, "frames width"], TransformerState]:
        """Take the next bins; see `Encoder.step`."""
        self.check_channels(features.shape[-1], state.session)
        smoother = state.smoother
        if self.smoother is not None and smoother is not None:
            features, smoother = self.smoother.step(features, smoother)
        waiting = torch.cat([state.waiting, self._by_day(features, state.session)])
        full = len(waiting) - len(waiting) % self.frame_bins
        state = replace(state, smoother=smoother, waiting=waiting[full:])
        return self._advance(waiting[:full], state)

    def finish(self, state: TransformerState) -> Float[Tensor, "frames width"]:
        """End the trial; see `Encoder.finish`."""
        rest = state.waiting
        if self.smoother is not None and state.smoother is not None:
            late = self.smoother.finish(state.smoother)
            rest = torch.cat([rest, self._by_day(late, state.session)])
        return self._advance(rest, state)[0]

    def _advance(
        self, bins: Float[Tensor, "bins channels"], state: TransformerState
    ) -> tuple[Float[Tensor, "frames width"], TransformerState]:
        if len(bins) == 0:
            return self.mask_token.new_zeros(0, self.width), state
        count = self.n_frames(len(bins))
        patches = [standard_patches(bins, self.frame_bins)]
        rows = self._embed(patches, [count], [state.session])[:count]
        table = self._table(state.n_frames, count)
        caches: list[KeyValueCache] = []
        for block, cache in zip(self._blocks(), state.caches, strict=True):
            rows, cache = block.step(rows, cache, table=table)
            caches.append(cache)
        done = replace(state, caches=tuple(caches), n_frames=state.n_frames + count)
        return self.norm(rows), done

    def _table(self, first: int, count: int) -> Float[Tensor, "2 2 1 frames head_width"]:
        frame = torch.arange(first, first + count, device=self.device)
        return self.rotary.table((frame * self.frame_bins).float())

    def _patches(
        self, features: Tensor, lengths: list[int], sessions: list[int], hidden: Tensor | None
    ) -> list[list[Tensor]]:
        if features.device.type != "cpu" and self.day is None:
            return frontend.patches_together(
                features, lengths, patch_bins=self.frame_bins, smoother=self.smoother, hidden=hidden
            )
        frames = [self.n_frames(length) for length in lengths]
        masks = [None] * len(frames) if hidden is None else torch.split(hidden, frames)
        # One trial after the other: never more than one smoothed trial is in memory.
        return [
            standard_patches(self._front(trial[:length], index, mask), self.frame_bins)
            for trial, length, index, mask in zip(features, lengths, sessions, masks, strict=True)
        ]

    def _front(self, trial: Tensor, session: int, mask: Tensor | None) -> Tensor:
        if mask is not None:
            hidden = mask.repeat_interleave(self.frame_bins)[: len(trial)]
            if self.smoother is None:
                trial = trial.masked_fill(hidden.unsqueeze(1), 0.0)
            else:
                trial = self.smoother.visible(trial, hidden)
        elif self.smoother is not None:
            trial = self.smoother(trial)
        return self._by_day(trial, session)

    def _by_day(self, trial: Tensor, session: int) -> Tensor:
        return trial if self.day is None else self.day(trial, session)

    def _embed(
        self,
        patches: list[list[Float[Tensor, "_ inputs"]]],
        frames: Sequence[int],
        sessions: Sequence[int],
        hidden: Bool[Tensor, " frames"] | None = None,
    ) -> Float[Tensor, "rows width"]:
        """Read trials in; rows of zeros behind the last one round their number up."""
        spare = round_up(sum(frames)) - sum(frames)
        patches[-1].append(patches[-1][0].new_zeros(spare, patches[-1][0].shape[1]))
        rows = self.read_ins(patches, sessions)
        rows = rows.float() if rows.dtype.itemsize < 4 else rows  # the residual stream
        config = self.config
        if hidden is not None:
            hidden = functional.pad(hidden, (0, spare))
        elif self.training and config.mask_ratio > 0:
            hidden = span_mask(
                [*frames, spare], ratio=config.mask_ratio, max_span=config.mask_max_span
            )
        if hidden is not None:
            token = self.mask_token.to(rows.dtype)
            rows = torch.where(hidden.to(rows.device).unsqueeze(1), token, rows)
        return drop(rows, config.input_dropout, training=self.training)

    def _blocks(self) -> Iterator[Block]:
        return cast("Iterator[Block]", iter(self.blocks))


def _lookahead(config: TransformerConfig, smoothing_bins: int) -> int | None:
    forward = config.context.forward
    if forward is None:
        return None
    return forward * config.depth * config.patch_bins + smoothing_bins


def _read_ins(config: TransformerConfig, sessions: Sequence[SessionSpec]) -> ReadIns:
    channels, of_session = layers_of(sessions, per=config.read_in)
    inputs = [size * config.patch_bins for size in channels.values()]
    return ReadIns(inputs, width=config.width, of_session=of_session)
