"""A study as a figure: one panel a participant and kind of speech, one row a recipe."""

from __future__ import annotations

from pathlib import Path

from matplotlib.figure import Figure

from sylvian.figures import canvas, encoder_colour, panel, save
from sylvian.figures.accuracy import error_rates, nice_top
from sylvian.figures.style import styled
from sylvian.studies.outcome import StudyResult, StudyRow
from sylvian.types import Score

WIDTH_MM = 130.0
ROW_MM = 5.5
BESIDE_MM = 36.0  # the figures on the right
LETTER_MM = 1.35  # of a row's name, at 7 points


def save_study(result: StudyResult, path: Path) -> tuple[Path, Path, Path]:
    """Draw a study and write PDF, PNG and the plotted numbers as CSV.

    Args:
        result: What was measured.
        path: Where to; its suffix is replaced.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    return save(draw_study(result), path)


@styled
def draw_study(result: StudyResult) -> Figure:
    """Draw rates with 95 % intervals over seeds and trials; open marker: the row compared with."""
    columns: dict[str, list[StudyRow]] = {}
    for row in result.rows:
        group = row.group and f", {row.group}"
        columns.setdefault(f"{row.participant}, {row.speech} speech{group}", []).append(row)
    scores = {name: [_score(row) for row in rows] for name, rows in columns.items()}
    top = nice_top([score for own in scores.values() for score in own])
    names = [_name(row) for row in result.rows]
    left = 4 + LETTER_MM * max(map(len, names))
    heights = [ROW_MM * len(rows) for rows in columns.values()]
    figure = canvas(WIDTH_MM, sum(heights) + 19 * len(heights))
    above = 8.0
    for (name, rows), height in zip(columns.items(), heights, strict=True):
        axis = panel(figure, left, above, WIDTH_MM - left - BESIDE_MM, height)
        error_rates(
            axis,
            scores[name],
            labels=[_name(row) for row in rows],
            colours=[
                encoder_colour("gru" if row.label == "rnn" else "transformer") for row in rows
            ],
            hollow=[row.label == result.against for row in rows],
            top=top,
            panel=name,
        )
        axis.set_title(f"{name} ({result.corpus})")
        above += height + 19
    return figure


def _score(row: StudyRow) -> Score:
    return Score(row.unit, row.label, row.counts, row.low, row.high, row.n_trials)


def _kind(row: StudyRow) -> str:
    return "gru" if row.label == "rnn" else "transformer"


def _name(row: StudyRow) -> str:
    if row.hours is None:
        return row.label
    return f"{row.label} ({row.hours:.{1 if row.hours >= 1 else 2}f} h)"
