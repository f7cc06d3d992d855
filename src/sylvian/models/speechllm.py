"""One differentiable network from bins to a sentence: encoder, projector, language model."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any, Literal

import torch
from jaxtyping import Float, Int64
from pydantic import Field, model_validator
from torch import Tensor, nn

from sylvian.config import Config
from sylvian.errors import ConfigError, DataError
from sylvian.models.adapters import LoraConfig, add_adapters
from sylvian.models.alignment import Aligner, AlignmentConfig
from sylvian.models.backbones import Backbone
from sylvian.models.base import Encoder
from sylvian.models.batch import Batch
from sylvian.models.ctc import CtcModel
from sylvian.models.projectors import (
    CrossAttentionConfig,
    MlpConfig,
    PhonemesConfig,
    Projector,
    ProjectorConfig,
    behind,
    build_projector,
    evenly_spaced,
)
from sylvian.models.prompts import Modality, Prompt, PromptConfig, phoneme_tokens
from sylvian.models.sequences import IGNORED, Sequences, side_by_side
from sylvian.text import Vocabulary


class SpeechLlmConfig(Config):
    """How an encoder speaks to a language model (dossier §6)."""

    projector: ProjectorConfig = Field(MlpConfig(), description="from latents to tokens")
    modality: Modality = Field(
        "neural",
        description="neural: straight into the text space; audio: through the audio-LLM's own "
        "multimodal projector",
    )
    prompt: PromptConfig = Field(PromptConfig(), description="the words around the neural span")
    lora: LoraConfig | None = Field(LoraConfig(), description="adapters; null: none")
    encoder: Literal["joint", "frozen"] = Field("joint", description="whether it learns, too")
    alignment: AlignmentConfig | None = Field(
        AlignmentConfig(), description="contrastive alignment; null: none"
    )

    @model_validator(mode="after")
    def _phonemes_are_text(self) -> SpeechLlmConfig:
        if self.modality == "audio" and isinstance(self.projector, PhonemesConfig):
            raise ValueError(
                "projector.kind=phonemes speaks in tokens of text, modality=audio takes sounds; "
                "use projector.kind=mlp or modality=neural"
            )
        return self


@dataclass(frozen=True, slots=True)
class Neural:
    """What a batch's recordings became.

    Attributes:
        tokens: In the language model's space, zero behind a trial's own end.
        n_tokens: How many are real.
        latents: Of the encoder.
        n_frames: How many are real.
    """

    tokens: Float[Tensor, "batch tokens width"]
    n_tokens: Int64[Tensor, " batch"]
    latents: Float[Tensor, "batch frames latent"]
    n_frames: Int64[Tensor, " batch"]

    def only(self, row: int, times: int) -> Neural:
        """Give one trial some times over, to put it before several sentences."""
        every = (self.tokens, self.n_tokens, self.latents, self.n_frames)
        return Neural(*(part[row : row + 1].repeat_interleave(times, 0) for part in every))


class SpeechLlm(nn.Module):
    """An encoder whose projected latents stand in a language model's prompt.

    Args:
        encoder: Bins to latents.
        projector: Latents to tokens; see `build_speech_llm`.
        llm: The frozen language model; adapters are added to it.
        tokenizer: Its tokenizer, of transformers.
        config: What the parts were built from.
        head: A CTC head kept on the encoder, over `vocabulary`.
        vocabulary: Tokens of the head.
        seed: Decides the initial weights of adapters and aligner.

    Raises:
        ConfigError: the parts do not fit one another.
    """

    def __init__(
        self,
        encoder: Encoder,
        projector: Projector,
        llm: Backbone,
        tokenizer: Any,
        config: SpeechLlmConfig,
        *,
        head: nn.Linear | None = None,
        vocabulary: Vocabulary | None = None,
        seed: int = 0,
    ) -> None:
        super().__init__()
        _check_widths(encoder, projector, token_width(llm, config), head, vocabulary)
        size, modality = llm.identity.n_embeddings, config.modality
        self.prompt = Prompt(config.prompt, tokenizer, n_embeddings=size, modality=modality)
        self.config, self.vocabulary = config, vocabulary
        self.encoder, self.projector, self.llm, self.head = encoder, projector, llm, head
        if config.lora is not None:
            add_adapters(llm, config.lora, audio=config.modality == "audio", seed=seed)
        aligned = config.alignment
        self.aligner = None if aligned is None else Aligner(aligned, llm.width, seed=seed)
        if config.encoder == "frozen":
            encoder.requires_grad_(False)
        self.train(self.training)

    def train(self, mode: bool = True) -> SpeechLlm:
        """Set training mode; a frozen encoder stays in inference mode, without dropout."""
        super().train(mode)
        if self.config.encoder == "frozen":
            self.encoder.eval()
        return self

    def listen(self, batch: Batch) -> Neural:
        """Turn recordings into tokens of the language model's space."""
        frozen = self.config.encoder == "frozen"
        with torch.no_grad() if frozen else nullcontext():
            latents = self.encoder(batch.features, batch.n_bins, batch.session)
        n_frames = self.encoder.n_frames(batch.n_bins)
        tokens, n_tokens = self.projector(latents, n_frames)
        if self.config.modality == "audio":
            padding = behind(n_tokens, tokens.shape[1]).unsqueeze(-1)
            tokens = self.llm.hear(tokens).masked_fill(padding, 0.0)
        return Neural(tokens, n_tokens, latents, n_frames)

    def prompts(self, neural: Neural) -> Sequences:
        """Put the prompts side by side, padded on the left, to generate behind them."""
        return side_by_side(self._prompts(neural), pad="left")

    def lessons(self, neural: Neural, sentences: Sequence[tuple[int, ...]]) -> Sequences:
        """Put prompts with their sentences and ends side by side, padded on the right.

        Args:
            neural: The trials.
            sentences: Tokens of each trial's sentence, from `encode`, without the end.

        Returns:
            Labels are at the place of the token itself: logits of the place before predict it.
        """
        rows, labels = [], []
        for prompt, sentence in zip(self._prompts(neural), sentences, strict=True):
            target = self._numbers((*sentence, self.prompt.end))
            rows.append(torch.cat((prompt, self.llm.embed(target))))
            labels.append(torch.cat((target.new_full((len(prompt),), IGNORED), target)))
        return side_by_side(rows, labels, pad="right")

    def encode(self, batch: Batch, sentences: Sequence[str]) -> list[tuple[int, ...]]:
        """Give the tokens of each trial's sentence, without the end.

        Raises:
            DataError: a sentence is empty or too long; the message starts with the trial.
        """
        tokens = []
        for key, sentence in zip(batch.keys, sentences, strict=True):
            try:
                tokens.append(self.prompt.encode(sentence))
            except DataError as failure:
                raise DataError(f"{key}: {failure}") from None
        return tokens

    def target_logits(
        self, sequences: Sequences
    ) -> tuple[Float[Tensor, "targets tokens"], Int64[Tensor, " targets"]]:
        """Give teacher-forced float32 logits of the labelled places, row after row, and labels.

        Only these places go through the output layer, whose logits are the largest tensor there is.
        """
        hidden = self.llm.read(sequences)[:, :-1]
        labels = sequences.labels[:, 1:]
        chosen = labels != IGNORED
        return self.llm.predict(hidden[chosen]), labels[chosen]

    def forward(
        self, batch: Batch, sentences: Sequence[str]
    ) -> tuple[Float[Tensor, "targets tokens"], Int64[Tensor, " targets"]]:
        """Say what teacher forcing predicts for each token of the sentences and their ends."""
        return self.target_logits(self.lessons(self.listen(batch), self.encode(batch, sentences)))

    def _prompts(self, neural: Neural) -> list[Tensor]:
        before = self.llm.embed(self._numbers(self.prompt.before))
        after = self.llm.embed(self._numbers(self.prompt.after))
        tokens = neural.tokens.to(before.dtype)
        counts = neural.n_tokens.tolist()
        return [
            torch.cat((before, own[:count], after))
            for own, count in zip(tokens, counts, strict=True)
        ]

    def _numbers(self, tokens: Sequence[int]) -> Int64[Tensor, " tokens"]:
        device = next(self.llm.parameters()).device
        return torch.tensor(tokens, dtype=torch.int64, device=device)


def token_width(llm: Backbone, config: SpeechLlmConfig) -> int:
    """Give the width that the projector must lead to.

    Raises:
        ConfigError: the audio modality needs an audio-LLM.
    """
    if config.modality == "neural":
        return llm.width
    if llm.audio_width is None:
        raise ConfigError(
            f"modality=audio needs an audio-LLM, {llm.identity.architecture} has no multimodal "
            "projector; use modality=neural"
        )
    return llm.audio_width


def build_speech_llm(
    source: Encoder | CtcModel,
    llm: Backbone,
    tokenizer: Any,
    config: SpeechLlmConfig,
    *,
    seed: int = 0,
) -> SpeechLlm:
    """Build the network around an encoder, with a fresh projector, adapters and aligner.

    Args:
        source: The encoder; a model trained on phonemes brings its CTC head along.
        llm: A backbone without adapters; taken over, not copied.
        tokenizer: Its tokenizer, of transformers.
        config: How they speak.
        seed: Decides the initial weights; torch's own random state is left alone.

    Raises:
        ConfigError: the parts do not fit one another.
    """
    encoder = source.encoder if isinstance(source, CtcModel) else source
    head = source.head if isinstance(source, CtcModel) else None
    words = source.vocabulary if isinstance(source, CtcModel) else None
    width, text = token_width(llm, config), _text(llm, tokenizer, config, words)
    projector = build_projector(
        config.projector, encoder.width, width, seed=seed, text=text, heard=head
    )
    if not isinstance(source, CtcModel):
        return SpeechLlm(encoder, projector, llm, tokenizer, config, seed=seed)
    return SpeechLlm(
        encoder,
        projector,
        llm,
        tokenizer,
        config,
        head=source.head,
        vocabulary=source.vocabulary,
        seed=seed,
    )


def _text(
    llm: Backbone, tokenizer: Any, config: SpeechLlmConfig, vocabulary: Vocabulary | None
) -> Tensor | None:
    """Look up the tokens that a projector looks at or speaks in, if it is of that kind."""
    match config.projector:
        case CrossAttentionConfig():
            tokens = evenly_spaced(llm.identity.n_embeddings, config.projector.texts)
        case PhonemesConfig() if vocabulary is not None:
            tokens = torch.tensor(phoneme_tokens(tokenizer, vocabulary.tokens))
        case _:
            return None
    return llm.embed(tokens.to(next(llm.parameters()).device))


def _check_widths(
    encoder: Encoder,
    projector: Projector,
    width: int,
    head: nn.Linear | None,
    vocabulary: Vocabulary | None,
) -> None:
    if (projector.in_width, projector.out_width) != (encoder.width, width):
        raise ConfigError(
            f"the projector leads from {projector.in_width} to {projector.out_width}, "
            f"but the encoder is {encoder.width} wide and tokens are {width} wide"
        )
    if (head is None) != (vocabulary is None):
        raise ConfigError("a CTC head and its vocabulary come together")
    if head is not None and vocabulary is not None and head.out_features != len(vocabulary):
        raise ConfigError(
            f"the CTC head has {head.out_features} outputs, its vocabulary {len(vocabulary)} tokens"
        )
