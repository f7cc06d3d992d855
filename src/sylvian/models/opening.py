"""The language model an encoder speaks to, opened by name as a frozen base."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal

import torch
from pydantic import Field

from sylvian.config import LATER, Config
from sylvian.models.audio_llms import TABLES, load_audio_llm
from sylvian.models.backbones import Backbone
from sylvian.models.hub import (
    OFFLINE,
    Where,
    find_model,
    load_causal,
    quietly,
    require_transformers,
)

_TYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}


class BackboneConfig(Config):
    """Which language model, and how its frozen weights are held in memory.

    Precision and recomputation decide what fits; a model trained with some values is loaded with
    any others.
    """

    name: str = Field(
        OFFLINE,
        description="a folder, a .gguf file, a name on the hub such as Qwen/Qwen2.5-1.5B, or "
        "smollm2; an audio-LLM is known by its config.json",
    )
    dtype: Literal["auto", "float32", "bfloat16"] = Field(
        "auto",
        description="precision of the frozen weights; all that is trained stays float32, and so "
        "do losses; auto: bfloat16 where there is a GPU",
    )
    recompute: bool = Field(
        False,
        description="gradient checkpointing: compute the language model's activations again in "
        "the backward pass instead of keeping them; a third more time, a fraction of the memory",
    )
    attention: Literal["auto", "eager", "sdpa"] = Field(
        "auto",
        description="how the language model computes attention. auto: as transformers chooses; "
        "eager: trains a third faster on a CPU where prompts are short, in memory that grows with "
        "their square",
        json_schema_extra=LATER,
    )


def open_backbone(config: BackboneConfig) -> tuple[Backbone, Any]:
    """Open a language model on the CPU, without adapters, and its tokenizer.

    Whoever trains moves it to a device: of several processes, each to its own.

    Args:
        config: Which one, and how.

    Raises:
        ConfigError: transformers is not installed, or the name is neither a place nor a hub's name.
        CheckpointError: nothing is found there, or it cannot be read.
    """
    kind = _precision(config.dtype)
    if _is_audio_llm(find_model(config.name)):
        backbone, tokenizer = load_audio_llm(config.name, dtype=_TYPES[kind])
    else:
        causal, tokenizer = load_causal(config.name, dtype=kind, device="cpu")
        backbone = Backbone(causal)
    if config.attention != "auto":
        network: Any = backbone.causal  # typed in parts
        network.set_attn_implementation(config.attention)
    if config.recompute:
        backbone.recompute()
    return backbone, tokenizer


def check_backbone(config: BackboneConfig) -> None:
    """Look a language model up without opening it; a hub's own name is taken at its word.

    Raises:
        ConfigError: transformers or peft is not installed, or the name is neither a place nor a
            hub's name.
        CheckpointError: nothing is found there.
    """
    require_transformers(config.name, adapted=True)  # answering needs peft's layers, too
    find_model(config.name)


def _precision(wanted: str) -> str:
    if wanted != "auto":
        return wanted
    return "bfloat16" if torch.cuda.is_available() else "float32"


def _is_audio_llm(where: Where) -> bool:
    """Look the kind of model up; what is wrong with it is said by who opens it."""
    if where.gguf is not None:
        return False
    try:
        found = json.loads(_description(where.source).read_text(encoding="utf-8"))
    except (OSError, ValueError, ImportError):
        return False
    return isinstance(found, dict) and found.get("model_type") in TABLES


def _description(source: str) -> Path:
    if Path(source).is_dir():
        return Path(source, "config.json")
    from huggingface_hub import hf_hub_download

    with quietly():
        return Path(hf_hub_download(source, "config.json"))
