"""What the report lays out: a sheet per question, or an honest blank, and how both word numbers."""

from __future__ import annotations

from dataclasses import dataclass

from matplotlib.figure import Figure

from sylvian.figures.accuracy import KINDS, has_interval, interval, percent, trials
from sylvian.figures.nouns import SplitScores
from sylvian.types import Score

PRIMARY = ("wer", "per")


@dataclass(frozen=True)
class Sheet:
    """One figure of the report.

    Attributes:
        title: The question it answers, in a few words.
        wide: For a page.
        narrow: For a telephone; None where `wide` is narrow enough already.
        caption: How to read it, with n and what the interval is.
        alt: What it shows, in words.
    """

    title: str
    wide: Figure
    narrow: Figure | None
    caption: str
    alt: str


@dataclass(frozen=True, slots=True)
class Blank:
    """A figure that cannot be drawn, and why."""

    title: str
    sentence: str


def units(scored: SplitScores) -> list[str]:
    """Name the units that were scored, words before phonemes."""
    return [unit for unit in PRIMARY if scored.unit(unit) is not None]


def said(score: Score) -> str:
    """Put a score in words: rate, interval, n."""
    spread = f"95 % interval {interval(score)} %" if has_interval(score) else "no interval"
    return f"{score.unit.upper()} {percent(score.rate)} % ({spread}, {trials(score.n_trials)})"


def overall(scored: SplitScores) -> str:
    """Put a split's overall rates in words."""
    found = [score for unit in PRIMARY if (score := scored.unit(unit)) is not None]
    return ", ".join(said(score) for score in found)


def kinds(score: Score) -> str:
    """Put the kinds of a score's errors in words."""
    counts = ", ".join(f"{getattr(score.counts, f'{kind}s'):,} {kind}s" for kind in KINDS)
    return f"{counts} in {score.counts.n_reference:,}"


def short(text: str, longest: int) -> str:
    """Cut a name that would leave no room for the plot."""
    return text if len(text) <= longest else f"{text[: longest - 1]}…"
