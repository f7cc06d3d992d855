"""What the lists would allow: the error rate if somebody who knows the truth chose from them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sylvian.errors import DataError
from sylvian.evaluate.intervals import bootstrap_rate
from sylvian.evaluate.rates import word_edits
from sylvian.types import EditCounts, Score

DEPTHS = (1, 2, 3, 5, 10, 20, 50, 100)


@dataclass(frozen=True, slots=True)
class OracleRate:
    """The best that the first candidates hold.

    Attributes:
        depth: How many of the first candidates the oracle may choose from.
        score: Its word error rate.
        mean_candidates: Candidates it really had, on average; lists may be shorter than `depth`.
    """

    depth: int
    score: Score
    mean_candidates: float


def oracle_rates(
    references: Sequence[str],
    candidates: Sequence[Sequence[str]],
    *,
    depths: Sequence[int] = DEPTHS,
) -> tuple[OracleRate, ...]:
    """Give the word error rate of an oracle at several depths of the lists.

    Args:
        references: The true sentences.
        candidates: Candidates of each trial, best first, at least one.
        depths: How many of them the oracle may see. Depths beyond the longest list are left out.

    Raises:
        DataError: there are more or fewer lists than sentences, or a list is empty.
    """
    if len(references) != len(candidates):
        raise DataError(f"oracle: {len(candidates)} lists for {len(references)} sentences")
    if not all(candidates):
        raise DataError("oracle: a trial has no candidate; give at least its empty sentence")
    edits = [
        [word_edits(true, said) for said in listed]
        for true, listed in zip(references, candidates, strict=True)
    ]
    longest = max((len(listed) for listed in candidates), default=0)
    below = [depth for depth in depths if depth < longest]
    return tuple(_at(edits, depth) for depth in [*below, *([longest] if longest else [])])


def _at(edits: Sequence[Sequence[EditCounts]], depth: int) -> OracleRate:
    best = [min(listed[:depth], key=lambda counts: counts.n_errors) for listed in edits]
    low, high = bootstrap_rate(best)
    score = Score("wer", f"oracle:{depth}", sum(best, EditCounts()), low, high, len(best))
    return OracleRate(depth, score, sum(min(depth, len(x)) for x in edits) / len(edits))
