"""What was recorded: threshold crossings and spike-band power of one trial."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.ticker import MaxNLocator

from sylvian.errors import ConfigError
from sylvian.figures.style import INK, MUTED, record, styled

Groups = Sequence[tuple[str, int, int]]
Labels = Sequence[tuple[float, str]]

# Ink from clear to full: a printed page and a dark screen can both lie behind it.
_RAMP = LinearSegmentedColormap.from_list("ink", [(0, 0, 0, 0), (0, 0, 0, 1)], N=16)


@styled
def raster(
    axis: Axes,
    features: Float[np.ndarray, "bins channels"],
    *,
    bin_s: float,
    name: str,
    arrays: Groups = (),
    labels: Labels = (),
) -> None:
    """Show one feature of one trial: time across, channels down, darker for larger.

    The scale runs from the 5th to the 99.5th percentile of what is shown, so that a few large
    values do not hide the rest; values outside are clipped.

    Args:
        axis: Where to draw.
        features: Counts or z-scores; values that are not finite stay clear.
        bin_s: Width of a bin in seconds.
        name: What it is (`Threshold crossings`), written above.
        arrays: Electrode arrays as (name, first channel, one past the last).
        labels: Words or phonemes as (start in seconds, text), written along the top.

    Raises:
        ConfigError: there is no bin or no channel.
    """
    n_bins, n_channels = features.shape
    if not n_bins or not n_channels:
        raise ConfigError(f"raster: {n_bins} bins of {n_channels} channels; nothing to draw")
    low, high = _scale(features)
    axis.imshow(
        features.T,
        cmap=_RAMP,
        vmin=low,
        vmax=high,
        aspect="auto",
        interpolation="none",
        extent=(0, n_bins * bin_s, n_channels, 0),
    )
    axis.set_xlabel("Time (s)")
    axis.xaxis.set_major_locator(MaxNLocator(8, steps=[1, 2, 5, 10]))
    axis.set_title(name, fontweight="normal", pad=12 if labels else 5)
    _name_arrays(axis, arrays, n_channels)
    for start_s, text in labels:
        axis.axvline(start_s, color=MUTED, linewidth=0.4, linestyle=(0, (2, 2)))
        axis.text(start_s, -0.012 * n_channels, f" {text}", va="bottom", ha="left", fontsize=6)
    _record_means(axis, name, features, bin_s)


def _scale(features: Float[np.ndarray, "bins channels"]) -> tuple[float, float]:
    values = features[np.isfinite(features)]
    if not values.size:
        return 0.0, 1.0
    low, high = (float(value) for value in np.percentile(values, [5, 99.5]))
    return (low, high) if high > low else (low, low + 1.0)


def _name_arrays(axis: Axes, arrays: Groups, n_channels: int) -> None:
    if not arrays:
        axis.set_ylabel(f"Channel (n = {n_channels})")
        axis.yaxis.set_major_locator(MaxNLocator(4, integer=True))
        return
    axis.set_yticks([(start + stop) / 2 for _, start, stop in arrays], [a[0] for a in arrays])
    axis.tick_params(axis="y", length=0)
    for _, start, _ in arrays[1:]:
        axis.axhline(start, color=INK, linewidth=0.4)


def _record_means(
    axis: Axes, name: str, features: Float[np.ndarray, "bins channels"], bin_s: float
) -> None:
    # The whole matrix is the trial itself; a CSV of its mean over channels can still be checked.
    means = [float(value) for value in features.mean(axis=1)]
    times = [index * bin_s for index in range(len(means))]
    record(axis, f"{name} (mean over channels)", {"time_s": times, "mean": means})
