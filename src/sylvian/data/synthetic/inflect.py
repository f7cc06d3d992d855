"""Forms of an English word for the grammar of the prompts: plurals, parts of a verb, a or an."""

from __future__ import annotations

from collections.abc import Mapping

_VOWELS = "aeiou"
_HISS = ("s", "x", "z", "ch", "sh")
_SILENT_H = ("hour", "honest", "honor", "heir")
_LIKE_YOU = ("uni", "use", "usu", "uten", "eu", "one", "ewe", "uku")


def noun_forms(entry: str) -> Mapping[str, str]:
    """Return the forms of a noun, keyed `""` (singular) and `pl`.

    Args:
        entry: The singular, or `singular/plural` where the plural is irregular.
    """
    singular, _, plural = entry.partition("/")
    return {"": singular, "pl": plural or add_s(singular)}


def verb_forms(entry: str) -> Mapping[str, str]:
    """Return the forms of a verb, keyed `""` and `base` (the same), `s`, `past`, `part`, `ing`.

    Args:
        entry: A regular verb; one with `+` behind it if its last consonant doubles (`stop+`);
            or `base/past/participle`, with a fourth part where the -ing form is irregular too.
    """
    if "/" in entry:
        base, past, participle, *rest = entry.split("/")
        ing = rest[0] if rest else _add_ing(base)
    else:
        base = entry.removesuffix("+")
        stem = base + base[-1] if entry.endswith("+") else base
        past = participle = _add_ed(stem)
        ing = _add_ing(stem)
    third = add_s(base)
    return {"": base, "base": base, "s": third, "past": past, "part": participle, "ing": ing}


def add_s(word: str) -> str:
    """Add the ending of a plural or of the third person singular."""
    if word.endswith(_HISS) or word == "go":
        return word + "es"
    return word[:-1] + "ies" if _ends_in_consonant_y(word) else word + "s"


def article(word: str) -> str:
    """Return `an` before a word that begins with a vowel sound, else `a`."""
    word = word.lower()
    if word.startswith(_SILENT_H):
        return "an"
    if word.startswith(_LIKE_YOU) and not word.startswith(("unin", "unim")):
        return "a"
    return "an" if word[0] in _VOWELS else "a"


def _ends_in_consonant_y(word: str) -> bool:
    return word.endswith("y") and word[-2] not in _VOWELS


def _add_ed(stem: str) -> str:
    if stem.endswith("e"):
        return stem + "d"
    return stem[:-1] + "ied" if _ends_in_consonant_y(stem) else stem + "ed"


def _add_ing(stem: str) -> str:
    if stem.endswith("e") and not stem.endswith(("ee", "ye", "oe")):
        return stem[:-1] + "ing"
    return stem + "ing"
