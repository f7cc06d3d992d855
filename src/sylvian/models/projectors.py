"""From latents of the encoder to tokens in a language model's space."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Annotated, Literal, TypeVar

import torch
from jaxtyping import Bool, Float, Int64
from pydantic import Field, model_validator
from torch import Tensor, nn
from torch.nn import functional

from sylvian.config import Config
from sylvian.errors import ConfigError

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
    """Frames that also look at the language model's own embeddings of text (dossier §6.2).

    One linear layer leads to a neural token; the token asks, some embeddings of the vocabulary
    answer, and what they say is mixed with it. The dossier has the roles, sizes and the weight's
    initial value; what text there is without the sentence, it does not say: see `CrossAttention`.
    """

    kind: Literal["cross_attention"] = "cross_attention"
    texts: int = Field(
        1000, gt=0, description="embeddings to look at, evenly spaced over the vocabulary"
    )
    hidden: int = Field(256, gt=0, description="width of the attention")
    heads: int = Field(1, gt=0, description="heads that share the width")
    residual: float = Field(
        0.5, ge=0, le=1, description="first share of the neural token in the mixture; it is learned"
    )
    dropout: float = Field(0.1, ge=0, lt=1, description="of the attention's weights")

    @model_validator(mode="after")
    def _heads_share_the_width(self) -> CrossAttentionConfig:
        if self.hidden % self.heads:
            raise ValueError(f"{self.heads} heads cannot share a width of {self.hidden} evenly")
        return self


class PhonemesConfig(Config):
    """What the CTC head hears, as the language model's own tokens for phonemes.

    Each frame becomes the mean of those tokens' embeddings, weighed by the head's probabilities;
    both tables begin as copies of the head and of the embeddings, and learn. For language models
    that know phonemes, as those of `sylvian llm` do.
    """

    kind: Literal["phonemes"] = "phonemes"


AnyProjectorConfig = (
    MlpConfig | LinearConfig | StackingConfig | CrossAttentionConfig | PhonemesConfig
)
ProjectorConfig = Annotated[AnyProjectorConfig, Field(discriminator="kind")]


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
    """See `CrossAttentionConfig`.

    Args:
        config: Sizes.
        in_width: Size of a latent.
        out_width: Size of a token.
        text: Embeddings to look at, copied and kept frozen with the weights.

    Why here: attention to the words of the target would be gone when there is none to look at, and
    the words of the prompt are ten and always the same. The vocabulary's own embeddings are there
    in training and in use, and span the space that tokens should lie in; evenly spaced rows hold
    frequent and rare ones, as tokenizers number them by frequency, and a thousand cost little.
    """

    text: Tensor

    def __init__(
        self, config: CrossAttentionConfig, in_width: int, out_width: int, text: Tensor
    ) -> None:
        super().__init__(in_width, out_width)
        self.config = config
        self.register_buffer("text", text.detach().to("cpu", torch.float32).clone())
        self.read_in = nn.Linear(in_width, out_width)
        self.norm, self.norm_text = nn.LayerNorm(out_width), nn.LayerNorm(text.shape[1])
        self.query = nn.Linear(out_width, config.hidden)
        self.key = nn.Linear(text.shape[1], config.hidden, bias=False)  # it would cancel
        self.value = nn.Linear(text.shape[1], config.hidden)
        self.read_out = nn.Linear(config.hidden, out_width)
        self.residual = nn.Parameter(torch.tensor(config.residual))

    def n_tokens(self, n_frames: Length) -> Length:
        """One token per frame."""
        return n_frames

    def project(self, latents: Tensor, n_frames: Tensor) -> Tensor:
        """Project frame by frame, and let each look at the text."""
        neural: Tensor = self.read_in(latents)
        text, every = self.norm_text(self.text)[None], (len(latents), -1, -1, -1)
        found = functional.scaled_dot_product_attention(
            self._by_head(self.query(self.norm(neural))),
            self._by_head(self.key(text)).expand(every),
            self._by_head(self.value(text)).expand(every),
            dropout_p=self.config.dropout if self.training else 0.0,
        )
        said: Tensor = self.read_out(found.transpose(1, 2).flatten(2))
        return self.residual * neural + (1 - self.residual) * said

    def _by_head(self, places: Tensor) -> Tensor:
        return places.view(*places.shape[:2], self.config.heads, -1).transpose(1, 2)


class Phonemes(Projector):
    """See `PhonemesConfig`.

    Args:
        in_width: Size of a latent.
        out_width: Size of a token.
        heard: The CTC head over phonemes; copied.
        spelled: Embeddings of the language model's tokens for them, in the head's order; copied.
    """

    def __init__(self, in_width: int, out_width: int, heard: nn.Linear, spelled: Tensor) -> None:
        super().__init__(in_width, out_width)
        self.hear = nn.Linear(in_width, len(spelled))
        self.spell = nn.Parameter(spelled.detach().to("cpu", torch.float32).clone())
        self.hear.load_state_dict(heard.state_dict())

    def n_tokens(self, n_frames: Length) -> Length:
        """One token per frame."""
        return n_frames

    def project(self, latents: Tensor, n_frames: Tensor) -> Tensor:
        """Project frame by frame."""
        heard: Tensor = self.hear(latents).float().softmax(-1)
        return heard @ self.spell


def evenly_spaced(n_embeddings: int, wanted: int) -> Int64[Tensor, " tokens"]:
    """Give so many tokens, evenly spaced over a vocabulary; all of it where it has fewer."""
    count = min(n_embeddings, wanted)
    return torch.arange(count) * n_embeddings // count


def build_projector(
    config: AnyProjectorConfig,
    in_width: int,
    out_width: int,
    *,
    seed: int = 0,
    text: Float[Tensor, "texts width"] | None = None,
    heard: nn.Linear | None = None,
) -> Projector:
    """Build a projector with fresh weights.

    Args:
        config: Which projector, how large.
        in_width: Size of a latent.
        out_width: Size of a token: the language model's width, or its audio encoder's.
        seed: Decides the initial weights; torch's own random state is left alone.
        text: Embeddings of some tokens: `evenly_spaced` ones for `CrossAttentionConfig`, those of
            the phonemes for `PhonemesConfig`.
        heard: The CTC head over those phonemes, for `PhonemesConfig` alone.

    Raises:
        ConfigError: cross-attention has no text to look at, or phonemes come without a head.
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
                if text is None:
                    raise ConfigError("cross_attention: no language model whose text to look at")
                return CrossAttention(config, in_width, out_width, text)
            case PhonemesConfig():
                if text is None or heard is None:
                    raise ConfigError(
                        "projector.kind=phonemes needs an encoder with a CTC head; start from a "
                        "phoneme checkpoint"
                    )
                return Phonemes(in_width, out_width, heard, text)


def _two_layers(in_width: int, hidden: int, out_width: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(in_width, hidden), nn.ReLU(), nn.Linear(hidden, out_width))
