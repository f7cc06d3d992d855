"""A monkey's hand: reaches to targets, smooth as measured ones are.

Between two places the hand follows the minimum-jerk course (Flash and Hogan 1985), a polynomial of
the fifth degree that starts and ends at rest.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from jaxtyping import Float

from sylvian.data.synthetic.speech import BIN_MS

ReachTask = Literal["CO", "RT"]

_TARGETS = 8  # of a centre-out task, on a circle of radius 1
_RANDOM_REACHES = 3  # targets of a trial of the random-target task
_WORKSPACE = 1.0  # half the side of the square of random targets
_BETWEEN_S = (0.3, 0.6)  # from the end of a trial to the next target
_DELAY_S = (0.2, 0.4)  # a target is seen before the hand leaves
_REACH_S = (0.4, 0.7)
_HOLD_S = (0.1, 0.3)
_REFERENCE_TRIALS = 80

Array = np.ndarray[Any, np.dtype[np.float64]]


@dataclass(frozen=True, slots=True)
class Movements:
    """Everything a hand did in a block, and when trials began and ended.

    Attributes:
        behaviour: What drives the circuits: place, velocity, acceleration, speed, the way to the
            target in view, and whether there is one.
        place: Where the hand was.
        starts: First bin of each trial.
        stops: Bin after the last of each trial.
    """

    behaviour: Float[np.ndarray, "bins behaviour"]
    place: Float[np.ndarray, "bins 2"]
    starts: tuple[int, ...]
    stops: tuple[int, ...]


class Course:
    """A course of the hand that grows piece by piece."""

    def __init__(self) -> None:
        self._pieces: list[Array] = []
        self._goals: list[Array] = []
        self.place = np.zeros(2)
        self.n_bins = 0

    def rest(self, n_bins: int, goal: Array | None = None) -> None:
        """Stay in place, perhaps with a goal in view."""
        self._add(np.repeat(self.place[None], n_bins, axis=0), goal)

    def move(self, goal: Array, n_bins: int) -> None:
        """Go to a place on the minimum-jerk course."""
        self._add(minimum_jerk(self.place, goal, n_bins), goal)
        self.place = goal

    def movements(self, starts: Sequence[int], stops: Sequence[int]) -> Movements:
        """Close the course."""
        place, goals = np.concatenate(self._pieces), np.concatenate(self._goals)
        seen = np.isfinite(goals[:, :1])
        way = np.where(seen, goals - place, 0.0)
        behaviour = np.concatenate([with_motion(place), way, seen], axis=1)
        return Movements(behaviour, place, tuple(starts), tuple(stops))

    def _add(self, piece: Array, goal: Array | None) -> None:
        self._pieces.append(piece)
        shown = np.full(2, np.nan) if goal is None else goal
        self._goals.append(np.repeat(shown[None], len(piece), axis=0))
        self.n_bins += len(piece)


def reach(task: ReachTask, n_trials: int, rng: np.random.Generator) -> Movements:
    """Simulate a block of reaches.

    Args:
        task: `CO`, from the centre to one of eight targets, or `RT`, to three random places in a
            row.
        n_trials: Trials.
        rng: Source of randomness.
    """
    course = Course()
    starts, stops = [], []
    for _ in range(n_trials):
        course.rest(bins_within(_BETWEEN_S, rng))
        starts.append(course.n_bins)
        for goal in _goals(task, rng):
            course.rest(bins_within(_DELAY_S, rng), goal)
            course.move(goal, bins_within(_REACH_S, rng))
            course.rest(bins_within(_HOLD_S, rng), goal)
        stops.append(course.n_bins)
        if task == "CO":
            course.move(np.zeros(2), bins_within(_REACH_S, rng))
    course.rest(bins_within(_BETWEEN_S, rng))
    return course.movements(starts, stops)


def minimum_jerk(start: Array, goal: Array, n_bins: int) -> Array:
    """Return the places after each bin of a movement that ends at `goal`."""
    done = np.arange(1, n_bins + 1)[:, None] / n_bins
    share = 10 * done**3 - 15 * done**4 + 6 * done**5
    return np.asarray(start + (goal - start) * share)


def with_motion(place: Array) -> Array:
    """Set place, velocity, acceleration (per second) and speed side by side."""
    velocity = np.gradient(place, BIN_MS / 1000, axis=0)
    acceleration = np.gradient(velocity, BIN_MS / 1000, axis=0)
    speed = np.hypot(*velocity.T)[:, None]
    return np.concatenate([place, velocity, acceleration, speed], axis=1)


def bins_within(span_s: tuple[float, float], rng: np.random.Generator) -> int:
    """Draw a length between two lengths in seconds."""
    return round(float(rng.uniform(*span_s)) * 1000 / BIN_MS)


def reaching_reference(rng: np.random.Generator) -> Array:
    """Return the behaviour of a long stretch of both tasks, one after the other."""
    blocks = (reach(task, _REFERENCE_TRIALS // 2, rng).behaviour for task in ("CO", "RT"))
    return np.concatenate(list(blocks))


def _goals(task: ReachTask, rng: np.random.Generator) -> list[Array]:
    if task == "CO":
        angle = 2 * np.pi * rng.integers(_TARGETS) / _TARGETS
        return [np.array([np.cos(angle), np.sin(angle)])]
    return list(rng.uniform(-_WORKSPACE, _WORKSPACE, (_RANDOM_REACHES, 2)))
