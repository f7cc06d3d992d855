"""From latents back to patches, and the patches to compare them with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Float, Int64
from torch import Tensor, nn
from torch.nn import functional

from sylvian.models.frontend import map_together
from sylvian.models.packed import padding_grid

_FEWEST = 1e-4  # of a bin, by weight


class ReadOuts(nn.Module):
    """One linear map from latents to patches per participant, corpus or session.

    Args:
        width: Size of a latent.
        n_outputs: Patch sizes, one per read-out.
        of_session: Which read-out each session uses.

    Source: dossier §3.1. Why here: the reference ends in a LayerNorm, which fixes the mean and the
    variance of every patch and so cannot say how much a patch fires (§9.2).
    """

    def __init__(self, width: int, n_outputs: Sequence[int], *, of_session: Sequence[int]) -> None:
        super().__init__()
        self.maps = nn.ModuleList(nn.Linear(width, size) for size in n_outputs)
        self.of_session = tuple(of_session)

    def forward(
        self, rows: Float[Tensor, "rows width"], counts: Sequence[int], sessions: Sequence[int]
    ) -> Float[Tensor, "rows outputs"]:
        """Map the latents of some trials of one channel count.

        Args:
            rows: Latents, trial after trial.
            counts: How many of them belong to each trial.
            sessions: Session of each trial.
        """
        trials = [[own] for own in torch.split(rows, list(counts))]
        return map_together(self.maps, trials, [self.of_session[own] for own in sessions])


class Averages(nn.Module):
    """Averages of the visible frames around a hidden one, each channel with gains of its own.

    A read-out that starts from them has only to say what they do not: baselines that drift from
    trial to trial need not pass through the trunk. Gains start at 0.

    Args:
        n_channels: Channels, one number per read-out.
        of_session: Which read-out each session uses.
        widths: Standard deviations of Gaussian weights over frames; infinite: the whole trial.
    """

    def __init__(
        self, n_channels: Sequence[int], *, of_session: Sequence[int], widths: Sequence[float]
    ) -> None:
        super().__init__()
        self.gains = nn.ParameterList(
            nn.Parameter(torch.zeros(len(widths), size)) for size in n_channels
        )
        self.of_session, self.widths = tuple(of_session), tuple(widths)

    def forward(
        self, patches: Patches, hidden: Bool[Tensor, "batch frames"], sessions: Sequence[int]
    ) -> Float[Tensor, "batch frames 1 channels"]:
        """Average what is visible.

        Args:
            patches: A batch, cut into patches.
            hidden: Frames nothing may be known of.
            sessions: Session of each trial.
        """
        seen = patches.valid & ~hidden.unsqueeze(2)
        weight = seen.sum(2, dtype=patches.values.dtype)
        total = (patches.values * seen.unsqueeze(3)).sum(2)
        averages = [_around(total, weight, width) for width in self.widths]
        stacked = torch.stack(averages, dim=2)
        gains = torch.stack([self.gains[self.of_session[own]] for own in sessions])
        return (stacked * gains.unsqueeze(1)).sum(2, keepdim=True)


def _around(
    total: Float[Tensor, "batch frames channels"],
    weight: Float[Tensor, "batch frames"],
    width: float,
) -> Float[Tensor, "batch frames channels"]:
    """Average frames by their distance, as many bins as each has; 0 where none is near."""
    place = torch.arange(total.shape[1], device=total.device, dtype=total.dtype)
    near = torch.exp(-0.5 * ((place - place.unsqueeze(1)) / width) ** 2)
    count = weight @ near
    average: Tensor = (near @ total) / count.clamp_min(_FEWEST).unsqueeze(2)
    return average * (count > _FEWEST).unsqueeze(2)


@dataclass(frozen=True, slots=True)
class Patches:
    """Trials cut into patches.

    Attributes:
        values: Raw bins, zero where there is none.
        valid: Which bins of a patch were recorded; a trial's last patch may be incomplete.
    """

    values: Float[Tensor, "*rows bins channels"]
    valid: Bool[Tensor, "*rows bins"]

    def at(self, places: Int64[Tensor, " rows"]) -> Patches:
        """Pick patches of a batch by place, counted through all its trials and frames."""
        places = places.to(self.values.device, non_blocking=True)
        return Patches(
            self.values.flatten(0, 1).index_select(0, places),
            self.valid.flatten(0, 1).index_select(0, places),
        )


def chosen_places(
    frames: Sequence[int], chosen: Bool[Tensor, " rows"]
) -> tuple[Int64[Tensor, " chosen"], tuple[int, ...]]:
    """Find the places of some packed rows in a padded batch, on the CPU.

    Args:
        frames: Frames of each trial.
        chosen: Which rows, trial after trial.

    Returns:
        Their places, counted through all trials and frames, and how many each trial has.

    Why here: looking for them on an accelerator would wait until it had computed everything before.
    """
    places = padding_grid(tuple(frames), chosen.device).target[chosen]
    ends, before = torch.tensor(frames).cumsum(0), functional.pad(chosen.cumsum(0), (1, 0))
    return places, tuple(before[ends].diff(prepend=before[:1]).tolist())


def cut_patches(
    features: Float[Tensor, "batch bins channels"],
    n_bins: Int64[Tensor, " batch"],
    patch_bins: int,
) -> Patches:
    """Cut padded trials into as many patches as the longest needs, `batch frames bins channels`."""
    n_bins_padded = -(-int(n_bins.max()) // patch_bins) * patch_bins
    # A negative number of bins to add takes padding away.
    whole = functional.pad(features, (0, 0, 0, n_bins_padded - features.shape[1]))
    valid = inside(n_bins, whole.shape[1])
    # Padding may hold anything, NaN included.
    values = whole.masked_fill(~valid.unsqueeze(2), 0.0)
    n_frames = whole.shape[1] // patch_bins
    return Patches(
        values.view(len(n_bins), n_frames, patch_bins, -1),
        valid.view(len(n_bins), n_frames, patch_bins),
    )


def inside(lengths: Int64[Tensor, " batch"], longest: int) -> Bool[Tensor, "batch longest"]:
    """Mark what is not padding."""
    return torch.arange(longest, device=lengths.device) < lengths.unsqueeze(1)
