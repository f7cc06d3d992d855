"""Decodes beside the truth: which ones to show, and which of their words are wrong."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from sylvian.evaluate.rates import align
from sylvian.figures.nouns import Decode
from sylvian.text import normalize_sentence

Mark = Literal["right", "wrong", "missing", "extra"]
EACH = 4


@dataclass(frozen=True, slots=True)
class Word:
    """A word of a hypothesis and what is the matter with it.

    Attributes:
        text: The word; for a missing one, the word that should be there.
        mark: `right`, `wrong` (another word in its place), `missing` or `extra`.
        meant: The true word, for a wrong one.
    """

    text: str
    mark: Mark
    meant: str = ""


@dataclass(frozen=True, slots=True)
class Band:
    """A stretch of the ranking of all trials, and the few shown from it.

    Attributes:
        name: What the stretch is (`best tenth`).
        n_trials: How many trials lie in it.
        low: Lowest error rate in it (fraction).
        high: Highest error rate in it (fraction).
        shown: The examples, in rank order.
    """

    name: str
    n_trials: int
    low: float
    high: float
    shown: tuple[Decode, ...]


def choose(decodes: Sequence[Decode], *, unit: str, each: int = EACH) -> tuple[Band, ...]:
    """Pick examples by rule, not by hand: evenly from the best, the middle and the worst tenth.

    Trials are ranked by errors per reference word; ties in an order drawn from a hash of the
    trial key, so that no session is preferred and the choice is the same again. With few trials
    all are shown.

    Args:
        decodes: Every scored trial.
        unit: `words` or `phonemes`.
        each: Examples per band.
    """
    ranked = sorted(decodes, key=lambda decode: (error_rate(decode, unit=unit), _draw(decode)))
    if not ranked:
        return ()
    if len(ranked) <= 3 * each:
        return (_band("all trials", ranked, len(ranked), unit),)
    tenth = math.ceil(len(ranked) / 10)
    middle = (len(ranked) - tenth) // 2
    starts = {"best tenth": 0, "middle tenth": middle, "worst tenth": len(ranked) - tenth}
    return tuple(
        _band(name, ranked[start : start + tenth], each, unit) for name, start in starts.items()
    )


def rule(n_trials: int, *, unit: str, each: int = EACH) -> str:
    """Say in a sentence or two how `choose` chose."""
    ranking = (
        f"All {n_trials:,} scored trials are ranked by errors per reference {unit[:-1]}, ties in "
        "an order drawn from a hash of the trial key."
    )
    if n_trials <= 3 * each:
        return f"{ranking} There are few, so all are shown."
    return (
        f"{ranking} Shown are up to {each} evenly spaced ranks of the best tenth, of the tenth "
        "around the median, and of the worst tenth. Nothing was picked by hand."
    )


def n_reference(decode: Decode, *, unit: str) -> int:
    """Count the words (or phonemes) of the truth as they are scored."""
    return len(_tokens(decode.truth, unit))


def error_rate(decode: Decode, *, unit: str) -> float:
    """Errors per reference word; infinite for errors against an empty truth."""
    length = n_reference(decode, unit=unit)
    if length:
        return decode.n_errors / length
    return math.inf if decode.n_errors else 0.0


def mark_words(truth: str, hypothesis: str, *, unit: str) -> tuple[Word, ...]:
    """Lay the hypothesis against the truth, word by word.

    Args:
        truth: As published; normalised as the scoring does.
        hypothesis: As decoded.
        unit: `words` or `phonemes` (split at spaces, not normalised).
    """
    marked: list[Word] = []
    for op, meant, said in align(_tokens(truth, unit), _tokens(hypothesis, unit)):
        if op == "equal":
            marked.append(Word(said or "", "right"))
        elif op == "substitute":
            marked.append(Word(said or "", "wrong", meant or ""))
        elif op == "delete":
            marked.append(Word(meant or "", "missing"))
        else:
            marked.append(Word(said or "", "extra"))
    return tuple(marked)


def _draw(decode: Decode) -> bytes:
    return hashlib.sha256(decode.key.encode()).digest()


def _tokens(text: str, unit: str) -> list[str]:
    return text.split() if unit == "phonemes" else normalize_sentence(text).split()


def _band(name: str, members: Sequence[Decode], each: int, unit: str) -> Band:
    rates = [error_rate(decode, unit=unit) for decode in members]
    n_shown = min(each, len(members))
    steps = [round(rank * (len(members) - 1) / max(n_shown - 1, 1)) for rank in range(n_shown)]
    shown = tuple(members[step] for step in steps)
    return Band(name, len(members), min(rates), max(rates), shown)
