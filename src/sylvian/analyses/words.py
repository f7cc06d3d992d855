"""Words across tasks: is a word imagined near the same word attempted?"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Float32, Float64

from sylvian.analyses.estimates import (
    NAN,
    Estimate,
    all_alike,
    checked_rows,
    interval,
    p_value,
    same_length,
)
from sylvian.analyses.pooling import average_by
from sylvian.errors import DataError
from sylvian.text import counted

LEAST = 5  # words in common

Square = Float64[np.ndarray, "words words"]


@dataclass(frozen=True, slots=True)
class WordTokens:
    """Words as they were said, one row each time.

    Attributes:
        vectors: Mean latents over the frames of the word.
        words: Which word.
        tasks: What the participant did.
        trials: Address of the trial, as text.
    """

    vectors: Float[np.ndarray, "tokens width"]
    words: tuple[str, ...]
    tasks: tuple[str, ...]
    trials: tuple[str, ...]

    def __post_init__(self) -> None:
        for values in (self.words, self.tasks, self.trials):
            same_length(len(self.vectors), len(values), "word tokens: vectors and labels")

    def task(self, task: str) -> WordTokens:
        """Keep one task's."""
        return self._kept(own == task for own in self.tasks)

    def often(self, least: int) -> WordTokens:
        """Keep words that were said at least so many times."""
        counts = Counter(self.words)
        return self._kept(counts[word] >= least for word in self.words)

    def _kept(self, wanted: Iterable[bool]) -> WordTokens:
        mask = np.array(list(wanted), dtype=bool)
        at = np.flatnonzero(mask)
        picked = (
            tuple(values[place] for place in at) for values in (self.words, self.tasks, self.trials)
        )
        return WordTokens(self.vectors[at], *picked)


@dataclass(frozen=True, slots=True)
class WordMeans:
    """The words that two tasks have in common, averaged over time and trials.

    Attributes:
        words: Sorted.
        first: Mean vector of each word in the first task.
        second: In the second.
        n_first: How often each was said in the first task.
        n_second: In the second.
    """

    words: tuple[str, ...]
    first: Float32[np.ndarray, "words width"]
    second: Float32[np.ndarray, "words width"]
    n_first: tuple[int, ...]
    n_second: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class WordAlignment:
    """How much nearer a word lies to itself in the other task than to other words.

    Attributes:
        estimate: Mean cosine with the same word minus mean cosine with the others.
        same: Mean cosine with the same word.
        other: Mean cosine with the others: what shuffled words give.
        nearest: Share of words of the first task whose nearest word of the second is the same one.
        chance: That share by chance.
        seed: Of permutations and resamples.
    """

    estimate: Estimate
    same: float
    other: float
    nearest: float
    chance: float
    seed: int

    def row(self) -> dict[str, object]:
        """Give one line of a table."""
        return self.estimate.columns("difference") | {
            "same": self.same,
            "other": self.other,
            "nearest": self.nearest,
            "chance": self.chance,
            "seed": self.seed,
            "note": self.estimate.note,
        }


def common_words(tokens: WordTokens, first: str, second: str, *, least: int = 2) -> WordMeans:
    """Average each word of two tasks over its tokens.

    Args:
        tokens: Of both tasks, perhaps of more.
        first: A task.
        second: Another.
        least: A word counts if it was said so many times in either task.
    """
    own, other = (tokens.task(task).often(least) for task in (first, second))
    both = sorted(set(own.words) & set(other.words))
    means, counts = [], []
    for one in (own, other):
        kept = one._kept(word in set(both) for word in one.words)
        means.append(average_by(kept.vectors, kept.words)[1])
        said = Counter(kept.words)
        counts.append(tuple(said[word] for word in both))
    return WordMeans(tuple(both), means[0], means[1], counts[0], counts[1])


def word_alignment(
    first: Float[np.ndarray, "words width"],
    second: Float[np.ndarray, "others width"],
    *,
    centre: bool = True,
    n_permutations: int = 10_000,
    n_resamples: int = 10_000,
    seed: int = 0,
) -> WordAlignment:
    """Compare same words across two tasks with shuffled words.

    The p-value shuffles which word of the second task is whose; the interval draws words again.

    Args:
        first: Mean vector of each word in one task.
        second: Of the same words in another task.
        centre: Subtract each task's mean over words first, so that a mere shift between the tasks
            neither hides nor makes a likeness.
        n_permutations: Shuffles.
        n_resamples: Resamples of words.
        seed: Of both.

    Returns:
        A blank estimate where there are fewer than `LEAST` words or a task's words are all alike.

    Raises:
        DataError: NaN, not the same number of words, or a word without direction.
    """
    n = len(first)
    same_length(n, len(second), "words: vectors of the two tasks")
    if n < LEAST:
        return _blank(n, f"{counted(n, 'word')} in common; needs {LEAST}", seed)
    rows = [checked_rows(values, "words: vectors") for values in (first, second)]
    if any(map(all_alike, rows)):
        return _blank(n, "the words of a task are all alike", seed)
    cosines = _cosines(*(_unit(values, centre=centre) for values in rows))
    same = float(cosines.diagonal().mean())
    rng = np.random.default_rng(seed)
    null = np.array([_difference(cosines, rng.permutation(n)) for _ in range(n_permutations)])
    value = _difference(cosines, np.arange(n))
    low, high = interval(_resampled(cosines, n_resamples, seed))
    return WordAlignment(
        estimate=Estimate(value, low, high, p_value(null, value), n, *interval(null)),
        same=same,
        other=same - value,
        nearest=float((cosines.argmax(axis=1) == np.arange(n)).mean()),
        chance=1 / n,
        seed=seed,
    )


def _blank(n: int, why: str, seed: int) -> WordAlignment:
    return WordAlignment(Estimate.blank(n, why), NAN, NAN, NAN, NAN, seed)


def _unit(rows: Float64[np.ndarray, "words width"], *, centre: bool) -> Float64[np.ndarray, "_ _"]:
    moved = rows - rows.mean(axis=0) if centre else rows
    norms = np.linalg.norm(moved, axis=1, keepdims=True)
    if (norms <= 1e-12 * norms.max()).any():
        raise DataError(f"words: row {int(np.argmin(norms))} has no direction; leave the word out")
    return np.asarray(moved / norms)


def _cosines(a: Float64[np.ndarray, "_ _"], b: Float64[np.ndarray, "_ _"]) -> Square:
    return np.asarray(a @ b.T)


def _difference(cosines: Square, order: np.ndarray) -> float:
    """Mean over pairs of a word with the one given to it, minus the mean over all other pairs."""
    n, paired = len(cosines), float(cosines[np.arange(len(cosines)), order].sum())
    return paired / n - (float(cosines.sum()) - paired) / (n * (n - 1))


def _resampled(cosines: Square, n_resamples: int, seed: int) -> Float64[np.ndarray, " resamples"]:
    """Draw words again; other words are those that differ, however often a word was drawn."""
    n = len(cosines)
    rng = np.random.default_rng(seed)
    drawn = rng.multinomial(n, np.full(n, 1 / n), size=n_resamples).astype(np.float64)
    diagonal = cosines.diagonal()
    same = drawn @ diagonal / n
    weights = n**2 - (drawn**2).sum(axis=1)
    total = ((drawn @ cosines) * drawn).sum(axis=1) - (drawn**2) @ diagonal
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(same - total / np.where(weights > 0, weights, np.nan))
