"""Mistakes as rows with intervals: confused phonemes, and words that were fixed or broken."""

from __future__ import annotations

import math
from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator

from sylvian.errors import ConfigError
from sylvian.evaluate.pairs import ConfusedPair
from sylvian.evaluate.repairs import Repairs
from sylvian.evaluate.resampling import Share
from sylvian.evaluate.word_errors import NearHomophones
from sylvian.figures.style import INK, MUTED, PAPER, RULE, colour_of, record, styled, write_beside

APART = 0.17  # rows between the two marks of one comparison
MARK = 3.4
NEAR = {0: "sound the same", 1: "within 1 phoneme"}
LEAST_TOP = 1.0  # per cent an axis shows at least


@styled
def pair_rows(
    axis: Axes,
    pairs: Sequence[ConfusedPair],
    *,
    marked: Sequence[tuple[str, str]] = (),
    marks: str = "marked",
) -> None:
    """Plot pairs of phonemes by their share of all substitutions, most frequent on top.

    Args:
        axis: Where to draw; leave some 28 mm free on its right for the figures.
        pairs: The pairs.
        marked: Pairs with a filled mark, such as those a paper names, the others open; empty: all
            are filled.
        marks: What a filled mark says, written above and a column of the CSV.

    Raises:
        ConfigError: there are no pairs.
    """
    if not pairs:
        raise ConfigError("confused pairs: nothing was substituted; leave the panel out")
    wanted = {tuple(sorted(pair)) for pair in marked}
    paint = colour_of("substitution")
    known = [(pair.first, pair.second) in wanted for pair in pairs]
    for row, (pair, is_marked) in enumerate(zip(pairs, known, strict=True)):
        _mark(axis, row, pair.share, paint, filled=is_marked or not wanted)
        _beside(axis, row, f"{_figures(pair.share)}", f"{pair.count}")
    _rows(axis, [pair.name for pair in pairs], [pair.share for pair in pairs])
    axis.set_xlabel("Share of all substitutions (%)")
    _beside(axis, -1, "% (95 %)", "n", colour=MUTED)
    if wanted:
        axis.set_title(f"filled: {marks}", fontweight="normal", color=MUTED)
    record(
        axis,
        "confused pairs",
        {
            "pair": [pair.name for pair in pairs],
            **({marks.replace(" ", "_"): known} if wanted else {}),
            "rank": [pair.rank for pair in pairs],
            "second_for_first": [pair.forward for pair in pairs],
            "first_for_second": [pair.backward for pair in pairs],
            "share": [pair.share.value for pair in pairs],
            "low": [pair.share.low for pair in pairs],
            "high": [pair.share.high for pair in pairs],
        },
    )


@styled
def near_rows(axis: Axes, near: NearHomophones) -> None:
    """Plot how many substituted words sound alike (filled), and how many would by chance (open).

    Args:
        axis: Where to draw; leave some 23 mm free on its right for the figures.
        near: Shares by the most phoneme edits between the two words.
    """
    paint = colour_of("substitution")
    for row, (within, share) in enumerate(near.within.items()):
        chance = near.by_chance[within]
        _mark(axis, row, Share(chance, chance, chance), MUTED, filled=False)
        _mark(axis, row, share, paint, filled=True)
        _beside(axis, row, _figures(share), "")
    labels = [NEAR.get(within, f"within {within} phonemes") for within in near.within]
    _rows(axis, labels, list(near.within.values()))
    _beside(axis, -1, "% (95 %)", "", colour=MUTED)
    axis.set_title("open: by chance", fontweight="normal", color=MUTED)
    axis.set_xlabel(f"Share of {near.n_substitutions:,} substituted words (%)")
    shares = list(near.within.values())
    record(
        axis,
        "near-homophones",
        {
            "phoneme_edits": list(near.within),
            "share": [share.value for share in shares],
            "low": [share.low for share in shares],
            "high": [share.high for share in shares],
            "by_chance": [near.by_chance[within] for within in near.within],
            "n_substitutions": [near.n_substitutions for _ in shares],
        },
    )


@styled
def repair_rows(axis: Axes, repairs: Sequence[Repairs], *, labels: Sequence[str]) -> None:
    """Plot what each change of decoder fixed (filled) and what it broke (open).

    Args:
        axis: Where to draw; leave some 23 mm free on its right for the figures.
        repairs: One per row, top to bottom.
        labels: What was changed, such as `looked up → n-gram`.

    Raises:
        ConfigError: there is nothing to draw.
    """
    if not repairs:
        raise ConfigError("repairs: no comparison to draw; leave the panel out")
    for row, one in enumerate(repairs):
        _mark(axis, row - APART, one.fixed, INK, filled=True)
        _mark(axis, row + APART, one.broken, INK, filled=False)
        _beside(axis, row - APART, _figures(one.fixed), "")
        _beside(axis, row + APART, _figures(one.broken), "")
    _rows(axis, labels, [share for one in repairs for share in (one.fixed, one.broken)])
    axis.set_ylim(len(repairs) - 0.5, -0.5)
    _beside(axis, -0.5 - APART, "% (95 %)", "", colour=MUTED)
    axis.set_xlabel("Share of all reference words (%)")
    handles = [
        Line2D([], [], color=INK, marker="o", linewidth=0, markersize=MARK, label="fixed"),
        Line2D(
            [],
            [],
            color=INK,
            marker="o",
            linewidth=0,
            markersize=MARK,
            markerfacecolor=PAPER,
            label="broken",
        ),
    ]
    axis.legend(
        handles=handles, loc="lower left", bbox_to_anchor=(-0.02, 1.0), ncols=2, borderaxespad=0.2
    )
    kinds = ("right", "fixed", "broken", "wrong")
    record(
        axis,
        "repairs",
        {
            "change": [label.replace("\n", " ") for label in labels for _ in kinds],
            "outcome": [kind for _ in repairs for kind in kinds],
            "share": [getattr(one, kind).value for one in repairs for kind in kinds],
            "low": [getattr(one, kind).low for one in repairs for kind in kinds],
            "high": [getattr(one, kind).high for one in repairs for kind in kinds],
            "n_words": [one.n_words for one in repairs for _ in kinds],
        },
    )


def _mark(axis: Axes, row: int | float, share: Share, colour: str, *, filled: bool) -> None:
    axis.plot([100 * share.low, 100 * share.high], [row] * 2, color=colour, linewidth=0.9)
    axis.plot(
        [100 * share.value],
        [row],
        "o",
        color=colour,
        markerfacecolor=colour if filled else PAPER,
        markeredgewidth=0.8,
        markersize=MARK,
        clip_on=False,
        zorder=3,
    )


def _rows(axis: Axes, labels: Sequence[str], found: Sequence[Share]) -> None:
    axis.set_ylim(len(labels) - 0.5, -0.5)
    axis.set_yticks(range(len(labels)), list(labels))
    axis.tick_params(axis="y", length=0)
    axis.spines["left"].set_color(RULE)
    ends = [100 * end for share in found for end in (share.value, share.high)]
    highest = max((end for end in ends if math.isfinite(end)), default=0.0)
    axis.set_xlim(0, max(1.08 * highest, LEAST_TOP))
    axis.xaxis.set_major_locator(MaxNLocator(4, steps=[1, 2, 5, 10]))


def _figures(share: Share) -> str:
    if not math.isfinite(share.low):
        return f"{100 * share.value:.1f}"
    dash = "\N{EN DASH}"
    return f"{100 * share.value:.1f} ({100 * share.low:.1f}{dash}{100 * share.high:.1f})"


def _beside(axis: Axes, row: int | float, text: str, number: str, *, colour: str = INK) -> None:
    cells = [cell for cell in ((text, 8.0, "left"), (number, 78.0, "right")) if cell[0]]
    write_beside(axis, row, cells, colour=colour, size=6.5)
