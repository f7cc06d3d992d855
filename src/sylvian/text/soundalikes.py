"""Words that a misheard stretch of phonemes may be."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int64
from rapidfuzz import process
from rapidfuzz.distance import Levenshtein

from sylvian.errors import DecodeError
from sylvian.text.lexicon import Lexicon
from sylvian.text.vocabulary import PHONES, SIL

_LETTER = {phone: chr(ord("A") + i) for i, phone in enumerate(PHONES)}
_CHUNK = 64  # stretches compared with all words at once


@dataclass(frozen=True, slots=True)
class Sounds:
    """A recognised phoneme string, stretch by stretch, with the words that sound like each.

    Attributes:
        phonemes: Phones of each stretch between two `SIL`; none is empty.
        words: Numbers of the likeliest words of each stretch, best first.
        shares: Their probabilities; a row of zeros where no word is near.
    """

    phonemes: tuple[tuple[str, ...], ...]
    words: Int64[np.ndarray, "stretches choices"]
    shares: Float[np.ndarray, "stretches choices"]


class Soundalikes:
    """Finds words by sound, the frequent and the near ones first.

    The probability of a word is its count times `exp(-edit_nats * edits)`, over all words of at
    most `max_edits` edits. What was found for a stretch is remembered.

    Args:
        lexicon: How words sound.
        counts: How often text has each word; words that the lexicon lacks are passed over.
        edit_nats: Price of a phoneme edit.
        max_edits: Edits beyond which a word does not count.
        choices: Words kept for a stretch.

    Attributes:
        words: The words, by number.

    Raises:
        DecodeError: no word of the counts is in the lexicon.
    """

    def __init__(
        self,
        lexicon: Lexicon,
        counts: Mapping[str, int],
        *,
        edit_nats: float = 4.0,
        max_edits: int = 3,
        choices: int = 6,
    ) -> None:
        known = [(word, n) for word, n in counts.items() if n > 0 and word in lexicon]
        if not known:
            raise DecodeError("no word of the text is in the lexicon; give the text's lexicon")
        self.words = tuple(word for word, _ in known)
        spoken = [(number, p) for number, (word, _) in enumerate(known) for p in lexicon[word]]
        self._strings = [_letters(p) for _, p in spoken]
        self._number = np.array([number for number, _ in spoken], dtype=np.int64)
        self._prior = np.array([float(known[number][1]) for number, _ in spoken])
        self._decay = np.append(np.exp(-edit_nats * np.arange(max_edits + 1)), 0.0)
        self._max_edits, self._choices = max_edits, min(choices, len(self._strings))
        self._found: dict[str, tuple[Int64[np.ndarray, " c"], Float[np.ndarray, " c"]]] = {}

    def listen(self, heard: Sequence[Sequence[str]]) -> list[Sounds]:
        """Find the words of recognised strings.

        Args:
            heard: Phonemes with `SIL` behind each word; two in a row and a missing last one are
                allowed. A string without phones has no stretches.
        """
        cut = [_stretches(tokens) for tokens in heard]
        self._look_up(dict.fromkeys(_letters(own) for parts in cut for own in parts))
        return [self._sounds(parts) for parts in cut]

    def _sounds(self, parts: tuple[tuple[str, ...], ...]) -> Sounds:
        found = [self._found[_letters(own)] for own in parts]
        none = np.zeros((0, self._choices))
        return Sounds(
            parts,
            np.stack([words for words, _ in found]) if found else none.astype(np.int64),
            np.stack([shares for _, shares in found]) if found else none,
        )

    def _look_up(self, stretches: Iterable[str]) -> None:
        new = [own for own in stretches if own not in self._found]
        for first in range(0, len(new), _CHUNK):
            chunk = new[first : first + _CHUNK]
            edits = process.cdist(
                chunk,
                self._strings,
                scorer=Levenshtein.distance,
                score_cutoff=self._max_edits,
                dtype=np.uint8,
            )
            weights = self._decay[edits] * self._prior
            for own, row in zip(chunk, weights, strict=True):
                best = np.argpartition(-row, self._choices - 1)[: self._choices]
                best = best[np.argsort(-row[best], kind="stable")]
                self._found[own] = self._number[best], row[best] / max(row[best].sum(), 1e-300)


def _letters(phonemes: Iterable[str]) -> str:
    """Write one letter per phone, which is what can be compared fast."""
    return "".join(_LETTER[phone] for phone in phonemes)


def _stretches(tokens: Sequence[str]) -> tuple[tuple[str, ...], ...]:
    parts: list[list[str]] = [[]]
    for token in tokens:
        if token == SIL:
            parts.append([])
        else:
            parts[-1].append(token)
    return tuple(tuple(part) for part in parts if part)
