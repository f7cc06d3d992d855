"""Self-attention over packed trials: rows of all trials in one matrix, no padding between."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional


@dataclass(frozen=True, slots=True)
class Context:
    """How far a frame may look, in frames; None is all the way.

    Attributes:
        backward: Frames of past.
        forward: Frames of future; 0 is causal.
    """

    backward: int | None = None
    forward: int | None = None

    def allowed(self, query: Tensor, key: Tensor) -> Tensor | None:
        """Which of the `key` positions each `query` position sees; None where it sees all."""
        if self.backward is None and self.forward is None:
            return None
        ahead = key[None, :] - query[:, None]
        seen = torch.ones_like(ahead, dtype=torch.bool)
        if self.forward is not None:
            seen &= ahead <= self.forward
        if self.backward is not None:
            seen &= -ahead <= self.backward
        return seen


class Rotary(nn.Module):
    """Rotary position embedding, the two halves of a head forming the pairs.

    Positions are in bins (a frame's first bin), so angles do not depend on the patch size.

    Source: dossier §3.1 (θ = 10000, half-split).
    """

    def __init__(self, head_width: int, *, base: float) -> None:
        super().__init__()
        exponents = torch.arange(0, head_width, 2, dtype=torch.float64) / head_width
        self.register_buffer("rates", (base**-exponents).float(), persistent=False)

    rates: Tensor

    def angles(self, position_bins: Float[Tensor, " rows"]) -> tuple[Tensor, Tensor]:
        """Give cosines and sines for every row, `rows 1 half`."""
        angle = torch.outer(position_bins, self.rates).unsqueeze(1)
        return angle.cos(), angle.sin()


def rotate(
    heads: Float[Tensor, "rows heads head_width"], angles: tuple[Tensor, Tensor]
) -> Float[Tensor, "rows heads head_width"]:
    """Rotate the halves of every head by its row's angles."""
    cos, sin = angles
    first, second = heads.chunk(2, dim=-1)
    return torch.cat([first * cos - second * sin, second * cos + first * sin], dim=-1).to(
        heads.dtype
    )


class Attention(nn.Module):
    """Multi-head self-attention with rotary positions.

    Args:
        width: Size of a latent.
        heads: Number of heads.
        head_width: Size of a head; `heads * head_width` need not be `width`.
        dropout: Rate on the attention weights and again on the heads' outputs.
    """

    def __init__(
        self, width: int, *, heads: int, head_width: int, dropout: float, context: Context
    ) -> None:
        super().__init__()
        self.heads, self.dropout, self.context = heads, dropout, context
        self.qkv_proj = nn.Linear(width, 3 * heads * head_width)
        self.out_proj = nn.Linear(heads * head_width, width)

    def forward(
        self,
        rows: Float[Tensor, "rows width"],
        lengths: Sequence[int],
        angles: tuple[Tensor, Tensor],
    ) -> Float[Tensor, "rows width"]:
        """Let the frames of each trial look at one another."""
        query, key, value = self.project(rows, angles)
        pieces = [torch.split(part, list(lengths)) for part in (query, key, value)]
        heads = [self._attend(q, k, v) for q, k, v in zip(*pieces, strict=True)]
        return self.merge(torch.cat(heads))

    def project(self, rows: Tensor, angles: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor, Tensor]:
        """Give rotated queries and keys, and values, each `rows heads head_width`."""
        query, key, value = self.qkv_proj(rows).unflatten(-1, (3, self.heads, -1)).unbind(1)
        return rotate(query, angles), rotate(key, angles), value

    def merge(self, heads: Float[Tensor, "rows heads head_width"]) -> Tensor:
        """Join the heads and project them back to the width of a latent."""
        joined = functional.dropout(heads.flatten(1), self.dropout, self.training)
        merged: Tensor = self.out_proj(joined)
        return merged

    def _attend(self, query: Tensor, key: Tensor, value: Tensor) -> Tensor:
        position = torch.arange(len(query), device=query.device)
        return attend(
            query,
            key,
            value,
            seen=self.context.allowed(position, position),
            dropout=self.dropout if self.training else 0.0,
        )


def attend(
    query: Float[Tensor, "queries heads head_width"],
    key: Float[Tensor, "keys heads head_width"],
    value: Float[Tensor, "keys heads head_width"],
    *,
    seen: Tensor | None,
    dropout: float = 0.0,
) -> Float[Tensor, "queries heads head_width"]:
    """Scaled dot-product attention of one trial."""
    query, key, value = (part.transpose(0, 1).unsqueeze(0) for part in (query, key, value))
    heads = functional.scaled_dot_product_attention(
        query, key, value, attn_mask=seen, dropout_p=dropout
    )
    return heads.squeeze(0).transpose(0, 1)
