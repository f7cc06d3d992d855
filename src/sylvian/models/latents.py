"""What every layer of an encoder makes of a trial."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from sylvian.models.batch import Batch
from sylvian.models.ctc import CtcModel, split_logits
from sylvian.models.transformer import Transformer
from sylvian.types import Logits

READ_IN = "read-in"
OUTPUT = "output"


@dataclass(frozen=True, slots=True)
class Layered:
    """One trial as the layers see it.

    Attributes:
        layers: Name of the layer to its float32 latents, frames first, in the order of computation.
        logits: What the head says.
    """

    layers: dict[str, Tensor]
    logits: Logits


def layer_names(model: CtcModel) -> tuple[str, ...]:
    """Name what `layered` gives.

    A Transformer shows its read-in, every block but the last, and its output (the last block's,
    normalised); a GRU its output only.
    """
    if not isinstance(model.encoder, Transformer):
        return (OUTPUT,)
    return (READ_IN, *(f"block {n}" for n in range(1, len(model.encoder.blocks))), OUTPUT)


@torch.no_grad()
def layered(model: CtcModel, batch: Batch) -> list[Layered]:
    """Run a model in inference mode and keep every layer's latents; one entry for each trial.

    The model's training flag is put back afterwards.
    """
    was_training = model.training
    model.eval()
    try:
        with _watched(model) as seen:
            output = model.encoder(batch.features, batch.n_bins, batch.session)
            logits = model.head(output).float()
    finally:
        model.train(was_training)
    n_frames = model.encoder.n_frames(batch.n_bins)
    lengths: list[int] = n_frames.tolist()
    split = [_cut(rows, lengths) for rows in seen]
    split.append([own[:length].float().cpu() for own, length in zip(output, lengths, strict=True)])
    names = layer_names(model)
    return [
        Layered(dict(zip(names, own, strict=True)), said)
        for own, said in zip(
            zip(*split, strict=True), split_logits(model, batch, logits, n_frames), strict=True
        )
    ]


@contextmanager
def _watched(model: CtcModel) -> Iterator[list[Tensor]]:
    """Collect the packed rows that enter each block of a Transformer."""
    seen: list[Tensor] = []

    def keep(_: Any, inputs: tuple[Any, ...]) -> None:
        seen.append(inputs[0].detach())

    blocks: Any = model.encoder.blocks if isinstance(model.encoder, Transformer) else ()
    hooks = [block.register_forward_pre_hook(keep) for block in blocks]
    try:
        yield seen
    finally:
        for hook in hooks:
            hook.remove()


def _cut(rows: Tensor, lengths: Sequence[int]) -> list[Tensor]:
    """Part packed rows into trials; rows behind the last one only round their number up."""
    return list(torch.split(rows[: sum(lengths)].float().cpu(), list(lengths)))
