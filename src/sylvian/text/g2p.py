"""Letter to sound: pronunciations for words no dictionary has, offline and deterministic.

Words of real letters go through decision trees learned from CMUdict, one tree a letter (built by
`tools/build_letter_to_sound.py`). What follows from rules does not: clitics, plurals of known words
and initialisms.
"""

from __future__ import annotations

import gzip
import json
import re
from collections.abc import Callable
from functools import cache
from importlib.resources import files
from typing import Any

from sylvian.text.vocabulary import PHONES

Pronunciation = tuple[str, ...]
LookUp = Callable[[str], Pronunciation | None]

VOWELS = frozenset(phone for phone in PHONES if phone[0] in "AEIOU")
EDGE = "#"

_SIBILANTS = frozenset({"S", "Z", "SH", "ZH", "CH", "JH"})
_VOICELESS = frozenset({"P", "T", "K", "F", "TH"})
_CLITICS = {
    "'ll": ("L",),
    "'ve": ("V",),
    "'re": ("R",),
    "'m": ("M",),
    "n't": ("N", "T"),
    "'s": (),
    "'d": (),
}  # how a clitic sounds after a vowel; `'s` and `'d` follow their neighbour
_NOISES = {
    "hm": "HH M", "m": "M", "sh": "SH", "br": "B ER", "gr": "G ER", "pst": "P S T",
    "pft": "P F T", "z": "Z",
}  # fmt: skip
_LETTER_NAMES = {
    "a": "EY", "b": "B IY", "c": "S IY", "d": "D IY", "e": "IY", "f": "EH F", "g": "JH IY",
    "h": "EY CH", "i": "AY", "j": "JH EY", "k": "K EY", "l": "EH L", "m": "EH M", "n": "EH N",
    "o": "OW", "p": "P IY", "q": "K Y UW", "r": "AA R", "s": "EH S", "t": "T IY", "u": "Y UW",
    "v": "V IY", "w": "D AH B AH L Y UW", "x": "EH K S", "y": "W AY", "z": "Z IY",
}  # fmt: skip


def letter_to_sound(word: str) -> Pronunciation:
    """Pronounce a word from its spelling alone.

    Args:
        word: One word; case and marks other than hyphens and apostrophes do not matter.

    Returns:
        ARPABET phones without stress; empty for a word without any letter from a to z.

    Source: decision trees over aligned letters, after Black, Lenzo and Pagel 1998, "Issues in
    building general letter to sound rules". Measured on held-out CMUdict words: see
    `results/LOG.md`.
    """
    return pronounce_parts(word.lower(), lambda _: None)


def pronounce_parts(word: str, look_up: LookUp) -> Pronunciation:
    """Pronounce a lower-case word part by part, known parts from a dictionary.

    A clitic or a plural ending follows the sound before it, letters without a vowel among them are
    spelled out, and the rest goes through the trees.

    Args:
        word: One word; hyphens separate its parts.
        look_up: Gives the pronunciation of a known word, None for an unknown one.
    """
    return tuple(phone for part in word.split("-") for phone in _part(part, look_up))


def _part(part: str, look_up: LookUp) -> Pronunciation:
    known = look_up(part)
    if known:
        return known
    for clitic in _CLITICS:
        stem = _part(part.removesuffix(clitic), look_up) if part.endswith(clitic) else ()
        if stem:
            return stem + _after(stem[-1], clitic)
    head, _, tail = part.rpartition("'")
    joined = look_up(f"'{tail}") if head else None  # the benchmarks write "get 'em" as "get'em"
    if joined:
        return _part(head, look_up) + joined
    return _letters(re.sub(r"[^a-z]", "", part), look_up)


def _letters(word: str, look_up: LookUp) -> Pronunciation:
    for candidate in (word, _shortened(word, 2), _shortened(word, 1)):  # `goood`
        known = look_up(candidate)
        if known:
            return known
    stem = look_up(word[:-1]) if word.endswith("s") else None
    if stem:
        return stem + _after(stem[-1], "'s")
    if len(word) > 1 and re.search(r"[aeiouy]", word):
        return _by_trees(_shortened(word, 2))
    return _initials(word)


def _initials(word: str) -> Pronunciation:
    noise = re.sub(r"(.)\1+", r"\1", word)
    if noise != word and noise in _NOISES:  # `shh`, `brrr`
        return tuple(_NOISES[noise].split())
    if len(word) > 3 and word.endswith("s"):  # `dvds`, but `cbs`
        return (*_spell(word[:-1]), "Z")
    return _spell(word)


def _shortened(word: str, most: int) -> str:
    return re.sub(r"(.)\1{2,}", r"\1" * most, word)


def _after(phone: str, clitic: str) -> Pronunciation:
    if clitic == "'s":
        voiced = ("IH", "Z") if phone in _SIBILANTS else ("Z",)
        return ("S",) if phone in _VOICELESS else voiced
    if clitic == "'d":
        return ("IH", "D") if phone in {"T", "D"} else ("D",)
    if phone in VOWELS:
        return _CLITICS[clitic]
    return ("ER",) if clitic == "'re" else ("AH", *_CLITICS[clitic])


def _spell(word: str) -> Pronunciation:
    return tuple(phone for letter in word for phone in _LETTER_NAMES[letter].split())


def _by_trees(word: str) -> Pronunciation:
    phones: list[str] = []
    sound = EDGE
    for place, letter in enumerate(word):
        node = _trees()[letter]
        while not isinstance(node, str):
            sound_here, offset, branches = node
            cue = word[place + offset : place + offset + 1] if place + offset >= 0 else ""
            node = branches.get((cue or EDGE) if offset else sound, sound_here)
        sound = node
        phones += node.split()
    return tuple(phones)


@cache
def _trees() -> dict[str, Any]:
    """Read the trees: a leaf is the sound of the letter (none, one or two phones).

    A branching node is [sound if no branch fits, offset of the letter that decides, branches by
    that letter]; the offset 0 asks for the sound of the letter before instead, and `#` stands for
    what lies beyond the word.
    """
    resource = files("sylvian") / "resources" / "letter_to_sound.json.gz"
    trees: dict[str, Any] = json.loads(gzip.decompress(resource.read_bytes()))["trees"]
    return trees
