"""What encoders represent: similarity, alignment, separability, words in a plane.

Every function draws what an analysis found; intervals and permutations come with it. Where two
tasks share a panel, attempted speech is a filled marker and imagined speech an open one.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.patches import Rectangle
from matplotlib.ticker import MaxNLocator

from sylvian.analyses.cka import CkaTable
from sylvian.analyses.estimates import Estimate
from sylvian.analyses.pca import Pca
from sylvian.errors import ConfigError
from sylvian.figures.naming import name_points
from sylvian.figures.style import INK, MUTED, PAPER, RULE, TRAINING, record, styled, write_beside

GREYS = LinearSegmentedColormap.from_list("greys", (PAPER, "#d9dce0", "#8c9198", INK))
WIDE_INCHES = 1.6  # an axis with room for six tick labels
NULL_HEIGHT = 0.56  # of a row, for the band that chance gives
HEX_CELLS = 32  # across a panel
WHITE_ON = 0.72  # alignments from here on are dark enough for white figures


@styled
def estimate_rows(
    axis: Axes,
    estimates: Sequence[Estimate],
    labels: Sequence[str],
    *,
    colour: str = INK,
    name: str,
    limits: tuple[float, float],
    chance: float = 0.0,
    percent: bool = False,
    panel: str,
) -> None:
    """Plot one row per estimate: value and 95 % interval on the band that chance gives.

    Args:
        axis: Where to draw; leave some 44 mm free on its right for the figures.
        estimates: One per row, top to bottom; a blank row says why it is blank.
        labels: Row names.
        colour: Of the marks.
        name: What is plotted, for the axis.
        limits: Ends of the axis.
        chance: Where the value of no effect is drawn.
        percent: Whether values are fractions to be read in percent.
        panel: Name of these rows in the CSV.

    Raises:
        ConfigError: there is nothing to draw.
    """
    if not estimates:
        raise ConfigError(f"{panel}: no estimates to draw; leave the panel out")
    scale = 100 if percent else 1
    for row, one in enumerate(estimates):
        axis.axhline(row, color=RULE, linewidth=0.5, zorder=0)
        if one.is_blank:
            axis.text(limits[0] * scale, row, f" {one.note}", color=MUTED, va="center", fontsize=6)
            continue
        _band(axis, row, one.null_low * scale, one.null_high * scale)
        axis.plot([one.low * scale, one.high * scale], [row] * 2, color=colour, linewidth=1.2)
        axis.plot([one.value * scale], [row], "o", color=colour, markersize=3.6, markeredgewidth=0)
        _beside(axis, row, _said(one, percent=percent), p_said(one.p), f"{one.n:,}", colour=INK)
    axis.axvline(chance * scale, color=MUTED, linewidth=0.6, linestyle=(0, (4, 3)), zorder=1)
    axis.set_xlim(limits[0] * scale, limits[1] * scale)
    axis.set_ylim(len(estimates) - 0.5, -0.5)
    axis.set_yticks(range(len(estimates)), list(labels))
    axis.tick_params(axis="y", length=0)
    axis.spines["left"].set_color(RULE)
    most = 5 if axis.get_window_extent().width / axis.figure.dpi > WIDE_INCHES else 3
    axis.xaxis.set_major_locator(MaxNLocator(most, steps=[1, 2, 2.5, 5, 10]))
    axis.set_xlabel(name)
    _beside(axis, -0.5, "95 % interval", "p", "n", colour=MUTED, rise=5.0)
    axis.annotate(
        "grey: chance",
        (0, 1),
        xycoords="axes fraction",
        xytext=(0, 5),
        textcoords="offset points",
        va="center",
        color=MUTED,
    )
    _record_estimates(axis, panel, estimates, labels)


@styled
def distance_density(
    axis: Axes,
    neural: Float[np.ndarray, "items items"],
    text: Float[np.ndarray, "items items"],
    *,
    note: str,
    panel: str = "distances",
) -> None:
    """Plot how many pairs of sentences lie at each pair of distances, and the line through them.

    Args:
        axis: Where to draw.
        neural: Distances of the sentences in the encoder.
        text: Distances of the same sentences in the language model.
        note: What the panel is of, written above.
        panel: Its name in the CSV, which has the least-squares line.
    """
    upper = np.triu_indices(len(neural), k=1)
    x, y = text[upper], neural[upper]
    axis.hexbin(x, y, gridsize=HEX_CELLS, cmap=GREYS, mincnt=1, linewidths=0, bins="log")
    slope, height = np.polyfit(x, y, 1)
    ends = np.percentile(x, [1, 99])
    axis.plot(ends, slope * ends + height, color=INK, linewidth=1.0)
    axis.set_xlabel("Distance in the language model")
    axis.set_ylabel("Distance in the encoder")
    for own in (axis.xaxis, axis.yaxis):
        own.set_major_locator(MaxNLocator(4, steps=[1, 2, 5, 10]))
    axis.set_title(note, fontweight="normal", color=MUTED)
    line = {"slope": float(slope), "height": float(height), "n_pairs": len(x)}
    record(axis, panel, {name: [value] for name, value in line.items()})


@styled
def words_in_plane(
    axis: Axes,
    found: Pca,
    words: Sequence[str],
    tasks: Sequence[str],
    *,
    note: str = "",
    panel: str = "words",
) -> None:
    """Plot words along two principal components; a line joins a word's two tasks.

    Args:
        axis: Where to draw.
        found: Its rows are words.
        words: Which word each row is.
        tasks: And in which task; those of the first named are filled, the others open.
        note: Written above.
        panel: Name in the CSV.

    Raises:
        ConfigError: labels do not fit the rows.
    """
    if not len(found.scores) == len(words) == len(tasks):
        raise ConfigError(f"{panel}: {len(found.scores)} rows, {len(words)} words; give one each")
    x, y = found.scores[:, 0], found.scores[:, 1]
    first = tasks[0]
    at = {(word, task): place for place, (word, task) in enumerate(zip(words, tasks, strict=True))}
    joins = [
        [at[word, first], place]
        for (word, task), place in at.items()
        if task != first and (word, first) in at
    ]
    for ends in joins:
        axis.plot(x[ends], y[ends], color=RULE, linewidth=0.7, zorder=1)
    for task in dict.fromkeys(tasks):
        own = [place for place, other in enumerate(tasks) if other == task]
        axis.plot(
            x[own],
            y[own],
            "o",
            color=INK,
            markerfacecolor=INK if task == first else PAPER,
            markeredgewidth=0.7,
            markersize=2.6,
            label=task,
            zorder=2,
        )
    axis.margins(0.06)
    axis.set_aspect("equal", adjustable="datalim")  # distances are what they look like
    lines = found.scores[np.array(joins), :2] if joins else None
    named = {place: word for place, word in enumerate(words) if tasks[place] == first}
    name_points(axis, x, y, named, lines=lines)
    shares = [
        f"PC{k + 1} ({100 * share:.0f} % of variance)" for k, share in enumerate(found.explained)
    ]
    axis.set_xlabel(shares[0])
    axis.set_ylabel(shares[1])
    axis.set_xticks([])
    axis.set_yticks([])
    axis.set_title(note, fontweight="normal", color=MUTED)
    columns = {"word": list(words), "task": list(tasks), "pc1": x.tolist(), "pc2": y.tolist()}
    record(axis, panel, columns)


def tasks_key(axis: Axes) -> None:
    """Say above the right corner of `words_in_plane` which marks are which task's."""
    axis.legend(
        loc="lower right",
        bbox_to_anchor=(1.02, 1.0),
        ncols=2,
        handletextpad=0.0,
        columnspacing=0.6,
        borderaxespad=0.2,
    )


@styled
def alignment_table(axis: Axes, table: CkaTable, *, across: str, down: str, note: str = "") -> None:
    """Draw linear CKA of every pair of layers, written into its cell.

    Args:
        axis: Where to draw; becomes square cells.
        table: What was found.
        across: Whose layers the columns are.
        down: Whose layers the rows are.
        note: Written above.
    """
    values = table.values
    for (row, column), value in np.ndenumerate(values):
        known = math.isfinite(value)
        shade = _grey(value) if known else PAPER
        axis.add_patch(Rectangle((column - 0.5, row - 0.5), 1, 1, facecolor=shade, linewidth=0))
        said = _minus(f"{round(value, 2) + 0.0:.2f}") if known else "\N{EN DASH}"
        ink = PAPER if known and value > WHITE_ON else INK
        axis.text(column, row, said, ha="center", va="center", fontsize=6, color=ink)
    axis.set_xlim(-0.5, len(table.columns) - 0.5)
    axis.set_ylim(len(table.rows) - 0.5, -0.5)
    axis.set_aspect("equal", anchor="NW")
    axis.set_xticks(range(len(table.columns)), list(table.columns), rotation=45, ha="right")
    for label in axis.get_xticklabels():
        label.set_rotation_mode("anchor")  # the end of each name below the middle of its column
    axis.set_yticks(range(len(table.rows)), list(table.rows))
    axis.tick_params(length=0, pad=2)
    axis.spines[["left", "bottom"]].set_visible(False)
    axis.set_xlabel(across)
    axis.set_ylabel(down)
    axis.set_title(note, fontweight="normal", color=MUTED)
    rows = table.table_rows()
    record(axis, note or "cka", {name: [row[name] for row in rows] for name in rows[0]})


def _grey(value: float) -> tuple[float, float, float, float]:
    """Shade an alignment: 0 and less white, 1 dark."""
    shades: list[list[float]] = GREYS([min(max(value, 0.0), 1.0) * 0.85]).tolist()
    red, green, blue, alpha = shades[0]
    return red, green, blue, alpha


def p_said(p: float) -> str:
    """Print a p-value as tables do."""
    if not math.isfinite(p):
        return ""
    return f"{p:.3f}" if p >= 0.001 else _minus(f"{p:.0e}".replace("e-0", "e-"))


def _said(one: Estimate, *, percent: bool) -> str:
    """Print value and interval."""
    scale, digits = (100, 1) if percent else (1, 2)
    value, low, high = (
        _minus(f"{round(each * scale, digits) + 0.0:.{digits}f}")  # no minus before 0.00
        for each in (one.value, one.low, one.high)
    )
    return f"{value} ({low} to {high})" if math.isfinite(one.low) else value


def _minus(text: str) -> str:
    return text.replace("-", "\N{MINUS SIGN}")


def _band(axis: Axes, row: int, low: float, high: float) -> None:
    if math.isfinite(low):
        box = Rectangle((low, row - NULL_HEIGHT / 2), high - low, NULL_HEIGHT)
        box.set(facecolor=TRAINING, alpha=0.35, linewidth=0, zorder=1)
        axis.add_patch(box)


def _beside(
    axis: Axes, row: int | float, said: str, p: str, n: str, *, colour: str, rise: float = 0.0
) -> None:
    cells = ((said, 7.0, "left"), (p, 92.0, "right"), (n, 116.0, "right"))
    write_beside(axis, row, cells, colour=colour, rise=rise)


def _record_estimates(
    axis: Axes, panel: str, estimates: Sequence[Estimate], labels: Sequence[str]
) -> None:
    names = ("value", "low", "high", "p", "n", "null_low", "null_high", "note")
    columns = {name: [getattr(one, name) for one in estimates] for name in names}
    record(axis, panel, {"row": list(labels)} | columns)
