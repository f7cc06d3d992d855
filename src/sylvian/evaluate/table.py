"""The printed account: error rates in percent, their 95 % intervals, and what to keep in mind."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import NamedTuple

from rich.box import SIMPLE_HEAD
from rich.table import Table
from rich.text import Text

from sylvian.evaluate.intervals import LEAST_TRIALS
from sylvian.evaluate.report import ALL, UNITS, ScoreReport
from sylvian.types import Score

BLANK_CELL = "\N{EN DASH}"


class Row(NamedTuple):
    """One line of the table, as text."""

    group: str
    n_trials: str
    per: str
    wer: str
    cer: str


def percent(score: Score | None) -> str:
    """Write an error rate as `6.3 (5.7–7.0)`, in percent; a dash where it means nothing."""
    return BLANK_CELL if score is None else spread(score.rate, score.low, score.high)


def spread(rate: float, low: float, high: float) -> str:
    """Write fractions as `percent` does: the rate alone where there is no interval (NaN)."""
    if math.isnan(rate):
        return BLANK_CELL
    if math.isnan(low) or math.isnan(high):
        return f"{100 * rate:.1f}"
    return f"{100 * rate:.1f} ({100 * low:.1f}\N{EN DASH}{100 * high:.1f})"


def report_rows(report: ScoreReport, *, sessions: bool = False) -> list[Row]:
    """Lay a report out as text, one row a group, `all` first.

    Groups that would only repeat the first row (the only participant, the only prompt set) are left
    out. A strategy of which the model learnt no label is marked as zero-shot.

    Args:
        report: What was scored.
        sessions: Whether to give every session its row.
    """
    groups = [*report.groups(ALL), *_several(report, "participant:")]
    groups += report.groups("strategy:") if report.zero_shot else _several(report, "strategy:")
    groups += [*_several(report, "prompt_set:"), *report.groups("seen"), *report.groups("unseen")]
    if sessions:
        groups += report.groups("session:")
    return [_row(report, group) for group in groups]


def report_table(
    report: ScoreReport, *, title: str = "", notes: Sequence[str] = (), sessions: bool = False
) -> Table:
    """Draw a report for the terminal.

    Args:
        report: What was scored.
        title: Line above the table.
        notes: Sentences below it: what `Protocol.notes` says.
        sessions: Whether to give every session its row.
    """
    below = Text("\n".join([*_cues(report), *_without_interval(report), *notes]))  # no markup
    above = Text(title)
    table = Table(title=above, caption=below, box=SIMPLE_HEAD, pad_edge=False)
    table.collapse_padding = True  # five columns must fit into 80 characters
    table.title_justify = table.caption_justify = "left"
    table.add_column("")  # a long name takes two lines, and no number is cut
    table.add_column("trials", justify="right")
    shown = [unit for unit in UNITS if _any(report, unit)] or ["per", "wer"]
    for unit in shown:
        table.add_column(f"{unit.upper()} % (95 %)", justify="right", no_wrap=True)
    for row in report_rows(report, sessions=sessions):
        cells = (getattr(row, unit) for unit in shown)
        table.add_row(
            Text(row.group), row.n_trials, *cells, style="bold" if row.group == ALL else ""
        )
    return table


def _several(report: ScoreReport, prefix: str) -> tuple[str, ...]:
    groups = report.groups(prefix)
    return groups if len(groups) > 1 else ()


def _row(report: ScoreReport, group: str) -> Row:
    per, wer, cer = (report.find(unit, group) for unit in UNITS)
    n_trials = max(score.n_trials if score else 0 for score in (per, wer, cer))
    kind, _, own = group.partition(":")
    name = own or group
    if kind == "strategy" and own in report.zero_shot:
        name += ", zero-shot"
    return Row(name, str(n_trials), percent(per), percent(wer), percent(cer))


def _any(report: ScoreReport, unit: str) -> bool:
    score = report.find(unit)
    return score is not None and not math.isnan(score.rate)


def _without_interval(report: ScoreReport) -> list[str]:
    """Say why a rate of the table may stand without an interval."""
    bare = [one for one in report.scores if not math.isnan(one.rate) and math.isnan(one.low)]
    bare = [one for one in bare if not one.group.startswith("session:")]
    if not bare:
        return []
    return [f"No interval: fewer than {LEAST_TRIALS} trials, or no error."]


def _cues(report: ScoreReport) -> list[str]:
    if not report.cues:
        return []
    listing = ", ".join(f"{name} ×{n}" for name, n in report.cues.items())
    return [f"Left out, being instructions: {listing}."]
