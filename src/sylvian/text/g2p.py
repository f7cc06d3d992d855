"""Letter to sound: a pronunciation for words no dictionary has, offline and deterministic."""

from __future__ import annotations

_LETTERS = {
    "a": "AE", "b": "B", "c": "K", "d": "D", "e": "EH", "f": "F", "g": "G", "h": "HH", "i": "IH",
    "j": "JH", "k": "K", "l": "L", "m": "M", "n": "N", "o": "AA", "p": "P", "q": "K", "r": "R",
    "s": "S", "t": "T", "u": "AH", "v": "V", "w": "W", "x": "K S", "y": "Y", "z": "Z",
}  # fmt: skip


def letter_to_sound(word: str) -> tuple[str, ...]:
    """Pronounce a word from its letters (interim: one sound a letter)."""
    return tuple(p for c in word.lower() for p in _LETTERS.get(c, "").split())


def pronounce_parts(word, say):
    """Interim."""
    return tuple(p for part in word.split("-") if part for p in say(part))
