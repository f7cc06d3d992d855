"""Error rates along something that has an order: length, frequency, position, depth of a list."""

from __future__ import annotations

from collections.abc import Sequence

from matplotlib.axes import Axes
from matplotlib.ticker import MaxNLocator

from sylvian.errors import ConfigError
from sylvian.evaluate.oracle import OracleRate
from sylvian.figures.accuracy import group_name, nice_top
from sylvian.figures.style import INK, MUTED, record, styled
from sylvian.types import Score

TITLES = {
    "length": "Words in the sentence",
    "frequency": "Times the word occurs in training",
    "position": "Place in the sentence",
}


@styled
def rates_along(
    axis: Axes,
    scores: Sequence[Score],
    *,
    xlabel: str | None = None,
    ylabel: str = "Word error rate (%)",
    colour: str = INK,
    top: float | None = None,
) -> None:
    """Plot one error rate a group, groups in the order given, with intervals and n.

    Args:
        axis: Where to draw.
        scores: One per group.
        xlabel: What the groups are; default: by the groups' kind.
        ylabel: What the rate counts.
        colour: The encoder's.
        top: Upper end of the rate axis as a fraction; default: fits the intervals.

    Raises:
        ConfigError: `scores` is empty.
    """
    if not scores:
        raise ConfigError("rates along: no scores to draw; leave the panel out")
    for place, score in enumerate(scores):
        ends = [100 * score.low, 100 * score.high]
        axis.plot([place] * 2, ends, color=colour, linewidth=0.9)
    axis.plot(
        range(len(scores)),
        [100 * score.rate for score in scores],
        "o-",
        color=colour,
        linewidth=0.6,
        markeredgewidth=0,
        markersize=3.4,
        clip_on=False,
        zorder=3,
    )
    labels = [f"{group_name(s.group)}\n{s.counts.n_reference:,}" for s in scores]
    axis.set_xticks(range(len(scores)), labels)
    _words_below(axis)
    axis.set_xlim(-0.5, len(scores) - 0.5)
    axis.set_ylim(0, 100 * (top or nice_top(scores)))
    axis.yaxis.set_major_locator(MaxNLocator(4, steps=[1, 2, 5, 10]))
    kind = scores[0].group.partition(":")[0]
    axis.set_xlabel(xlabel or TITLES.get(kind, kind))
    axis.set_ylabel(ylabel)
    record(
        axis,
        f"rates by {kind}",
        {
            "group": [group_name(score.group) for score in scores],
            "rate": [score.rate for score in scores],
            "low": [score.low for score in scores],
            "high": [score.high for score in scores],
            "errors": [score.counts.n_errors for score in scores],
            "n_reference": [score.counts.n_reference for score in scores],
            "n_trials": [score.n_trials for score in scores],
        },
    )


def _words_below(axis: Axes) -> None:
    """Say that the second line of the ticks counts words."""
    axis.annotate(
        "words",
        xy=(0, 0),
        xycoords="axes fraction",
        xytext=(-4, -15),
        textcoords="offset points",
        ha="right",
        va="center",
        fontsize=6.5,
        color=MUTED,
    )


@styled
def oracle_curve(axis: Axes, rates: Sequence[OracleRate], *, colour: str = INK) -> None:
    """Plot the word error rate of an oracle against how many candidates it may choose from.

    Args:
        axis: Where to draw.
        rates: By depth, rising.
        colour: The encoder's.

    Raises:
        ConfigError: `rates` is empty.
    """
    if not rates:
        raise ConfigError("oracle: no depth to draw; leave the panel out")
    depths = [one.depth for one in rates]
    lows, highs = ([100 * getattr(r.score, end) for r in rates] for end in ("low", "high"))
    axis.fill_between(depths, lows, highs, color=colour, alpha=0.15, linewidth=0)
    axis.plot(
        depths,
        [100 * one.score.rate for one in rates],
        "o-",
        color=colour,
        linewidth=0.9,
        markeredgewidth=0,
        markersize=3.4,
        clip_on=False,
    )
    if depths[-1] >= 5 * depths[0]:
        axis.set_xscale("log")
    axis.set_xticks(depths, [str(depth) for depth in depths])
    axis.set_xticks([], minor=True)
    axis.set_ylim(0, 100 * nice_top([one.score for one in rates]))
    axis.yaxis.set_major_locator(MaxNLocator(4, steps=[1, 2, 5, 10]))
    axis.set_xlabel("Candidates the oracle may choose from")
    axis.set_ylabel("Word error rate (%)")
    last = rates[-1]
    told = f"n = {last.score.n_trials:,} trials, {last.mean_candidates:.1f} candidates on average"
    axis.set_title(told, fontweight="normal", color=MUTED)
    record(
        axis,
        "oracle",
        {
            "depth": depths,
            "rate": [one.score.rate for one in rates],
            "low": [one.score.low for one in rates],
            "high": [one.score.high for one in rates],
            "mean_candidates": [one.mean_candidates for one in rates],
            "n_trials": [one.score.n_trials for one in rates],
        },
    )
