"""Sentences as a phoneme decoder would hear them, so that a language model learns to read it.

What stands in the neural span of a prompt is one token a frame: mostly the blank, now and then a
phoneme, sometimes the wrong one. Text and a lexicon are all it takes.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from sylvian.models.prompts import phoneme_tokens
from sylvian.text import SIL, phoneme_vocabulary
from sylvian.text.lexicon import Lexicon

_FIRST, _BETWEEN = 4, 3  # blanks before the first phoneme and after each: fewer than these
_SUBSTITUTED, _DELETED = 0.05, 0.03  # of the phonemes


class Spans:
    """Draws what is heard of given sentences, anew each time.

    Args:
        tokenizer: Knows phonemes as special tokens.
        sentences: Normalised; words the lexicon lacks are pronounced by rule.
        seed: Decides what is misheard, and when.
    """

    def __init__(self, tokenizer: Any, sentences: Sequence[str], *, seed: int) -> None:
        vocabulary, lexicon = phoneme_vocabulary(), Lexicon.cmudict()
        self.tokens = np.array(phoneme_tokens(tokenizer, vocabulary.tokens))
        self._rng = np.random.default_rng(seed)
        (self._silence,) = vocabulary.encode([SIL])
        words = {word for sentence in sentences for word in sentence.split()}
        spelled = {
            word: vocabulary.encode((lexicon.get(word) or (lexicon.pronounce(word),))[0])
            for word in words
        }
        self._spoken = [
            [phone for word in sentence.split() for phone in (*spelled[word], self._silence)]
            for sentence in sentences
        ]

    def draw(self, place: int) -> list[int]:
        """Give the tokens that are heard of one sentence, by its place."""
        rng, spoken = self._rng, self._spoken[place]
        chances = rng.random(len(spoken))
        others = rng.integers(1, len(self.tokens), len(spoken))
        blanks = rng.integers(0, _BETWEEN, len(spoken))
        heard = [0] * int(rng.integers(0, _FIRST))
        for phone, chance, other, n_blanks in zip(spoken, chances, others, blanks, strict=True):
            if chance < _DELETED:
                continue
            wrong = chance < _DELETED + _SUBSTITUTED
            heard += [int(other) if wrong else phone, *[0] * int(n_blanks)]
        return [int(token) for token in self.tokens[heard]]
