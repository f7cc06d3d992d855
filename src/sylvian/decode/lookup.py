"""Words without a language model: each stretch between word boundaries looked up as it stands."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from rapidfuzz import process
from rapidfuzz.distance import Levenshtein

from sylvian.text import PHONES, SIL
from sylvian.text.lexicon import Lexicon
from sylvian.types import Hypothesis

_LETTER = {phone: chr(ord("0") + place) for place, phone in enumerate(PHONES)}


class Lookup:
    """Spell decoded phones with the words of a lexicon.

    A stretch of phones becomes the first word of the lexicon with exactly that pronunciation, else
    the word whose pronunciation takes the fewest edits. It is the plainest decoder that gives
    words, and shows what a language model adds.

    Args:
        lexicon: Words to choose from; earlier words win among homophones.
    """

    def __init__(self, lexicon: Lexicon) -> None:
        self._words: dict[str, str] = {}
        for word in lexicon:
            for phones in lexicon[word]:
                self._words.setdefault(_spell(phones), word)
        self._known = list(self._words)

    def spell(self, hypothesis: Hypothesis) -> Hypothesis:
        """Return the hypothesis with its tokens spelled out as words."""
        words = [self._word(stretch) for stretch in _stretches(hypothesis.tokens)]
        scores = replace(hypothesis.scores, n_words=len(words))
        return replace(hypothesis, text=" ".join(words), scores=scores)

    def _word(self, phones: Sequence[str]) -> str:
        spelled = _spell(phones)
        if spelled not in self._words:
            nearest = process.extractOne(spelled, self._known, scorer=Levenshtein.distance)
            spelled = nearest[0] if nearest else ""
        return self._words.get(spelled, "")


def _spell(phones: Sequence[str]) -> str:
    return "".join(_LETTER[phone] for phone in phones)


def _stretches(tokens: Sequence[str]) -> Iterator[list[str]]:
    stretch: list[str] = []
    for token in (*tokens, SIL):
        if token != SIL:
            stretch.append(token)
        elif stretch:
            yield stretch
            stretch = []
