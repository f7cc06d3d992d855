"""Low-rank adapters on a frozen language model."""

from __future__ import annotations

from typing import Any

import torch
from pydantic import Field
from torch import Tensor, nn

from sylvian.config import Config
from sylvian.errors import ConfigError
from sylvian.models.backbones import Backbone, linears

_MARK = ".lora_"


class LoraConfig(Config):
    """Which layers are adapted, and how much (dossier §6.4).

    The update of a layer is `alpha / rank` times the product of two thin matrices, in float32
    whatever the precision of the layer.
    """

    rank: int = Field(8, gt=0, description="width of the update")
    alpha: int = Field(32, gt=0, description="scale of the update times the rank")
    dropout: float = Field(0.2, ge=0, lt=1, description="on the update's input")
    targets: tuple[str, ...] = Field(
        ("q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"),
        min_length=1,
        description="linear layers of the language model, by the last part of their name",
    )
    audio_projector: bool = Field(
        True, description="also adapt an audio-LLM's multimodal projector, where it is used"
    )


def add_adapters(llm: Backbone, config: LoraConfig, *, audio: bool, seed: int = 0) -> None:
    """Wrap a backbone's layers in place; a fresh adapter changes nothing.

    Args:
        llm: Its own weights stay frozen.
        config: Which layers, how much.
        audio: Whether the multimodal projector is in use.
        seed: Decides the initial weights; torch's own random state is left alone.

    Raises:
        ConfigError: a target names no layer, or there are adapters already.
    """
    if adapter_names(llm):
        raise ConfigError("the language model has adapters already; load a fresh one")
    found = linears(llm.causal, config.targets)
    if absent := [end for end, names in found.items() if not names]:
        raise ConfigError(
            f"{llm.identity.architecture} has no linear layer {absent[0]!r}; change "
            "end_to_end.speech.lora.targets"
        )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        _inject(llm.causal, config, [name for names in found.values() for name in names])
        if audio and config.audio_projector and llm.audio is not None:
            parts = llm.audio.named_modules()
            _inject(
                llm.audio, config, [name for name, part in parts if isinstance(part, nn.Linear)]
            )
    for name, parameter in llm.named_parameters():
        parameter.requires_grad_(is_adapter(name))
        if is_adapter(name):
            parameter.data = parameter.data.float()
    llm.train(llm.training)  # a fresh adapter would drop out even in inference mode


def is_adapter(name: str) -> bool:
    """Tell a tensor that adapters added from one of the layer they were added to."""
    return _MARK in name


def adapter_names(llm: Backbone) -> tuple[str, ...]:
    """Name the tensors that adapters added.

    Raises:
        ConfigError: they were folded into the layers and are gone.
    """
    if llm.folded:
        raise ConfigError(
            "the adapters were folded into the language model's layers; save or train a model that "
            "was loaded afresh"
        )
    return tuple(name for name, _ in llm.named_parameters() if is_adapter(name))


def adapter_state(llm: Backbone) -> dict[str, Tensor]:
    """Give the adapters' tensors alone."""
    state = llm.state_dict()
    return {name: state[name] for name in adapter_names(llm)}


def fold_adapters(llm: Backbone) -> None:
    """Add each adapter's update to its layer's weights, to read and write faster.

    It cannot be undone: the model answers as before, but can be neither saved nor trained. The sum
    is rounded to the layers' precision, which shows in bfloat16.

    Why here: of a step of SmolLM2-135M on a CPU, adapters take a sixth, in small products that wait
    for one another.
    """
    from peft.tuners.lora import LoraLayer

    for whole in (llm.causal, llm.audio):
        parts = list(whole.named_modules()) if whole is not None else []
        for name, part in parts:
            if whole is not None and isinstance(part, LoraLayer):
                merged: Any = part
                merged.merge()
                whole.set_submodule(name, merged.get_base_layer())
    llm.folded = True


def _inject(module: nn.Module, config: LoraConfig, names: list[str]) -> None:
    import peft

    peft.inject_adapter_in_model(
        peft.LoraConfig(
            r=config.rank,
            lora_alpha=config.alpha,
            lora_dropout=config.dropout,
            target_modules=names,
            bias="none",
        ),
        module,
    )
