"""What equal processes tell one another: sums, gradients, weights to begin with.

Everything here does nothing where there is one process.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, distributed, nn
from torch.autograd.function import once_differentiable
from torch.distributed.tensor import DTensor

from sylvian.errors import SylvianError


def n_processes() -> int:
    """Count the processes that train together."""
    together = distributed.is_available() and distributed.is_initialized()
    return distributed.get_world_size() if together else 1


def add_up(numbers: Sequence[float], *, device: torch.device) -> list[float]:
    """Add numbers over all processes, in float64; the same sums arrive everywhere."""
    if n_processes() == 1:
        return list(numbers)
    sums = torch.tensor(numbers, dtype=torch.float64, device=device)
    with contact():
        distributed.all_reduce(sums)
    found: list[float] = sums.tolist()
    return found


def add_gradients(model: nn.Module, used: Sequence[bool]) -> None:
    """Add the gradients of all processes.

    Parameters kept in shards are left out: their gradients are added when they are scattered.

    Args:
        model: The model; every process has the same.
        used: Which of `replicated(model)` have a gradient anywhere. The others are left without,
            as by one process alone, so that AdamW does not touch them.

    Why here: DistributedDataParallel would do it during the last backward pass, but it needs to be
    told of every pass that is not the last, searches the graph for the read-ins that a process had
    no trial for, and gives gradients to those nobody used. One sum of what was used is easier to
    prove; what it costs is that it does not overlap with the backward pass, which for the published
    13 million parameters is a millisecond on a GPU's links.
    """
    parameters = [own for own, is_used in zip(replicated(model), used, strict=True) if is_used]
    if not parameters:
        return
    for parameter in parameters:
        if parameter.grad is None:
            parameter.grad = torch.zeros_like(parameter)
    gradients = [parameter.grad for parameter in parameters if parameter.grad is not None]
    flat = torch.cat([gradient.flatten() for gradient in gradients])
    with contact():
        distributed.all_reduce(flat)
    sizes = [gradient.numel() for gradient in gradients]
    for gradient, total in zip(gradients, torch.split(flat, sizes), strict=True):
        gradient.copy_(total.view_as(gradient))


def begin_alike(model: nn.Module) -> None:
    """Give every process the weights of the first.

    They were built from one seed, but another kind of processor may round them differently.
    """
    if n_processes() == 1:
        return
    whole = [own.detach() for own in model.parameters() if not isinstance(own, DTensor)]
    with contact():
        for tensor in (*whole, *model.buffers()):
            distributed.broadcast(tensor, src=0)


def anyone(wants: bool, *, device: torch.device) -> bool:
    """Say whether any process wants something; all have to ask."""
    return add_up([float(wants)], device=device)[0] > 0


def gather_rows(rows: Tensor) -> tuple[Tensor, int]:
    """Put the rows of all processes below one another, with a way back for gradients.

    The convention is that of `add_gradients`: each process backpropagates its own share of the
    loss, and all shares are added. What the others' shares say about own rows therefore comes back
    added to what the own share says, and the gradients of parameters, added over processes, are
    those of one process that has all rows. All have to make the backward pass if one does.

    Args:
        rows: Own rows, as many as there may be, none too; alike in the other sizes and in type.

    Returns:
        The rows of the first process, of the second, ..., and where one's own begin.

    Why here: torch's own `all_gather` of this kind wants as many rows of every process.
    """
    if n_processes() == 1:
        return rows, 0
    counts = _row_counts(rows)
    start = sum(counts[: distributed.get_rank()])
    gathered = _GatheredRows.apply(rows, counts, start)  # type: ignore[no-untyped-call]
    return gathered, start


class _GatheredRows(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, rows: Tensor, counts: list[int], start: int) -> Tensor:
        ctx.start, ctx.stop = start, start + len(rows)
        padded = rows.new_zeros(max(counts), *rows.shape[1:])
        padded[: len(rows)] = rows
        parts = [torch.empty_like(padded) for _ in counts]
        with contact():
            distributed.all_gather(parts, padded)
        return torch.cat([part[:count] for part, count in zip(parts, counts, strict=True)])

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None, None]:
        total = gradient.clone(memory_format=torch.contiguous_format)
        with contact():
            distributed.all_reduce(total)
        return total[ctx.start : ctx.stop], None, None


def _row_counts(rows: Tensor) -> list[int]:
    own = torch.tensor([len(rows)], device=rows.device)
    counts = [torch.empty_like(own) for _ in range(n_processes())]
    with contact():
        distributed.all_gather(counts, own)
    found: list[int] = torch.cat(counts).tolist()
    return found


def meet() -> None:
    """Wait until every process is here."""
    if n_processes() > 1:
        with contact():
            distributed.barrier()


def replicated(model: nn.Module) -> list[nn.Parameter]:
    """List the parameters in training that every process has whole, in the model's order."""
    return [own for own in model.parameters() if own.requires_grad and not isinstance(own, DTensor)]


@contextmanager
def contact() -> Iterator[None]:
    """Say in a sentence that another process is gone.

    Raises:
        SylvianError: the connection broke.
    """
    try:
        yield
    except distributed.DistError as failure:
        raise _lost(failure) from failure
    except RuntimeError as failure:  # gloo has no class of its own
        if "gloo" not in str(failure):
            raise
        raise _lost(failure) from failure


def _lost(failure: Exception) -> SylvianError:
    return SylvianError(
        "lost contact with another process of this training; what it printed last says why "
        f"({str(failure).splitlines()[0]})"
    )
