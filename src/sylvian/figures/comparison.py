"""Systems beside each other: a panel a participant, kind of speech and unit, one row a system.

Every row has its rate with a 95 % interval; beside it stand its change against the system that all
are compared with, and the paired p-value. Whoever wants the change's interval finds it in the CSV.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from sylvian.errors import ConfigError
from sylvian.evaluate.intervals import Difference
from sylvian.figures.accuracy import error_rates, nice_top
from sylvian.figures.representation import p_said
from sylvian.figures.style import (
    DOUBLE_MM,
    INK,
    MUTED,
    canvas,
    encoder_colour,
    panel,
    record,
    styled,
    write_beside,
)
from sylvian.types import EditCounts, Score

ROW_MM = 5.0
ABOVE_MM = 11.0
BELOW_MM = 10.0
GAP_MM = 5.0
LETTER_MM = 1.28
ALONE_MM = 130.0  # width of a figure with one panel a row
CHANGE_POINTS = 88.0  # right ends of the figures beside a row
P_POINTS = 114.0
BESIDE_MM = 43.0
PLAIN_MM = 28.0  # beside rows that nobody is compared with
TITLE_RISE = 13.0  # points, above the heads of the columns
SIGNIFICANT = 0.05


@dataclass(frozen=True, slots=True)
class SystemRow:
    """One system in one panel.

    Attributes:
        name: The system.
        encoder: Kind of its encoder; decides the colour.
        score: Its rate; None where it was not run.
        n_seeds: Trainings behind it.
        change: Its rate minus that of the system compared with; None where there is none.
        note: Why something is missing.
    """

    name: str
    encoder: str
    score: Score | None
    n_seeds: int = 0
    change: Difference | None = None
    note: str = ""


@dataclass(frozen=True, slots=True)
class SystemPanel:
    """Systems on the same trials.

    Attributes:
        participant: Whose.
        speech: `attempted`, `imagined`, or another task.
        unit: `per` or `wer`.
        rows: The systems, in one order in all panels.
        blank: Why there are none.
    """

    participant: str
    speech: str
    unit: str
    rows: tuple[SystemRow, ...]
    blank: str = ""

    @property
    def name(self) -> str:
        """Whose speech it is."""
        return f"{self.participant}, {self.speech}"


@styled
def comparison_figure(panels: Sequence[SystemPanel], *, against: str | None = None) -> Figure:
    """Lay panels out, two a row where two belong together; open marker: the system compared with.

    Kinds of speech stand side by side where there are several, or else units, or participants.

    Args:
        panels: What to draw; systems come in the same order in each.
        against: The system that the others are compared with.

    Raises:
        ConfigError: there is nothing to draw.
    """
    if not any(one.rows for one in panels):
        raise ConfigError("comparison: no system was scored; leave the figure out")
    laid = arranged(panels)
    columns = max(map(len, laid))
    names = [row.name for one in panels for row in one.rows]
    left = 4 + LETTER_MM * max(map(len, names))
    compared = any(row.change is not None for one in panels for row in one.rows)
    beside = BESIDE_MM if compared else PLAIN_MM
    width = DOUBLE_MM if columns == 2 else ALONE_MM
    room = (width - left - columns * beside - (columns - 1) * GAP_MM) / columns
    heights = [ROW_MM * max([len(one.rows) for one in row] + [2]) for row in laid]
    figure = canvas(width, sum(heights) + (ABOVE_MM + BELOW_MM) * len(laid))
    tops = _tops(panels)
    above = ABOVE_MM
    for row, height in zip(laid, heights, strict=True):
        for place, one in enumerate(row):
            axis = panel(figure, left + (room + beside + GAP_MM) * place, above, room, height)
            system_rows(axis, one, against=against, top=tops[one.unit], named=place == 0)
        above += height + ABOVE_MM + BELOW_MM
    return figure


@styled
def system_rows(
    axis: Axes, one: SystemPanel, *, against: str | None, top: float, named: bool = True
) -> None:
    """Draw one panel: rates with intervals, and changes with p-values beside them.

    Args:
        axis: Where to draw; leave `BESIDE_MM` free on its right.
        one: What to draw; a panel without rows says why.
        against: The system that the others are compared with.
        top: Upper end of the rate axis as a fraction.
        named: Whether the systems' names stand on the left.
    """
    axis.set_title(_title(one), pad=TITLE_RISE)
    if not one.rows:
        axis.set_axis_off()
        axis.text(0, 0.5, one.blank, color=MUTED, va="center", transform=axis.transAxes)
        record(axis, f"{one.unit} of {one.name}", {"note": [one.blank]})
        return
    absent = Score(one.unit, "", EditCounts(), math.nan, math.nan, 0)
    error_rates(
        axis,
        [row.score or absent for row in one.rows],
        labels=[row.name if named else "" for row in one.rows],
        colours=[encoder_colour(row.encoder) for row in one.rows],
        hollow=[row.name == against for row in one.rows],
        top=top,
        panel=f"system, {one.name}",
        counted=False,
    )
    _write_changes(axis, one.rows)
    record(axis, f"{one.unit} against {against}, {one.name}", _columns(one.rows))


def arranged(panels: Sequence[SystemPanel]) -> list[list[SystemPanel]]:
    """Put panels into rows of one or two that are to be looked at together."""
    speeches = dict.fromkeys(one.speech for one in panels)
    units = dict.fromkeys(one.unit for one in panels)
    if len(speeches) > 1:
        keys = dict.fromkeys((one.participant, one.unit) for one in panels)
        rows = [[o for o in panels if (o.participant, o.unit) == key] for key in keys]
    elif len(units) > 1:
        people = dict.fromkeys(one.participant for one in panels)
        rows = [[one for one in panels if one.participant == who] for who in people]
    else:
        rows = [list(panels)]
    return [row[start : start + 2] for row in rows for start in range(0, len(row), 2)]


def _title(one: SystemPanel) -> str:
    counts = sorted({row.score.n_trials for row in one.rows if row.score is not None})
    said = f", n = {'–'.join(f'{n:,}' for n in counts)} trials" if counts else ""
    return f"{one.participant}, {one.speech} speech{said}"


def _tops(panels: Sequence[SystemPanel]) -> dict[str, float]:
    """Give each unit one axis, so that panels can be compared."""
    scores: dict[str, list[Score]] = {}
    for one in panels:
        found = [row.score for row in one.rows if row.score is not None]
        scores.setdefault(one.unit, []).extend(found)
    return {unit: round_top(found) for unit, found in scores.items()}


def round_top(scores: Sequence[Score]) -> float:
    """Choose a round upper end of an axis (a fraction); not past 100 % where nothing is."""
    ends = [end for score in scores for end in (score.rate, score.high) if math.isfinite(end)]
    top = nice_top(scores)
    return min(top, 1.0) if max(ends, default=0.0) <= 1 else top


def _write_changes(axis: Axes, rows: Sequence[SystemRow]) -> None:
    if not any(row.change is not None for row in rows):
        return
    heads = (("change", CHANGE_POINTS, "right"), ("p", P_POINTS, "right"))
    write_beside(axis, -0.5, heads, colour=MUTED, rise=5.0)
    for place, row in enumerate(rows):
        if row.change is None or not math.isfinite(row.change.difference):
            continue
        sure = row.change.p < SIGNIFICANT
        said = f"{round(100 * row.change.difference, 1) + 0.0:+.1f}".replace("-", "\N{MINUS SIGN}")
        cells = ((said, CHANGE_POINTS, "right"), (p_said(row.change.p), P_POINTS, "right"))
        write_beside(axis, place, cells, colour=INK if sure else MUTED)


def _columns(rows: Sequence[SystemRow]) -> dict[str, list[object]]:
    def of(row: SystemRow) -> Iterator[object]:
        yield from (row.name, row.n_seeds or None)
        yield from row.change if row.change is not None else (None,) * 4
        yield row.note

    names = ("system", "n_seeds", "change", "change_low", "change_high", "p", "note")
    return dict(zip(names, map(list, zip(*map(of, rows), strict=True)), strict=True))
