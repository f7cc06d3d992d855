"""What has to be read with a figure, written below it; and a figure that says why there is none."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence

from matplotlib.figure import Figure
from matplotlib.transforms import Bbox

from sylvian.figures.style import (
    INK,
    MM_PER_INCH,
    MUTED,
    POINTS,
    SINGLE_MM,
    canvas,
    panel,
    record,
    styled,
)

SIMULATED = "Simulated participants; nobody was recorded."
LINE_MM = 2.9
LETTER_MM = 0.98  # of a small letter, on average
SIDE_MM = 4.0
BELOW_MM = 2.0


@styled
def add_notes(figure: Figure, sentences: Sequence[str], *, simulated: bool = False) -> None:
    """Make a figure higher and write sentences below what it shows; the CSV has them, too.

    Args:
        figure: A figure with panels.
        sentences: What has to be read with it.
        simulated: Say first, and in bold, that nobody was recorded.
    """
    told = [*([SIMULATED] if simulated else []), *sentences]
    if not told:
        return
    width, height = (inches * MM_PER_INCH for inches in figure.get_size_inches())
    letters = int((width - 2 * SIDE_MM) / LETTER_MM)
    lines = textwrap.wrap(" ".join(sentences), letters)
    extra = LINE_MM * (len(lines) + simulated) + 2 * BELOW_MM
    _make_room(figure, extra)
    bold = [SIMULATED] if simulated else []
    for place, line in enumerate([*bold, *lines]):
        figure.text(
            SIDE_MM / width,
            (extra - BELOW_MM - LINE_MM * place) / (height + extra),
            line,
            va="top",
            fontsize=POINTS - 1,
            color=INK if place < len(bold) else MUTED,
            fontweight="bold" if place < len(bold) else "normal",
        )
    record(figure.axes[0], "notes", {"note": told})


@styled
def blank_figure(sentence: str) -> Figure:
    """Make a figure that says why there is nothing to draw."""
    figure = canvas(SINGLE_MM, 22)
    axis = panel(figure, SIDE_MM, 4, SINGLE_MM - 2 * SIDE_MM, 16)
    axis.set_axis_off()
    lines = textwrap.wrap(sentence, int((SINGLE_MM - 2 * SIDE_MM) / (1.12 * LETTER_MM)))
    axis.text(0, 0.5, "\n".join(lines), va="center", transform=axis.transAxes)
    record(axis, "blank", {"note": [sentence]})
    return figure


def _make_room(figure: Figure, extra_mm: float) -> None:
    """Add a strip at the bottom; everything keeps its size in print."""
    width, height = figure.get_size_inches()
    taller = float(height) + extra_mm / MM_PER_INCH
    scale = float(height) / taller

    def moved(at: float) -> float:
        return 1 - (1 - at) * scale

    for axis in figure.axes:
        box = axis.get_position(original=True)
        axis.set_position(Bbox([[box.x0, moved(box.y0)], [box.x1, moved(box.y1)]]))
    for text in figure.texts:
        text.set_y(moved(text.get_position()[1]))
    figure.set_size_inches(width, taller)
