"""Random tiny language models of text with tokenizers trained on the spot, and folders of them."""

from pathlib import Path

import torch
from tokenizers import Tokenizer, models, pre_tokenizers, trainers
from transformers import (
    GPT2Config,
    GPT2LMHeadModel,
    LlamaConfig,
    LlamaForCausalLM,
    MambaConfig,
    MambaForCausalLM,
    OPTConfig,
    OPTForCausalLM,
    PreTrainedModel,
    PreTrainedTokenizerFast,
    Qwen3Config,
    Qwen3ForCausalLM,
)

CORPUS = [
    "I don't know what they said. Did they go there?",
    "We want to go home! They went there with a red rose.",
    "i'm sure that he said so, and so did she.",
]
SMALL = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4}


def trained_tokenizer(**special: str) -> PreTrainedTokenizerFast:
    raw = Tokenizer(models.BPE())
    raw.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    trainer = trainers.BpeTrainer(
        vocab_size=320,
        special_tokens=sorted(set(special.values())),
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    raw.train_from_iterator(CORPUS, trainer)
    return PreTrainedTokenizerFast(tokenizer_object=raw, **special)


def tiny(kind: str) -> tuple[PreTrainedModel, PreTrainedTokenizerFast]:
    torch.manual_seed(0)
    if kind == "opt":
        tokenizer = trained_tokenizer(bos_token="</s>", eos_token="</s>")
        config = OPTConfig(
            vocab_size=320, ffn_dim=64, word_embed_proj_dim=32, max_position_embeddings=64, **SMALL
        )
        return OPTForCausalLM(config), tokenizer
    if kind == "qwen3":
        tokenizer = trained_tokenizer(eos_token="<|im_end|>", pad_token="<|endoftext|>")
        config = Qwen3Config(
            vocab_size=320, intermediate_size=64, num_key_value_heads=2, head_dim=8, **SMALL
        )
        return Qwen3ForCausalLM(config), tokenizer
    tokenizer = trained_tokenizer(bos_token="<|im_start|>", pad_token="<|endoftext|>")
    if kind == "gpt2":
        return GPT2LMHeadModel(
            GPT2Config(vocab_size=320, n_embd=32, n_layer=2, n_head=4)
        ), tokenizer
    if kind == "mamba":
        return MambaForCausalLM(
            MambaConfig(vocab_size=320, hidden_size=32, num_hidden_layers=2)
        ), tokenizer
    config = LlamaConfig(vocab_size=320, intermediate_size=64, num_key_value_heads=2, **SMALL)
    return LlamaForCausalLM(config), tokenizer


def saved(folder: Path, kind: str = "opt") -> Path:
    model, tokenizer = tiny(kind)
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder
