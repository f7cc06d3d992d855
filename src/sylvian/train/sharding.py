"""A model kept in shards: torch's fully_shard on the blocks of the Transformer, and the way back.

Read-ins, read-outs, heads and norms stay whole in every process, with their gradients added like
those of replicas: a process calls only the read-ins of its own trials, and a layer in shards can be
called only by all together.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import torch
from torch import Tensor, nn
from torch.distributed.device_mesh import DeviceMesh
from torch.distributed.fsdp import FSDPModule, fully_shard
from torch.distributed.tensor import DTensor, distribute_tensor

from sylvian.errors import ConfigError
from sylvian.models.transformer import Transformer


def shard(model: nn.Module, mesh: DeviceMesh) -> None:
    """Divide the blocks among the processes of `mesh`, in place.

    From then on the model must be called by all processes together.

    Raises:
        ConfigError: the encoder has no blocks.
    """
    encoder = getattr(model, "encoder", None)
    if not isinstance(encoder, Transformer):
        raise ConfigError("train.strategy=fsdp divides the blocks of a Transformer; use ddp")
    blocks = list(encoder.blocks)
    inside = {parameter for block in blocks for parameter in block.parameters()}
    for block in blocks:
        _sum_gradients(fully_shard(block, mesh=mesh))
    # the root has nothing of its own to divide, but lets blocks fetch weights ahead of their turn
    fully_shard(model, mesh=mesh, ignored_params=set(model.parameters()) - inside)


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
