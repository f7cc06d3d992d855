"""A pen that is meant to write: letters as strokes through a few points, one after the other.

The alphabet is T5's: 26 letters, `>` for the space, `~` for the full stop, comma, apostrophe and
question mark. The shapes are our own, on a grid of 5 by 5; a letter's strokes are set apart by
spaces, each point is its column and row, and between points the pen moves as a reaching hand does.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from sylvian.data.synthetic.movement import Course, Movements, bins_within, with_motion

LETTERS = {
    "a": "3323031030 3330", "b": "0400 0322120100", "c": "33130030", "d": "3430 33130030",
    "e": "0232331300 0030", "f": "342410 0323", "g": "33130131 33300010", "h": "0400 021333 3330",
    "i": "1310 1414", "j": "2320 2000 2424", "k": "0400 0233 0230", "l": "1410",
    "m": "0300 021310 132330", "n": "0300 023330", "o": "1302103213", "p": "0300 03332202",
    "q": "33030131 3330", "r": "0300 0233", "s": "331302312000", "t": "1410 0323",
    "u": "03003033", "v": "031033", "w": "0310122033", "x": "0330 3300", "y": "0311 3300",
    "z": "03330030", ">": "0141", "~": "0010", ",": "1100", "'": "1413", "?": "04342212 1010",
}  # fmt: skip

_POINT_S = (0.08, 0.14)  # from point to point of a stroke
_LIFT_S = (0.06, 0.1)  # from stroke to stroke and from letter to letter, pen up
_BETWEEN_S = (0.4, 0.8)  # at rest around a prompt
_REFERENCE_PROMPTS = 20
_GRID = 4.0

Array = np.ndarray[Any, np.dtype[np.float64]]


def write(prompts: Iterable[str], rng: np.random.Generator) -> Movements:
    """Simulate a block in which prompts are written.

    Args:
        prompts: Each in T5's alphabet; an empty one is a rest of a second or two.
        rng: Source of randomness.
    """
    course, down = Course(), set[int]()
    starts, stops = [], []
    for prompt in prompts:
        starts.append(course.n_bins)
        course.rest(bins_within(_BETWEEN_S if prompt else (1.0, 2.0), rng))
        for letter in prompt:
            _write_letter(course, letter, down, rng)
        course.rest(bins_within(_BETWEEN_S, rng))
        stops.append(course.n_bins)
    moved = course.movements(starts, stops)
    pen = np.array([[place in down] for place in range(course.n_bins)], float)
    behaviour = np.concatenate([with_motion(moved.place), pen], axis=1)
    return Movements(behaviour, moved.place, moved.starts, moved.stops)


def strokes(letter: str) -> list[Array]:
    """Return the points of each stroke of a letter, in a square of side 1."""
    return [
        np.array([[int(digit) for digit in stroke[at : at + 2]] for at in range(0, len(stroke), 2)])
        / _GRID
        for stroke in LETTERS[letter].split()
    ]


def spelled(sentence: str) -> str:
    """Spell a sentence in T5's alphabet, with `>` and `~`; what it lacks is left out."""
    plain = sentence.lower().replace("\u2019", "'").replace(" ", ">").replace(".", "~")
    return "".join(letter for letter in plain if letter in LETTERS)


def writing_reference(rng: np.random.Generator) -> Array:
    """Return the behaviour of a long stretch of letters in random order."""
    alphabet = np.array(list(LETTERS))
    prompts = ("".join(rng.choice(alphabet, 12)) for _ in range(_REFERENCE_PROMPTS))
    return write(prompts, rng).behaviour


def _write_letter(course: Course, letter: str, down: set[int], rng: np.random.Generator) -> None:
    """Write a letter; `down` collects the bins in which the pen touches."""
    for stroke in strokes(letter):
        course.move(stroke[0], bins_within(_LIFT_S, rng))
        start = course.n_bins
        for point in stroke[1:]:
            course.move(point, bins_within(_POINT_S, rng))
        down.update(range(start, course.n_bins))
