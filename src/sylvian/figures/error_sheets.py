"""The figures of an error analysis at printed size: phonemes, words, where, what was repaired."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from matplotlib.figure import Figure

from sylvian.evaluate.analysis import ErrorAnalysis
from sylvian.evaluate.confusion import Confusions
from sylvian.evaluate.pairs import PAPER
from sylvian.evaluate.word_errors import NearHomophones
from sylvian.figures.accuracy import error_by_session, error_rates, group_name
from sylvian.figures.breakdown import oracle_curve, rates_along
from sylvian.figures.comparison import round_top
from sylvian.figures.confusion import Order, confusion_key, confusion_matrix
from sylvian.figures.mistakes import near_rows, pair_rows, repair_rows
from sylvian.figures.style import DOUBLE_MM, INK, MUTED, SINGLE_MM, canvas, panel, record, styled
from sylvian.figures.word_errors import word_matrix
from sylvian.types import Score

ORDERS: tuple[Order, ...] = ("errors", "articulation")
N_PAIRS = 15
FEW_DAYS = 12  # that a column has room for
ROW_MM = 4.4
BESIDE_MM = 36.0
FIGURES_MM = 23.0  # a share and its interval
LETTER_MM = 1.25


def error_figures(analysis: ErrorAnalysis, *, colour: str = INK) -> dict[str, Figure]:
    """Draw everything an error analysis found.

    What is not known has no figure; where nothing was wrong, the figure says so.

    Args:
        analysis: The numbers.
        colour: The encoder's (`encoder_colour`).

    Returns:
        Figures by name, ready for `save`.
    """
    return dict(_figures(analysis, colour))


def _figures(analysis: ErrorAnalysis, colour: str) -> Iterator[tuple[str, Figure]]:
    if analysis.phonemes is not None:
        yield from _of_phonemes(analysis, analysis.phonemes)
    yield from _of_words(analysis)
    yield "where", _where(analysis, colour)
    yield "sessions", _sessions(analysis, colour)
    for kind, name in (("strategy", "strategies"), ("prompt_set", "prompt-sets")):
        if scores := analysis.rates.get(kind):
            yield name, _groups(scores, colour, kind.replace("_", " "))
    if analysis.oracle:
        yield "oracle", _oracle(analysis, colour)
    if analysis.repairs:
        yield "repairs", _repairs(analysis)


def _of_phonemes(analysis: ErrorAnalysis, counts: Confusions) -> Iterator[tuple[str, Figure]]:
    said = f"{counts.n_reference:,} phonemes of {counts.n_trials:,} sentences"
    for order in ORDERS:
        name = f"phonemes-by-{order}"
        wrong = counts.errors.any()
        yield name, _phonemes(counts, order) if wrong else _blank(name, f"No error in {said}")
    if any(pair.count for pair in analysis.pairs):
        yield "phoneme-pairs", _pairs(analysis)
    else:
        yield "phoneme-pairs", _blank("phoneme-pairs", f"None taken for another in {said}")


def _of_words(analysis: ErrorAnalysis) -> Iterator[tuple[str, Figure]]:
    said = f"in {analysis.words.n_words:,} words of {analysis.n_trials:,} sentences"
    for name, least in (("words", 1), ("words-seen-twice", 2)):
        if analysis.words.seen(least).pairs:
            yield name, _words(analysis, least=least)
        else:
            often = "taken for another" if least == 1 else "taken for the same other twice"
            yield name, _blank(name, f"None {often} {said}")
    name = "near-homophones"
    if analysis.near is None:
        yield name, _blank(name, f"No word taken for another {said}")
    else:
        yield name, _near(analysis.near)


@styled
def _blank(name: str, note: str) -> Figure:
    """Say on paper why there is nothing to be seen."""
    figure = canvas(SINGLE_MM, 16)
    axis = panel(figure, 5, 4, SINGLE_MM - 10, 8)
    axis.set_axis_off()
    axis.text(0, 0.5, note, va="center", color=MUTED)
    record(axis, name, {"note": [note]})
    return figure


def _phonemes(counts: Confusions, order: Order) -> Figure:
    figure = canvas(DOUBLE_MM, 184)
    confusion_matrix(panel(figure, 12, 18, 156, 156), counts, order=order)
    confusion_key(panel(figure, 126, 2, 30, 8))
    return figure


def _pairs(analysis: ErrorAnalysis) -> Figure:
    named = {tuple(sorted(pair)) for pair in PAPER}
    shown = [p for p in analysis.pairs if p.rank <= N_PAIRS or (p.first, p.second) in named]
    height = ROW_MM * len(shown)
    figure = canvas(SINGLE_MM, 18 + height)
    axis = panel(figure, 13, 8, SINGLE_MM - 13 - 34, height)
    pair_rows(axis, shown, marked=PAPER, marks="named by the BIT paper")
    return figure


def _words(analysis: ErrorAnalysis, *, least: int) -> Figure:
    figure = canvas(SINGLE_MM, 66)
    note = "" if least < 2 else f"each {least} times or more"
    word_matrix(panel(figure, 8, 7, 48, 48), analysis.words.seen(least), n_named=18, note=note)
    return figure


def _near(near: NearHomophones) -> Figure:
    height = ROW_MM * len(near.within)
    figure = canvas(SINGLE_MM, 21 + height)
    near_rows(panel(figure, 29, 8, SINGLE_MM - 29 - FIGURES_MM, height), near)
    return figure


def _where(analysis: ErrorAnalysis, colour: str) -> Figure:
    kinds = ("length", "frequency", "position")
    figure = canvas(DOUBLE_MM, 58)
    top = round_top([score for kind in kinds for score in analysis.rates[kind]])
    for place, kind in enumerate(kinds):
        is_share = kind != "length"  # of words, and no more than all of them can be missed
        label = "Words missed (%)" if is_share else "Word error rate (%)"
        axis = panel(figure, 12 + 59 * place, 6, 47, 37)
        own = min(top, 1.0) if is_share else top
        rates_along(axis, analysis.rates[kind], ylabel=label, colour=colour, top=own)
    return figure


def _sessions(analysis: ErrorAnalysis, colour: str) -> Figure:
    width = SINGLE_MM if len(analysis.rates["session"]) <= FEW_DAYS else DOUBLE_MM
    figure = canvas(width, 51)
    axis = panel(figure, 11, 6, width - 15, 33)
    scores = analysis.rates["session"]
    error_by_session(axis, scores, colour=colour, top=round_top(scores))
    return figure


def _groups(scores: Sequence[Score], colour: str, kind: str) -> Figure:
    names = [group_name(score.group) for score in scores]
    left = 5 + LETTER_MM * max(map(len, names))
    figure = canvas(SINGLE_MM, 17 + 5.5 * len(scores))
    axis = panel(figure, left, 6, SINGLE_MM - left - BESIDE_MM, 5.5 * len(scores))
    paints = [colour] * len(scores)
    top = round_top(scores)
    error_rates(axis, scores, labels=names, colours=paints, panel=kind, top=top)
    return figure


def _oracle(analysis: ErrorAnalysis, colour: str) -> Figure:
    figure = canvas(SINGLE_MM, 55)
    oracle_curve(panel(figure, 12, 7, 72, 37), analysis.oracle, colour=colour)
    return figure


def _repairs(analysis: ErrorAnalysis) -> Figure:
    arrow = "\N{RIGHTWARDS ARROW}"
    labels = [name.replace(f" {arrow} ", f"\n{arrow} ") for name in analysis.repairs]
    left = 6 + LETTER_MM * max(len(line) for label in labels for line in label.split("\n"))
    height = 9.5 * len(labels)
    figure = canvas(SINGLE_MM, 19 + height)
    axis = panel(figure, left, 8, SINGLE_MM - left - FIGURES_MM, height)
    repair_rows(axis, list(analysis.repairs.values()), labels=labels)
    return figure
