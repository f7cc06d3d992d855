"""Ordered token sets of a classification head, and the 41 phoneme classes everyone publishes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

from sylvian.errors import DataError

BLANK = "BLANK"
SIL = "SIL"
# fmt: off
PHONES: tuple[str, ...] = (
    "AA", "AE", "AH", "AO", "AW", "AY", "B", "CH", "D", "DH", "EH", "ER", "EY", "F", "G", "HH",
    "IH", "IY", "JH", "K", "L", "M", "N", "NG", "OW", "OY", "P", "R", "S", "SH", "T", "TH", "UH",
    "UW", "V", "W", "Y", "Z", "ZH",
)
# fmt: on


@dataclass(frozen=True, slots=True)
class Vocabulary:
    """The tokens of one head, in column order; column 0 is the CTC blank."""

    tokens: tuple[str, ...]
    _index: dict[str, int] = field(init=False, repr=False, compare=False, hash=False)

    def __post_init__(self) -> None:
        index = {token: column for column, token in enumerate(self.tokens)}
        if len(index) != len(self.tokens):
            raise DataError("a vocabulary has a token twice; each head column needs its own name")
        object.__setattr__(self, "_index", index)

    def __len__(self) -> int:
        return len(self.tokens)

    def encode(self, tokens: Iterable[str]) -> tuple[int, ...]:
        """Map token names to columns.

        Raises:
            DataError: a token is not in the vocabulary.
        """
        try:
            return tuple(self._index[token] for token in tokens)
        except KeyError as missing:
            raise DataError(
                f"token {missing} is not among the {len(self)} tokens of the vocabulary"
            ) from None

    def decode(self, columns: Sequence[int]) -> tuple[str, ...]:
        """Map columns back to token names."""
        return tuple(self.tokens[column] for column in columns)


def phoneme_vocabulary() -> Vocabulary:
    """Give the 41 classes in the published order: blank, 39 ARPABET phones, SIL.

    Source: nejm-brain-to-text, neural_seq_decoder and the BIT release agree on this order.
    """
    return Vocabulary((BLANK, *PHONES, SIL))
