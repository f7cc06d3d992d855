"""Figures of several panels, composed of what this room draws one at a time."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from sylvian.evaluate.confusion import Confusions
from sylvian.evaluate.word_errors import WordErrors
from sylvian.figures.confusion import confusion_key, confusion_matrix
from sylvian.figures.representation import estimate_rows, tasks_key, words_in_plane
from sylvian.figures.representation_sheets import BESIDE_MM, LABEL_MM, Plane, RowPanel
from sylvian.figures.style import DOUBLE_MM, INK, MUTED, canvas, panel, record, styled
from sylvian.figures.word_errors import word_matrix

ROW_MM = 4.6
ABOVE_MM = 10.0
BELOW_MM = 10.0
GAP_MM = 3.0
SIDE_MM = 2.0
N_NAMED = 20


@styled
def representation_figure(
    rows: Sequence[Sequence[RowPanel]],
    planes: Sequence[Plane],
    *,
    name: str,
    colours: Mapping[str, str] | None = None,
) -> Figure:
    """Lay out similarity layer by layer, kinds of speech side by side, above words in planes.

    Args:
        rows: One or two panels a line.
        planes: Words, two planes a line.
        name: What the rows show.
        colours: Of panels by their titles; black where there is none.
    """
    heights = [ROW_MM * max(len(one.labels) for one in line) for line in rows]
    side = (DOUBLE_MM - 16 - 7) / 2
    high = 0.8 * side
    lines = -(-len(planes) // 2)
    tall = sum(heights) + (ABOVE_MM + BELOW_MM) * len(rows) + (high + 15) * lines
    figure = canvas(DOUBLE_MM, tall)
    width = (DOUBLE_MM - GAP_MM - SIDE_MM) / 2
    limits = _limits([one for line in rows for one in line])
    above = ABOVE_MM
    for line, height in zip(rows, heights, strict=True):
        for place, one in enumerate(line):
            left = LABEL_MM + (width + GAP_MM) * place
            room = width - LABEL_MM - BESIDE_MM
            axis = panel(figure, left, above, room, ROW_MM * len(one.labels))
            colour = (colours or {}).get(one.title, INK)
            estimate_rows(
                axis,
                one.estimates,
                one.labels,
                colour=colour,
                name=name,
                limits=limits,
                panel=one.title,
            )
            axis.set_title(one.title, pad=13.0)
        above += height + ABOVE_MM + BELOW_MM
    for place, plane in enumerate(planes):
        top = above - 1 + (high + 15) * (place // 2)
        axis = panel(figure, 8 + (side + 7) * (place % 2), top, side, high)
        _plane(axis, plane, key=place == 0)
    return figure


def _plane(axis: Axes, plane: Plane, *, key: bool) -> None:
    words_in_plane(axis, plane.found, plane.words, plane.tasks, note=plane.note, panel=plane.note)
    if key and len(set(plane.tasks)) > 1:
        tasks_key(axis)


@styled
def phoneme_figure(confusions: Confusions) -> Figure:
    """Lay out the phoneme error matrix, the phonemes with most errors first, and its key."""
    figure = canvas(DOUBLE_MM, 184)
    confusion_matrix(panel(figure, 12, 18, 156, 156), confusions, order="errors")
    confusion_key(panel(figure, 124, 2, 30, 8))
    return figure


@styled
def word_figure(errors: WordErrors, *, least: int = 2) -> Figure:
    """Lay out the word error matrix beside the pairs that happened `least` times or more.

    Args:
        errors: What was taken for what.
        least: How often a pair has to happen to be in the second panel.
    """
    size = 62.0
    figure = canvas(DOUBLE_MM, size + 18)
    word_matrix(panel(figure, 11, 7, size, size), errors, n_named=0)
    kept = errors.seen(least)
    axis = panel(figure, 84, 7, size, size)
    if kept.pairs:
        word_matrix(axis, kept, n_named=N_NAMED, note=f"{least} times or more")
        return figure
    told = f"No pair of words happened {least} times."
    axis.set_axis_off()
    axis.text(0, 0.5, told, color=MUTED, va="center", transform=axis.transAxes)
    record(axis, f"seen {least} times", {"note": [told]})
    return figure


def _limits(panels: Sequence[RowPanel]) -> tuple[float, float]:
    """Choose round ends that hold every value, interval and permutation."""
    ends = [0.0, 0.1]
    for one in panels:
        for each in one.estimates:
            ends += [each.low, each.high, each.null_low, each.null_high, each.value]
    known = [end for end in ends if np.isfinite(end)]
    return float(np.floor(10 * min(known)) / 10), float(np.ceil(10 * max(known)) / 10)
