"""From smoothed bins to the shared width: the day's affine map, patches, the read-in."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn import functional

from sylvian.models.packed import padding_grid
from sylvian.models.smoothing import Smoother

_EPSILON = 1e-5


class DayAffine(nn.Module):
    """One affine map of the channels for each recording day, the identity at first.

    Source: the day-specific input layers of Willett et al. (2023) and Card et al. (2024).
    """

    def __init__(self, n_channels: Sequence[int]) -> None:
        super().__init__()
        self.weight = nn.ParameterList(torch.eye(size) for size in n_channels)
        self.bias = nn.ParameterList(torch.zeros(size) for size in n_channels)

    def forward(
        self, features: Float[Tensor, "bins channels"], session: int
    ) -> Float[Tensor, "bins channels"]:
        """Apply the map of `session` to one trial."""
        return functional.linear(features, self.weight[session], self.bias[session])


def standard_patches(
    trial: Float[Tensor, "bins channels"], patch_bins: int
) -> list[Float[Tensor, "_ inputs"]]:
    """Cut a trial into patches, one row each, and bring every row to mean 0 and variance 1.

    Channels vary fastest in a row. A trial's last patch is completed with zeros, the mean of
    z-scored features. The rows come in one piece or two, which spares a copy of the trial.

    Args:
        trial: Smoothed features.
        patch_bins: Bins joined into one row.

    Returns:
        Rows normalised in the trial's own precision, in the one that products are computed in.
    """
    size = patch_bins * trial.shape[1]
    full = len(trial) - len(trial) % patch_bins
    pieces = [trial[:full].reshape(-1, size)] if full else []
    if full < len(trial):
        pieces.append(
            functional.pad(trial[full:].flatten(), (0, size - trial[full:].numel()))[None]
        )
    return [_standard(rows) for rows in pieces]


def patches_together(
    features: Float[Tensor, "batch bins channels"],
    lengths: Sequence[int],
    *,
    patch_bins: int,
    smoother: Smoother | None,
    hidden: Bool[Tensor, " rows"] | None = None,
) -> list[list[Float[Tensor, "_ inputs"]]]:
    """Smooth a padded batch and cut it into standard patches, some of which may be hidden.

    Gives for every trial what smoothing it and `standard_patches` give.

    Args:
        features: Trials, padded with anything.
        lengths: Bins of each trial.
        patch_bins: Bins joined into one row.
        smoother: Smoothing; None is none.
        hidden: Which patches to hide before smoothing, trial after trial.

    Why here: an accelerator waits for the CPU to launch every kernel, and trial after trial there
    would be more of them than in the trunk.
    """
    counts = [-(-n_bins // patch_bins) for n_bins in lengths]
    grid = padding_grid(tuple(counts), features.device)
    n_trials, n_patches = grid.real.shape
    n_bins_padded = n_patches * patch_bins
    outside = torch.arange(n_bins_padded) >= torch.tensor(lengths).unsqueeze(1)
    outside = outside.to(features.device, non_blocking=True)
    absent = outside
    if hidden is not None:
        shut = torch.zeros_like(grid.real).flatten()
        shut[grid.target] = hidden.to(features.device, non_blocking=True)
        absent = outside | shut.view_as(grid.real).repeat_interleave(patch_bins, dim=1)
    bins = functional.pad(features, (0, 0, 0, n_bins_padded - features.shape[1]))
    if smoother is not None:
        absent, bins = outside, smoother.visible_together(bins, absent)
    rows = bins.masked_fill(absent.unsqueeze(2), 0.0).view(n_trials * n_patches, -1)
    return [[own] for own in torch.split(_standard(rows.index_select(0, grid.target)), counts)]


def _standard(rows: Float[Tensor, "rows inputs"]) -> Float[Tensor, "rows inputs"]:
    device = rows.device.type
    mixed = torch.is_autocast_enabled(device)
    dtype = torch.get_autocast_dtype(device) if mixed else rows.dtype
    return functional.layer_norm(rows, rows.shape[1:], eps=_EPSILON).to(dtype)


class ReadIn(nn.Module):
    """LayerNorm, linear map to the shared width, LayerNorm (dossier §3.1).

    Expects rows that `standard_patches` has normalised already. The first LayerNorm's scale and
    shift are folded into the linear map: the same function of the same parameters, but no gradient
    has to travel back to the wide input.
    """

    def __init__(self, n_inputs: int, width: int) -> None:
        super().__init__()
        self.scale = nn.Parameter(torch.ones(n_inputs))
        self.shift = nn.Parameter(torch.zeros(n_inputs))
        self.linear = nn.Linear(n_inputs, width)
        self.norm = nn.LayerNorm(width)

    def forward(self, patches: Float[Tensor, "rows inputs"]) -> Float[Tensor, "rows width"]:
        """Map patches to latents."""
        weight = self.linear.weight * self.scale
        bias = self.linear.bias + (self.linear.weight * self.shift).sum(1)
        mapped: Tensor = self.norm(functional.linear(patches, weight, bias))
        return mapped


class ReadIns(nn.Module):
    """One read-in per participant, corpus or session, chosen trial by trial.

    Args:
        n_inputs: Patch sizes, one per read-in.
        width: Size of the shared space.
        of_session: Which read-in each session uses.
    """

    def __init__(self, n_inputs: Sequence[int], *, width: int, of_session: Sequence[int]) -> None:
        super().__init__()
        self.maps = nn.ModuleList(ReadIn(size, width) for size in n_inputs)
        self.of_session = tuple(of_session)

    def forward(
        self, patches: Sequence[Sequence[Float[Tensor, "_ inputs"]]], sessions: Sequence[int]
    ) -> Float[Tensor, "rows width"]:
        """Map the patches of each trial; those with the same read-in go in one product."""
        return map_together(self.maps, patches, [self.of_session[own] for own in sessions])


def map_together(
    maps: nn.ModuleList, trials: Sequence[Sequence[Tensor]], of_trial: Sequence[int]
) -> Float[Tensor, "rows _"]:
    """Send the rows of each trial through its own map, all trials of a map in one product.

    Args:
        maps: Layers from rows to rows.
        trials: Rows of each trial, in one piece or several.
        of_trial: Which of the maps each trial takes.

    Returns:
        The mapped rows, trial after trial.

    Why here: batches sorted by length mix participants, and a product for each trial costs more
    than the trunk it feeds.
    """
    together: dict[int, list[int]] = {}
    for at, chosen in enumerate(of_trial):
        together.setdefault(chosen, []).append(at)
    counts = [sum(map(len, pieces)) for pieces in trials]
    mapped: dict[int, Tensor] = {}
    for chosen, members in together.items():
        rows = [piece for at in members for piece in trials[at]]
        sizes = [counts[at] for at in members]
        rows.append(rows[0].new_zeros(round_up(sum(sizes)) - sum(sizes), rows[0].shape[1]))
        outputs: Tensor = maps[chosen](torch.cat(rows))[: sum(sizes)]
        if len(together) == 1:
            return outputs
        mapped |= zip(members, torch.split(outputs, sizes), strict=True)
    return torch.cat([mapped[at] for at in range(len(trials))])


def pad_rows(
    rows: Float[Tensor, "rows width"], lengths: Sequence[int]
) -> Float[Tensor, "batch frames width"]:
    """Lay packed rows out as a zero-padded batch."""
    longest = max(lengths)
    nothing = rows.new_zeros(longest, rows.shape[1])
    pieces: list[Tensor] = []
    for trial in torch.split(rows[: sum(lengths)], list(lengths)):
        pieces += [trial, nothing[len(trial) :]]
    # One concatenation: filling a padded tensor copies all of it per trial in the backward pass.
    return torch.cat(pieces).view(len(lengths), longest, -1)


def round_up(count: int) -> int:
    """Round a number of rows up by at most an eighth (3 % on average for large counts).

    Why here: oneDNN compiles its bfloat16 kernels anew for every number of rows, which takes longer
    than the product; rounding leaves a few dozen sizes, which stay in its cache.
    """
    step = max(16, 1 << max(0, count.bit_length() - 5))
    return -(-count // step) * step
