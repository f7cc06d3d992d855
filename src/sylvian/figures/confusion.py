"""Which phonemes are taken for which: substitutions, with deletions and insertions as margins.

The matches are left out, so that the errors have the whole colour scale (Fig. 6 of BIT does the
same): true phoneme on x, predicted phoneme on y, in percent of the true phoneme's occurrences.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.collections import PatchCollection
from matplotlib.patches import Rectangle

from sylvian.errors import ConfigError
from sylvian.evaluate.confusion import Confusions
from sylvian.figures.style import INK, MUTED, ON_CELL, POINTS, RULE, record, styled

Order = Literal["articulation", "errors"]

CLASSES: Mapping[str, tuple[str, ...]] = {
    "stops": ("P", "B", "T", "D", "K", "G"),
    "affric.": ("CH", "JH"),
    "fricatives": ("F", "V", "TH", "DH", "S", "Z", "SH", "ZH", "HH"),
    "nasals": ("M", "N", "NG"),
    "approx.": ("L", "R", "W", "Y"),
    "vowels": ("IY", "IH", "EH", "AE", "AA", "AO", "UH", "UW", "AH", "ER"),
    "diphthongs": ("EY", "AY", "OY", "AW", "OW"),
    "": ("SIL",),
}
"""Articulation classes; voiceless before voiced, vowels from front to back."""

STEPS = (0.005, 0.01, 0.02, 0.05, 0.10, 0.20)
"""Lower ends of the colour steps; below the first nothing is drawn."""

RAMPS: Mapping[str, tuple[str, ...]] = {
    "substitution": ("#fdeee3", "#fad4b8", "#f5b183", "#ea8443", "#d55e01", "#8f3d00"),
    "deletion": ("#e9f5fd", "#c9e6f9", "#9dd2f3", "#56b4ea", "#2486bd", "#0f577f"),
    "insertion": ("#faeef4", "#f3d6e5", "#e8b4cf", "#cc79a8", "#a64e80", "#6f2a51"),
}
"""One ramp per kind of error, around the colour that kind has everywhere."""

GAP = 0.6  # cells between the matrix and its margins
WIDE = 8.0  # points a cell must measure to hold a number
WRITTEN = 0.05  # rates from here on are also written into their cell
DARK = 4  # colour steps from here on carry light figures


@dataclass(frozen=True, slots=True)
class Confusion:
    """One kind of mistake: how often, and in which share of the true phoneme's occurrences."""

    kind: str
    true: str
    predicted: str
    count: int
    rate: float

    def said(self) -> str:
        """Put the mistake in words."""
        if self.kind == "substitution":
            return f"{self.true} taken for {self.predicted}"
        return f"{self.true} left out" if self.kind == "deletion" else f"{self.predicted} put in"


@styled
def confusion_matrix(axis: Axes, confusions: Confusions, *, order: Order = "articulation") -> None:
    """Draw the phoneme error matrix with a deletion row and an insertion column.

    Every cell is a share of the TRUE phoneme's occurrences (matches, substitutions and deletions);
    an insertion has no true phoneme and is given per occurrence of the inserted one.
    A phoneme that never occurs in the truth has no rates: its column is shaded.

    Args:
        axis: Where to draw; becomes square cells.
        confusions: Aligned counts.
        order: By articulation class, or by total errors (most first).

    Raises:
        ConfigError: nothing was counted.
    """
    ordered = _in_order(confusions, order)
    n = len(ordered.labels)
    rates = _rates(ordered)
    _prepare(axis, ordered, order)
    for row in range(n):
        axis.add_patch(Rectangle((row - 0.12, row - 0.12), 0.24, 0.24, color=RULE, linewidth=0))
    places = {"substitution": rates.pairs, "deletion": rates.deletions[:, None]}
    places["insertion"] = rates.insertions[None, :]
    offsets = {"substitution": (0.0, 0.0), "deletion": (0.0, n + GAP), "insertion": (n + GAP, 0.0)}
    for kind, values in places.items():
        _cells(axis, kind, values, offsets[kind])
    listed = ranked(ordered)
    record(
        axis,
        "phoneme confusions",
        {
            "kind": [each.kind for each in listed],
            "true": [each.true for each in listed],
            "predicted": [each.predicted for each in listed],
            "count": [each.count for each in listed],
            "rate": [each.rate for each in listed],
            "n_trials": [ordered.n_trials for _ in listed],
        },
    )


@styled
def confusion_key(axis: Axes) -> None:
    """Draw what the colours of `confusion_matrix` mean."""
    names = {"substitution": "substituted", "deletion": "deleted", "insertion": "inserted"}
    for row, (kind, ramp) in enumerate(RAMPS.items()):
        for column, colour in enumerate(ramp):
            axis.add_patch(Rectangle((column, row), 0.94, 0.8, color=colour, linewidth=0))
        axis.text(-0.2, row + 0.4, names[kind], ha="right", va="center")
    for column, step in enumerate(STEPS):
        axis.text(column, len(RAMPS) + 0.05, f"{100 * step:g}", ha="left", va="top", color=MUTED)
    axis.text(len(STEPS) + 0.1, len(RAMPS) + 0.05, "% and more", ha="left", va="top", color=MUTED)
    axis.set_xlim(0, len(STEPS))
    axis.set_ylim(len(RAMPS), 0)
    axis.set_axis_off()


def ranked(confusions: Confusions) -> tuple[Confusion, ...]:
    """List every mistake that happened, the most frequent (by count) first."""
    labels, occurrences = confusions.labels, _occurrences(confusions)
    found = [
        Confusion("substitution", labels[true], labels[said], count, count / occurrences[true])
        for (true, said), count in _nonzero(confusions.pairs)
        if true != said
    ]
    for (true,), count in _nonzero(confusions.deletions):
        found.append(Confusion("deletion", labels[true], "", count, count / occurrences[true]))
    for (said,), count in _nonzero(confusions.insertions):
        base = occurrences[said]
        found.append(
            Confusion("insertion", "", labels[said], count, count / base if base else float("nan"))
        )
    return tuple(sorted(found, key=lambda each: (-each.count, each.true, each.predicted)))


def _in_order(confusions: Confusions, order: Order) -> Confusions:
    labels = confusions.labels
    if not labels:
        raise ConfigError("phoneme confusions: no phonemes were counted; leave the panel out")
    if order == "errors":
        missed = _occurrences(confusions) - np.diagonal(confusions.pairs)
        ranks = [-int(n) for n in missed + confusions.insertions]
    else:
        known = [phone for members in CLASSES.values() for phone in members]
        ranks = [known.index(phone) if phone in known else len(known) for phone in labels]
    places = sorted(range(len(labels)), key=lambda place: (ranks[place], labels[place]))
    return replace(
        confusions,
        labels=tuple(labels[place] for place in places),
        pairs=confusions.pairs[np.ix_(places, places)],
        deletions=confusions.deletions[places],
        insertions=confusions.insertions[places],
    )


@dataclass(frozen=True)
class _Rates:
    pairs: Float[np.ndarray, "true predicted"]
    deletions: Float[np.ndarray, " true"]
    insertions: Float[np.ndarray, " predicted"]


def _rates(confusions: Confusions) -> _Rates:
    occurrences = _occurrences(confusions)
    base = np.where(occurrences > 0, occurrences, np.nan).astype(float)
    pairs = confusions.pairs / base[:, None]
    np.fill_diagonal(pairs, 0.0)
    return _Rates(pairs, confusions.deletions / base, confusions.insertions / base)


def _occurrences(confusions: Confusions) -> np.ndarray:
    counts: np.ndarray = confusions.pairs.sum(1) + confusions.deletions
    return counts


def _nonzero(counts: np.ndarray) -> list[tuple[tuple[int, ...], int]]:
    return [
        (tuple(int(i) for i in place), int(counts[tuple(place)])) for place in np.argwhere(counts)
    ]


def _cells(
    axis: Axes, kind: str, rates: Float[np.ndarray, "true predicted"], offset: tuple[float, float]
) -> None:
    steps = np.searchsorted(STEPS, np.nan_to_num(rates), side="right") - 1
    patches, colours = [], []
    for true, said in np.argwhere(steps >= 0):
        x, y = true + offset[0], said + offset[1]
        patches.append(Rectangle((x - 0.46, y - 0.46), 0.92, 0.92))
        colours.append(RAMPS[kind][steps[true, said]])
        if rates[true, said] >= WRITTEN and _cell_points(axis) >= WIDE:
            number, dark = f"{100 * rates[true, said]:.0f}", steps[true, said] >= DARK
            paint = ON_CELL if dark else INK
            axis.text(x, y + 0.03, number, ha="center", va="center", color=paint, fontsize=5.5)
    axis.add_collection(PatchCollection(patches, facecolors=colours, linewidths=0))


def _prepare(axis: Axes, confusions: Confusions, order: Order) -> None:
    labels = confusions.labels
    n = len(labels)
    axis.set_xlim(-0.6, n + GAP + 0.6)
    axis.set_ylim(n + GAP + 0.6, -0.6)
    axis.set_aspect("equal", anchor="NW")
    cell, places = _cell_points(axis), [*range(n), n + GAP]
    size = min(POINTS - 1, 0.86 * cell)
    axis.set_xticks(places, [*labels, "ins."], fontsize=size, rotation=0 if cell > WIDE else 90)
    axis.set_yticks(places, [*labels, "del."], fontsize=size)
    axis.tick_params(length=0, pad=2)
    axis.spines[["left", "bottom"]].set_visible(False)
    axis.set_xlabel("True phoneme")
    axis.set_ylabel("Predicted phoneme")
    for column in np.flatnonzero(_occurrences(confusions) == 0):
        axis.axvspan(column - 0.46, column + 0.46, color=RULE, alpha=0.5, linewidth=0, zorder=0)
    if order == "articulation":
        _name_classes(axis, labels)


def _name_classes(axis: Axes, labels: Sequence[str]) -> None:
    n, cell = len(labels), _cell_points(axis)
    start = 0
    for name, members in CLASSES.items():
        count = sum(label in members for label in labels)
        if not count:
            continue
        if start:
            axis.plot([start - 0.5] * 2, [-0.5, n - 0.5], color=RULE, linewidth=0.5, zorder=0)
            axis.plot([-0.5, n - 0.5], [start - 0.5] * 2, color=RULE, linewidth=0.5, zorder=0)
        if count * cell > 3.2 * len(name):  # a 6 pt letter takes about 3 pt
            axis.text(start + (count - 1) / 2, -0.8, name, ha="center", color=MUTED, fontsize=6)
        start += count


def _cell_points(axis: Axes) -> float:
    figure = axis.get_figure(root=True)
    if figure is None:
        return 0.0
    box = axis.get_position(original=True)
    width, height = figure.get_size_inches()
    across = abs(axis.get_xlim()[1] - axis.get_xlim()[0])
    return float(72 * min(box.width * width, box.height * height) / across)
