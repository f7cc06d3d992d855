"""Language models to speak to: a causal model, and an audio-LLM's way into it."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Float, Int64
from torch import Tensor, nn

from sylvian.config import Config
from sylvian.errors import ConfigError
from sylvian.models.sequences import Sequences

_SAMPLES = 64
_RECURRENT = ("conv", "hybrid", "linear", "mamba", "recurrent")  # how such layers' names begin
_WINDOWS = ("sliding_window", "attention_chunk_size", "window_size")


class BackboneIdentity(Config):
    """What tells language models apart.

    `fingerprint` digests some values of every tensor, rounded to bfloat16, so that models of one
    architecture differ and the precision they were loaded in does not matter.
    """

    architecture: str
    width: int
    depth: int
    n_embeddings: int
    audio_width: int | None
    fingerprint: str


class Backbone(nn.Module):
    """A frozen causal language model, with the multimodal projector if it is an audio-LLM's.

    The audio encoder itself is no part: neural activity takes its place, and adapters must never
    reach it.

    Args:
        causal: A `...ForCausalLM` of transformers, without adapters.
        audio: Maps the audio encoder's width to the language model's; None: a text-LLM.

    Attributes:
        reads_trees: Whether it can read sentences that begin alike as one tree; None: not tried.

    Raises:
        ConfigError: some of its layers are recurrent: what they read behind a prompt cannot be
            taken back, to read something else there.
    """

    def __init__(self, causal: nn.Module, audio: nn.Module | None = None) -> None:
        super().__init__()
        _require_attention(causal)
        self.causal, self.audio = causal, audio
        self.reads_trees: bool | None = None
        self.folded = False  # whether `adapters.fold_adapters` changed its layers
        self.train(causal.training).requires_grad_(False)
        config: Any = causal.config
        embedding = self._embedding
        self.width: int = embedding.embedding_dim
        self.audio_width = None if audio is None else _in_width(audio)
        self.identity = BackboneIdentity(
            architecture=type(causal).__name__,
            width=self.width,
            depth=config.num_hidden_layers,
            n_embeddings=embedding.num_embeddings,
            audio_width=self.audio_width,
            fingerprint=fingerprint(self),
        )

    @property
    def _embedding(self) -> nn.Embedding:
        causal: Any = self.causal
        embedding: nn.Embedding = causal.get_input_embeddings()
        return embedding

    @property
    def device(self) -> torch.device:
        """Where the embeddings are."""
        return self._embedding.weight.device

    @property
    def dtype(self) -> torch.dtype:
        """Type of the embeddings."""
        return self._embedding.weight.dtype

    @property
    def window(self) -> int | None:
        """The fewest places that any of its layers sees at once; None: all see everything."""
        causal: Any = self.causal
        text = causal.config.get_text_config()
        found = [getattr(text, name, None) for name in _WINDOWS]
        return min((own for own in found if isinstance(own, int)), default=None)

    @property
    def most_places(self) -> int | None:
        """The places it has learned, one by one; None: they are computed and have no end."""
        causal: Any = self.causal
        parts = causal.get_decoder().modules()
        learned = any(isinstance(p, nn.Embedding) and p is not self._embedding for p in parts)
        text = causal.config.get_text_config()
        return getattr(text, "max_position_embeddings", None) if learned else None

    @property
    def layers(self) -> nn.ModuleList:
        """Its Transformer layers, one after the other."""
        causal: Any = self.causal
        layers: nn.ModuleList = causal.get_decoder().layers
        return layers

    def recompute(self) -> None:
        """Compute activations again in the backward pass, instead of keeping them in memory.

        It holds in training mode only and changes no number.
        """
        causal: Any = self.causal
        older = causal.gradient_checkpointing_enable  # its name in older releases of transformers
        getattr(causal, "activation_checkpointing_enable", older)({"use_reentrant": False})

    def embed(self, tokens: Int64[Tensor, "*places"]) -> Float[Tensor, "*places width"]:
        """Look tokens up."""
        found: Tensor = self._embedding(tokens)
        return found

    def hear(self, tokens: Float[Tensor, "batch tokens audio"]) -> Float[Tensor, "batch tokens w"]:
        """Send what looks like an audio encoder's output through the multimodal projector.

        Raises:
            ConfigError: the language model is no audio-LLM.
        """
        if self.audio is None:
            raise ConfigError(
                f"{self.identity.architecture} has no multimodal projector; use modality=neural or "
                "an audio-LLM"
            )
        heard: Tensor = self.audio(tokens.to(next(self.audio.parameters()).dtype))
        return heard

    def read(self, sequences: Sequences) -> Float[Tensor, "batch places width"]:
        """Give the last hidden state at every place."""
        causal: Any = self.causal
        hidden: Tensor = causal.get_decoder()(
            inputs_embeds=sequences.embeds,
            attention_mask=sequences.real.long(),
            position_ids=sequences.positions,
            use_cache=False,
        ).last_hidden_state
        return hidden

    def predict(self, hidden: Float[Tensor, "*places width"]) -> Float[Tensor, "*places tokens"]:
        """Turn hidden states into float32 logits over the next token."""
        causal: Any = self.causal
        logits: Tensor = causal.get_output_embeddings()(hidden)
        return logits.float()

    def read_on(
        self,
        embeds: Float[Tensor, "batch places width"],
        mask: Int64[Tensor, "batch all"] | Float[Tensor, "batch 1 places all"],
        positions: Int64[Tensor, "batch places"],
        cache: Any,
    ) -> Float[Tensor, "batch places width"]:
        """Read on with a key-value cache; gives the last hidden state at every new place.

        Args:
            embeds: What is new.
            mask: 1 where there is no padding, over all that was read so far and what is new; or
                what is added to the attention of each new place to all.
            positions: Of the new places.
            cache: Of transformers; changed in place.
        """
        causal: Any = self.causal
        hidden: Tensor = causal.get_decoder()(
            inputs_embeds=embeds,
            attention_mask=mask,
            position_ids=positions,
            past_key_values=cache,
            use_cache=True,
        ).last_hidden_state
        return hidden

    def step(
        self,
        embeds: Float[Tensor, "batch places width"],
        real: Int64[Tensor, "batch all"],
        positions: Int64[Tensor, "batch places"],
        cache: Any,
    ) -> Float[Tensor, "batch tokens"]:
        """Read on as `read_on` does; gives float32 logits behind the last place."""
        return self.predict(self.read_on(embeds, real, positions, cache)[:, -1])


def backbone_of(model: nn.Module) -> Backbone:
    """Take what is needed from a model of transformers, in memory and without copying.

    Args:
        model: A causal language model, or a `Qwen2AudioForConditionalGeneration`; the latter's
            audio encoder is left behind.

    Raises:
        ConfigError: it is neither.
    """
    inner, head = getattr(model, "model", None), getattr(model, "lm_head", None)
    if head is None:
        raise ConfigError(f"{type(model).__name__} cannot predict tokens: it has no lm_head")
    audio = getattr(inner, "multi_modal_projector", None)
    if audio is None:
        return Backbone(model)
    from transformers import AutoModelForCausalLM

    held: Any = inner
    auto: Any = AutoModelForCausalLM
    with torch.device("meta"):
        causal = auto.from_config(held.config.get_text_config())
    causal.model, causal.lm_head = held.language_model, head
    return Backbone(causal.train(model.training), audio)


def _require_attention(causal: nn.Module) -> None:
    """Refuse language models whose layers carry a state of their own from place to place."""
    config: Any = causal.config
    kinds = getattr(config.get_text_config(), "layer_types", None) or ()
    carried = any(str(kind).startswith(_RECURRENT) for kind in kinds)
    if carried or getattr(causal, "_is_stateful", False):
        raise ConfigError(
            f"{type(causal).__name__} has recurrent layers, behind which a prompt cannot be read "
            "once and gone on from; use a language model of attention alone, such as Qwen2.5, "
            "Qwen3, Llama or SmolLM2"
        )


def fingerprint(module: nn.Module) -> str:
    """Digest some values of every parameter, rounded to bfloat16."""
    digest = hashlib.sha256()
    for name, parameter in sorted(module.named_parameters()):
        values = parameter.detach().flatten()
        some = values[:: max(1, len(values) // _SAMPLES)][:_SAMPLES]
        digest.update(f"{name} {tuple(parameter.shape)}".encode())
        digest.update(some.to("cpu", torch.bfloat16).view(torch.int16).numpy().tobytes())
    return digest.hexdigest()[:16]


def linears(module: nn.Module, suffixes: Sequence[str]) -> dict[str, list[str]]:
    """Name the linear layers that end in each of some suffixes."""
    names = [name for name, part in module.named_modules() if isinstance(part, nn.Linear)]
    return {end: [name for name in names if name.split(".")[-1] == end] for end in suffixes}


def _in_width(audio: nn.Module) -> int:
    first = next(part for part in audio.modules() if isinstance(part, nn.Linear))
    return first.in_features
