"""What a training step takes in memory, as a sum of its parts."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from typing import Any

import torch

from sylvian.models.adapters import LoraConfig, add_adapters
from sylvian.models.backbones import Backbone
from sylvian.models.sequences import side_by_side

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16}
SMOLLM2: dict[str, Any] = {
    "model_type": "llama",
    "vocab_size": 49152,
    "hidden_size": 576,
    "intermediate_size": 1536,
    "num_hidden_layers": 30,
    "num_attention_heads": 9,
    "num_key_value_heads": 3,
    "tie_word_embeddings": True,
}
QWEN25_15B: dict[str, Any] = {
    "model_type": "qwen2",
    "vocab_size": 151936,
    "hidden_size": 1536,
    "intermediate_size": 8960,
    "num_hidden_layers": 28,
    "num_attention_heads": 12,
    "num_key_value_heads": 2,
    "tie_word_embeddings": True,
}
QWEN25_7B: dict[str, Any] = QWEN25_15B | {
    "vocab_size": 152064,
    "hidden_size": 3584,
    "intermediate_size": 18944,
    "num_attention_heads": 28,
    "num_key_value_heads": 4,
    "tie_word_embeddings": False,
}
SIZES = {"SmolLM2-135M": SMOLLM2, "Qwen2.5-1.5B": QWEN25_15B, "Qwen2.5-7B": QWEN25_7B}
MB = 2**20


def random_causal(size: dict[str, Any], depth: int, dtype: torch.dtype) -> Any:
    """Make a language model of some size with `depth` layers."""
    from transformers import AutoConfig, AutoModelForCausalLM

    settings = {name: value for name, value in size.items() if name != "model_type"}
    config = AutoConfig.for_model(size["model_type"], **settings | {"num_hidden_layers": depth})
    return AutoModelForCausalLM.from_config(config, dtype=dtype)


@dataclass(frozen=True)
class TrialFacts:
    """What a trial is to a step: bytes kept of its encoding, places and targets of its sequence."""

    heard: int
    places: int
    targets: int


def summed(
    name: str, dtype: str, *, recompute: bool, n_own: int, trial: TrialFacts
) -> dict[str, float]:
    """Add up what a step takes, in MiB: once, and for each trial.

    Args:
        name: One of `SIZES`.
        dtype: Of the frozen weights.
        recompute: Whether activations are computed again in the backward pass.
        n_own: Trained weights apart from adapters.
        trial: What a trial needs.
    """
    size, itemsize = SIZES[name], DTYPES[dtype].itemsize
    width, depth = size["hidden_size"], size["num_hidden_layers"]
    layer = one_layer(name, dtype, trial.places)
    embeddings = size["vocab_size"] * width * (1 if size["tie_word_embeddings"] else 2)
    border = trial.places * width * itemsize
    activations = (depth * border + layer.kept) if recompute else depth * layer.kept
    # in their own type, in float32, as softmax and as gradient
    logits = trial.targets * size["vocab_size"] * (12 + itemsize)
    return {
        "frozen_mb": (layer.frozen * depth + embeddings + width) * itemsize / MB,
        # two layers are whole at a time: the one at work and the next one
        "frozen_of_4_mb": (layer.frozen * (depth / 4 + 2) + embeddings) * itemsize / MB,
        "trained_mb": 16 * (n_own + layer.adapters * depth) / MB,
        "trial_mb": (trial.heard + activations + logits) / MB,
    }


@dataclass(frozen=True)
class Layer:
    """Frozen weights, adapters' weights, and bytes kept for a trial, of one layer."""

    frozen: int
    adapters: int
    kept: int


@cache
def one_layer(name: str, dtype: str, n_places: int) -> Layer:
    """Count on one real layer."""
    size = SIZES[name] | {"vocab_size": 8}
    base = Backbone(random_causal(size, 1, DTYPES[dtype]))
    frozen = sum(own.numel() for own in base.layers.parameters())
    add_adapters(base, LoraConfig(), audio=False)
    base.train()
    adapters = sum(own.numel() for own in base.layers.parameters()) - frozen
    rows = torch.zeros(n_places, size["hidden_size"], dtype=DTYPES[dtype]).requires_grad_()
    sequences = side_by_side([rows], pad="right")
    return Layer(frozen, adapters, kept_bytes(lambda: base.read(sequences)))


def kept_bytes(forward: Callable[[], torch.Tensor]) -> int:
    """Count the bytes that autograd keeps of a forward pass, weights apart."""
    with kept_tensors() as kept:
        result = forward()
    sizes = {
        tensor.untyped_storage().data_ptr(): tensor.untyped_storage().nbytes()
        for tensor in kept
        if not (tensor.is_leaf and tensor.requires_grad) and not is_weight(tensor)
    }
    del result
    return sum(sizes.values())


def is_weight(tensor: torch.Tensor) -> bool:
    """Tell frozen weights, and what is a view of one, from activations."""
    base = tensor if tensor._base is None else tensor._base
    return isinstance(base, torch.nn.Parameter)


@contextmanager
def kept_tensors() -> Iterator[list[torch.Tensor]]:
    """List the tensors that autograd keeps."""
    kept: list[torch.Tensor] = []

    def keep(tensor: torch.Tensor) -> torch.Tensor:
        kept.append(tensor)
        return tensor

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda tensor: tensor):
        yield kept
