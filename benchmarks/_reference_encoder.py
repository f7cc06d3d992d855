"""The straightforward way to train the BIT encoder, as something to be measured against.

Written from the description alone (dossier §3.1): batches padded to their longest trial, an
explicit attention mask, float32, torch's own layers and nothing else.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional


def rotate(heads: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
    first, second = heads.chunk(2, dim=-1)
    return heads * cos + torch.cat([-second, first], dim=-1) * sin


class Attention(nn.Module):
    def __init__(self, width: int, heads: int, head_width: int, dropout: float) -> None:
        super().__init__()
        self.heads, self.rate = heads, dropout
        self.query, self.key, self.value = (nn.Linear(width, heads * head_width) for _ in range(3))
        self.out_proj = nn.Linear(heads * head_width, width)
        self.dropout = nn.Dropout(dropout)

    def forward(self, rows: Tensor, mask: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        split = (len(rows), rows.shape[1], self.heads, -1)
        query, key, value = (
            layer(rows).view(split).transpose(1, 2) for layer in (self.query, self.key, self.value)
        )
        heads = functional.scaled_dot_product_attention(
            rotate(query, cos, sin),
            rotate(key, cos, sin),
            value,
            attn_mask=mask,
            dropout_p=self.rate if self.training else 0.0,
        )
        return self.out_proj(self.dropout(heads.transpose(1, 2).flatten(2)))


class Block(nn.Module):
    def __init__(self, width: int, heads: int, head_width: int, inner: int, rate: float) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attention = Attention(width, heads, head_width, rate)
        self.mlp = nn.Sequential(
            nn.Linear(width, inner), nn.GELU(), nn.Linear(inner, width), nn.Dropout(rate)
        )

    def forward(self, rows: Tensor, mask: Tensor, cos: Tensor, sin: Tensor) -> Tensor:
        rows = rows + self.attention(self.norm1(rows), mask, cos, sin)
        return rows + self.mlp(self.norm2(rows))


class ReferenceModel(nn.Module):
    """Smoothing, patches, read-in, blocks and a CTC head on padded batches."""

    def __init__(self, n_channels: int, n_tokens: int) -> None:
        super().__init__()
        width, depth, heads, head_width, inner, self.patch = 384, 7, 6, 64, 512, 5
        offsets = torch.arange(-6, 7)
        kernel = torch.exp(-(offsets**2) / 8)
        self.register_buffer("kernel", (kernel / kernel.sum()).repeat(n_channels, 1, 1))
        self.register_buffer("rates", 10_000.0 ** -(torch.arange(0, head_width, 2) / head_width))
        n_inputs = self.patch * n_channels
        self.read_in = nn.Sequential(
            nn.LayerNorm(n_inputs), nn.Linear(n_inputs, width), nn.LayerNorm(width), nn.Dropout(0.2)
        )
        self.blocks = nn.ModuleList(
            Block(width, heads, head_width, inner, 0.4) for _ in range(depth)
        )
        self.norm, self.head = nn.LayerNorm(width), nn.Linear(width, n_tokens)

    def forward(self, features: Tensor, n_bins: Tensor) -> tuple[Tensor, Tensor]:
        channels_first = features.transpose(1, 2)
        smooth = functional.conv1d(
            channels_first, self.kernel, padding="same", groups=features.shape[2]
        ).transpose(1, 2)
        smooth = functional.pad(smooth, (0, 0, 0, -smooth.shape[1] % self.patch))
        rows = self.read_in(smooth.unflatten(1, (-1, self.patch)).flatten(2))
        n_frames = (n_bins + self.patch - 1) // self.patch
        frame = torch.arange(rows.shape[1])
        real = frame < n_frames.unsqueeze(1)
        mask = (real.unsqueeze(1) | torch.eye(len(frame), dtype=torch.bool)).unsqueeze(1)
        angle = torch.outer((frame * self.patch).float(), self.rates).repeat(1, 2)
        for block in self.blocks:
            rows = block(rows, mask, angle.cos(), angle.sin())
        return self.head(self.norm(rows)), n_frames


def reference_loss(
    model: ReferenceModel, features: Tensor, n_bins: Tensor, labels: Tensor, n_labels: Tensor
) -> Tensor:
    """Mean CTC loss of a padded batch."""
    logits, n_frames = model(features, n_bins)
    log_probs = logits.log_softmax(-1).transpose(0, 1)
    losses = functional.ctc_loss(
        log_probs, labels, n_frames, n_labels, reduction="none", zero_infinity=True
    )
    return losses.mean()
