"""Which two phonemes are taken for each other, whichever was meant: shares of all substitutions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from sylvian.evaluate.rates import align
from sylvian.evaluate.resampling import Share, shares

PAPER = (("D", "T"), ("B", "P"), ("S", "Z"), ("AH", "IH"), ("EH", "IH"), ("AH", "EH"))
"""Pairs the BIT paper names as typical (Fig. 6): D/T, B/P, S/Z, and AH, IH, EH among each other."""


@dataclass(frozen=True, slots=True)
class ConfusedPair:
    """Two tokens and how often one was decoded where the other was meant.

    Attributes:
        first: The one that comes first in the alphabet.
        second: The other.
        forward: Times `second` was decoded for `first`.
        backward: Times `first` was decoded for `second`.
        share: Both, as a share of all substitutions.
        rank: 1 for the most frequent pair of all.
    """

    first: str
    second: str
    forward: int
    backward: int
    share: Share
    rank: int

    @property
    def name(self) -> str:
        """Both tokens, as papers write them: `D/T`."""
        return f"{self.first}/{self.second}"

    @property
    def count(self) -> int:
        """Substitutions in either direction."""
        return self.forward + self.backward


def confused_pairs(
    trials: Iterable[tuple[Sequence[str], Sequence[str]]],
    *,
    n: int = 20,
    named: Sequence[tuple[str, str]] = (),
    seed: int = 0,
    n_resamples: int = 10_000,
) -> tuple[ConfusedPair, ...]:
    """Rank pairs of tokens by how often they are taken for each other.

    Args:
        trials: Reference and decoded tokens of each trial.
        n: How many of the most frequent pairs to give.
        named: Pairs to give in any case, also where they never happened.
        seed: Seed of the bootstrap over trials.
        n_resamples: Number of resamples.

    Returns:
        The pairs, most frequent first; equal counts by name.

    Source: substitutions of the phoneme error matrix (paper §8), folded along its diagonal.
    """
    events = [
        [(edit.reference, edit.hypothesis) for edit in align(*trial) if edit.op == "substitute"]
        for trial in trials
    ]
    directed = Counter((str(a), str(b)) for trial in events for a, b in trial)
    folded: Counter[tuple[str, str]] = Counter()
    for (true, decoded), count in directed.items():
        folded[_folded(true, decoded)] += count
    for one, other in named:
        folded[_folded(one, other)] += 0
    ranking = sorted(folded, key=lambda pair: (-folded[pair], pair))
    wanted = {_folded(*pair) for pair in named}
    kept = [pair for place, pair in enumerate(ranking) if place < n or pair in wanted]
    place_of = {pair: place for place, pair in enumerate(kept)}
    table = np.zeros((len(events), len(kept)), np.int64)
    for row, trial in enumerate(events):
        for a, b in trial:
            if (pair := _folded(str(a), str(b))) in place_of:
                table[row, place_of[pair]] += 1
    totals = np.array([[len(trial)] for trial in events], np.int64).reshape(-1, 1)
    found = shares(table, totals, seed=seed, n_resamples=n_resamples)
    return tuple(
        ConfusedPair(*pair, directed[pair], directed[pair[::-1]], share, ranking.index(pair) + 1)
        for pair, share in zip(kept, found, strict=True)
    )


def _folded(one: str, other: str) -> tuple[str, str]:
    return (one, other) if one < other else (other, one)
