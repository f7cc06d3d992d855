"""Which tokens are taken for which: counts over aligned trials, matches included."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Int

from sylvian.evaluate.rates import align
from sylvian.types import EditCounts


@dataclass(frozen=True)
class Confusions:
    """Aligned token counts of a set of trials.

    Attributes:
        labels: The tokens, sorted, in the order of every axis below.
        pairs: True token by decoded token; the diagonal holds the matches.
        deletions: How often each true token was left out.
        insertions: How often each token was decoded where there was none.
        n_trials: Number of trials counted.
    """

    labels: tuple[str, ...]
    pairs: Int[np.ndarray, "true predicted"]
    deletions: Int[np.ndarray, " true"]
    insertions: Int[np.ndarray, " predicted"]
    n_trials: int

    @property
    def n_reference(self) -> int:
        """True tokens."""
        return int(self.pairs.sum() + self.deletions.sum())

    @property
    def counts(self) -> EditCounts:
        """All errors, kind by kind."""
        return EditCounts(
            int(self.pairs.sum() - self.pairs.trace()),
            int(self.deletions.sum()),
            int(self.insertions.sum()),
            self.n_reference,
        )

    @property
    def errors(self) -> Int[np.ndarray, " tokens"]:
        """Errors each token takes part in: as the truth, or as an insertion."""
        wrong = self.pairs.sum(axis=1) - self.pairs.diagonal()
        return np.asarray(wrong + self.deletions + self.insertions)

    def by_errors(self) -> Confusions:
        """Put the tokens with most errors first, as the BIT paper's Fig. 6 does."""
        rank = np.argsort(-self.errors, kind="stable")
        return Confusions(
            labels=tuple(self.labels[i] for i in rank),
            pairs=self.pairs[np.ix_(rank, rank)],
            deletions=self.deletions[rank],
            insertions=self.insertions[rank],
            n_trials=self.n_trials,
        )

    def worst(self, n: int = 10) -> list[tuple[str, str, int]]:
        """List the most frequent substitutions as (true, decoded, count), most first."""
        counts = self.pairs - np.diag(self.pairs.diagonal())
        order = np.argsort(-counts, axis=None, kind="stable")[:n]
        cells = [divmod(int(cell), len(self.labels)) for cell in order]
        return [
            (self.labels[t], self.labels[p], int(counts[t, p])) for t, p in cells if counts[t, p]
        ]


def count_confusions(pairs: Iterable[tuple[Sequence[str], Sequence[str]]]) -> Confusions:
    """Align every trial and count which token stands beside which.

    Args:
        pairs: Reference and decoded tokens of each trial.

    Returns:
        Counts over all tokens that occur on either side.

    Source: the phoneme error matrix of the BIT paper (paper §8): align, then count.
    """
    columns: Counter[tuple[str | None, str | None]] = Counter()
    n_trials = 0
    for reference, hypothesis in pairs:
        n_trials += 1
        columns.update((edit.reference, edit.hypothesis) for edit in align(reference, hypothesis))
    labels = sorted({token for column in columns for token in column if token is not None})
    # the last row and column are for tokens that stand beside nothing
    place: dict[str | None, int] = {label: i for i, label in enumerate((*labels, None))}
    counts = np.zeros((len(place), len(place)), np.int64)
    for (true, decoded), n in columns.items():
        counts[place[true], place[decoded]] = n
    return Confusions(tuple(labels), counts[:-1, :-1], counts[:-1, -1], counts[-1, :-1], n_trials)
