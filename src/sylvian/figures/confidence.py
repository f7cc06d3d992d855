"""Confidence as figures: reliability, risk against coverage, false accepts against misses."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import cycle

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from sylvian.errors import ConfigError
from sylvian.evaluate.abstention import Covered
from sylvian.evaluate.calibration import Calibration
from sylvian.evaluate.detection import Detection
from sylvian.evaluate.resampling import Share
from sylvian.figures.style import DOUBLE_MM, INK, MUTED, RULE, canvas, panel, record, styled

FULL = 100.0
Dashes = str | tuple[int, tuple[float, ...]]
LINES: tuple[Dashes, ...] = ("-", (0, (4, 2)), (0, (1, 1.5)))


@styled
def reliability_diagram(
    axis: Axes, found: Calibration, *, title: str = "", colour: str = INK
) -> None:
    """Plot how often answers of a confidence are right; on the diagonal they are calibrated.

    Args:
        axis: Where to draw; becomes square.
        found: What `calibration` measured.
        title: Whose confidences these are.
        colour: The encoder's, or black.
    """
    axis.plot([0, FULL], [0, FULL], color=RULE, linewidth=0.8, zorder=0)
    for one in found.bins:
        x = FULL * one.confidence
        axis.plot([x, x], [FULL * one.low, FULL * one.high], color=colour, linewidth=0.9)
    axis.plot(
        [FULL * one.confidence for one in found.bins],
        [FULL * one.accuracy for one in found.bins],
        "o-",
        color=colour,
        linewidth=0.6,
        markersize=3.2,
        markeredgewidth=0,
        clip_on=False,
        zorder=3,
    )
    axis.set_xlim(0, FULL)
    axis.set_ylim(0, FULL)
    axis.set_aspect("equal", anchor="NW")
    axis.xaxis.set_major_locator(MaxNLocator(5))
    axis.yaxis.set_major_locator(MaxNLocator(5))
    axis.set_xlabel("Confidence (%)")
    axis.set_ylabel("Right (%)")
    axis.set_title(title)
    for row, line in enumerate(_told(found)):  # below: bars may be anywhere inside
        axis.annotate(
            line,
            xy=(0, 0),
            xycoords="axes fraction",
            xytext=(0, -30 - 8.5 * row),
            textcoords="offset points",
            va="center",
            fontsize=6.5,
            color=MUTED if row else INK,
        )
    _record_reliability(axis, found, title)


@styled
def risk_coverage_curve(
    axis: Axes, curves: Mapping[str, Sequence[Covered]], *, colours: Mapping[str, str] | None = None
) -> None:
    """Plot the word error rate of what is shown against the share of sentences shown.

    The band ends above at what is not ruled out (`Covered.most`), below at the interval's end.

    Args:
        axis: Where to draw.
        curves: By name, each from all sentences shown to few; told apart by their dashes.
        colours: By name; default: black.

    Raises:
        ConfigError: there is no curve, or an empty one.
    """
    if not curves or not all(curves.values()):
        raise ConfigError("risk and coverage: no points to draw; leave the panel out")
    top = 1.0
    for (name, points), dashes in zip(curves.items(), cycle(LINES), strict=False):
        kept = [point for point in points if math.isfinite(point.risk.value)]
        colour = (colours or {}).get(name, INK)
        x = [FULL * point.coverage for point in kept]
        lows = [FULL * (point.risk.low if point.risk.value else 0.0) for point in kept]
        highs = [FULL * point.most for point in kept]  # an end also where no word is wrong
        axis.fill_between(x, lows, highs, color=colour, alpha=0.08, linewidth=0)
        risks = [FULL * point.risk.value for point in kept]
        axis.plot(x, risks, color=colour, linewidth=1.1, linestyle=dashes, label=name)
        top = max([top, *(end for end in highs if math.isfinite(end)), *risks])
    axis.set_xlim(0, FULL)
    axis.set_ylim(0, 1.08 * top)
    axis.legend(loc="upper left", handlelength=2.6)
    axis.yaxis.set_major_locator(MaxNLocator(4, steps=[1, 2, 5, 10]))
    axis.set_xlabel("Sentences shown (%)")
    axis.set_ylabel("Word error rate of those (%)")
    names = [name for name, points in curves.items() for _ in points]
    every = [point for points in curves.values() for point in points]
    record(
        axis,
        "risk and coverage",
        {
            "confidence": names,
            "threshold": [p.threshold for p in every],
            "coverage": [p.coverage for p in every],
            "wer": [p.risk.value for p in every],
            "low": [p.risk.low for p in every],
            "high": [p.risk.high for p in every],
            "not_ruled_out": [p.most for p in every],
            "n_shown": [p.n_shown for p in every],
        },
    )


@styled
def gate_curve(
    axis: Axes, curve: Sequence[Detection], *, chosen: Detection | None = None, colour: str = INK
) -> None:
    """Plot false accepts and misses of a keyword gate against its threshold.

    Args:
        axis: Where to draw.
        curve: By rising threshold.
        chosen: The threshold in use, marked by a line, its errors in figures.
        colour: The encoder's, or black.

    Raises:
        ConfigError: the curve is empty.
    """
    if not curve:
        raise ConfigError("gate: no threshold to draw; leave the panel out")
    first = curve[0]
    names = {
        "false_accepts": f"others that unlock (n = {first.n_others:,})",
        "misses": f"keywords missed (n = {first.n_keywords:,})",
    }
    x = [one.threshold for one in curve]
    for kind, dashes in zip(names, LINES, strict=False):
        axis.plot(
            x,
            [FULL * getattr(one, kind).value for one in curve],
            color=colour,
            linewidth=1.1,
            linestyle=dashes,
            label=names[kind],
        )
    if chosen is not None:
        axis.axvline(chosen.threshold, color=MUTED, linewidth=0.6)
        told = (
            f"unlocks from here: {_span(chosen.false_accepts)} false, {_span(chosen.misses)} missed"
        )
        axis.set_title(told, fontweight="normal", color=MUTED)
    axis.set_ylim(0, FULL)
    axis.legend(loc="lower left", handlelength=1.8, borderaxespad=0.2)
    axis.set_xlabel("Threshold of the keyword score")
    axis.set_ylabel("Utterances (%)")
    record(
        axis,
        "keyword gate",
        {
            "threshold": x,
            **{
                f"{kind}{suffix}": [getattr(getattr(one, kind), part) for one in curve]
                for kind in _KINDS
                for suffix, part in (("", "value"), ("_low", "low"), ("_high", "high"))
            },
        },
    )


@styled
def confidence_sheet(
    calibrations: Mapping[str, Calibration], curve: Sequence[Covered], *, least: float | None = None
) -> Figure:
    """Lay out reliability before and after, of sentences and words, and what abstaining buys.

    Args:
        calibrations: Up to three, by title.
        curve: Risk and coverage of the sentences' confidence.
        least: Coverage at the threshold in use, marked by a line; None: none is in use.

    Raises:
        ConfigError: there is nothing to draw.
    """
    if not 1 <= len(calibrations) <= 3:
        raise ConfigError(f"confidence: {len(calibrations)} diagrams to draw; give one to three")
    figure = canvas(DOUBLE_MM, 57)
    for place, (title, found) in enumerate(calibrations.items()):
        reliability_diagram(panel(figure, 11 + 45 * place, 7, 33, 33), found, title=title)
    axis = panel(figure, 147, 7, 32, 33)
    risk_coverage_curve(axis, {"sentences": curve})
    legend = axis.get_legend()
    if legend is not None:
        legend.remove()  # one curve needs no name
    axis.set_title("Abstaining")
    if least is not None:
        axis.axvline(FULL * least, color=MUTED, linewidth=0.6)
    return figure


def _span(share: Share) -> str:
    dash = "\N{EN DASH}"
    return f"{FULL * share.value:.1f} % ({FULL * share.low:.1f}{dash}{FULL * share.high:.1f})"


_KINDS = ("false_accepts", "misses")


def _told(found: Calibration) -> tuple[str, ...]:
    dash = "\N{EN DASH}"
    span = f"{FULL * found.ece_low:.1f}{dash}{FULL * found.ece_high:.1f}"
    return (
        f"ECE {FULL * found.ece:.1f} % ({span})",
        f"by chance {FULL * found.by_chance:.1f} %, n = {found.n:,}",
    )


def _record_reliability(axis: Axes, found: Calibration, title: str) -> None:
    record(
        axis,
        f"reliability {title}".strip(),
        {
            "confidence": [one.confidence for one in found.bins],
            "accuracy": [one.accuracy for one in found.bins],
            "low": [one.low for one in found.bins],
            "high": [one.high for one in found.bins],
            "n": [one.n for one in found.bins],
        },
    )
