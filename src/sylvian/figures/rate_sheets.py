"""The report's figures of error rates, in two widths: a page's 183 mm and a telephone's 89 mm.

Both are drawn by the same functions at their own size; nothing is merely scaled down.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from sylvian.figures.accuracy import (
    UNITS,
    error_by_session,
    error_kinds,
    error_rates,
    group_name,
    nice_top,
    percent,
    seen_and_unseen,
    session_name,
)
from sylvian.figures.nouns import RunReport, SplitScores
from sylvian.figures.sheets import PRIMARY, Blank, Sheet, kinds, overall, said, short, units
from sylvian.figures.style import DOUBLE_MM, SINGLE_MM, canvas, encoder_colour, panel
from sylvian.types import EditCounts, Score

BESIDE_MM = 36.0  # figures on the right of a row plot
ROW_MM = 5.5
LONGEST = 24  # letters of a row's name


def overview_sheet(runs: Sequence[RunReport]) -> Sheet | Blank:
    """Lay out the overall rates of all runs side by side."""
    title = "All runs"
    rows = [(run, each) for run in runs for each in run.scores if units(each)]
    found = [unit for unit in PRIMARY if any(each.unit(unit) for _, each in rows)]
    if not found:
        return Blank(title, "No run has been scored on a labelled split yet.")
    names = [short(_row_name(run, each), 34) for run, each in rows]
    left = _left_mm(names)
    height = ROW_MM * len(rows)
    width = (DOUBLE_MM - left) / 2 - BESIDE_MM
    wide, narrow = canvas(DOUBLE_MM, 17 + height), canvas(SINGLE_MM, (17 + height) * len(found))
    for place, unit in enumerate(found):
        at = left + (BESIDE_MM + width) * place
        _overview(panel(wide, at, 6, width, height), rows, unit, [] if place else names)
        axis = panel(narrow, left, 6 + (17 + height) * place, SINGLE_MM - left - BESIDE_MM, height)
        _overview(axis, rows, unit, names)
    caption = (
        "Blue: Transformer; orange: recurrent network. Bars are 95 % bootstrap intervals over "
        "trials; they overlap even where a paired test on the same trials would tell two runs "
        "apart."
    )
    alt = " ".join(f"{run.name} on {each.split}: {overall(each)}." for run, each in rows)
    return Sheet(title, wide, narrow, caption, alt)


def session_sheet(run: RunReport, scored: SplitScores) -> Sheet | Blank:
    """Lay out error rates by recording day, a panel per participant and unit."""
    title = "Error rate by session"
    rows = [
        (participant, unit, scores)
        for unit in PRIMARY
        for participant, scores in _by_participant(scored.groups(unit, "session")).items()
    ]
    if not rows:
        return Blank(title, f"No session of {scored.split} has been scored.")
    if max(len(scores) for _, _, scores in rows) == 1:
        one = "; ".join(f"{p} {session_name(s[0].group)}: {said(s[0])}" for p, _, s in rows)
        return Blank(title, f"Only one session was scored, so no trend over days shows. {one}.")
    several = len({participant for participant, _, _ in rows}) > 1
    wide, narrow = canvas(DOUBLE_MM, 51 * len(rows)), canvas(SINGLE_MM, 51 * len(rows))
    for place, (participant, unit, scores) in enumerate(rows):
        together = None if several else scored.unit(unit)
        top = nice_top([score for _, other, found in rows if other == unit for score in found])
        for figure, width in ((wide, 171), (narrow, 77)):
            axis = panel(figure, 11, 6 + 51 * place, width, 33)
            error_by_session(
                axis,
                scores,
                colour=encoder_colour(run.encoder),
                overall=together,
                top=top,
                name=participant.rpartition("/")[2] if several else "",
            )
    caption = (
        "Each mark is one recording day at its place in the calendar: all errors of the day over "
        "all reference tokens. Bars are 95 % bootstrap intervals over the day's trials."
    )
    alt = " ".join(_session_alt(participant, scores) for participant, _, scores in rows)
    return Sheet(title, wide, narrow, caption, alt)


def prompt_sheets(run: RunReport, scored: SplitScores) -> tuple[Sheet | Blank, ...]:
    """Lay out error rates by prompt set, a sheet per unit."""
    sheets: list[Sheet | Blank] = []
    for unit in units(scored):
        scores = scored.groups(unit, "prompt_set")
        title = f"{UNITS[unit]} by prompt set"
        if not scores:
            blank = "The corpus does not say which prompt set its trials are from."
            return (Blank("By prompt set", blank),)
        shown = sorted(scores, key=lambda score: -score.n_trials)
        figure = _rows_figure(shown, colour=encoder_colour(run.encoder))
        caption = "Prompt sets by number of trials; bars are 95 % bootstrap intervals over trials."
        alt = "; ".join(f"{group_name(score.group)} {said(score)}" for score in shown)
        sheets.append(Sheet(title, figure, None, caption, f"{UNITS[unit]}: {alt}."))
    return tuple(sheets)


def strategy_sheets(run: RunReport, scored: SplitScores) -> tuple[Sheet, ...]:
    """Lay out error rates by strategy, a sheet per unit; none where there is nothing to compare."""
    sheets = []
    for unit in units(scored):
        scores = scored.groups(unit, "strategy")
        if len(scores) > 1:
            figure = _rows_figure(scores, colour=encoder_colour(run.encoder), panel_name="strategy")
            caption = "What was asked for; bars are 95 % bootstrap intervals over trials."
            alt = "; ".join(f"{group_name(score.group)} {said(score)}" for score in scores)
            title = f"{UNITS[unit]} by strategy"
            sheets.append(Sheet(title, figure, None, caption, f"{UNITS[unit]}: {alt}."))
    return tuple(sheets)


def seen_sheet(run: RunReport, scored: SplitScores) -> Sheet | Blank:
    """Lay out sentences seen in training beside those not seen."""
    title = "Seen and unseen sentences"
    found = units(scored)
    scores = scored.groups(found[0], "seen") if found else ()
    n = sum(score.n_trials for score in scores)
    if not scores:
        return Blank(title, "No scored trial has a known sentence, so this cannot be told apart.")
    if len(scores) == 1:
        if scores[0].group == "seen":
            told = "also occur in training; how unseen sentences fare is not known"
        else:
            told = "are new: none occurs in training"
        return Blank(title, f"All {n:,} scored sentences {told}. {said(scores[0])}.")
    left = 31.0
    figure = canvas(SINGLE_MM, 28)
    colour = encoder_colour(run.encoder)
    seen_and_unseen(panel(figure, left, 6, SINGLE_MM - left - BESIDE_MM, 11), scores, colour=colour)
    caption = (
        "A sentence is seen if its normalised text is the prompt of a training trial. Only unseen "
        "sentences (filled) say how new language fares."
    )
    alt = "; ".join(f"{score.group} in training {said(score)}" for score in scores)
    return Sheet(title, figure, None, caption, f"{UNITS[found[0]]}: {alt}.")


def kinds_sheet(scored: SplitScores) -> Sheet | Blank:
    """Lay out how the errors divide into substitutions, deletions and insertions."""
    title = "Kinds of error"
    scores = [score for unit in units(scored) if (score := scored.unit(unit)) is not None]
    wrong = [score for score in scores if score.counts.n_errors]
    if not wrong:
        return Blank(title, "There is no error to divide into kinds.")
    figure = canvas(SINGLE_MM, 18 + 7 * len(wrong))
    axis = panel(figure, 11, 7, 74, 7 * len(wrong))
    error_kinds(axis, wrong, labels=[score.unit.upper() for score in wrong])
    caption = "Thin lines: 95 % bootstrap intervals over trials, of the whole rate."
    alt = "; ".join(f"{score.unit.upper()}: {kinds(score)}" for score in wrong)
    return Sheet(title, figure, None, caption, f"{alt}.")


def _overview(
    axis: Axes, rows: Sequence[tuple[RunReport, SplitScores]], unit: str, names: Sequence[str]
) -> None:
    absent = Score(unit, "all", EditCounts(), math.nan, math.nan, 0)
    error_rates(
        axis,
        [scored.unit(unit) or absent for _, scored in rows],
        labels=names or [""] * len(rows),
        colours=[encoder_colour(run.encoder) for run, _ in rows],
        panel="run",
    )


def _row_name(run: RunReport, scored: SplitScores) -> str:
    decoder = f" · {scored.decoder}" if scored.decoder else ""
    return f"{run.name} · {scored.split}{decoder}"


def _by_participant(scores: Sequence[Score]) -> dict[str, list[Score]]:
    found: dict[str, list[Score]] = {}
    for score in scores:
        found.setdefault(group_name(score.group).rpartition("/")[0], []).append(score)
    return found


def _session_alt(participant: str, scores: Sequence[Score]) -> str:
    ranked = sorted(scores, key=lambda score: score.rate)
    least, most = ranked[0], ranked[-1]
    return (
        f"{UNITS[least.unit]} of {participant} on {len(scores)} days: from {percent(least.rate)} % "
        f"on {session_name(least.group)} to {percent(most.rate)} % on {session_name(most.group)}."
    )


def _rows_figure(scores: Sequence[Score], *, colour: str, panel_name: str = "prompt set") -> Figure:
    names = [short(group_name(score.group), LONGEST) for score in scores]
    left, height = _left_mm(names), ROW_MM * len(scores)
    figure = canvas(SINGLE_MM, 17 + height)
    axis = panel(figure, left, 6, SINGLE_MM - left - BESIDE_MM, height)
    error_rates(axis, scores, labels=names, colours=[colour] * len(scores), panel=panel_name)
    return figure


def _left_mm(names: Sequence[str]) -> float:
    return 4 + 1.2 * max(len(name) for name in names)  # a 6.5 pt letter takes about 1.2 mm
