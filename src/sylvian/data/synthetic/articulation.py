"""Phonemes as gestures: what tongue, lips, jaw, velum and larynx do for each of the 39 phones.

A gesture is a vector over `FEATURES`; affricates and diphthongs have two in a row, all other phones
the same one twice. Silence is the zero vector. The table is our own coarse reading of textbook
articulatory phonetics; values lie in [-1, 1].
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

import numpy as np
from jaxtyping import Float

from sylvian.text import PHONES, SIL

SEGMENTS: tuple[str, ...] = (*PHONES, SIL)
FEATURES: tuple[str, ...] = (
    "effort",  # speaking at all
    "voice",
    "lips",
    "labiodental",
    "dental",
    "tip",
    "blade",
    "dorsum",
    "closure",
    "friction",
    "velum",
    "lateral",
    "rhotic",
    "glottis",
    "round",
    "jaw",
    "front",
    "tense",
)

# place and manner of each consonant; `+` between two gestures in a row
_CONSONANTS = {
    "P": "lips stop", "B": "lips stop voice", "M": "lips stop voice velum",
    "F": "labiodental fricative", "V": "labiodental fricative voice",
    "TH": "dental fricative", "DH": "dental fricative voice",
    "T": "tip stop", "D": "tip stop voice", "N": "tip stop voice velum",
    "S": "tip fricative", "Z": "tip fricative voice",
    "SH": "blade fricative", "ZH": "blade fricative voice",
    "CH": "tip blade stop + blade fricative",
    "JH": "tip blade stop voice + blade fricative voice",
    "K": "dorsum stop", "G": "dorsum stop voice", "NG": "dorsum stop voice velum",
    "L": "tip lateral voice glide", "R": "rhotic voice glide", "W": "lips round voice glide",
    "Y": "blade front voice glide", "HH": "glottis",
}  # fmt: skip
_MANNER = {
    "stop": {"closure": 1.0},
    "fricative": {"friction": 1.0, "closure": 0.6},
    "glide": {"closure": 0.3},
}

# jaw opening, frontness, tenseness, rounding of each vowel; diphthongs are two vowels in a row
_VOWELS: Mapping[str, tuple[float, float, float, float]] = {
    "IY": (-0.8, 1.0, 0.8, 0.0),
    "IH": (-0.4, 0.7, -0.6, 0.0),
    "EH": (0.2, 0.6, -0.6, 0.0),
    "AE": (0.8, 0.7, 0.2, 0.0),
    "AA": (1.0, -0.6, 0.6, 0.0),
    "AH": (0.2, -0.1, -0.9, 0.0),
    "AO": (0.5, -0.8, 0.5, 0.7),
    "UH": (-0.4, -0.6, -0.6, 0.6),
    "UW": (-0.8, -0.8, 0.8, 1.0),
    "ER": (-0.1, -0.1, 0.4, 0.2),
}
_DIPHTHONGS = {
    "AW": ("AA", "UH"),
    "AY": ("AA", "IH"),
    "EY": ("EH", "IY"),
    "OW": ("AO", "UW"),
    "OY": ("AO", "IH"),
}

# seconds relative to the mean phone, from how long read English phones last
_LENGTHS = {"stop": 0.8, "fricative": 1.0, "glide": 0.75, "glottis": 0.7}
_LONG_VOWELS = frozenset({"AA", "AO", "AE", "IY", "UW", "ER"})


@cache
def gestures() -> Float[np.ndarray, "segments halves features"]:
    """Return the first and second gesture of every segment (39 phones, then SIL)."""
    table = np.zeros((len(SEGMENTS), 2, len(FEATURES)), np.float32)
    for row, phone in enumerate(PHONES):
        table[row] = [_vector(half) for half in _halves(phone)]
    table.setflags(write=False)
    return table


@cache
def gestures_alike(
    pairs: tuple[tuple[str, str], ...], share: float
) -> Float[np.ndarray, "segments halves features"]:
    """Return the gestures of somebody who makes some phones nearly alike.

    Args:
        pairs: Phones that come close to each other; each in one pair only.
        share: How far both move towards their middle; at 1 they are the same gesture. How long
            they last stays as it was.
    """
    table = gestures().copy()
    for pair in pairs:
        rows = segment_ids(pair)
        table[rows] += np.float32(share) * (table[rows].mean(axis=0) - table[rows])
    table.setflags(write=False)
    return table


@cache
def relative_durations() -> Float[np.ndarray, " segments"]:
    """Return each segment's typical length as a multiple of the mean phone; 1 for SIL."""
    lengths = np.array([_length(phone) for phone in PHONES] + [1.0], np.float32)
    lengths.setflags(write=False)
    return lengths


def segment_ids(phonemes: Sequence[str]) -> np.ndarray[Any, np.dtype[np.intp]]:
    """Map phones and `SIL` to rows of the tables."""
    rows = {name: row for row, name in enumerate(SEGMENTS)}
    return np.array([rows[phone] for phone in phonemes], np.intp)


def _halves(phone: str) -> tuple[dict[str, float], dict[str, float]]:
    if phone in _CONSONANTS:
        first, _, second = _CONSONANTS[phone].partition(" + ")
        return _consonant(first), _consonant(second or first)
    first, second = _DIPHTHONGS.get(phone, (phone, phone))
    return _vowel(first), _vowel(second)


def _consonant(description: str) -> dict[str, float]:
    gesture = {"effort": 1.0}
    for word in description.split():
        gesture |= _MANNER.get(word, {word: 1.0})
    return gesture


def _vowel(name: str) -> dict[str, float]:
    values = dict(zip(("jaw", "front", "tense", "round"), _VOWELS[name], strict=True))
    return {"effort": 1.0, "voice": 1.0, **values, "rhotic": 1.0 if name == "ER" else 0.0}


def _vector(gesture: Mapping[str, float]) -> np.ndarray[Any, np.dtype[np.float32]]:
    return np.array([gesture.get(feature, 0.0) for feature in FEATURES], np.float32)


def _length(phone: str) -> float:
    if phone in _DIPHTHONGS:
        return 1.3
    if phone in _VOWELS:
        return 1.2 if phone in _LONG_VOWELS else 1.0
    words = _CONSONANTS[phone].split()
    return next((_LENGTHS[word] for word in words if word in _LENGTHS), 1.0)
