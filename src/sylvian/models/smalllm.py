"""A causal language model small enough to train from scratch in about a minute.

It is a Llama with a byte-level tokenizer of its own, in a folder that transformers opens, so that
rescoring and end-to-end training take it for any other model. A published model can be taught
instead; it then learns phonemes as new tokens.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import torch
from pydantic import Field, model_validator

from sylvian.config import Config
from sylvian.errors import ConfigError
from sylvian.models.prompts import AUDIO, AUDIO_TAGS, NEURAL, NEURAL_TAGS, phoneme_token
from sylvian.text import phoneme_vocabulary

START, END, PAD = "<|endoftext|>", ".", "<|pad|>"
PHONEMES = tuple(map(phoneme_token, phoneme_vocabulary().tokens))
SPECIAL = (START, END, PAD, *NEURAL_TAGS, *AUDIO_TAGS, *PHONEMES)
LONGEST = 1024  # places; a recording of 60 s is 600 neural tokens at most
_BYTES = 256
_SIZES = ("vocabulary", "width", "layers", "heads")
_RATE, _TAUGHT_RATE = 4e-3, 2e-4


class SmallLmConfig(Config):
    """How large the model is, and how it learns.

    The defaults read 20,000 short sentences in about a minute on one core (`results/LOG.md`).
    """

    base: str | None = Field(
        None,
        description="A published model to teach instead, all its weights: smollm2, a folder, a "
        "name on the hub. It keeps its sizes and tokens and gains one for each phoneme.",
    )
    vocabulary: int = Field(3000, description="Most tokens: bytes, pieces of words, special ones.")
    width: int = Field(128, gt=0, description="Width of the embeddings, shared with the output.")
    layers: int = Field(2, gt=0, description="Number of layers.")
    heads: int = Field(4, gt=0, description="Attention heads of a layer.")
    epochs: int = Field(4, gt=0, description="How often every sentence is read.")
    max_steps: int | None = Field(None, gt=0, description="Most updates; null: all the epochs'.")
    batch_tokens: int = Field(512, gt=0, description="Tokens of an update, about.")
    learning_rate: float | None = Field(
        None,
        gt=0,
        description=f"Peak; warmed up, then falling to 0. null: {_RATE:g}, with a base "
        f"{_TAUGHT_RATE:g}.",
    )
    precision: Literal["float32", "bfloat16"] = Field(
        "float32",
        description="Of the products in training; bfloat16 is faster for a large base where the "
        "processor knows it. Weights are kept and saved in float32.",
    )
    weight_decay: float = Field(0.1, ge=0, description="Of the matrices, per unit learning rate.")
    prompted: float = Field(
        0.2,
        ge=0,
        le=1,
        description="Share of the updates whose sentences stand behind the end-to-end model's "
        "prompt, its span left empty, and not at the start of a text.",
    )
    heard: float = Field(
        0.0,
        ge=0,
        le=1,
        description="Share of the updates whose sentences stand behind their own phonemes, one "
        "token a frame and some misheard, in the prompt's span: what an end-to-end model with "
        "projector.kind=phonemes reads. Such an update takes several times as long.",
    )
    held_out: float = Field(
        0.05, gt=0, lt=0.5, description="Share of the distinct sentences kept to measure on."
    )
    seed: int = Field(0, description="Decides initial weights and the order of the sentences.")

    @property
    def rate(self) -> float:
        """Peak learning rate."""
        if self.learning_rate is not None:
            return self.learning_rate
        return _RATE if self.base is None else _TAUGHT_RATE

    @model_validator(mode="after")
    def _a_base_has_its_sizes(self) -> SmallLmConfig:
        fields = type(self).model_fields
        asked = [name for name in _SIZES if getattr(self, name) != fields[name].default]
        if self.base is not None and asked:
            raise ValueError(
                f"{asked[0]}={getattr(self, asked[0])} cannot be chosen for base={self.base}, "
                "which has its own; leave one of them out"
            )
        return self

    @model_validator(mode="after")
    def _fits_together(self) -> SmallLmConfig:
        if self.vocabulary < _BYTES + len(SPECIAL):
            raise ValueError(
                f"vocabulary={self.vocabulary} has no room for {_BYTES} bytes and {len(SPECIAL)} "
                "special tokens"
            )
        if self.prompted + self.heard > 1:
            raise ValueError(
                f"prompted={self.prompted} and heard={self.heard} are more than all updates"
            )
        if self.width % (2 * self.heads):
            raise ValueError(
                f"width={self.width} cannot be shared by heads={self.heads} in even parts"
            )
        return self


def train_tokenizer(sentences: Sequence[str], size: int) -> Any:
    """Learn a byte-level tokenizer of lower-case words, which any text passes without loss.

    A sentence has the same tokens with and without a space before it, as prompts and rescoring
    show it. The full stop is the end of a sequence: models that rescore read sentences as prose
    that ends in a mark (`TextLmConfig.style`), end-to-end models end them with their tokenizer's
    own end, and so both ask for the same number.

    Args:
        sentences: Normalised.
        size: Most tokens.

    Returns:
        A fast tokenizer of transformers, with the tags of the neural and the audio span, and one
        token for each phoneme and the blank.
    """
    from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    fast: Any = PreTrainedTokenizerFast  # typed in parts
    plain: Any = Tokenizer(models.BPE())
    plain.normalizer = normalizers.Lowercase()
    plain.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    plain.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=size,
        special_tokens=list(SPECIAL),
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    plain.train_from_iterator([*sentences, *_prompt_words(len(sentences))], trainer)
    return fast(
        tokenizer_object=plain,
        bos_token=START,
        eos_token=END,
        pad_token=PAD,
        additional_special_tokens=[*NEURAL_TAGS, *AUDIO_TAGS, *PHONEMES],
        clean_up_tokenization_spaces=False,
    )


def build_small_lm(config: SmallLmConfig, tokenizer: Any) -> Any:
    """Build a `LlamaForCausalLM` with fresh weights; torch's own random state is left alone.

    Raises:
        ConfigError: transformers cannot build it from these sizes.
    """
    import transformers

    try:
        shape = transformers.LlamaConfig(
            vocab_size=len(tokenizer),
            hidden_size=config.width,
            intermediate_size=8 * (config.width // 3),
            num_hidden_layers=config.layers,
            num_attention_heads=config.heads,
            num_key_value_heads=config.heads,
            max_position_embeddings=LONGEST,
            tie_word_embeddings=True,
            initializer_range=config.width**-0.5,
            bos_token_id=tokenizer.bos_token_id,
            eos_token_id=tokenizer.eos_token_id,
            pad_token_id=tokenizer.pad_token_id,
        )
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(config.seed)
            return transformers.LlamaForCausalLM(shape)
    except ValueError as failure:
        raise ConfigError(f"no language model of this shape: {failure}") from None


def learn_phonemes(model: Any, tokenizer: Any) -> None:
    """Give a published model a token for each phoneme and the blank, where it has none.

    A phoneme begins as the mean of the embeddings of its letters, `AA` as of ` aa`, so that it is
    of the size of what the model knows; the blank begins as white space.

    Args:
        model: A causal language model of transformers.
        tokenizer: Its tokenizer.
    """
    known = tokenizer.get_vocab()
    new = [name for name in phoneme_vocabulary().tokens if phoneme_token(name) not in known]
    tokenizer.add_tokens([phoneme_token(name) for name in new], special_tokens=True)
    if len(tokenizer) > model.get_input_embeddings().num_embeddings:
        model.resize_token_embeddings(len(tokenizer), mean_resizing=False)
    tables = {id(t): t for t in (model.get_input_embeddings(), model.get_output_embeddings())}
    for name in new:
        letters = name.lower() if name.isalpha() else ""
        spelled = tokenizer(f" {letters}", add_special_tokens=False)["input_ids"]
        token = tokenizer.convert_tokens_to_ids(phoneme_token(name))
        for table in tables.values():
            table.weight.data[token] = table.weight.data[spelled].mean(0)


def _prompt_words(times: int) -> list[str]:
    """Give the prompts' wording, often enough that each of its words becomes one token."""
    wording = NEURAL.split(NEURAL_TAGS[1])[-1], AUDIO.split(AUDIO_TAGS[1])[-1]
    return list(wording) * max(1, times // 100)
