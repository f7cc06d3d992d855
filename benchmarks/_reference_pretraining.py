"""The straightforward way to pretrain the BIT encoder, as something to be measured against.

Written from the description alone (dossier §3.1-§3.3): padded batches, an explicit attention mask,
float32, smoothing before masking, masks from Python loops, and a read-out of every frame.
"""

import random

import torch
from torch import Tensor, nn
from torch.nn import functional

from _reference_encoder import ReferenceModel


def draw_masks(n_trials: int, n_frames: int, *, ratio: float, max_span: int) -> Tensor:
    """One span length a batch; spans start anywhere, overlap, and fall on padding."""
    span = random.randint(1, max_span)
    hidden = torch.zeros(n_trials, n_frames, dtype=torch.bool)
    for trial in range(n_trials):
        for start in random.sample(range(n_frames), int(ratio / span * n_frames)):
            for frame in range(start, min(start + span, n_frames)):
                hidden[trial, frame] = True
    return hidden


class ReferencePretraining(ReferenceModel):
    """The trunk with read-ins and read-outs of several datasets, one dataset a batch."""

    def __init__(self, n_channels: int, n_datasets: int) -> None:
        super().__init__(n_channels, 1)
        n_inputs, width = self.patch * n_channels, 384
        del self.read_in, self.head
        self.read_ins = nn.ModuleList(
            nn.Sequential(nn.LayerNorm(n_inputs), nn.Linear(n_inputs, width), nn.LayerNorm(width))
            for _ in range(n_datasets)
        )
        self.read_outs = nn.ModuleList(
            nn.Sequential(nn.LayerNorm(width), nn.Linear(width, n_inputs), nn.LayerNorm(n_inputs))
            for _ in range(n_datasets)
        )
        self.mask_token, self.dropout = nn.Parameter(torch.randn(1, 1, width)), nn.Dropout(0.2)

    def loss(self, features: Tensor, n_bins: Tensor, dataset: int) -> Tensor:
        """Mean squared error over the hidden, recorded bins of a padded batch."""
        noisy = features + 0.2 * torch.randn_like(features)
        noisy = noisy + 0.05 * torch.randn(len(features), 1, features.shape[2])
        smooth = functional.conv1d(
            noisy.transpose(1, 2), self.kernel, padding="same", groups=features.shape[2]
        ).transpose(1, 2)
        spare = -features.shape[1] % self.patch
        smooth, whole = (functional.pad(own, (0, 0, 0, spare)) for own in (smooth, features))
        rows = self.read_ins[dataset](smooth.unflatten(1, (-1, self.patch)).flatten(2))
        hidden = draw_masks(len(rows), rows.shape[1], ratio=0.5, max_span=15)
        rows = self.dropout(torch.where(hidden.unsqueeze(2), self.mask_token, rows))
        outputs = self.read_outs[dataset](self.trunk(rows, n_bins))
        truth = whole.unflatten(1, (-1, self.patch))
        real = torch.arange(whole.shape[1]) < n_bins.unsqueeze(1)
        counted = hidden.unsqueeze(2) & real.unflatten(1, (-1, self.patch))
        losses = (outputs.view_as(truth) - truth) ** 2 * counted.unsqueeze(3)
        return losses.sum() / (counted.sum() * features.shape[2])

    def trunk(self, rows: Tensor, n_bins: Tensor) -> Tensor:
        """Run the blocks under an explicit mask of batch x frames x frames."""
        n_frames = (n_bins + self.patch - 1) // self.patch
        frame = torch.arange(rows.shape[1])
        real = frame < n_frames.unsqueeze(1)
        mask = (real.unsqueeze(1) | torch.eye(len(frame), dtype=torch.bool)).unsqueeze(1)
        angle = torch.outer((frame * self.patch).float(), self.rates).repeat(1, 2)
        for block in self.blocks:
            rows = block(rows, mask, angle.cos(), angle.sin())
        return self.norm(rows)
