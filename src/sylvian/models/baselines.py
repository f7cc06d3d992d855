"""What masked reconstruction has to beat: simple guesses at the same hidden bins."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import numpy as np
from jaxtyping import Bool, Float

from sylvian.errors import DataError
from sylvian.models.masking import BinMasks
from sylvian.models.reconstruction import ReconstructionSums
from sylvian.types import Trial

# The strongest first: it wins where nothing tells them apart.
STRENGTHS = tuple(10.0**power for power in range(2, -5, -1))
_HELD_OUT = 5
_N_INPUTS = 6


class Baseline(ABC):
    """A way to guess hidden bins of trials with the same channels."""

    name: str
    """What tables call it."""

    @abstractmethod
    def fit(self, trials: Iterable[Trial], masks: BinMasks) -> None:
        """Learn from training trials, one in memory at a time.

        Raises:
            DataError: there is no trial, or they differ in channels.
        """

    @abstractmethod
    def guess(
        self, features: Float[np.ndarray, "bins channels"], hidden: Bool[np.ndarray, " bins"]
    ) -> Float[np.ndarray, "hidden channels"]:
        """Guess the hidden bins of a trial from its visible ones alone."""

    def reconstruct(self, trials: Iterable[Trial], masks: BinMasks) -> Iterator[ReconstructionSums]:
        """Judge the guesses, one result per trial."""
        for trial in trials:
            hidden = masks(trial)
            guess = self.guess(np.where(hidden[:, None], np.nan, trial.features), hidden)
            yield ReconstructionSums.of(trial.features[hidden], guess)


class ChannelMean(Baseline):
    """Every hidden bin holds its channel's mean over the training trials."""

    name = "channel mean"

    def fit(self, trials: Iterable[Trial], masks: BinMasks) -> None:
        """Average each channel; see `Baseline.fit`."""
        total, n_bins = np.zeros(0), 0
        for trial in _alike(trials):
            total = trial.features.sum(0, dtype=np.float64) + (total if n_bins else 0.0)
            n_bins += len(trial.features)
        self.mean = total / n_bins

    def guess(
        self, features: Float[np.ndarray, "bins channels"], hidden: Bool[np.ndarray, " bins"]
    ) -> Float[np.ndarray, "hidden channels"]:
        """Repeat the means; see `Baseline.guess`."""
        return np.tile(self.mean, (int(hidden.sum()), 1))


class Interpolation(Baseline):
    """A straight line, channel by channel, from the last visible bin to the next one.

    At the ends of a trial the only visible neighbour is repeated; a trial without visible bins gets
    the channel means of the training trials.
    """

    name = "interpolation"

    def __init__(self) -> None:
        self._mean = ChannelMean()

    def fit(self, trials: Iterable[Trial], masks: BinMasks) -> None:
        """Average each channel, for trials hidden as a whole; see `Baseline.fit`."""
        self._mean.fit(trials, masks)

    def guess(
        self, features: Float[np.ndarray, "bins channels"], hidden: Bool[np.ndarray, " bins"]
    ) -> Float[np.ndarray, "hidden channels"]:
        """Draw the lines; see `Baseline.guess`."""
        sides = _Sides.of(hidden, reach_bins=1)
        if sides.n_visible == 0:
            return self._mean.guess(features, hidden)
        return sides.lines(features[~hidden])


@dataclass(slots=True)
class _Normal:
    """Normal equations of a linear model, added up over trials."""

    xx: Float[np.ndarray, "inputs inputs"]
    xy: Float[np.ndarray, "inputs channels"]
    yy: float

    @classmethod
    def empty(cls, n_channels: int) -> _Normal:
        size = _N_INPUTS * n_channels + 1
        return cls(np.zeros((size, size)), np.zeros((size, n_channels)), 0.0)

    def __add__(self, other: _Normal) -> _Normal:
        return _Normal(self.xx + other.xx, self.xy + other.xy, self.yy + other.yy)

    def take(
        self, x: Float[np.ndarray, "bins inputs"], y: Float[np.ndarray, "bins channels"]
    ) -> None:
        self.xx += x.T @ x
        self.xy += x.T @ y
        self.yy += float((y**2).sum())

    def solve(self, strength: float) -> Float[np.ndarray, "inputs channels"]:
        """Give the ridge weights; `strength` is relative to the inputs' mean power."""
        power = float(np.trace(self.xx)) / len(self.xx)
        penalty = np.full(len(self.xx), strength * (power or 1.0))
        penalty[-1] *= 1e-6  # hardly any on the constant input, yet enough to be solvable
        return np.linalg.solve(self.xx + np.diag(penalty), self.xy)

    def sse(self, weights: Float[np.ndarray, "inputs channels"]) -> float:
        """Squared error of a model on what was taken in."""
        cross = float((weights * self.xy).sum())
        return self.yy - 2 * cross + float((weights * (self.xx @ weights)).sum())


@dataclass
class Linear(Baseline):
    """Ridge regression of all channels on the visible neighbourhood of all channels.

    The inputs of a hidden bin are its interpolation, the means of the nearest visible bins on
    either side, both also weighted by how near that side is, and the mean of the trial's visible
    bins. Every fifth training trial chooses the penalty, then all
    trials fit the weights.

    Attributes:
        reach_bins: Visible bins taken on either side; 5 bins are one published patch.
    """

    reach_bins: int = 5
    name: str = field(default="linear", init=False)

    def fit(self, trials: Iterable[Trial], masks: BinMasks) -> None:
        """Solve the normal equations; see `Baseline.fit`."""
        parts: list[_Normal] = []
        for number, trial in enumerate(_alike(trials)):
            if not parts:
                parts = [_Normal.empty(trial.features.shape[1]) for _ in range(2)]
            hidden = masks(trial)
            inputs = self._inputs(trial.features[~hidden], hidden)
            chosen = parts[number % _HELD_OUT == 1]
            chosen.take(inputs, trial.features[hidden].astype(np.float64))
        fitting, choosing = parts
        self.strength = min(STRENGTHS, key=lambda own: choosing.sse(fitting.solve(own)))
        self.weights = (fitting + choosing).solve(self.strength)

    def guess(
        self, features: Float[np.ndarray, "bins channels"], hidden: Bool[np.ndarray, " bins"]
    ) -> Float[np.ndarray, "hidden channels"]:
        """Apply the weights; see `Baseline.guess`."""
        inputs = self._inputs(features[~hidden], hidden)
        guess: Float[np.ndarray, "hidden channels"] = inputs @ self.weights
        return guess

    def _inputs(
        self, visible: Float[np.ndarray, "visible channels"], hidden: Bool[np.ndarray, " bins"]
    ) -> Float[np.ndarray, "hidden inputs"]:
        sides = _Sides.of(hidden, reach_bins=self.reach_bins)
        n_hidden, n_channels = int(hidden.sum()), visible.shape[1]
        if sides.n_visible == 0:
            constant = _N_INPUTS * n_channels
            return np.eye(1, constant + 1, constant).repeat(n_hidden, axis=0)
        before, after = sides.means(visible)
        whole = np.tile(visible.mean(0, dtype=np.float64), (n_hidden, 1))
        near = sides.nearness
        lines = _Sides.of(hidden, reach_bins=1).lines(visible)
        columns = (lines, before, after, (1 - near) * before, near * after, whole)
        return np.concatenate((*columns, np.ones((n_hidden, 1))), axis=1)


def standard_baselines() -> tuple[Baseline, ...]:
    """Give the baselines printed beside every reconstruction, not yet fitted."""
    return ChannelMean(), Interpolation(), Linear()


@dataclass(frozen=True, slots=True)
class _Sides:
    """Where the visible neighbours of each hidden bin are, counted among the visible bins.

    Attributes:
        n_visible: Visible bins of the trial.
        spans: First and last+1 neighbour before and after each hidden bin, `2 2 hidden`.
        nearness: 0 at the last visible bin, 1 at the next one.
    """

    n_visible: int
    spans: np.ndarray
    nearness: Float[np.ndarray, "hidden 1"]

    @classmethod
    def of(cls, hidden: Bool[np.ndarray, " bins"], *, reach_bins: int) -> _Sides:
        shown, wanted = np.flatnonzero(~hidden), np.flatnonzero(hidden)
        n_visible = len(shown)
        if n_visible == 0:
            return cls(0, np.zeros((2, 2, len(wanted)), dtype=int), np.zeros((len(wanted), 1)))
        place = np.searchsorted(shown, wanted)
        before = np.stack([(place - reach_bins).clip(0), place])
        after = np.stack([place, (place + reach_bins).clip(max=n_visible)])
        # Where one side is missing the other stands in for it.
        before[:, place == 0] = after[:, place == 0]
        after[:, place == n_visible] = before[:, place == n_visible]
        last, following = shown[(place - 1).clip(0)], shown[place.clip(max=n_visible - 1)]
        gap = np.maximum(following - last, 1)
        nearness = ((wanted - last) / gap).clip(0, 1)[:, None]
        return cls(n_visible, np.stack([before, after]), nearness)

    def means(
        self, visible: Float[np.ndarray, "visible channels"]
    ) -> tuple[Float[np.ndarray, "hidden channels"], Float[np.ndarray, "hidden channels"]]:
        """Average the neighbours before and after each hidden bin."""
        sums = np.zeros((len(visible) + 1, visible.shape[1]))
        np.cumsum(visible, axis=0, dtype=np.float64, out=sums[1:])
        before, after = (
            (sums[stop] - sums[start]) / (stop - start)[:, None] for start, stop in self.spans
        )
        return before, after

    def lines(
        self, visible: Float[np.ndarray, "visible channels"]
    ) -> Float[np.ndarray, "hidden channels"]:
        """Go straight from one side's mean to the other's."""
        before, after = self.means(visible)
        lines: Float[np.ndarray, "hidden channels"] = before + self.nearness * (after - before)
        return lines


def _alike(trials: Iterable[Trial]) -> Iterator[Trial]:
    n_channels = None
    for trial in trials:
        if n_channels not in (None, trial.features.shape[1]):
            raise DataError(
                f"{trial.key}: {trial.features.shape[1]} channels, the trials before it have "
                f"{n_channels}; fit one baseline per participant or session"
            )
        n_channels = trial.features.shape[1]
        yield trial
    if n_channels is None:
        raise DataError("a baseline needs at least one trial to learn from")
