"""Closed sets of words that decoding can be held to."""

from __future__ import annotations

from pathlib import Path

from sylvian.errors import DecodeError
from sylvian.text.normalize import normalize_sentence

_FIFTY = """
    am are bad bring clean closer comfortable coming computer do faith family feel glasses going
    good goodbye have hello help here hope how hungry i is it like music my need no not nurse okay
    outside please right success tell that they thirsty tired up very what where yes you
"""
FIFTY_WORDS: tuple[str, ...] = tuple(_FIFTY.split())
"""The fifty words of Moses et al. 2021, which T12 and T15 were asked to say and to imagine."""

WORD_SETS: dict[str, tuple[str, ...]] = {"50-word": FIFTY_WORDS}


def word_set(name: str) -> tuple[str, ...]:
    """Give the words of a set, normalised, each once and sorted.

    Args:
        name: `50-word`, or a text file whose words are meant, one or more a line.

    Raises:
        DecodeError: there is neither a set nor a file of that name, or no word in it.
    """
    if name in WORD_SETS:
        return WORD_SETS[name]
    try:
        text = Path(name).read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as failure:
        known = ", ".join(WORD_SETS)
        raise DecodeError(
            f"word_set={name}: no set of that name ({known}), nor a text file ({failure})"
        ) from None
    found = {word for line in text.splitlines() for word in normalize_sentence(line).split()}
    if not found:
        raise DecodeError(f"word_set={name}: no word in it; write one a line")
    return tuple(sorted(found))
