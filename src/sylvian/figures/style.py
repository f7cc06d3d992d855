"""One look for every figure: widths, type, colours with one meaning each, and how to save.

A figure function takes scores or arrays and an axis, loads nothing, and records the numbers it
plots; `save` then writes PDF, PNG and those numbers as CSV side by side.

Colours are Okabe and Ito's eight (distinguishable under every common colour blindness). Each has
one meaning in the whole project, so a reader learns it once:

| colour | means |
|---|---|
| blue | Transformer encoder (pretrained or not; which one is told by the label) |
| orange | recurrent (GRU) encoder |
| black | all trials together, or anything that is not one of the kinds below |
| green | validation trials, that is, what decisions were made on |
| grey (not of the eight) | training trials, and everything that only helps reading |
| vermillion | substitutions |
| sky blue | deletions |
| purple | insertions |
| yellow | unused on white (contrast too low); kept for highlights on dark images |

Participants and prompt sets never get a colour: they get a place (a panel, a row) and a label.
"""

from __future__ import annotations

import csv
import functools
import io
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ParamSpec, TypeVar, cast
from weakref import WeakKeyDictionary

import matplotlib as mpl
from matplotlib import font_manager
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from sylvian.errors import ConfigError

SINGLE_MM = 89.0
DOUBLE_MM = 183.0
POINTS = 7.0
MM_PER_INCH = 25.4

INK = "#1a1c1f"
MUTED = "#6a7078"
RULE = "#dadde1"
TRAINING = "#8c9198"
PAPER = "#ffffff"
ON_CELL = "#fffffe"  # text on a dark cell; its own value, so that a dark page can turn it

OKABE_ITO: Mapping[str, str] = {
    "black": INK,  # a shade off black, so that text and marks share one ink
    "orange": "#e69f00",
    "sky blue": "#56b4e9",
    "green": "#009e73",
    "yellow": "#f0e442",
    "blue": "#0072b2",
    "vermillion": "#d55e00",
    "purple": "#cc79a7",
}
MEANINGS: Mapping[str, str] = {
    "all": INK,
    "transformer": OKABE_ITO["blue"],
    "gru": OKABE_ITO["orange"],
    "train": TRAINING,
    "val": OKABE_ITO["green"],
    "substitution": OKABE_ITO["vermillion"],
    "deletion": OKABE_ITO["sky blue"],
    "insertion": OKABE_ITO["purple"],
}
ENCODERS = ("transformer", "gru")
# Alike in their metrics, so a figure keeps its layout wherever one of them is installed; matplotlib
# brings the last one along, which also lends the others the glyphs they lack.
FAMILIES = ("Arial", "Helvetica", "Liberation Sans", "DejaVu Sans")
STYLE: Mapping[str, object] = {
    "font.size": POINTS,
    "axes.titlesize": POINTS,
    "axes.titleweight": "bold",
    "axes.titlelocation": "left",
    "axes.titlepad": 5.0,
    "axes.labelsize": POINTS,
    "axes.labelpad": 3.0,
    "xtick.labelsize": POINTS - 0.5,
    "ytick.labelsize": POINTS - 0.5,
    "legend.fontsize": POINTS - 0.5,
    "legend.frameon": False,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.linewidth": 0.6,
    "axes.edgecolor": MUTED,
    "axes.labelcolor": INK,
    "axes.titlecolor": INK,
    "axes.unicode_minus": True,
    "text.color": INK,
    "text.parse_math": False,  # a `$` in a run's name is a dollar
    "xtick.color": MUTED,
    "ytick.color": MUTED,
    "xtick.labelcolor": INK,
    "ytick.labelcolor": INK,
    "xtick.major.size": 2.5,
    "ytick.major.size": 2.5,
    "xtick.major.width": 0.6,
    "ytick.major.width": 0.6,
    "xtick.minor.size": 1.5,
    "ytick.minor.size": 1.5,
    "lines.linewidth": 1.0,
    "lines.markersize": 3.0,
    "figure.facecolor": PAPER,
    "savefig.facecolor": PAPER,
    "pdf.fonttype": 42,  # text stays text in the PDF
    "svg.fonttype": "none",
    "svg.hashsalt": "sylvian",  # the same figure gives the same file
}


@dataclass(frozen=True, slots=True)
class Numbers:
    """What one panel plots: a name and columns of equal length."""

    panel: str
    columns: Mapping[str, Sequence[object]]


_RECORDED: WeakKeyDictionary[Figure, list[Numbers]] = WeakKeyDictionary()
Mm = int | float
P = ParamSpec("P")
R = TypeVar("R")


def styled(draw: Callable[P, R]) -> Callable[P, R]:
    """Run a drawing function under the project's style, whatever the caller's settings are."""

    @functools.wraps(draw)
    def under_style(*args: P.args, **kwargs: P.kwargs) -> R:
        settings = {**STYLE, "font.family": installed_families()}
        with mpl.rc_context(cast(Any, settings)), warnings.catch_warnings():
            # A name in a script no installed font covers is drawn as boxes, which says it too.
            warnings.filterwarnings("ignore", message="Glyph .* missing from font")
            return draw(*args, **kwargs)

    return under_style


@functools.cache
def installed_families() -> list[str]:
    """Name the type families to use on this machine, best first."""
    installed = set(font_manager.fontManager.get_font_names())
    return [family for family in FAMILIES if family in installed]


@styled
def canvas(width_mm: Mm = SINGLE_MM, height_mm: Mm = 55) -> Figure:
    """Make an empty figure of a printed size; no global state is touched."""
    figure = Figure(figsize=(width_mm / MM_PER_INCH, height_mm / MM_PER_INCH))
    FigureCanvasAgg(figure)
    return figure


@styled
def panel(figure: Figure, left: Mm, top: Mm, width: Mm, height: Mm) -> Axes:
    """Add an axis at a place given in millimetres from the figure's upper left corner."""
    full_width, full_height = (inches * MM_PER_INCH for inches in figure.get_size_inches())
    box = (
        left / full_width,
        1 - (top + height) / full_height,
        width / full_width,
        height / full_height,
    )
    return figure.add_axes(box)


def colour_of(meaning: str) -> str:
    """Look up the one colour of a meaning (`transformer`, `gru`, `val`, `substitution`, …).

    Raises:
        ConfigError: nothing of that name has a colour.
    """
    try:
        return MEANINGS[meaning]
    except KeyError:
        known = ", ".join(MEANINGS)
        raise ConfigError(f"no colour stands for {meaning!r}; these do: {known}") from None


def encoder_colour(kind: str) -> str:
    """Give an encoder its colour; black where none was assigned to its kind."""
    return MEANINGS[kind] if kind in ENCODERS else MEANINGS["all"]


def record(axis: Axes, panel_name: str, columns: Mapping[str, Sequence[object]]) -> None:
    """Remember what was plotted on `axis`, for the CSV that `save` writes.

    Raises:
        ConfigError: the columns differ in length.
    """
    lengths = {name: len(values) for name, values in columns.items()}
    if len(set(lengths.values())) > 1:
        raise ConfigError(f"{panel_name}: columns of different lengths: {lengths}")
    figure = axis.get_figure(root=True)
    if not isinstance(figure, Figure):
        raise ConfigError(f"{panel_name}: the axis belongs to no figure; draw on a figure's axis")
    _RECORDED.setdefault(figure, []).append(Numbers(panel_name, columns))


def plotted(figure: Figure) -> tuple[Numbers, ...]:
    """Return the numbers recorded for `figure`, in drawing order."""
    return tuple(_RECORDED.get(figure, ()))


def numbers_csv(figure: Figure) -> str:
    """Write the plotted numbers as one CSV text: a `panel` column, then every panel's columns."""
    tables = plotted(figure)
    names = list(dict.fromkeys(name for table in tables for name in table.columns))
    rows = [["panel", *names]]
    for table in tables:
        cells = zip(*table.columns.values(), strict=True)
        rows += [_row(table, names, dict(zip(table.columns, row, strict=True))) for row in cells]
    return _csv_text(rows)


def write_beside(
    axis: Axes,
    row: int | float,
    cells: Sequence[tuple[str, float, str]],
    *,
    colour: str = INK,
    rise: float = 0.0,
    size: float | None = None,
) -> None:
    """Write figures to the right of a panel, at the height of a row.

    Args:
        axis: The panel.
        row: Height, in its data's coordinates.
        cells: Text, distance from the panel in points, and which side of the text is there
            (`left` or `right`).
        colour: Of the text.
        rise: Points above the row.
        size: Of the letters, in points; None for the figure's own.
    """
    for text, across, side in cells:
        axis.annotate(
            text,
            (1.0, row),
            xycoords=axis.get_yaxis_transform(),
            xytext=(across, rise),
            textcoords="offset points",
            va="center",
            ha=side,
            color=colour,
            fontsize=size,
            annotation_clip=False,
        )


@styled
def save(figure: Figure, path: Path) -> tuple[Path, Path, Path]:
    """Write `figure` as PDF, PNG (300 dpi) and the plotted numbers as CSV.

    Args:
        figure: Drawn with this room's functions, so that its numbers are known.
        path: Where to; any suffix is replaced by `.pdf`, `.png` and `.csv`.

    Returns:
        The three paths in that order.

    Raises:
        ConfigError: no figure function has recorded what it plotted.
    """
    if not plotted(figure):
        raise ConfigError(
            f"{path}: nothing was recorded on this figure; draw it with our functions"
        )
    pdf, png, table = (path.with_suffix(suffix) for suffix in (".pdf", ".png", ".csv"))
    path.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(pdf, metadata={"CreationDate": None})
    figure.savefig(png, dpi=300)
    table.write_text(numbers_csv(figure), encoding="utf-8")
    return pdf, png, table


def _row(table: Numbers, names: Sequence[str], values: Mapping[str, object]) -> list[str]:
    return [table.panel, *(_cell(values.get(name)) for name in names)]


def _cell(value: object) -> str:
    if value is None:
        return ""
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def _csv_text(rows: Sequence[Sequence[str]]) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()
