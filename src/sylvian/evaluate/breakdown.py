"""Where the errors are: by any grouping of trials, sentence length, word frequency and position."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import pairwise

from sylvian.errors import DataError
from sylvian.evaluate.intervals import bootstrap_rate
from sylvian.evaluate.rates import align, word_edits
from sylvian.text import normalize_sentence
from sylvian.types import EditCounts, Score

LENGTHS = (1, 4, 7, 10, 15)
FREQUENCIES = (0, 1, 10, 100, 1000)
Sentences = Sequence[tuple[str, str]]
"""Reference and decoded sentence of each trial, as published and as decoded."""
Place = Callable[[Sequence[str], int], str]


def rates_by(sentences: Sentences, groups: Sequence[str], *, kind: str) -> tuple[Score, ...]:
    """Give the word error rate of every group of trials: sessions, prompt sets, anything named.

    Args:
        sentences: Reference and decoded sentence of each trial.
        groups: Group of each trial.
        kind: What the groups are; the scores' groups read `kind:name`.

    Returns:
        One score a group, in the order of their names.

    Raises:
        DataError: there are more or fewer groups than trials.
    """
    if len(groups) != len(sentences):
        raise DataError(f"{kind}: {len(groups)} groups for {len(sentences)} trials; give each one")
    members: dict[str, list[EditCounts]] = {}
    for group, (true, said) in zip(groups, sentences, strict=True):
        members.setdefault(group, []).append(word_edits(true, said))
    return tuple(_score(f"{kind}:{name}", members[name]) for name in sorted(members))


def rates_by_length(sentences: Sentences, *, edges: Sequence[int] = LENGTHS) -> tuple[Score, ...]:
    """Give the word error rate by the number of words in the sentence.

    Args:
        sentences: Reference and decoded sentence of each trial.
        edges: First length of each group, rising.
    """
    names = _names(edges)
    members: dict[str, list[EditCounts]] = {name: [] for name in names}
    for true, said in sentences:
        counts = word_edits(true, said)
        if counts.n_reference >= edges[0]:
            members[_group(counts.n_reference, edges, names)].append(counts)
    return tuple(_score(f"length:{name}", found) for name, found in members.items() if found)


def rates_by_frequency(
    sentences: Sentences, counts: Mapping[str, int], *, edges: Sequence[int] = FREQUENCIES
) -> tuple[Score, ...]:
    """Give the share of missed words by how often the word occurs in some text.

    A reference word is missed when it was substituted or deleted; insertions belong to no
    reference word and are left out.

    Args:
        sentences: Reference and decoded sentence of each trial.
        counts: Occurrences of each word, such as those in the training sentences.
        edges: First count of each group, rising; 0 are words that never occur there.
    """
    names = _names(edges)

    def place(words: Sequence[str], at: int) -> str:
        return _group(counts.get(words[at], 0), edges, names)

    return _missed(sentences, place, names, "frequency")


def rates_by_position(sentences: Sentences, *, n_parts: int = 5) -> tuple[Score, ...]:
    """Give the share of missed words by where in the sentence the word stands.

    Args:
        sentences: Reference and decoded sentence of each trial.
        n_parts: Equal parts of a sentence; a short one has words in some of them only.
    """
    names = [f"{part + 1}/{n_parts}" for part in range(n_parts)]

    def place(words: Sequence[str], at: int) -> str:
        return names[at * n_parts // len(words)]

    return _missed(sentences, place, names, "position")


def _missed(
    sentences: Sentences, place: Place, names: Sequence[str], kind: str
) -> tuple[Score, ...]:
    members: dict[str, list[EditCounts]] = {name: [] for name in names}
    for true, said in sentences:
        words = normalize_sentence(true).split()
        columns = [e for e in align(words, normalize_sentence(said).split()) if e.op != "insert"]
        found: dict[str, EditCounts] = {}
        for at, edit in enumerate(columns):
            name = place(words, at)
            one = EditCounts(int(edit.op == "substitute"), int(edit.op == "delete"), 0, 1)
            found[name] = found.get(name, EditCounts()) + one
        for name, counts in found.items():
            members[name].append(counts)
    return tuple(_score(f"{kind}:{name}", found) for name, found in members.items() if found)


def _score(group: str, counts: Sequence[EditCounts]) -> Score:
    low, high = bootstrap_rate(counts)
    return Score("wer", group, sum(counts, EditCounts()), low, high, len(counts))


def _names(edges: Sequence[int]) -> list[str]:
    dash = "\N{EN DASH}"
    inner = [str(a) if b == a + 1 else f"{a}{dash}{b - 1}" for a, b in pairwise(edges)]
    return [*inner, f"{edges[-1]}+"]


def _group(value: int, edges: Sequence[int], names: Iterable[str]) -> str:
    return list(names)[sum(value >= edge for edge in edges) - 1]
