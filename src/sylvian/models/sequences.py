"""Embedded sequences of unequal length side by side, with explicit positions and masks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor

IGNORED = -100
"""Label of a place that no loss looks at."""


@dataclass(frozen=True, slots=True)
class Sequences:
    """What a language model reads.

    Attributes:
        embeds: Embeddings, zero where there is padding.
        real: Where there is no padding.
        positions: Place of each embedding within its own sequence, from 0; 0 in the padding.
        labels: Token at each place that is to be predicted, `IGNORED` elsewhere.
    """

    embeds: Float[Tensor, "batch places width"]
    real: Bool[Tensor, "batch places"]
    positions: Int64[Tensor, "batch places"]
    labels: Int64[Tensor, "batch places"]


def side_by_side(
    rows: Sequence[Tensor], labels: Sequence[Tensor] | None = None, *, pad: Literal["left", "right"]
) -> Sequences:
    """Pad whole sequences at one end.

    Args:
        rows: Embeddings of each sequence, `places width`, complete: no padding inside.
        labels: A label for each of its places; None: none is to be predicted.
        pad: Where the padding goes: right to train on, left to generate behind.

    Why here: the reference pads the neural tokens in the middle of the sequence, and positions then
    differ between training and generation (dossier §9.2).
    """
    device, longest = rows[0].device, max(map(len, rows))
    lengths = torch.tensor([len(row) for row in rows], device=device)
    starts = longest - lengths if pad == "left" else torch.zeros_like(lengths)
    positions = torch.arange(longest, device=device) - starts.unsqueeze(1)
    real = (positions >= 0) & (positions < lengths.unsqueeze(1))
    embeds = rows[0].new_zeros(len(rows), longest, rows[0].shape[1])
    embeds[real] = torch.cat(list(rows))
    known = torch.full_like(positions, IGNORED)
    if labels is not None:
        known[real] = torch.cat(list(labels))
    return Sequences(embeds, real, positions.masked_fill(~real, 0), known)
