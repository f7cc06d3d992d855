"""The words around the neural span, and sentences as tokens of a language model."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from typing import Any, Literal

from pydantic import Field, model_validator

from sylvian.config import Config
from sylvian.errors import ConfigError, DataError

NEURAL_TAGS = ("<|neural_activity|>", "<|/neural_activity|>")
NEURAL = "#".join(NEURAL_TAGS) + " decode the above neural activity into an English sentence:"
AUDIO_TAGS = ("<|audio_bos|>", "<|audio_eos|>")
AUDIO = NEURAL.replace(NEURAL_TAGS[0], AUDIO_TAGS[0]).replace(NEURAL_TAGS[1], AUDIO_TAGS[1])
Modality = Literal["neural", "audio"]


class PromptConfig(Config):
    """What the language model reads before the sentence.

    Source: dossier §6.3 (neural wording); §10 (audio modality: the same sentence with the audio
    tags of the backbone, here Qwen2-Audio's).
    """

    text: str | None = Field(
        None, description="the prompt, with the marker for the span; null: the modality's own"
    )
    marker: str = Field("#", min_length=1, description="what stands for the neural span, once")
    separator: str = Field(" ", description="joins prompt and sentence; part of the sentence")
    end: str | None = Field(None, description="token that ends a sentence; null: the tokenizer's")
    special_tokens: tuple[str, ...] | None = Field(
        None,
        description="parts of the prompt that must be single tokens of the tokenizer; null: the "
        "audio tags in the modality's own prompt, else none",
    )
    max_tokens: int = Field(
        128, gt=0, description="longest sentence in tokens, the end not counted; longer is an error"
    )

    def worded(self, modality: Modality) -> tuple[str, tuple[str, ...]]:
        """Give the text and its special tokens, where they are not set those of the modality."""
        own = self.text is None and modality == "audio"
        text = self.text or (AUDIO if modality == "audio" else NEURAL).replace("#", self.marker)
        tags = self.special_tokens
        return text, tags if tags is not None else AUDIO_TAGS if own else ()

    @model_validator(mode="after")
    def _one_marker(self) -> PromptConfig:
        if self.text is not None and self.text.count(self.marker) != 1:
            raise ValueError(
                f"the marker {self.marker!r} must occur once in the prompt {self.text!r}"
            )
        return self


def phoneme_token(phoneme: str) -> str:
    """Name the special token under which language models of `sylvian llm` know a phoneme."""
    return f"<|{phoneme}|>"


def phoneme_tokens(tokenizer: Any, phonemes: Sequence[str]) -> tuple[int, ...]:
    """Look a CTC head's tokens up in a tokenizer, the blank included.

    Raises:
        ConfigError: the tokenizer lacks one.
    """
    known: dict[str, int] = tokenizer.get_vocab()
    try:
        return tuple(known[phoneme_token(phoneme)] for phoneme in phonemes)
    except KeyError as failure:
        raise ConfigError(
            f"the tokenizer has no token {failure.args[0]}; projector.kind=phonemes is for models "
            "that know phonemes, such as 'sylvian llm' makes; use projector.kind=mlp"
        ) from None


class Prompt:
    """A prompt as tokens, and the way from sentences to tokens and back.

    Args:
        config: The wording.
        tokenizer: A tokenizer of `transformers`.
        n_embeddings: Rows of the language model's embedding.
        modality: Whose wording fills in for what the config leaves open.

    Attributes:
        before: Tokens before the neural span.
        after: Tokens between the neural span and the sentence.
        end: The token behind a sentence.

    Raises:
        ConfigError: the tokenizer lacks the end or a special token, or has tokens that the language
            model has no embedding for.
    """

    def __init__(
        self,
        config: PromptConfig,
        tokenizer: Any,
        *,
        n_embeddings: int,
        modality: Modality = "neural",
    ) -> None:
        self.config, self.tokenizer = config, tokenizer
        known: dict[str, int] = tokenizer.get_vocab()
        highest = max(known.values())
        if highest >= n_embeddings:
            raise ConfigError(
                f"the tokenizer has token {highest}, the language model embeds only "
                f"{n_embeddings}; use the tokenizer that belongs to it"
            )
        self.end = self._end(known)
        text, special = config.worded(modality)
        for token in special:
            _single(known, token)
        before, after = text.split(config.marker)
        self.before, self.after = self._tokens(before), self._tokens(after)

    def encode(self, sentence: str, *, capped: bool = True) -> tuple[int, ...]:
        """Give a sentence's tokens, without the end.

        Prompt and sentence are tokenized apart, so that neither depends on the other.

        Args:
            sentence: The sentence.
            capped: Whether `max_tokens` counts, which is there to bound the memory of training.

        Raises:
            DataError: the sentence is empty or longer than the prompt's `max_tokens`.
        """
        if not sentence.strip():
            raise DataError("the sentence is empty (punctuation apart); leave the trial out")
        tokens = self._tokens(self.config.separator + sentence)
        if capped and len(tokens) > self.config.max_tokens:
            raise DataError(
                f"{len(tokens)} tokens, at most {self.config.max_tokens} are allowed: "
                f"{sentence[:40]!r}...; raise end_to_end.speech.prompt.max_tokens or leave the "
                "trial out"
            )
        return tokens

    def decode(self, tokens: Sequence[int]) -> str:
        """Give the text of generated tokens, special tokens left out; may be empty."""
        text: str = self.tokenizer.decode(list(tokens), skip_special_tokens=True)
        return " ".join(text.split())

    def digest(self) -> str:
        """Return what changes when tokens mean something else: vocabulary, prompt or end."""
        facts = (sorted(self.tokenizer.get_vocab().items()), self.before, self.after, self.end)
        return hashlib.sha256(json.dumps(facts).encode()).hexdigest()

    def _tokens(self, text: str) -> tuple[int, ...]:
        return tuple(self.tokenizer(text, add_special_tokens=False)["input_ids"]) if text else ()

    def _end(self, known: dict[str, int]) -> int:
        name = self.config.end or self.tokenizer.eos_token
        if name is None:
            raise ConfigError(
                "the tokenizer has no end-of-sequence token; name one as prompt.end=TOKEN"
            )
        return _single(known, name)


def _single(known: dict[str, int], token: str) -> int:
    if token not in known:
        raise ConfigError(
            f"the tokenizer has no token {token!r}; use the backbone's own tokenizer, or change "
            "prompt.text, prompt.end and prompt.special_tokens"
        )
    return known[token]
