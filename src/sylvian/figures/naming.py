"""Names beside points: as many as find room, near if they can, else a little away on a leader."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import product
from typing import Any, Literal

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes

from sylvian.figures.style import MUTED

Side = Literal["left", "right", "center"]
Array = np.ndarray[Any, np.dtype[np.float64]]

NAME_POINTS = 5.5
MARKER = 1.6  # half the width of a point's marker, in points
BESIDE = np.array([3.0, 1.8])  # points from a point to its name, across and up
RINGS = (0.0, 5.0, 10.0, 16.0)  # points from beside the marker; beyond the first with a leader
SAMPLED = 2.0  # points between two looks at a line
ON_LINE, PER_POINT = 0.6, 0.25  # what a name costs for each look at a line, for each point away
DIRECTIONS: tuple[tuple[int, int], ...] = (
    *((1, 0), (-1, 0), (0, 1), (0, -1)),
    *((1, 1), (-1, 1), (1, -1), (-1, -1)),
)


def name_points(
    axis: Axes,
    x: Float[np.ndarray, " points"],
    y: Float[np.ndarray, " points"],
    names: Mapping[int, str],
    *,
    lines: Float[np.ndarray, "lines ends xy"] | None = None,
) -> int:
    """Write names beside points, the outermost first.

    A name covers no point and no other name; it keeps off lines where it can. One without room is
    left out.

    Args:
        axis: Where; its limits must be settled.
        x: All points, in its data's coordinates.
        y: All points.
        names: Place of a point -> its name.
        lines: From where to where each drawn line goes.

    Returns:
        How many names were written.
    """
    figure = axis.get_figure(root=True)
    if figure is None or not names:
        return 0
    figure.draw_without_rendering()  # positions are known only now
    room = _Room(axis, np.stack([x, y], axis=1), lines, 72 / figure.dpi)
    middle = room.points.mean(axis=0)
    order = np.argsort(-np.linalg.norm(room.points - middle, axis=1))
    return sum(room.write(axis, int(place), names[int(place)]) for place in order if place in names)


@dataclass
class _Spot:
    """A place for a name: its box, the direction from its point, how far and at what cost."""

    box: Array
    way: Array
    shift: Array
    ring: float
    cost: float = 0.0


class _Room:
    """What is taken on an axis, in points from the figure's corner."""

    def __init__(self, axis: Axes, at: Array, lines: Array | None, scale: float) -> None:
        def seen(values: Array) -> Array:
            return np.asarray(axis.transData.transform(values) * scale)

        self._data, self._scale = at, scale
        self.points = seen(at)
        self._extent = np.array(axis.get_window_extent().extents) * scale
        self._taken = np.concatenate([self.points - MARKER, self.points + MARKER], axis=1)
        drawn = np.zeros((0, 2, 2)) if lines is None else lines
        ends = [(seen(one[:1])[0], seen(one[1:])[0]) for one in drawn]
        self._lines = np.concatenate([np.zeros((0, 2)), *(_between(a, b) for a, b in ends)])

    def write(self, axis: Axes, place: int, name: str) -> bool:
        """Write one name where it is best; say whether it found room."""
        size = np.array([self._scale * _width(axis, name), NAME_POINTS])
        spots = list(self._spots(place, size))
        if not spots:
            return False
        best = min(spots, key=lambda spot: spot.cost)
        leader = self._leader(best, place) if best.ring else np.zeros((0, 2))
        crossed = np.concatenate([leader - 0.5, leader + 0.5], axis=1)
        self._taken = np.vstack([self._taken, best.box, crossed])
        _annotate(axis, name, self._data[place], best)
        return True

    def _spots(self, place: int, size: Array) -> Iterator[_Spot]:
        for ring, (across, up) in product(RINGS, DIRECTIONS):
            way = np.array([across, up], np.float64)
            shift = way * (BESIDE + ring * (0.75 if across and up else 1.0))
            corner = self.points[place] + shift + size * (way - 1) / 2
            spot = _Spot(np.concatenate([corner, corner + size]), way, shift, ring)
            spot.cost = self._cost(spot)
            if self._is_free(spot, place):
                yield spot

    def _is_free(self, spot: _Spot, place: int) -> bool:
        box = spot.box
        if (box[:2] < self._extent[:2] + 1).any() or (box[2:] > self._extent[2:]).any():
            return False
        if _hits(box, self._taken).any():
            return False
        if not spot.ring:
            return True
        leader = self._leader(spot, place)[:, None]
        others = np.delete(self._taken, place, axis=0)
        inside = (leader > others[:, :2]) & (leader < others[:, 2:])
        return not inside.all(axis=-1).any()

    def _leader(self, spot: _Spot, place: int) -> Array:
        start = self.points[place] + spot.shift * 0.3
        return _between(start, self.points[place] + spot.shift)

    def _cost(self, spot: _Spot) -> float:
        inside = ((self._lines > spot.box[:2]) & (self._lines < spot.box[2:])).all(axis=1)
        return ON_LINE * float(inside.sum()) + PER_POINT * spot.ring


def _width(axis: Axes, name: str) -> float:
    """Measure a name, in pixels."""
    text = axis.text(0, 0, name, fontsize=NAME_POINTS)
    width = float(text.get_window_extent().width)
    text.remove()
    return width


def _annotate(axis: Axes, name: str, at: Array, spot: _Spot) -> None:
    sides: dict[int, Side] = {1: "left", 0: "center", -1: "right"}
    across, up = (int(one) for one in spot.way)
    leader = {
        "arrowstyle": "-",
        "color": MUTED,
        "linewidth": 0.4,
        "shrinkA": 0.0,
        "shrinkB": MARKER,
        "relpos": (0.5 - 0.5 * across, 0.5 - 0.5 * up),  # of the name, where the leader ends
    }
    axis.annotate(
        name,
        (float(at[0]), float(at[1])),
        xytext=(float(spot.shift[0]), float(spot.shift[1]) + up * NAME_POINTS / 2),
        textcoords="offset points",
        ha=sides[across],
        va="center",
        fontsize=NAME_POINTS,
        annotation_clip=False,
        arrowprops=leader if spot.ring else None,
    )


def _hits(box: Array, others: Array) -> np.ndarray[Any, np.dtype[np.bool_]]:
    return np.asarray((box[:2] < others[:, 2:]).all(axis=1) & (others[:, :2] < box[2:]).all(axis=1))


def _between(start: Array, end: Array) -> Array:
    """Look at a line every few points."""
    n = max(int(np.linalg.norm(end - start) / SAMPLED), 1) + 1
    return np.asarray(np.linspace(start, end, n))
