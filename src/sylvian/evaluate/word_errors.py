"""Which words are taken for which, and how many of the confusions merely sound alike."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
from rapidfuzz.distance import Levenshtein

from sylvian.errors import DataError
from sylvian.evaluate.rates import align
from sylvian.evaluate.resampling import Share, shares
from sylvian.text import Lexicon, normalize_sentence

_SHUFFLES = 20

Sentences = Iterable[tuple[str, str]]
"""Reference and decoded sentence of each trial, as published and as decoded."""


@dataclass(frozen=True)
class WordErrors:
    """Aligned word counts of a set of trials: every error, no match.

    Attributes:
        pairs: (true, decoded) -> times one was taken for the other.
        deletions: Word -> times it was left out.
        insertions: Word -> times it was put in.
        n_words: Reference words, matches included.
        n_trials: Trials counted.
    """

    pairs: Mapping[tuple[str, str], int]
    deletions: Mapping[str, int]
    insertions: Mapping[str, int]
    n_words: int
    n_trials: int

    @property
    def n_substitutions(self) -> int:
        """Substitutions, all events counted."""
        return sum(self.pairs.values())

    def seen(self, least: int = 2) -> WordErrors:
        """Keep the pairs that happened `least` times or more, as the BIT paper's Fig. 7 filters."""
        kept = {pair: count for pair, count in self.pairs.items() if count >= least}
        return replace(self, pairs=kept)

    def worst(self, n: int = 20) -> list[tuple[str, str, int]]:
        """List the most frequent substitutions as (true, decoded, count), most first."""
        ranked = sorted(self.pairs.items(), key=lambda item: (-item[1], item[0]))
        return [(true, decoded, count) for (true, decoded), count in ranked[:n]]


def count_word_errors(sentences: Sentences) -> WordErrors:
    """Align the words of every trial and count what was taken for what.

    Source: the word error matrix of the BIT paper (paper §8).
    """
    found: Counter[tuple[str | None, str | None]] = Counter()
    n_words = n_trials = 0
    for reference, hypothesis in sentences:
        words = normalize_sentence(reference).split()
        n_words += len(words)
        n_trials += 1
        edits = align(words, normalize_sentence(hypothesis).split())
        found.update((e.reference, e.hypothesis) for e in edits if e.op != "equal")
    pairs = {(a, b): n for (a, b), n in found.items() if a is not None and b is not None}
    deletions = {a: n for (a, b), n in found.items() if a is not None and b is None}
    insertions = {b: n for (a, b), n in found.items() if a is None and b is not None}
    return WordErrors(pairs, deletions, insertions, n_words, n_trials)


@dataclass(frozen=True, slots=True)
class NearHomophones:
    """How many substituted words sound (almost) like the word that took their place.

    Attributes:
        n_substitutions: Substitutions looked at.
        within: Phoneme edits -> share of substitutions with at most so many between the two words;
            0 are true homophones.
        by_chance: The same shares when the decoded words are dealt out among the substitutions at
            random: what short common words alone would give.
    """

    n_substitutions: int
    within: Mapping[int, Share]
    by_chance: Mapping[int, float]


def near_homophones(
    sentences: Sentences,
    lexicon: Lexicon,
    *,
    distances: Sequence[int] = (0, 1, 2),
    seed: int = 0,
    n_resamples: int = 10_000,
) -> NearHomophones:
    """Measure how far apart the words of each substitution sound.

    The distance of two words is the fewest phoneme edits between any two of their pronunciations.

    Args:
        sentences: Reference and decoded sentence of each trial.
        lexicon: Pronunciations; words it lacks are pronounced by rule.
        distances: Phoneme edits to give shares for.
        seed: Seed of the bootstrap over trials and of the shuffles.
        n_resamples: Number of resamples.

    Raises:
        DataError: nothing was substituted, so there is no share.
    """
    events = [
        [
            (str(e.reference), str(e.hypothesis))
            for e in align(normalize_sentence(true).split(), normalize_sentence(said).split())
            if e.op == "substitute"
        ]
        for true, said in sentences
    ]
    flat = [pair for trial in events for pair in trial]
    if not flat:
        raise DataError("no word was substituted; there is no share of near-homophones")
    sounds = _Sounds(lexicon)
    near = np.array(
        [[sum(sounds.apart(*p) <= d for p in trial) for d in distances] for trial in events]
    )
    totals = np.array([[len(trial)] for trial in events])
    found = shares(near, totals, seed=seed, n_resamples=n_resamples)
    rng = np.random.default_rng(seed)
    dealt = np.array([sounds.dealt(flat, rng) for _ in range(_SHUFFLES)])
    return NearHomophones(
        len(flat),
        dict(zip(distances, found, strict=True)),
        {d: float((dealt <= d).mean()) for d in distances},
    )


class _Sounds:
    """Phoneme edits between words, each pair measured once."""

    def __init__(self, lexicon: Lexicon) -> None:
        self._lexicon = lexicon
        self._known: dict[tuple[str, str], int] = {}

    def apart(self, one: str, other: str) -> int:
        if (one, other) not in self._known:
            self._known[one, other] = min(
                Levenshtein.distance(a, b) for a in self._spoken(one) for b in self._spoken(other)
            )
        return self._known[one, other]

    def dealt(self, pairs: Sequence[tuple[str, str]], rng: np.random.Generator) -> list[int]:
        order = rng.permutation(len(pairs))
        return [self.apart(true, pairs[o][1]) for (true, _), o in zip(pairs, order, strict=True)]

    def _spoken(self, word: str) -> tuple[tuple[str, ...], ...]:
        return self._lexicon.get(word) or (self._lexicon.pronounce(word),)
