"""Error rates against hours of pretraining: one curve a kind of recordings, and no pretraining."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullLocator

from sylvian.errors import ConfigError
from sylvian.figures.accuracy import UNITS, nice_top
from sylvian.figures.style import (
    DOUBLE_MM,
    MUTED,
    PAPER,
    RULE,
    SINGLE_MM,
    canvas,
    encoder_colour,
    panel,
    record,
    styled,
)
from sylvian.types import Score

SERIES = {"human": "o", "human + monkey": "^"}
"""Kinds of recordings, and their markers."""
SIGNIFICANT = 0.05
HIGH_MM = 40.0
AROUND_MM = 19.0
"""Above and below a panel."""


@dataclass(frozen=True, slots=True)
class ScalingPoint:
    """One amount of pretraining.

    Attributes:
        series: Whose recordings: one of `SERIES`.
        share: Fraction of the last kind in it, in percent.
        hours: Recordings pretrained on.
        score: What was reached.
        p: Of the difference from no pretraining; NaN where there is none.
    """

    series: str
    share: int
    hours: float
    score: Score
    p: float = math.nan


@dataclass(frozen=True, slots=True)
class ScalingPanel:
    """Amounts of pretraining for one participant and kind of speech.

    Attributes:
        name: Whose speech.
        points: Amounts of pretraining.
        base: Without any.
    """

    name: str
    points: tuple[ScalingPoint, ...]
    base: Score | None


@styled
def scaling_figure(panels: Sequence[ScalingPanel]) -> Figure:
    """Lay panels out, two a line, on one axis of rates.

    Raises:
        ConfigError: there is nothing to draw.
    """
    if not panels:
        raise ConfigError("scaling: no amount of pretraining to draw; leave the figure out")
    columns = min(2, len(panels))
    width = DOUBLE_MM if columns == 2 else SINGLE_MM
    lines = -(-len(panels) // columns)
    figure = canvas(width, (HIGH_MM + AROUND_MM) * lines)
    scores = [point.score for one in panels for point in one.points]
    scores += [one.base for one in panels if one.base is not None]
    for place, one in enumerate(panels):
        left = 13 + (width / columns) * (place % columns)
        top = 8 + (HIGH_MM + AROUND_MM) * (place // columns)
        axis = panel(figure, left, top, width / columns - 17, HIGH_MM)
        scaling_curves(axis, one, top=nice_top(scores), key=place == 0)
    return figure


@styled
def scaling_curves(axis: Axes, one: ScalingPanel, *, top: float, key: bool = True) -> None:
    """Draw the curves of one panel; open marker: not better than no pretraining at 5 %.

    Args:
        axis: Where to draw.
        one: What to draw.
        top: Upper end of the rate axis as a fraction.
        key: Whether the curves are named.
    """
    if one.base is not None:
        _base(axis, one.base)
    before: ScalingPoint | None = None  # monkeys come on top of all people
    for series in SERIES:
        points = sorted((p for p in one.points if p.series == series), key=lambda p: p.hours)
        if points:
            _curve(axis, series, points, before)
            before = points[-1]
    _hours(axis, [point.hours for point in one.points])
    axis.set_ylim(0, 100 * top)
    axis.yaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 2.5, 5, 10]))
    unit = one.points[0].score.unit if one.points else "per"
    axis.set_ylabel(f"{UNITS[unit]} (%)")
    axis.set_title(one.name)
    if key:
        axis.legend(loc="lower right", handlelength=1.6, borderaxespad=0.1)
    _record(axis, one)


def _base(axis: Axes, score: Score) -> None:
    axis.axhspan(100 * score.low, 100 * score.high, color=RULE, alpha=0.6, linewidth=0, zorder=0)
    axis.axhline(
        100 * score.rate,
        color=MUTED,
        linewidth=0.7,
        linestyle=(0, (4, 3)),
        label="no pretraining",
        zorder=1,
    )


def _curve(
    axis: Axes, series: str, points: Sequence[ScalingPoint], before: ScalingPoint | None
) -> None:
    colour, marker = encoder_colour("transformer"), SERIES[series]
    joined = [*([before] if before is not None else []), *points]
    line = (0, (1, 1.5)) if before is not None else "-"
    axis.plot(
        [point.hours for point in joined],
        [100 * point.score.rate for point in joined],
        color=colour,
        linewidth=1.0,
        linestyle=line,
        zorder=1,
    )
    for point in points:
        ends = [100 * point.score.low, 100 * point.score.high]
        axis.plot([point.hours] * 2, ends, color=colour, linewidth=0.9, zorder=2)
        axis.plot(
            [point.hours],
            [100 * point.score.rate],
            marker,
            color=colour,
            markerfacecolor=colour if point.p < SIGNIFICANT else PAPER,
            markersize=3.8,
            markeredgewidth=0.9,
            zorder=3,
        )
    axis.plot([], [], marker, color=colour, linestyle=line, markersize=3.8, label=series)


def _hours(axis: Axes, hours: Sequence[float]) -> None:
    """Choose an axis of hours: logarithmic where they differ by much."""
    axis.set_xlabel("Recordings pretrained on (h)")
    if hours and min(hours) > 0 and max(hours) >= 4 * min(hours):
        axis.set_xscale("log")
        axis.xaxis.set_major_locator(LogLocator(10, subs=(1, 2, 5)))
        axis.xaxis.set_minor_locator(NullLocator())
        axis.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.margins(x=0.06)


def _record(axis: Axes, one: ScalingPanel) -> None:
    scores = [*([one.base] if one.base else []), *(point.score for point in one.points)]
    lead = [None] if one.base else []
    record(
        axis,
        one.name,
        {
            "series": [*(["no pretraining"] if one.base else []), *(p.series for p in one.points)],
            "share_percent": [*lead, *(p.share for p in one.points)],
            "hours": [*lead, *(p.hours for p in one.points)],
            "unit": [score.unit for score in scores],
            "rate": [score.rate for score in scores],
            "low": [score.low for score in scores],
            "high": [score.high for score in scores],
            "n_trials": [score.n_trials for score in scores],
            "p": [*lead, *(p.p for p in one.points)],
        },
    )
