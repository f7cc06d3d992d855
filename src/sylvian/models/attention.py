"""Multi-head self-attention with rotary positions, for whole trials and frame by frame."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from sylvian.models.dropout import drop
from sylvian.models.packed import attend_packed, weigh
from sylvian.models.rotary import rotate


@dataclass(frozen=True, slots=True)
class Context:
    """How far a frame may look, in frames; None is all the way.

    Attributes:
        backward: Frames of past.
        forward: Frames of future; 0 is causal.
    """

    backward: int | None = None
    forward: int | None = None

    @property
    def causal(self) -> bool:
        """Whether a frame sees all of its past and none of its future."""
        return self.backward is None and self.forward == 0

    def hidden(
        self, n_keys: int, *, n_queries: int | None = None, device: torch.device | None = None
    ) -> Bool[Tensor, "queries keys"] | None:
        """Mark the keys a query must not see; None where every query sees every key.

        Args:
            n_keys: Number of frames.
            n_queries: The last so many of them ask; all by default.
            device: Where the mask is needed.
        """
        if self.backward is None and self.forward is None:
            return None
        position = torch.arange(n_keys, device=device)
        asking = position if n_queries is None else position[n_keys - n_queries :]
        ahead = position[None, :] - asking[:, None]
        hidden = torch.zeros_like(ahead, dtype=torch.bool)
        if self.forward is not None:
            hidden |= ahead > self.forward
        if self.backward is not None:
            hidden |= -ahead > self.backward
        return hidden


@dataclass(frozen=True, slots=True)
class KeyValueCache:
    """Keys and values of past frames, no more than the context reaches."""

    key: Float[Tensor, "heads frames head_width"]
    value: Float[Tensor, "heads frames head_width"]


@dataclass(frozen=True, slots=True)
class Layout:
    """Where packed trials lie and what attention needs to know about their positions.

    Attributes:
        lengths: Frames of each trial.
        table: Rotary factors, see `Rotary.table`.
        hidden: Positions out of reach, see `Context.hidden`.
        causal: Whether they are just the future.
    """

    lengths: Sequence[int]
    table: Float[Tensor, "2 2 1 longest head_width"]
    hidden: Bool[Tensor, "longest longest"] | None
    causal: bool = False


def attend(
    qkv: Float[Tensor, "rows 3 heads head_width"], layout: Layout, dropout: float
) -> Float[Tensor, "rows joined"]:
    """Let the frames of each trial look at one another; see `attend_packed`."""
    return attend_packed(
        qkv,
        layout.lengths,
        table=layout.table,
        hidden=layout.hidden,
        causal=layout.causal,
        dropout=dropout,
    )


class Attention(nn.Module):
    """Multi-head self-attention.

    Args:
        width: Size of a latent.
        heads: Number of heads.
        head_width: Size of a head; `heads * head_width` need not be `width`.
        dropout: Rate on the attention weights and again on the heads' outputs.
    """

    def __init__(self, width: int, *, heads: int, head_width: int, dropout: float) -> None:
        super().__init__()
        self.heads, self.head_width, self.dropout = heads, head_width, dropout
        self.attend = attend  # what `compile_trunk` keeps out of compiled code
        self.qkv_proj = nn.Linear(width, 3 * heads * head_width)
        self.out_proj = nn.Linear(heads * head_width, width)

    def forward(
        self, rows: Float[Tensor, "rows width"], layout: Layout
    ) -> Float[Tensor, "rows width"]:
        """Let the frames of each trial look at one another."""
        joined = self.attend(self._project(rows), layout, self.dropout if self.training else 0.0)
        merged: Tensor = self.out_proj(drop(joined, self.dropout, training=self.training))
        return merged

    def start(self) -> KeyValueCache:
        """Give the cache of a trial that has not begun."""
        nothing = self.out_proj.weight.new_zeros(self.heads, 0, self.head_width)
        return KeyValueCache(nothing, nothing)

    def step(
        self,
        rows: Float[Tensor, "rows width"],
        cache: KeyValueCache,
        *,
        table: Float[Tensor, "2 2 1 rows head_width"],
        context: Context,
    ) -> tuple[Float[Tensor, "rows width"], KeyValueCache]:
        """Let new frames of one trial look at themselves and the past."""
        fresh = self._project(rows).permute(1, 2, 0, 3)
        query, key = rotate(fresh[:2], table)
        key, value = torch.cat([cache.key, key], dim=1), torch.cat([cache.value, fresh[2]], dim=1)
        hidden = context.hidden(key.shape[1], n_queries=len(rows), device=rows.device)
        joined = torch.bmm(weigh(query, key, hidden), value).transpose(0, 1).flatten(1)
        reach = key.shape[1] if context.backward is None else context.backward
        first = max(0, key.shape[1] - reach)
        merged: Tensor = self.out_proj(joined)
        return merged, KeyValueCache(key[:, first:], value[:, first:])

    def _project(
        self, rows: Float[Tensor, "rows width"]
    ) -> Float[Tensor, "rows 3 heads head_width"]:
        projected: Tensor = self.qkv_proj(rows)
        return projected.view(-1, 3, self.heads, self.head_width)
