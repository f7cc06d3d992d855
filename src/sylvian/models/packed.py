"""Attention within each trial of a packed matrix, on the CPU and on accelerators.

On a CPU every trial is attended to by itself, or with a few neighbours of the same length: no
padding, and the weights stay in the cache. The backward pass is written out, because autograd would
copy the whole matrix once per trial. On an accelerator the trials are padded, and one fused kernel
serves them all; it gets a mask only where trials differ in length or may not see all frames.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import groupby
from typing import Any

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional

from sylvian.models.dropout import Dice
from sylvian.models.rotary import rotate, rotate_into
from sylvian.models.workspace import Workspace

_TILE = 16
_GROUP_WEIGHTS = 2**19
"""Weights computed at a time, unless one trial alone has more: a megabyte in bfloat16."""


def attend_packed(
    qkv: Float[Tensor, "rows 3 heads head_width"],
    lengths: Sequence[int],
    *,
    table: Float[Tensor, "2 2 1 longest head_width"],
    hidden: Bool[Tensor, "longest longest"] | None = None,
    causal: bool = False,
    dropout: float = 0.0,
) -> Float[Tensor, "rows joined"]:
    """Let the frames of each trial attend to one another.

    Args:
        qkv: Queries, keys and values, trial after trial.
        lengths: Frames of each trial; rows behind the last trial come out as zeros.
        table: Rotary factors of positions 0 to the longest trial's, see `Rotary.table`.
        hidden: Which position (column) each position (row) must not see.
        causal: Says that `hidden` hides the future and nothing else, which spares kernels a mask.
        dropout: Rate on the attention weights.

    Returns:
        The heads' outputs, joined.
    """
    if qkv.device.type == "cpu":
        heads: Tensor = _PackedAttention.apply(  # type: ignore[no-untyped-call]
            qkv, list(lengths), table, hidden, dropout
        )
        return heads
    return attend_padded(qkv, lengths, table=table, hidden=hidden, causal=causal, dropout=dropout)


def attend_padded(
    qkv: Float[Tensor, "rows 3 heads head_width"],
    lengths: Sequence[int],
    *,
    table: Float[Tensor, "2 2 1 longest head_width"],
    hidden: Bool[Tensor, "longest longest"] | None = None,
    causal: bool = False,
    dropout: float = 0.0,
) -> Float[Tensor, "rows joined"]:
    """Do the same through padding and torch's fused attention.

    There is a mask only where one is needed: not where all trials are equally long, and not where
    attention is causal, because padding lies in everybody's future.
    """
    count, longest = sum(lengths), max(lengths)
    grid = None if min(lengths) == longest else padding_grid(tuple(lengths), qkv.device)
    padded = qkv[:count] if grid is None else qkv.index_select(0, grid.source)
    by_head = padded.view(-1, longest, *qkv.shape[1:]).permute(2, 0, 3, 1, 4)
    turned = rotate(by_head[:2].flatten(1, 2), table).view_as(by_head[:2])
    heads = functional.scaled_dot_product_attention(
        turned[0],
        turned[1],
        by_head[2],
        attn_mask=None if causal else _seen(grid, hidden),
        is_causal=causal,
        dropout_p=dropout,
        scale=1.0,
    )
    joined = heads.transpose(1, 2).flatten(2).flatten(0, 1)
    rows = joined if grid is None else joined.index_select(0, grid.target)
    return functional.pad(rows, (0, 0, 0, len(qkv) - count))


@dataclass(frozen=True, slots=True)
class PaddingGrid:
    """How packed rows lie in a padded batch.

    Attributes:
        source: Row at each place of the batch; the trial's last one where there is padding.
        target: Place of each row.
        real: Which places are not padding.
    """

    source: Int64[Tensor, " places"]
    target: Int64[Tensor, " rows"]
    real: Bool[Tensor, "batch longest"]


@lru_cache(maxsize=4)
def padding_grid(lengths: tuple[int, ...], device: torch.device) -> PaddingGrid:
    """Lay out packed rows as a batch.

    Made on the CPU, so that no kernel is waited for, and kept for the other blocks of a step.
    """
    frame, n_frames = torch.arange(max(lengths)), torch.tensor(lengths).unsqueeze(1)
    real = frame < n_frames
    target = real.flatten().nonzero().squeeze(1)
    source = n_frames.cumsum(0) - n_frames + torch.minimum(frame, n_frames - 1)
    moved = (part.to(device, non_blocking=True) for part in (source.flatten(), target, real))
    return PaddingGrid(*moved)


def _seen(grid: PaddingGrid | None, hidden: Tensor | None) -> Tensor | None:
    """Which keys (last axis) each query sees; None where it is all of them."""
    if grid is None:
        return None if hidden is None else ~hidden
    if hidden is None:
        return grid.real[:, None, None, :]
    # A padding frame may see itself: a row without any key would turn into NaN.
    itself = torch.eye(len(hidden), dtype=torch.bool, device=hidden.device)
    return (grid.real[:, None, None, :] & ~hidden) | itself


def weigh(
    query: Float[Tensor, "heads queries head_width"],
    key: Float[Tensor, "heads keys head_width"],
    hidden: Bool[Tensor, "queries keys"] | None,
) -> Float[Tensor, "heads queries keys"]:
    """Give attention weights of rotated (and thereby scaled) queries over keys."""
    scores = torch.bmm(query, key.transpose(1, 2))
    if hidden is not None:
        scores = scores.masked_fill_(hidden, -torch.inf)
    return scores.softmax(-1)


class _PackedAttention(torch.autograd.Function):
    """Keeps the turned queries, keys and values; weights and dropout are computed again backwards.

    A trial's tensors are padded to a multiple of `_TILE` frames: aligned rows are faster, and
    oneDNN compiles a kernel for every new length, which takes longer than the product itself.
    """

    @staticmethod
    def forward(
        ctx: Any,
        qkv: Tensor,
        lengths: list[int],
        table: Tensor,
        hidden: Tensor | None,
        dropout: float,
    ) -> Tensor:
        ctx.lengths, ctx.dice = lengths, Dice(dropout)
        turned = qkv.new_empty(qkv[0].numel() * sum(map(_tiled, lengths)))
        joined = qkv.new_empty(len(qkv), *qkv.shape[2:])
        joined[sum(lengths) :] = 0
        ctx.save_for_backward(turned, table, hidden)
        with torch.autocast("cpu", enabled=False):
            for one, trial, target in _trials(ctx, (turned, table, hidden), qkv, joined):
                one.attend(trial, target)
        return joined.flatten(1)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        kept = ctx.saved_tensors
        outer = gradient.view(len(gradient), -1, kept[1].shape[-1])
        back = outer.new_empty(len(outer), 3, *outer.shape[1:])
        back[sum(ctx.lengths) :] = 0
        for one, own, target in _trials(ctx, kept, outer, back):
            one.retrace(own, target)
        return back, None, None, None, None


def _tiled(length: int) -> int:
    return -(-length // _TILE) * _TILE


def _groups(lengths: Sequence[int], heads: int) -> list[tuple[int, int]]:
    """Join neighbours of the same length; gives how many trials and their length."""
    groups: list[tuple[int, int]] = []
    for n, run in groupby(lengths):
        count, most = len(list(run)), max(1, _GROUP_WEIGHTS // (heads * _tiled(n) ** 2))
        groups += [(min(most, count - start), n) for start in range(0, count, most)]
    return groups


def _trials(
    ctx: Any, kept: tuple[Tensor, Tensor, Tensor | None], source: Tensor, target: Tensor
) -> Iterator[tuple[_GroupAttention, Tensor, Tensor]]:
    """Walk over trials, always in the same order, so that the dice fall the same way again."""
    turned, table, hidden = kept
    heads, head_width = source.shape[-2:]
    groups, real = _groups(ctx.lengths, heads), sum(ctx.lengths)
    sizes = [3 * heads * head_width * count * _tiled(n) for count, n in groups]
    rows = [count * n for count, n in groups]
    roll, work = ctx.dice.start(), Workspace(source)
    pieces = zip(
        groups,
        torch.split(turned, sizes),
        torch.split(source[:real], rows),
        torch.split(target[:real], rows),
        strict=True,
    )
    for (count, n), own, piece, result in pieces:
        shape = (3, count, heads, _tiled(n), head_width)
        cover = None if hidden is None else hidden[:n, :n]
        angles = table[..., :n, :].unsqueeze(2)
        one = _GroupAttention(own.view(shape), angles, cover, ctx.dice, roll, work)
        by_trial = (count, n, *piece.shape[1:]), (count, n, *result.shape[1:])
        yield one, piece.view(by_trial[0]), result.view(by_trial[1])


@dataclass(frozen=True, slots=True)
class _GroupAttention:
    """Attention within each of some trials of one length, forwards and backwards.

    Attributes:
        turned: Rotated queries, rotated keys, and values: `3 trials heads tiled head_width`; zeros
            behind the trials' ends. Written by `attend`, read by `retrace`.
        table: Rotary factors.
        hidden: Positions out of reach.
        dice: Decides which weights are dropped.
        roll: State of the dice.
        work: Scratch memory.
    """

    turned: Tensor
    table: Tensor
    hidden: Tensor | None
    dice: Dice
    roll: torch.Generator | None
    work: Workspace

    def attend(
        self,
        trials: Float[Tensor, "trials frames 3 heads head_width"],
        target: Float[Tensor, "trials frames heads head_width"],
    ) -> None:
        """Write the outputs of the heads to `target`."""
        n, by_head = trials.shape[1], trials.permute(2, 0, 3, 1, 4)
        rotate_into(self.turned[:2, ..., :n, :], by_head[:2], self.table, self.work)
        self.turned[2, ..., :n, :] = by_head[2]
        self.turned[..., n:, :] = 0
        weights, keep = self._weights(n)
        if keep is not None:
            weights *= keep
        value = self.turned[2]
        heads = self.work.take("heads", value.shape)
        torch.bmm(weights, value.flatten(0, 1), out=heads.flatten(0, 1))
        torch.mul(heads[..., :n, :].transpose(1, 2), self.dice.scale, out=target)

    def retrace(
        self,
        outer: Float[Tensor, "trials frames heads head_width"],
        target: Float[Tensor, "trials frames 3 heads head_width"],
    ) -> None:
        """Write the gradients of queries, keys and values to `target`, given the outputs'."""
        n, work = outer.shape[1], self.work
        query, key, value = self.turned.flatten(1, 2)
        weights, keep = self._weights(n)
        square = weights.shape
        shaped = work.take("heads", self.turned.shape[1:])
        torch.mul(outer.transpose(1, 2), self.dice.scale, out=shaped[..., :n, :])
        shaped[..., n:, :] = 0
        by_head = shaped.flatten(0, 1)
        by_weight = torch.bmm(by_head, value.transpose(1, 2), out=work.take("scores", square))
        dropped = weights
        if keep is not None:
            by_weight *= keep
            dropped = keep.mul_(weights)
        by_turned = work.take("turned", self.turned.shape)
        by_query, by_key, by_value = by_turned.flatten(1, 2)
        torch.bmm(dropped.transpose(1, 2), by_head, out=by_value)
        by_score = torch.ops.aten._softmax_backward_data.out(
            by_weight, weights, -1, weights.dtype, grad_input=work.take("by_score", square)
        )
        torch.bmm(by_score, key, out=by_query)
        torch.bmm(by_score.transpose(1, 2), query, out=by_key)
        into = target.permute(2, 0, 3, 1, 4)
        rotate_into(into[:2], by_turned[:2, ..., :n, :], self.table, work, inverse=True)
        into[2].copy_(by_turned[2, ..., :n, :])

    def _weights(self, n: int) -> tuple[Tensor, Tensor | None]:
        """Give attention weights of the first `n` keys, and which of them dropout keeps."""
        query, key, _ = self.turned.flatten(1, 2)
        square = (*query.shape[:2], query.shape[1])
        scores = torch.bmm(query, key.transpose(1, 2), out=self.work.take("scores", square))
        scores[..., n:] = -torch.inf
        if self.hidden is not None:
            scores[:, :n, :n].masked_fill_(self.hidden, -torch.inf)
        weights = torch.softmax(scores, -1, out=self.work.take("weights", square))
        if self.roll is None:
            return weights, None
        return weights, self.dice.keep(self.roll, out=self.work.take("keep", square))
