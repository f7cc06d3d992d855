"""Dropout that does not dominate a training step on a CPU."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional

_LEVELS = 256


class Dice:
    """Decides what dropout keeps, and decides the same again when asked to start over.

    The decisions come from a stream of its own, whose seed is drawn from torch's generator; nothing
    but the seed has to be kept for the backward pass. One random 64-bit word serves eight elements.

    Args:
        rate: Share to drop; rounded to the nearest multiple of 1/256, below 1.

    Attributes:
        scale: What is kept is multiplied by this, so that the expectation stays.
    """

    def __init__(self, rate: float) -> None:
        self._n_dropped = min(round(rate * _LEVELS), _LEVELS - 1)
        self._seed = int(torch.randint(2**62, ())) if self._n_dropped else None
        self.scale = _LEVELS / (_LEVELS - self._n_dropped)

    def start(self) -> torch.Generator | None:
        """Give the stream from its beginning; None where nothing is dropped."""
        return None if self._seed is None else torch.Generator().manual_seed(self._seed)

    def keep(self, roll: torch.Generator, *, out: Tensor) -> Tensor:
        """Write ones to `out` where an element is kept and zeros elsewhere; returns `out`."""
        words = torch.empty(-(-out.numel() // 8), dtype=torch.int64)
        words.random_(-(2**63), None, generator=roll)
        dice = words.view(torch.uint8)[: out.numel()].view(out.shape)
        # Comparing straight into floating point spares a pass over a boolean tensor.
        return torch.ge(dice, self._n_dropped, out=out)


def drop(values: Tensor, rate: float, *, training: bool = True) -> Tensor:
    """Zero a random share of `values` and scale up the rest.

    On a CPU the rate is rounded to the nearest multiple of 1/256, and the rest scaled to match.

    Args:
        values: Floating point, any shape.
        rate: Share to zero, 0 to below 1.
        training: Return `values` as they are if false.

    Why here: torch draws one Bernoulli variable at a time, which takes several times longer than
    the products around it, and keeps a mask. Seeding and resuming work as with `torch.nn.Dropout`.
    """
    if not training or rate == 0:
        return values
    if values.device.type != "cpu":
        return functional.dropout(values, rate)
    dropped: Tensor = _Drop.apply(values, Dice(rate))  # type: ignore[no-untyped-call]
    return dropped


class _Drop(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, values: Tensor, dice: Dice) -> Tensor:
        ctx.dice = dice
        return _dropped(values, dice)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor, None]:
        return _dropped(gradient, ctx.dice), None


def _dropped(values: Tensor, dice: Dice) -> Tensor:
    roll = dice.start()
    if roll is None:
        return values.clone()
    keep = dice.keep(roll, out=torch.empty_like(values, memory_format=torch.contiguous_format))
    # Keep and scale in one pass, without rounding the scale to bfloat16 first.
    return torch.addcmul(values.new_zeros(()), values, keep, value=dice.scale, out=keep)
