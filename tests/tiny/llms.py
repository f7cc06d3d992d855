"""Random tiny instances of the real language-model classes, and a tokenizer trained on the spot."""

from functools import cache
from typing import Any

import torch

from sylvian.models.backbones import Backbone, backbone_of

SENTENCES = (
    "i would like a glass of water",
    "not too controversial",
    "what do you think about it",
    "yes",
    "you can see the code at this point as well",
)
END = "<|endoftext|>"
AUDIO_TAGS = ("<|audio_bos|>", "<|audio_eos|>")
TEXT_LLMS = ("qwen2", "qwen3", "llama")
LLMS = (*TEXT_LLMS, "qwen2_audio")
AUDIO_WIDTH = 12
WIDTH = 16


@cache
def tokenizer(*, end: str | None = END, tags: tuple[str, ...] = AUDIO_TAGS, size: int = 300) -> Any:
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    plain = Tokenizer(models.BPE())
    plain.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    plain.decoder = decoders.ByteLevel()
    special = [token for token in (end, *tags) if token is not None]
    trainer = trainers.BpeTrainer(
        vocab_size=size,
        special_tokens=special,
        show_progress=False,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
    )
    plain.train_from_iterator(SENTENCES * 2, trainer)
    return PreTrainedTokenizerFast(tokenizer_object=plain, eos_token=end)


def text_settings(n_tokens: int = 320) -> dict[str, Any]:
    return {
        "vocab_size": n_tokens,
        "hidden_size": WIDTH,
        "intermediate_size": 24,
        "num_hidden_layers": 2,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "head_dim": 4,
        "max_position_embeddings": 256,
        "initializer_range": 0.4,  # large, so that a wrong position or mask shows
        "bos_token_id": None,
        "eos_token_id": None,
    }


def model(name: str, *, seed: int = 0, n_tokens: int = 320) -> Any:
    """Build a random model of transformers; torch's random state is left alone."""
    import transformers

    settings = text_settings(n_tokens)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        match name:
            case "qwen2":
                built = transformers.Qwen2ForCausalLM(transformers.Qwen2Config(**settings))
            case "qwen3":
                built = transformers.Qwen3ForCausalLM(transformers.Qwen3Config(**settings))
            case "llama":
                tied = transformers.LlamaConfig(**settings, tie_word_embeddings=True)
                built = transformers.LlamaForCausalLM(tied)
            case "qwen2_audio":
                built = transformers.Qwen2AudioForConditionalGeneration(audio_config(settings))
            case _:
                raise ValueError(name)
    return built.eval()


def audio_config(settings: dict[str, Any]) -> Any:
    import transformers

    audio = transformers.Qwen2AudioEncoderConfig(
        num_mel_bins=8,
        d_model=AUDIO_WIDTH,
        encoder_layers=1,
        encoder_attention_heads=2,
        encoder_ffn_dim=16,
        max_source_positions=40,
        initializer_range=0.4,
    )
    text = transformers.Qwen2Config(**settings)
    return transformers.Qwen2AudioConfig(audio_config=audio, text_config=text, audio_token_id=299)


def backbone(name: str, *, seed: int = 0, n_tokens: int = 320) -> Backbone:
    return backbone_of(model(name, seed=seed, n_tokens=n_tokens))
