"""A weighted grammar over a word list, read from two small text files."""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Generic, TypeVar

import numpy as np

from sylvian.data.synthetic.inflect import article, noun_forms, verb_forms

T = TypeVar("T")
Forms = Mapping[str, str]

_PIECE = re.compile(r"<([^<>]+)>|\{([^{}]+)\}|([^<>{}]+)")
_ARTICLE = re.compile(r"\ba (?=(\S+))")
_FLATTEN = 4  # the k-th word of a list has weight 1 / (k + 4): flat head, Zipf tail


@dataclass(frozen=True, slots=True)
class Choice(Generic[T]):
    """Alternatives with the running totals of their weights."""

    ways: tuple[T, ...]
    totals: tuple[float, ...]

    @classmethod
    def of(cls, ways: Iterable[T], weights: Iterable[float]) -> Choice[T]:
        """Build from the weights themselves."""
        return cls(tuple(ways), tuple(accumulate(weights)))

    def pick(self, uniform: float) -> T:
        """Return the alternative at a place in [0, 1) of the total weight."""
        return self.ways[bisect_right(self.totals, uniform * self.totals[-1])]


class Grammar:
    """Writes sentences.

    A line of the rules that is not indented names a rule; each indented line below is a weight and
    one way to write it. `<rule>` writes another rule, `{category}` or `{category:form}` draws a
    word. A rule named `rule:*` is a pattern: `<rule:past>` is that rule with `past` for every `*`.

    Args:
        rules: Text of the rules; writing starts at the rule `sentence`.
        words: Text of the word lists: `category: word word ...`, continued on indented lines;
            nouns and verbs in the notation of `inflect`.
    """

    def __init__(self, rules: str, words: str = "") -> None:
        self._words = {name: _lexical(name, entries) for name, entries in _sections(words, ":")}
        patterns = {name: _weighted(lines) for name, lines in _lines(rules)}
        self._rules: dict[str, Choice[tuple[tuple[str, str, str], ...]]] = {}
        waiting = ["sentence"]
        while waiting:
            name = waiting.pop()
            if name not in self._rules:
                self._rules[name] = _instance(patterns, name)
                waiting += [rule for way in self._rules[name].ways for rule, _, _ in way if rule]

    @property
    def drawn_words(self) -> frozenset[str]:
        """Every word form that some rule can draw from the word lists."""
        ways = (way for choice in self._rules.values() for way in choice.ways)
        slots = {slot.partition(":")[::2] for way in ways for _, slot, _ in way if slot}
        return frozenset(
            forms[form] for category, form in slots for forms in self._words[category].ways
        )

    def sentence(self, rng: np.random.Generator) -> str:
        """Write one sentence, with a capital letter and the punctuation of the rules."""
        text = "".join(self._write("sentence", rng))
        text = _ARTICLE.sub(lambda match: article(match[1]) + " ", text)
        return text[0].upper() + text[1:]

    def _write(self, name: str, rng: np.random.Generator) -> Iterator[str]:
        for rule, slot, literal in self._rules[name].pick(rng.random()):
            if rule:
                yield from self._write(rule, rng)
            elif slot:
                category, _, form = slot.partition(":")
                yield self._words[category].pick(rng.random())[form]
            else:
                yield literal


def _sections(text: str, separator: str) -> Iterator[tuple[str, list[str]]]:
    """Yield each section of the word lists with its entries."""
    for name, lines in _lines(text):
        category, _, rest = name.partition(separator)
        yield category, " ".join((rest, *lines)).split()


def _lines(text: str) -> Iterator[tuple[str, list[str]]]:
    """Yield each line without indent with the indented lines below it."""
    head, below = "", list[str]()
    for line in text.splitlines():
        if not line.strip() or line.startswith("#"):
            continue
        if line.startswith(" "):
            below.append(line.strip())
            continue
        if head:
            yield head, below
        head, below = line.strip(), []
    if head:
        yield head, below


def _weighted(lines: Sequence[str]) -> list[tuple[float, str]]:
    pairs = (line.split(None, 1) for line in lines)
    return [(float(weight), way) for weight, way in pairs]


def _instance(
    patterns: Mapping[str, list[tuple[float, str]]], name: str
) -> Choice[tuple[tuple[str, str, str], ...]]:
    stem, _, form = name.partition(":")
    weighted = patterns[name] if name in patterns else patterns[f"{stem}:*"]
    ways = [_pieces(way.replace("*", form)) for _, way in weighted]
    return Choice.of(ways, [weight for weight, _ in weighted])


def _pieces(way: str) -> tuple[tuple[str, str, str], ...]:
    """Cut one way into (rule, slot, literal) triples of which one is not empty."""
    return tuple((m[1] or "", m[2] or "", m[3] or "") for m in _PIECE.finditer(way))


def _lexical(category: str, entries: Sequence[str]) -> Choice[Forms]:
    # a word listed twice in a category would be twice as likely: keep its first place
    distinct = dict.fromkeys(entries)
    weights = [1 / (place + _FLATTEN) for place in range(len(distinct))]
    return Choice.of([_forms(category, entry) for entry in distinct], weights)


def _forms(category: str, entry: str) -> Forms:
    if category.startswith("noun."):
        return noun_forms(entry)
    return verb_forms(entry) if category.startswith("verb.") else {"": entry}
