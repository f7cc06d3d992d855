"""From findings to what figures draw; matplotlib is loaded when a figure is first drawn."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np
from jaxtyping import Float32

from sylvian.analyses import Estimate, RsaConfig, distances
from sylvian.representations import Representations

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from sylvian.figures.representation_sheets import Density, RowPanel


def panel(title: str, estimates: Mapping[str, Estimate]) -> RowPanel:
    """Make rows of the layers' estimates."""
    from sylvian.figures.representation_sheets import RowPanel

    return RowPanel(title, tuple(estimates), tuple(estimates.values()))


def density(
    neural: Float32[np.ndarray, "items _"],
    text: Float32[np.ndarray, "items _"],
    config: RsaConfig,
    layer: str,
) -> Density:
    """Give the distances of all pairs in two spaces, as `rsa` computed them."""
    from sylvian.figures.representation_sheets import Density

    spaces = (distances(one, config.metric, centre=config.centre) for one in (neural, text))
    n = len(neural)
    return Density(f"{layer}, {n * (n - 1) // 2:,} pairs", *spaces)


def rows_figure(
    found: Sequence[Representations],
    panels: Sequence[RowPanel],
    name: str,
    beside: Sequence[Density | None],
    *,
    ends: tuple[float, float] = (0.0, 0.1),
    chance: float = 0.0,
    percent: bool = False,
) -> Figure:
    """Draw row panels in the colours of their encoders; see `rows_sheet`.

    Args:
        found: The runs.
        panels: Their titles begin with the runs' names.
        name: What is plotted.
        beside: Distances beside each panel, if any.
        ends: What the axis shows at least.
        chance: The value of no effect.
        percent: Whether values are fractions to be read in percent.
    """
    from sylvian.figures import encoder_colour
    from sylvian.figures.representation_sheets import rows_sheet

    kinds = {one.name: one.encoder for one in found}
    colours = [encoder_colour(kinds[each.title.split(",")[0]]) for each in panels]
    return rows_sheet(
        panels,
        name=name,
        limits=_limits(panels, ends),
        chance=chance,
        percent=percent,
        colours=colours,
        beside=beside,
    )


def _limits(panels: Sequence[RowPanel], least: tuple[float, float]) -> tuple[float, float]:
    """Choose round ends that hold every interval and permutation, and at least `least`."""
    ends = list(least)
    for one in panels:
        for each in one.estimates:
            ends += [each.low, each.high, each.null_low, each.null_high, each.value]
    known = [end for end in ends if np.isfinite(end)]
    low, high = min(known), max(known)
    return float(np.floor(low * 10 + 1e-9) / 10), float(np.ceil(high * 10 - 1e-9) / 10)
