"""A model kept in shards: torch's fully_shard on its Transformer layers, and the way back.

Divided are the blocks of a Transformer encoder, and the decoder layers of a frozen language model,
each fetched when it is its turn and given back after it (as ZeRO-3 does). Read-ins, read-outs,
heads, norms, adapters and embeddings stay whole in every process, with their gradients added like
those of replicas: a process calls only the read-ins of its own trials, and a layer in shards can be
called only by all together.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from functools import partial

import torch
from torch import Tensor, nn
from torch.distributed.device_mesh import DeviceMesh
from torch.distributed.fsdp import FSDPModule, fully_shard, register_fsdp_forward_method
from torch.distributed.tensor import DTensor, distribute_tensor

from sylvian.errors import ConfigError
from sylvian.models.adapters import is_adapter
from sylvian.models.speechllm import SpeechLlm
from sylvian.models.transformer import Transformer
from sylvian.train.exchange import anyone


def shard(model: nn.Module, mesh: DeviceMesh) -> None:
    """Divide the layers among the processes of `mesh`, in place.

    From then on the model must be called by all processes together, as often by each; see
    `in_step`. Of a layer with adapters the frozen weights alone are divided, whatever their type:
    the adapters, a hundredth of its size, stay whole and float32.

    Raises:
        ConfigError: there are no such layers.
    """
    divided: set[nn.Parameter] = set()
    for layer in _layers(model):
        adapters = {own for name, own in layer.named_parameters() if is_adapter(name)}
        divided |= set(layer.parameters()) - adapters
        _sum_gradients(
            fully_shard(layer, mesh=mesh, reshard_after_forward=True, ignored_params=adapters)
        )
    if not divided:
        raise ConfigError(
            "train.strategy=fsdp divides the blocks of a Transformer or of a language model, and "
            "this encoder has none; use ddp"
        )
    # the root has nothing of its own to divide, but lets layers fetch weights ahead of their turn
    fully_shard(model, mesh=mesh, ignored_params=set(model.parameters()) - divided)
    if isinstance(model, SpeechLlm):
        for way in ("listen", "target_logits"):  # its objective comes in by these
            register_fsdp_forward_method(model, way)


def _layers(model: nn.Module) -> Iterator[nn.Module]:
    encoder = getattr(model, "encoder", None)
    if isinstance(encoder, Transformer):
        yield from encoder.blocks
    if isinstance(model, SpeechLlm):
        yield from model.llm.layers


def in_step(model: nn.Module) -> Callable[[bool], bool] | None:
    """Give processes with a model in shards a way to agree on the next call; None: it is whole.

    A process says whether it needs another call, and hears whether any does: then all make one.
    """
    if not is_sharded(model):
        return None
    return partial(anyone, device=next(model.parameters()).device)


def is_sharded(model: nn.Module) -> bool:
    """Say whether `shard` divided the model."""
    return isinstance(model, FSDPModule)


def add_after_backward(model: nn.Module, wanted: bool) -> None:
    """Choose whether the next backward pass adds the gradients of all processes.

    Does nothing where the model is whole.
    """
    if isinstance(model, FSDPModule):
        model.set_requires_gradient_sync(wanted)


def own_part(tensor: Tensor) -> Tensor:
    """Give what this process holds of a tensor: memory shared with it, all of it if it is whole."""
    return tensor.to_local() if isinstance(tensor, DTensor) else tensor


def whole(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Put tensors together from their shards; every process has to ask for the same ones."""
    return {
        name: tensor.full_tensor() if isinstance(tensor, DTensor) else tensor
        for name, tensor in tensors.items()
    }


def divided_like(target: Tensor, value: Tensor) -> Tensor:
    """Give a copy of a whole tensor, on the device of `target` and divided like it."""
    value = value.to(target.device, copy=True)
    if not isinstance(target, DTensor):
        return value
    mesh, placements = target.device_mesh, target.placements
    return distribute_tensor(value, mesh, placements, src_data_rank=None)


def norm_of(tensors: Iterable[Tensor]) -> Tensor:
    """Return the norm of all tensors together (a scalar), whether whole or in shards."""
    everything = list(tensors)
    parts = [own_part(tensor) for tensor in everything if isinstance(tensor, DTensor)]
    norm: Tensor = torch.nn.utils.get_total_norm(
        [tensor for tensor in everything if not isinstance(tensor, DTensor)]
    )
    if not parts:
        return norm
    squares = torch.nn.utils.get_total_norm(parts).square()
    torch.distributed.all_reduce(squares)
    return (norm.square() + squares).sqrt()


def _sum_gradients(block: FSDPModule) -> None:
    """Let gradients be added, not averaged: the loss is divided by all processes' items later."""
    block.set_gradient_divide_factor(1.0)
    block.set_force_sum_reduction_for_comms(True)  # the only kind that every backend knows
