"""Whole figures of the analyses, laid out for a printed page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64
from matplotlib.figure import Figure

from sylvian.analyses.cka import CkaTable
from sylvian.analyses.estimates import Estimate
from sylvian.analyses.pca import Pca
from sylvian.figures.representation import (
    alignment_table,
    distance_density,
    estimate_rows,
    tasks_key,
    words_in_plane,
)
from sylvian.figures.style import DOUBLE_MM, SINGLE_MM, canvas, panel, styled

ROW_MM = 5.0
WIDEST_ROW_MM = 9.0
BESIDE_MM = 44.0  # value, p and n on the right of a row
LABEL_MM = 17.0  # names on the left of a row
ABOVE_MM = 12.0
TITLE_PAD = 13.0  # points; the heads of the figures stand below the title
BELOW_MM = 10.0
SQUARE_MM = 56.0
LEAST_CELL_MM, CELL_MM = 6.5, 11.0  # of a table: a value must find room, a small table stay small
LEFT_MM, RIGHT_MM, TOP_MM, BOTTOM_MM = 21.0, 4.0, 7.0, 17.0  # around a table, for its names


@dataclass(frozen=True, slots=True)
class RowPanel:
    """Rows that share an axis.

    Attributes:
        title: What they have in common: run and participant.
        labels: Row names, such as layers.
        estimates: One per row.
    """

    title: str
    labels: tuple[str, ...]
    estimates: tuple[Estimate, ...]


@dataclass(frozen=True, slots=True)
class Density:
    """Distances of the same pairs in two spaces, to be drawn beside the rows."""

    note: str
    neural: Float64[np.ndarray, "items items"]
    text: Float64[np.ndarray, "items items"]


@dataclass(frozen=True, slots=True)
class Plane:
    """Words in a plane; see `words_in_plane`."""

    note: str
    found: Pca
    words: tuple[str, ...]
    tasks: tuple[str, ...]


@styled
def rows_sheet(
    panels: Sequence[RowPanel],
    *,
    name: str,
    limits: tuple[float, float],
    chance: float = 0.0,
    percent: bool = False,
    colours: Sequence[str],
    beside: Sequence[Density | None] = (),
) -> Figure:
    """Lay row panels out one below the other, each with its distances beside it if there are any.

    Args:
        panels: From top to bottom.
        name: What is plotted.
        limits: Ends of the axis.
        chance: The value of no effect.
        percent: Whether values are fractions to be read in percent.
        colours: Of each panel.
        beside: Of each panel, if any.
    """
    wide = any(one is not None for one in beside)
    width = DOUBLE_MM if wide else SINGLE_MM
    least = SQUARE_MM - 12 if wide else 0.0
    heights = [max(ROW_MM * len(one.labels), least) for one in panels]
    rows = [
        min(high, WIDEST_ROW_MM * len(one.labels))
        for one, high in zip(panels, heights, strict=True)
    ]
    figure = canvas(width, sum(heights) + (ABOVE_MM + BELOW_MM) * len(panels))
    room = width - LABEL_MM - BESIDE_MM - (SQUARE_MM + 4 if wide else 0)
    top = ABOVE_MM
    for place, (one, height) in enumerate(zip(panels, heights, strict=True)):
        axis = panel(figure, LABEL_MM, top, room, rows[place])
        estimate_rows(
            axis,
            one.estimates,
            one.labels,
            colour=colours[place],
            name=name,
            limits=limits,
            chance=chance,
            percent=percent,
            panel=one.title,
        )
        axis.set_title(one.title, pad=TITLE_PAD)
        density = beside[place] if place < len(beside) else None
        if density is not None:
            square = panel(figure, width - SQUARE_MM + 11, top, SQUARE_MM - 14, SQUARE_MM - 14)
            title = f"{one.title}: {density.note}"
            distance_density(square, density.neural, density.text, note=density.note, panel=title)
        top += height + ABOVE_MM + BELOW_MM
    return figure


@styled
def planes_sheet(planes: Sequence[Plane]) -> Figure:
    """Lay out words in a plane, two panels a row, with one key."""
    columns = min(2, len(planes))
    rows = -(-len(planes) // columns)
    size = (DOUBLE_MM - 16) / 2
    figure = canvas(DOUBLE_MM if columns == 2 else SINGLE_MM, (size + 14) * rows + 4)
    for place, one in enumerate(planes):
        left = 6 + (size + 7) * (place % 2)
        axis = panel(figure, left, 9 + (size + 14) * (place // 2), size - 4, size - 4)
        words_in_plane(
            axis, one.found, one.words, one.tasks, note=one.note, panel=f"{one.note} {place}"
        )
        if place == 0 and len(set(one.tasks)) > 1:
            tasks_key(axis)
    return figure


@styled
def tables_sheet(tables: Sequence[tuple[str, str, str, CkaTable]]) -> Figure:
    """Lay tables of alignments side by side, or below one another where they are too wide.

    One small table has the width of a column, all others that of a page.

    Args:
        tables: A note, whose layers are across, whose are down, and the alignments.
    """
    columns = [len(one[3].columns) for one in tables]
    around = LEFT_MM + RIGHT_MM
    together = LEAST_CELL_MM * sum(columns) + around * len(tables)
    beside = len(tables) > 1 and together <= DOUBLE_MM
    wide = beside or LEAST_CELL_MM * max(columns) + around > SINGLE_MM
    width = (DOUBLE_MM if wide else SINGLE_MM) / (len(tables) if beside else 1)
    cell = min(CELL_MM, (width - around) / max(columns))
    heights = [cell * len(one[3].rows) + TOP_MM + BOTTOM_MM for one in tables]
    figure = canvas(DOUBLE_MM if wide else SINGLE_MM, max(heights) if beside else sum(heights))
    left, top = LEFT_MM, TOP_MM
    for (note, across, down, table), height in zip(tables, heights, strict=True):
        axis = panel(figure, left, top, cell * len(table.columns), cell * len(table.rows))
        alignment_table(axis, table, across=across, down=down, note=note)
        left, top = (left + width, top) if beside else (left, top + height)
    return figure
