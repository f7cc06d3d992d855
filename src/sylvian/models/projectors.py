"""From latents of the encoder to tokens in a language model's space."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from typing import Annotated, Literal, TypeVar

import torch
from jaxtyping import Bool, Float, Int64
from pydantic import Field, model_validator
from torch import Tensor, nn
from torch.nn import functional

from sylvian.config import Config

Length = TypeVar("Length", int, Tensor)


class MlpConfig(Config):
    """Two linear layers with a ReLU between them: the published projector (dossier §6.2)."""

    kind: Literal["mlp"] = "mlp"
    hidden: int = Field(1024, gt=0, description="width between the two layers")


class LinearConfig(Config):
    """One linear layer, frame by frame."""

    kind: Literal["linear"] = "linear"


class StackingConfig(Config):
    """Neighbouring frames joined into one token, then two linear layers."""

    kind: Literal["stacking"] = "stacking"
    frames: int = Field(2, gt=0, description="frames joined into one token")
    hidden: int = Field(1024, gt=0, description="width between the two layers")


class CrossAttentionConfig(Config):
    """A fixed number of learned queries that look at all frames of the trial."""

    kind: Literal["cross_attention"] = "cross_attention"
    queries: int = Field(64, gt=0, description="tokens per trial, whatever its length")
    hidden: int = Field(256, gt=0, description="width of the attention")
    heads: int = Field(1, gt=0, description="heads that share the width")
    dropout: float = Field(0.1, ge=0, lt=1, description="of the attention's weights")

    @model_validator(mode="after")
    def _heads_share_the_width(self) -> CrossAttentionConfig:
        if self.hidden % self.heads:
            raise ValueError(f"{self.heads} heads cannot share a width of {self.hidden} evenly")
        return self


ProjectorConfig = Annotated[
    MlpConfig | LinearConfig | StackingConfig | CrossAttentionConfig, Field(discriminator="kind")
]


class Projector(nn.Module, ABC):
    """Latents to tokens; a trial's tokens depend on that trial's own frames alone.

    Args:
        in_width: Size of a latent.
        out_width: Size of a token.
    """

    def __init__(self, in_width: int, out_width: int) -> None:
        super().__init__()
        self.in_width, self.out_width = in_width, out_width

    @abstractmethod
    def n_tokens(self, n_frames: Length) -> Length:
        """Give the number of tokens of a trial of `n_frames` frames: the only length formula."""

    @abstractmethod
    def project(
        self, latents: Float[Tensor, "batch frames width"], n_frames: Int64[Tensor, " batch"]
    ) -> Float[Tensor, "batch tokens out"]:
        """Give tokens; those behind a trial's own end may hold anything finite."""

    def forward(
        self, latents: Float[Tensor, "batch frames width"], n_frames: Int64[Tensor, " batch"]
    ) -> tuple[Float[Tensor, "batch tokens out"], Int64[Tensor, " batch"]]:
        """Project a batch.

        Args:
            latents: Padded at the end; what the padding holds does not matter.
            n_frames: How many frames of each trial are real, at least one.

        Returns:
            Tokens, zero behind a trial's own end, and how many are real.
        """
        own = behind(n_frames, latents.shape[1])
        tokens = self.project(latents.masked_fill(own.unsqueeze(-1), 0.0), n_frames)
        counts = self.n_tokens(n_frames)
        return tokens.masked_fill(behind(counts, tokens.shape[1]).unsqueeze(-1), 0.0), counts


def behind(lengths: Int64[Tensor, " batch"], longest: int) -> Bool[Tensor, "batch places"]:
    """Mark the places behind each row's own end."""
    return torch.arange(longest, device=lengths.device) >= lengths.unsqueeze(1)


class Mlp(Projector):
    """See `MlpConfig`."""

    def __init__(self, config: MlpConfig, in_width: int, out_width: int) -> None:
        super().__init__(in_width, out_width)
        self.layers = _two_layers(in_width, config.hidden, out_width)

    def n_tokens(self, n_frames: Length) -> Length:
        """One token per frame."""
        return n_frames

    def project(self, latents: Tensor, n_frames: Tensor) -> Tensor:
        """Project frame by frame."""
        tokens: Tensor = self.layers(latents)
        return tokens


class Linear(Projector):
    """See `LinearConfig`."""

    def __init__(self, config: LinearConfig, in_width: int, out_width: int) -> None:
        super().__init__(in_width, out_width)
        self.layer = nn.Linear(in_width, out_width)

    def n_tokens(self, n_frames: Length) -> Length:
        """One token per frame."""
        return n_frames

    def project(self, latents: Tensor, n_frames: Tensor) -> Tensor:
        """Project frame by frame."""
        tokens: Tensor = self.layer(latents)
        return tokens


class Stacking(Projector):
    """See `StackingConfig`; a last, incomplete group of frames is filled up with zeros.

    Why here: the reference builds the wider layer but never joins the frames (dossier §9.2).
    """

    def __init__(self, config: StackingConfig, in_width: int, out_width: int) -> None:
        super().__init__(in_width, out_width)
        self.frames = config.frames
        self.layers = _two_layers(in_width * config.frames, config.hidden, out_width)

    def n_tokens(self, n_frames: Length) -> Length:
        """One token per group of frames, complete or not."""
        return (n_frames + self.frames - 1) // self.frames

    def project(self, latents: Tensor, n_frames: Tensor) -> Tensor:
        """Join, then project group by group."""
        missing = -latents.shape[1] % self.frames
        whole = functional.pad(latents, (0, 0, 0, missing))
        tokens: Tensor = self.layers(whole.reshape(len(whole), -1, self.frames * self.in_width))
        return tokens


class CrossAttention(Projector):
    """See `CrossAttentionConfig`; frames carry sinusoidal positions, else their order is lost."""

    def __init__(self, config: CrossAttentionConfig, in_width: int, out_width: int) -> None:
        super().__init__(in_width, out_width)
        self.config = config
        self.norm = nn.LayerNorm(in_width)
        self.queries = nn.Parameter(torch.randn(config.queries, config.hidden))
        self.read_in = nn.Linear(in_width, config.hidden)
        self.attention = nn.MultiheadAttention(
            config.hidden, config.heads, dropout=config.dropout, batch_first=True
        )
        self.layers = _two_layers(config.hidden, config.hidden, out_width)

    def n_tokens(self, n_frames: Length) -> Length:
        """As many tokens as queries."""
        if isinstance(n_frames, Tensor):
            return torch.full_like(n_frames, self.config.queries)
        return self.config.queries

    def project(self, latents: Tensor, n_frames: Tensor) -> Tensor:
        """Let every query look at a trial's own frames."""
        frames = self.read_in(self.norm(latents))
        frames = frames + sinusoids(frames.shape[1], frames.shape[2]).to(frames)
        queries = self.queries.expand(len(latents), -1, -1)
        hidden = behind(n_frames, latents.shape[1])
        found, _ = self.attention(
            queries, frames, frames, key_padding_mask=hidden, need_weights=False
        )
        tokens: Tensor = self.layers(queries + found)
        return tokens


def sinusoids(length: int, width: int) -> Float[Tensor, "length width"]:
    """Give sines and cosines of the position, in geometrically growing periods."""
    rates = torch.exp(torch.arange(0, width, 2) * (-math.log(10_000.0) / width))
    angles = torch.arange(length).unsqueeze(1) * rates
    return torch.stack((angles.sin(), angles.cos()), -1).flatten(1)[:, :width]


def build_projector(
    config: MlpConfig | LinearConfig | StackingConfig | CrossAttentionConfig,
    in_width: int,
    out_width: int,
    *,
    seed: int = 0,
) -> Projector:
    """Build a projector with fresh weights.

    Args:
        config: Which projector, how large.
        in_width: Size of a latent.
        out_width: Size of a token: the language model's width, or its audio encoder's.
        seed: Decides the initial weights; torch's own random state is left alone.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        match config:
            case MlpConfig():
                return Mlp(config, in_width, out_width)
            case LinearConfig():
                return Linear(config, in_width, out_width)
            case StackingConfig():
                return Stacking(config, in_width, out_width)
            case CrossAttentionConfig():
                return CrossAttention(config, in_width, out_width)


def _two_layers(in_width: int, hidden: int, out_width: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(in_width, hidden), nn.ReLU(), nn.Linear(hidden, out_width))
