"""A keyword gate as a figure: errors by threshold, and one error against the other."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, FuncFormatter, NullLocator
from scipy.special import ndtr, ndtri

from sylvian.errors import ConfigError
from sylvian.evaluate.detection import Detection
from sylvian.figures.confidence import FULL, gate_curve
from sylvian.figures.style import DOUBLE_MM, INK, MUTED, canvas, panel, record, styled

TICKS = (0.001, 0.005, 0.02, 0.05, 0.1, 0.2, 0.4, 0.6, 0.8)
HIGHEST = 0.8
MARGIN = 0.2  # deviates left of and below 0


@styled
def det_curve(
    axis: Axes,
    curve: Sequence[Detection],
    *,
    held_out: Detection | None = None,
    colour: str = INK,
) -> None:
    """Plot misses against false accepts on normal-deviate axes, one point a threshold.

    A rate of 0 has no place on such an axis: it is drawn where half an utterance would be.

    Args:
        axis: Where to draw; becomes square.
        curve: By rising threshold.
        held_out: Errors at thresholds chosen without the utterances counted, with their intervals.
        colour: The encoder's, or black.

    Raises:
        ConfigError: the curve is empty, or a kind of utterance is missing.

    Source: the detection error trade-off, Martin et al. 1997.
    """
    if not curve or not curve[0].n_others or not curve[0].n_keywords:
        raise ConfigError("gate: no keywords or no other utterances to draw; leave the panel out")
    least = 0.5 / curve[0].n_others, 0.5 / curve[0].n_keywords
    pairs = [(one.false_accepts.value, one.misses.value) for one in curve]
    x, y = (_deviates([pair[side] for pair in pairs], least[side]) for side in (0, 1))
    axis.step(x, y, where="post", color=colour, linewidth=1.1)
    for side, line in zip(least, (axis.xaxis, axis.yaxis), strict=True):
        line.set_major_locator(FixedLocator(ndtri(_ticks(side)).tolist()))
        line.set_major_formatter(FuncFormatter(functools.partial(_percent, least=side)))
        line.set_minor_locator(NullLocator())
    axis.set_xlim(ndtri(least[0]) - MARGIN, ndtri(HIGHEST))
    axis.set_ylim(ndtri(least[1]) - MARGIN, ndtri(HIGHEST))
    axis.set_box_aspect(1)
    if held_out is not None:
        _cross(axis, held_out, least, colour)
    axis.set_xlabel("Other speech that unlocks (%)")
    axis.set_ylabel("Keywords missed (%)")
    record(
        axis,
        "detection error trade-off",
        {
            "threshold": [one.threshold for one in curve],
            "false_accepts": [pair[0] for pair in pairs],
            "misses": [pair[1] for pair in pairs],
        },
    )


@styled
def gate_sheet(
    curve: Sequence[Detection],
    *,
    chosen: Detection | None = None,
    held_out: Detection | None = None,
) -> Figure:
    """Lay out errors by threshold beside one error against the other, as wide as a page.

    Args:
        curve: By rising threshold.
        chosen: The threshold in use.
        held_out: Errors of utterances that chose nothing; what is said of the gate in words.

    Raises:
        ConfigError: as `det_curve`.
    """
    figure = canvas(DOUBLE_MM, 62)
    here = chosen
    if chosen is not None and held_out is not None:
        here = replace(held_out, threshold=chosen.threshold)
    gate_curve(panel(figure, 12, 7, 92, 44), curve, chosen=here)
    axis = panel(figure, 126, 7, 44, 44)
    det_curve(axis, curve, held_out=held_out)
    if held_out is not None:
        axis.set_title("dot: held out, with 95 % intervals", fontweight="normal", color=MUTED)
    return figure


def _ticks(least: float) -> list[float]:
    """Label 0, and what is far enough from it."""
    return [least, *(tick for tick in TICKS if ndtri(tick) > ndtri(least) + 2 * MARGIN)]


def _deviates(rates: Sequence[float], least: float) -> np.ndarray:
    return np.asarray(ndtri(np.clip(rates, least, 1 - least)))


def _percent(deviate: float, _place: object, *, least: float) -> str:
    share = float(ndtr(deviate))
    return "0" if share <= least * 1.001 else f"{FULL * share:.3g}"


def _cross(axis: Axes, found: Detection, least: tuple[float, float], colour: str) -> None:
    """Mark a gate's two errors with their intervals."""
    here = [
        _deviates([share.value, share.low, share.high], side)
        for share, side in zip((found.false_accepts, found.misses), least, strict=True)
    ]
    (x, left, right), (y, low, high) = (one.tolist() for one in here)
    axis.plot([left, right], [y, y], color=colour, linewidth=0.8)
    axis.plot([x, x], [low, high], color=colour, linewidth=0.8)
    axis.plot([x], [y], "o", color=colour, markersize=4, zorder=3)
