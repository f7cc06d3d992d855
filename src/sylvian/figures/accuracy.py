"""Error rates with their 95 % intervals: by session, by group, and by kind of error.

Every function takes `sylvian.types.Score`s and an axis, plots percent from 0, and says n. The
interval is whatever the scores carry (a bootstrap over trials); it is never recomputed here.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import date

from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from matplotlib.patches import Patch
from matplotlib.ticker import MaxNLocator

from sylvian.errors import ConfigError
from sylvian.figures.days import calendar_ticks, date_labels
from sylvian.figures.style import INK, MUTED, PAPER, RULE, colour_of, record, styled, write_beside
from sylvian.text import counted
from sylvian.types import Score

UNITS = {"per": "Phoneme error rate", "wer": "Word error rate", "cer": "Character error rate"}
KINDS = ("substitution", "deletion", "insertion")
LEAST_TOP = 0.05  # an axis never shows less than 0 to 5 %, or noise would look like a result
BESIDE_POINTS = 96.0  # room for the figures on the right of a row plot
MANY_SESSIONS = 8  # from here on the dates get an axis of their own, not one label each


@styled
def error_by_session(
    axis: Axes,
    scores: Sequence[Score],
    *,
    colour: str = INK,
    overall: Score | None = None,
    top: float | None = None,
    name: str = "",
) -> None:
    """Plot one error rate per recording day against the calendar.

    Days stand where they lie in time, so gaps between recordings stay visible. Groups whose names
    do not end in an ISO date are spaced evenly instead.

    Args:
        axis: Where to draw.
        scores: One per session; `group` is the day or a path ending in it.
        colour: The encoder's (`encoder_colour`).
        overall: All sessions together, drawn as a thin line.
        top: Upper end of the rate axis as a fraction; default: fits the intervals.
        name: Whose days these are, written above.

    Raises:
        ConfigError: `scores` is empty or mixes units.
    """
    unit = _one_unit(scores)
    shown = sorted(scores, key=lambda score: score.group)
    places, dated = _places(shown)
    for place, score in zip(places, shown, strict=True):
        axis.plot([place] * 2, _percents(score.low, score.high), color=colour, linewidth=0.9)
    rates = [100 * score.rate for score in shown]
    axis.plot(
        places,
        rates,
        "o",
        color=colour,
        markeredgewidth=0,
        markersize=3.2,
        clip_on=False,  # a rate of 0 is a whole mark, too
        zorder=3,
    )
    if overall is not None and math.isfinite(overall.rate):
        axis.axhline(100 * overall.rate, color=MUTED, linewidth=0.6, linestyle=(0, (4, 3)))
    _rate_axis(axis, unit, top or nice_top([*shown, *([overall] if overall else [])]))
    _session_ticks(axis, shown, places, dated=dated)
    axis.set_title(_session_note(shown, overall), fontweight="normal", color=MUTED)
    axis.set_title(name, loc="right")
    _record_scores(axis, f"{unit} by session", shown)


@styled
def error_rates(
    axis: Axes,
    scores: Sequence[Score],
    *,
    labels: Sequence[str] | None = None,
    colours: Sequence[str] | None = None,
    hollow: Sequence[bool] | None = None,
    top: float | None = None,
    panel: str = "groups",
    counted: bool = True,
) -> None:
    """Plot one row per group: the rate, its interval, and both again in figures beside n.

    Args:
        axis: Where to draw; leave some 32 mm free on its right for the figures.
        scores: One per row, top to bottom.
        labels: Row names; default: the groups' names.
        colours: One per row; default: black.
        hollow: Which rows get an open marker (they count less, such as sentences seen before).
        top: Upper end of the rate axis as a fraction; default: fits the intervals.
        panel: Name of these rows in the CSV.
        counted: Whether n stands beside each row; if not, say it above.

    Raises:
        ConfigError: `scores` is empty or mixes units.
    """
    unit = _one_unit(scores)
    paints = list(colours or [INK] * len(scores))
    open_rows = list(hollow or [False] * len(scores))
    for row, (score, paint, is_open) in enumerate(zip(scores, paints, open_rows, strict=True)):
        _rate_row(axis, row, score, paint, is_open=is_open, counted=counted)
    axis.set_ylim(len(scores) - 0.5, -0.5)
    axis.set_yticks(
        range(len(scores)), list(labels or [group_name(score.group) for score in scores])
    )
    axis.tick_params(axis="y", length=0)
    axis.spines["left"].set_color(RULE)
    limit = 100 * (top or nice_top(scores))
    axis.set_xlim(0, limit)
    axis.xaxis.set_major_locator(MaxNLocator(4, steps=[1, 2, 5, 10]))
    axis.set_xlabel(f"{UNITS[unit]} (%)")
    header = "n" if counted else ""
    _figures_beside(axis, -0.5, "% (95 % interval)", header, colour=MUTED, rise=5.0)
    _record_scores(axis, f"{unit} by {panel}", scores)


def seen_and_unseen(
    axis: Axes, scores: Sequence[Score], *, colour: str = INK, top: float | None = None
) -> None:
    """Plot sentences that occur in the training set apart from those that do not.

    Only unseen sentences (filled marker) show what the decoder does with new language.

    Raises:
        ConfigError: `scores` is empty or mixes units.
    """
    names = {"seen": "seen in training", "unseen": "not seen in training"}
    error_rates(
        axis,
        scores,
        labels=[names.get(score.group, score.group) for score in scores],
        colours=[colour] * len(scores),
        hollow=[score.group == "seen" for score in scores],
        top=top,
        panel="seen/unseen",
    )


@styled
def error_kinds(axis: Axes, scores: Sequence[Score], *, labels: Sequence[str]) -> None:
    """Split each error rate into substitutions, deletions and insertions; whisker: 95 % interval.

    Raises:
        ConfigError: `scores` is empty.
    """
    if not scores:
        raise ConfigError("error kinds: no scores to draw; leave the panel out")
    for row, score in enumerate(scores):
        start = 0.0
        for kind in KINDS:
            width = 100 * _kind_rate(score, kind)
            axis.barh(row, width, left=start, height=0.46, color=colour_of(kind), linewidth=0)
            start += width
        axis.plot(_percents(score.low, score.high), [row + 0.36] * 2, color=INK, linewidth=0.9)
    axis.set_ylim(len(scores) - 0.4, -0.5)
    axis.set_yticks(range(len(scores)), list(labels))
    axis.tick_params(axis="y", length=0)
    axis.set_xlim(0, 100 * nice_top(scores))
    axis.set_xlabel("Errors per 100 reference tokens (%)")
    handles: list[Patch | Line2D] = [Patch(color=colour_of(k), label=f"{k}s") for k in KINDS]
    handles.append(Line2D([], [], color=INK, linewidth=0.9, label="95 % interval"))
    axis.legend(
        handles=handles,
        loc="lower left",
        bbox_to_anchor=(-0.02, 1.0),
        ncols=4,
        handlelength=0.9,
        handletextpad=0.5,
        columnspacing=1.1,
        borderaxespad=0.2,
    )
    _record_scores(axis, "error kinds", scores)


def nice_top(scores: Sequence[Score]) -> float:
    """Choose a round upper end (a fraction) for an axis that holds every interval."""
    ends = [end for score in scores for end in (score.rate, score.high)]
    highest = max((end for end in ends if math.isfinite(end)), default=0.0)
    wanted = max(1.06 * highest, LEAST_TOP)
    step = float(10 ** math.floor(math.log10(wanted))) / 2
    return math.ceil(wanted / step - 1e-9) * step


def percent(rate: float) -> str:
    """Print a fraction in percent with one decimal; a dash where there is none."""
    return f"{100 * rate:.1f}" if math.isfinite(rate) else "–"


def interval(score: Score) -> str:
    """Print a score's 95 % interval in percent, or that there is none.

    Too few trials have none, and neither has a rate without an error.
    """
    if not has_interval(score):
        return "no interval"
    return f"{percent(score.low)}–{percent(score.high)}"


def trials(n: int) -> str:
    """Print a number of trials."""
    return counted(n, "trial")


def has_interval(score: Score) -> bool:
    """Say whether a score's interval means anything; runs of earlier versions have 0-0."""
    finite = math.isfinite(score.low) and math.isfinite(score.high)
    return finite and score.counts.n_errors > 0


def group_name(group: str) -> str:
    """Strip the kind from a group's name: `prompt_set:Switchboard` gives `Switchboard`."""
    return group.partition(":")[2] or group


def session_name(group: str) -> str:
    """Shorten `session:corpus/participant/session` to the session."""
    return group_name(group).rsplit("/", 1)[-1]


def _one_unit(scores: Sequence[Score]) -> str:
    units = {score.unit for score in scores}
    if len(units) != 1:
        found = ", ".join(sorted(units)) or "none"
        raise ConfigError(f"one axis shows one unit, got {found}; draw an axis for each")
    return units.pop()


def _places(scores: Sequence[Score]) -> tuple[list[float], bool]:
    days = [_day(score.group) for score in scores]
    known = [float(day.toordinal()) for day in days if day is not None]
    if len(known) == len(scores):
        return known, True
    return [float(index) for index in range(len(scores))], False


def _day(group: str) -> date | None:
    try:
        return date.fromisoformat(session_name(group))
    except ValueError:
        return None


def _session_ticks(
    axis: Axes, scores: Sequence[Score], places: Sequence[float], *, dated: bool
) -> None:
    span = max(places) - min(places)
    margin = max(0.025 * span, 0.6)
    axis.set_xlim(min(places) - margin, max(places) + margin)
    axis.set_xlabel("Recording day")
    if not dated:
        axis.set_xticks(places, [session_name(score.group) for score in scores], rotation=90)
        return
    days = [date.fromordinal(int(place)) for place in places]
    ticks = days if _roomy(places, span) else calendar_ticks(days[0], days[-1])
    axis.set_xticks([day.toordinal() for day in ticks], date_labels(ticks))


def _roomy(places: Sequence[float], span: float) -> bool:
    gaps = [later - earlier for earlier, later in zip(places, places[1:], strict=False)]
    return len(places) < MANY_SESSIONS and (not gaps or min(gaps) > 0.1 * span)


def _session_note(scores: Sequence[Score], overall: Score | None) -> str:
    low, high = (pick(score.n_trials for score in scores) for pick in (min, max))
    each = f"{low}" if low == high else f"{low}–{high}"
    days = f"1 day, n = {each}" if len(scores) == 1 else f"{len(scores)} days, n = {each} a day"
    note = f"{days}; 95 % intervals"  # short: it has to fit above a narrow panel
    return f"{note}; all: {percent(overall.rate)} % (dashed)" if overall is not None else note


def _rate_axis(axis: Axes, unit: str, top: float) -> None:
    axis.set_ylim(0, 100 * top)
    axis.yaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 2.5, 5, 10]))
    axis.set_ylabel(f"{UNITS[unit]} (%)")


def _rate_row(
    axis: Axes, row: int, score: Score, colour: str, *, is_open: bool, counted: bool
) -> None:
    axis.axhline(row, color=RULE, linewidth=0.5, zorder=0)
    if math.isfinite(score.rate):
        axis.plot(_percents(score.low, score.high), [row] * 2, color=colour, linewidth=1.2)
        axis.plot(
            [100 * score.rate],
            [row],
            "o",
            markersize=3.6,
            color=colour,
            markerfacecolor=PAPER if is_open else colour,
            markeredgewidth=1.0,
            clip_on=False,
            zorder=3,
        )
    said = f"{percent(score.rate)} ({interval(score)})" if score.counts.n_reference else "–"
    n = f"{score.n_trials:,}" if score.counts.n_reference and counted else ""
    _figures_beside(axis, row, said, n, colour=INK)


def _figures_beside(
    axis: Axes, row: int | float, rate: str, n: str, *, colour: str, rise: float = 0.0
) -> None:
    cells = ((rate, 7.0, "left"), (n, BESIDE_POINTS, "right"))
    write_beside(axis, row, cells, colour=colour, rise=rise)


def _kind_rate(score: Score, kind: str) -> float:
    count = int(getattr(score.counts, f"{kind}s"))
    return count / score.counts.n_reference if score.counts.n_reference else 0.0


def _percents(low: float, high: float) -> list[float]:
    return [100 * low, 100 * high]


def _record_scores(axis: Axes, panel: str, scores: Sequence[Score]) -> None:
    record(
        axis,
        panel,
        {
            "unit": [score.unit for score in scores],
            "group": [score.group for score in scores],
            "rate": [score.rate for score in scores],
            "low": [score.low for score in scores],
            "high": [score.high for score in scores],
            "n_trials": [score.n_trials for score in scores],
            "substitutions": [score.counts.substitutions for score in scores],
            "deletions": [score.counts.deletions for score in scores],
            "insertions": [score.counts.insertions for score in scores],
            "n_reference": [score.counts.n_reference for score in scores],
        },
    )
