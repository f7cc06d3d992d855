"""How a decoder mishears phonemes: statistics of real errors, and errors simulated from them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from sylvian.errors import DataError
from sylvian.evaluate.confusion import Confusions, count_confusions
from sylvian.evaluate.rates import count_edits

_PRIOR = 0.02  # of an event never seen beside a token that was: counts are of small sets


@dataclass(frozen=True)
class PhonemeErrors:
    """Probabilities of errors, token by token, and how much worse some trials are than others.

    Attributes:
        labels: The tokens, in the order of every axis below.
        becomes: What stands in a true token's place; the last column is nothing (a deletion).
        inserted: What an insertion puts before a token or at the end; the last one is nothing.
        severities: Odds of an error in each trial that was counted, over the pooled odds. Errors
            come in bad trials: spread evenly, most sentences would have some and none many.
    """

    labels: tuple[str, ...]
    becomes: Float[np.ndarray, "true heard"]
    inserted: Float[np.ndarray, " heard"]
    severities: Float[np.ndarray, " trials"]

    @classmethod
    def count(cls, pairs: Iterable[tuple[Sequence[str], Sequence[str]]]) -> PhonemeErrors:
        """Count the errors of some trials.

        Args:
            pairs: True and decoded tokens of each trial.

        Raises:
            DataError: there is no true token at all.
        """
        trials = list(pairs)
        counts = count_confusions(trials)
        if counts.pairs.sum() + counts.deletions.sum() == 0:
            raise DataError("error statistics need trials with true phonemes; none were given")
        return cls(counts.labels, _becomes(counts), _inserted(counts), _severities(trials))

    @property
    def error_rate(self) -> float:
        """Share of true tokens that are substituted or deleted, tokens weighted alike."""
        return float(1.0 - self.becomes[:, :-1].diagonal().mean())

    def scaled(self, odds: float) -> PhonemeErrors:
        """Multiply the odds of every error; what is taken for what stays."""
        return PhonemeErrors(self.labels, *self._at(odds), self.severities)

    def simulate(self, tokens: Sequence[str], rng: np.random.Generator) -> tuple[str, ...]:
        """Mishear a sequence as a trial of one drawn severity might be.

        Args:
            tokens: True tokens; one without statistics stays as it is.
            rng: Draws the severity and the errors.
        """
        becomes, inserted = self._at(float(rng.choice(self.severities)))
        place = {label: row for row, label in enumerate(self.labels)}
        draws = rng.random((len(tokens) + 1, 2))
        new = _draw(np.broadcast_to(inserted, (len(tokens) + 1, len(inserted))), draws[:, 0])
        rows = np.array([place.get(token, -1) for token in tokens], dtype=int)
        kept = _draw(becomes[rows], draws[:-1, 1]) if len(tokens) else np.zeros(0, dtype=int)
        heard: list[str] = []
        for i in range(len(tokens) + 1):
            heard += self.labels[new[i] : new[i] + 1]  # empty for nothing, which comes last
            if i < len(tokens):
                known = rows[i] >= 0
                heard += self.labels[kept[i] : kept[i] + 1] if known else (tokens[i],)
        return tuple(heard)

    def _at(self, odds: float) -> tuple[Float[np.ndarray, "t h"], Float[np.ndarray, " h"]]:
        becomes = self.becomes * odds
        own = np.arange(len(self.labels))
        becomes[own, own] = self.becomes[own, own]
        inserted = self.inserted * odds
        inserted[-1] = self.inserted[-1]
        return becomes / becomes.sum(axis=1, keepdims=True), inserted / inserted.sum()


def _becomes(counts: Confusions) -> Float[np.ndarray, "true heard"]:
    whole = np.concatenate((counts.pairs, counts.deletions[:, None]), axis=1) + _PRIOR
    return np.asarray(whole / whole.sum(axis=1, keepdims=True))


def _inserted(counts: Confusions) -> Float[np.ndarray, " heard"]:
    n_places = counts.pairs.sum() + counts.deletions.sum() + counts.n_trials
    some = counts.insertions + _PRIOR
    whole = np.append(some, max(n_places - counts.insertions.sum(), 1))
    return np.asarray(whole / whole.sum())


def _draw(
    probabilities: Float[np.ndarray, "rows events"], at: Float[np.ndarray, " rows"]
) -> Int[np.ndarray, " rows"]:
    """Draw one event a row, `at` being uniform between 0 and 1."""
    reached = probabilities.cumsum(axis=1) < at[:, None]
    return np.asarray(np.minimum(reached.sum(axis=1), probabilities.shape[1] - 1))


def _severities(
    trials: Sequence[tuple[Sequence[str], Sequence[str]]],
) -> Float[np.ndarray, " trials"]:
    """Give each trial's odds over the pooled ones, drawn towards 1 by half an error."""
    edits = [count_edits(true, heard) for true, heard in trials if len(true)]
    errors = np.array([one.n_errors for one in edits], dtype=float)
    n = np.array([one.n_reference for one in edits], dtype=float)
    pooled = max(errors.sum() / n.sum(), 1e-6)
    return np.asarray((errors + 0.5) / (n * pooled + 0.5))
