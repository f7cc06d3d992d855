"""Rotary position embedding."""

from __future__ import annotations

import torch
from jaxtyping import Float
from torch import Tensor, nn

from sylvian.models.workspace import Workspace


class Rotary(nn.Module):
    """Factors that turn queries and keys by their position, the halves of a head forming pairs.

    Positions are in bins (a frame's first bin), so angles do not depend on the patch size.

    Source: dossier §3.1 (θ = 10000, half-split).
    """

    def __init__(self, head_width: int, *, base: float) -> None:
        super().__init__()
        exponents = torch.arange(0, head_width, 2, dtype=torch.float64) / head_width
        self.register_buffer("rates", (base**-exponents).float(), persistent=False)
        self.scale = head_width**-0.5

    rates: Tensor

    def table(self, position_bins: Float[Tensor, " frames"]) -> Float[Tensor, "2 2 1 frames width"]:
        """Give the factors `rotate` needs: own and partner's, for queries and for keys.

        The queries' factors carry the scale of dot-product attention, which saves a pass.
        """
        angle = torch.outer(position_bins, self.rates)
        cos, sin = angle.cos(), angle.sin()
        own, partner = torch.cat([cos, cos], dim=1), torch.cat([-sin, sin], dim=1)
        keys = torch.stack([own, partner])
        return torch.stack([keys * self.scale, keys], dim=1).unsqueeze(2)


def rotate(
    heads: Float[Tensor, "2 heads frames width"], table: Float[Tensor, "2 2 1 frames width"]
) -> Float[Tensor, "2 heads frames width"]:
    """Turn queries and keys (stacked in that order) by their frames' angles, in float32."""
    wide = heads.to(table.dtype)
    partner = wide.roll(heads.shape[-1] // 2, -1)
    return torch.addcmul(wide * table[0], partner, table[1]).to(heads.dtype)


def rotate_into(
    target: Float[Tensor, "2 *heads frames width"],
    heads: Float[Tensor, "2 *heads frames width"],
    table: Float[Tensor, "2 2 *ones frames width"],
    work: Workspace,
    *,
    inverse: bool = False,
) -> None:
    """Write `rotate(heads, table)` to `target`, or its transpose, which turns gradients back."""
    half = heads.shape[-1] // 2
    sign = -1 if inverse else 1
    wide = work.take("wide", heads.shape, dtype=table.dtype).copy_(heads)
    turned = torch.mul(wide, table[0], out=work.take("result", heads.shape, dtype=table.dtype))
    turned[..., :half].addcmul_(wide[..., half:], table[1, ..., :half], value=sign)
    turned[..., half:].addcmul_(wide[..., :half], table[1, ..., half:], value=sign)
    target.copy_(turned)
