"""Stacked GRU layers over packed trials, with a backward pass that pays for its weights once.

On a CPU torch sums the gradient of the recurrent weights anew after every frame, which takes ten
times longer than everything else; here the frames only collect the gradients of their gates, and
one product at the end does the rest. On an accelerator torch's own fused layers run.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.autograd.function import once_differentiable
from torch.nn import functional

from sylvian.models.dropout import drop


def run_gru(
    gru: nn.GRU,
    rows: Float[Tensor, "rows inputs"],
    lengths: Sequence[int],
    initial: Float[Tensor, "states width"],
) -> Float[Tensor, "rows outputs"]:
    """Run `gru` over packed trials.

    Args:
        gru: Layers with weights; its `dropout` acts between them while it is training.
        rows: Frames of all trials, trial after trial.
        lengths: Frames of each trial, at least one.
        initial: First hidden state of every layer and direction, the same for every trial.

    Returns:
        The last layer's outputs, packed alike.
    """
    if rows.device.type != "cpu":
        return _run_fused(gru, rows, lengths, initial)
    order, sizes = _by_time(lengths)
    states = iter(initial)
    for layer in range(gru.num_layers):
        if layer:
            rows = drop(rows, gru.dropout, training=gru.training)
        names = [f"l{layer}", f"l{layer}_reverse"] if gru.bidirectional else [f"l{layer}"]
        outputs = [_run_layer(gru, name, rows, next(states), order, sizes) for name in names]
        rows = outputs[0] if len(outputs) == 1 else torch.cat(outputs, dim=1)
    return rows


def _run_fused(gru: nn.GRU, rows: Tensor, lengths: Sequence[int], initial: Tensor) -> Tensor:
    trials = list(torch.split(rows, list(lengths)))
    packed = nn.utils.rnn.pack_sequence(trials, enforce_sorted=False)
    states = initial.unsqueeze(1).expand(-1, len(lengths), -1).contiguous()
    outputs, _ = gru(packed, states)
    return torch.cat(nn.utils.rnn.unpack_sequence(outputs))


def _run_layer(
    gru: nn.GRU, name: str, rows: Tensor, state: Tensor, order: Tensor, sizes: Sequence[int]
) -> Float[Tensor, "rows width"]:
    """Run one layer in one direction."""
    parameters = [getattr(gru, f"{part}_{name}") for part in ("weight_ih", "bias_ih")]
    recurrent = [getattr(gru, f"{part}_{name}") for part in ("weight_hh", "bias_hh")]
    inputs = functional.linear(rows, *parameters)
    outputs: Tensor = _Scan.apply(  # type: ignore[no-untyped-call]
        inputs, state, *recurrent, order, _frames(sizes, backwards=name.endswith("reverse"))
    )
    return outputs


def _by_time(lengths: Sequence[int]) -> tuple[Tensor, list[int]]:
    """Sort packed rows by frame, and within a frame by length, longest trial first.

    Returns:
        Which row comes where, and how many trials are under way at each frame.
    """
    count = torch.tensor(lengths)
    first = count.cumsum(0) - count
    ranked = torch.argsort(count, descending=True, stable=True)
    frame = torch.arange(int(count.max())).unsqueeze(1)
    under_way = frame < count[ranked]
    return (first[ranked] + frame)[under_way], under_way.sum(1).tolist()


def _frames(sizes: Sequence[int], *, backwards: bool) -> list[slice]:
    """Give the rows of each frame in the order of processing."""
    ends = torch.tensor(sizes).cumsum(0).tolist()
    frames = [slice(end - size, end) for end, size in zip(ends, sizes, strict=True)]
    return frames[::-1] if backwards else frames


class _Scan(torch.autograd.Function):
    """The recurrence of one layer: `h' = (1 - z) n + z h`, gates r, z, n as in `torch.nn.GRU`.

    Inside, rows are sorted by time, and the trials under way at a frame are the first ones. The
    state and the gates' arithmetic are float32; products and what is kept for the backward pass
    have the inputs' type.
    """

    @staticmethod
    def forward(
        ctx: Any,
        inputs: Float[Tensor, "rows gates"],
        state: Float[Tensor, " width"],
        weight: Float[Tensor, "gates width"],
        bias: Float[Tensor, " gates"],
        order: Tensor,
        frames: list[slice],
    ) -> Float[Tensor, "rows width"]:
        width, dtype = len(state), inputs.dtype
        n_trials = max(frame.stop - frame.start for frame in frames)
        wide = torch.promote_types(dtype, torch.float32)
        hidden = state.to(wide).repeat(n_trials, 1)  # a copy: it is overwritten below
        before, outputs = (inputs.new_empty(len(inputs), width) for _ in range(2))
        gates = inputs.new_empty(len(inputs), 4, width)
        recurrent, offset, inputs = weight.to(dtype).t(), bias.to(dtype), inputs[order]
        with torch.autocast("cpu", enabled=False):
            for frame in frames:
                own = hidden[: frame.stop - frame.start]
                before[frame] = own
                heard = torch.addmm(offset, before[frame], recurrent).to(wide)
                _advance(own, inputs[frame].to(wide), heard, gates[frame])
                outputs[frame] = own
        ctx.save_for_backward(gates, before, weight, order)
        ctx.frames, ctx.state_type = frames, state.dtype
        return torch.empty_like(outputs).index_copy_(0, order, outputs)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        gates, before, weight, order = ctx.saved_tensors
        width, dtype = before.shape[1], before.dtype
        wide = torch.promote_types(dtype, torch.float32)
        gradient, recurrent = gradient[order], weight.to(dtype)
        n_trials = max(frame.stop - frame.start for frame in ctx.frames)
        by_hidden = gradient.new_zeros(n_trials, width, dtype=wide)
        by_input, by_heard = (before.new_empty(len(before), 3 * width) for _ in range(2))
        for frame in reversed(ctx.frames):
            own = by_hidden[: frame.stop - frame.start]
            own += gradient[frame]
            kept = gates[frame].to(wide), before[frame].to(wide)
            _retreat(own, *kept, by_input[frame], by_heard[frame])
            own += torch.mm(by_heard[frame], recurrent)
        by_weight = torch.mm(by_heard.t(), before).to(weight.dtype)
        by_bias = by_heard.sum(0, dtype=weight.dtype)
        by_rows = torch.empty_like(by_input).index_copy_(0, order, by_input)
        return by_rows, by_hidden.sum(0).to(ctx.state_type), by_weight, by_bias, None, None


def _advance(
    hidden: Float[Tensor, "trials width"],
    inputs: Float[Tensor, "trials gates"],
    heard: Float[Tensor, "trials gates"],
    keep: Float[Tensor, "trials 4 width"],
) -> None:
    """Move `hidden` on by a frame and note the gates r, z, n and what the state says to n."""
    width = hidden.shape[1]
    switches = inputs[:, : 2 * width].add_(heard[:, : 2 * width]).sigmoid_()
    reset, update = switches.chunk(2, dim=1)
    heard_new = heard[:, 2 * width :]
    new = torch.addcmul(inputs[:, 2 * width :], reset, heard_new).tanh_()
    keep.flatten(1)[:, : 2 * width] = switches
    keep[:, 2], keep[:, 3] = new, heard_new
    torch.lerp(new, hidden, update, out=hidden)


def _retreat(
    by_hidden: Float[Tensor, "trials width"],
    kept: Float[Tensor, "trials 4 width"],
    before: Float[Tensor, "trials width"],
    by_input: Float[Tensor, "trials gates"],
    by_heard: Float[Tensor, "trials gates"],
) -> None:
    """Turn the state's gradient into the gates', and leave what flows straight to the past."""
    reset, update, new, heard_new = kept.unbind(1)
    by_new = by_hidden * (1 - update) * (1 - new * new)
    by_update = by_hidden * (before - new) * update * (1 - update)
    by_reset = by_new * heard_new * reset * (1 - reset)
    switches = torch.cat([by_reset, by_update], dim=1)
    width = by_hidden.shape[1]
    by_input[:, : 2 * width] = by_heard[:, : 2 * width] = switches
    by_input[:, 2 * width :], by_heard[:, 2 * width :] = by_new, by_new * reset
    by_hidden *= update
