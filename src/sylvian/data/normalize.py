"""Z-scoring on read: not at all, by block, by block and day, or rolling and strictly causal."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from jaxtyping import Float, Float32, Float64
from pydantic import Field, PositiveFloat, PositiveInt

from sylvian.config import Config
from sylvian.data.corpora.base import ParticipantFacts
from sylvian.data.moments import Moments, gain, pooled

Kind = Literal["none", "block", "block_and_day", "rolling"]
Features = Float32[np.ndarray, "bins channels"]
Apply = Callable[[int, Features], Features]


class NormalizeConfig(Config):
    """How features are z-scored when a trial is read; the stored features are as published."""

    kind: Literal["auto", "none", "block", "block_and_day", "rolling"] = Field(
        default="auto",
        description="`auto` is `none` where the release is z-scored already and `block` elsewhere.",
    )
    epsilon: PositiveFloat = Field(
        default=1e-8, description="Added to the standard deviation, in the feature's unit."
    )
    window_bins: PositiveFloat = Field(
        default=6000.0, description="Rolling: bins after which a past trial weighs 1/e (2 min)."
    )
    startup_bins: PositiveInt = Field(
        default=50, description="Rolling: the first bins of a session, given out as zeros (1 s)."
    )

    def resolve(self, facts: ParticipantFacts) -> Kind:
        """Say which kind `auto` means for a participant."""
        if self.kind != "auto":
            return self.kind
        return "none" if facts.sees_future else "block"


def lookahead_bins(kind: Kind) -> int | None:
    """Bins of future a normalised bin has seen: 0, or None for the whole block."""
    return 0 if kind in ("none", "rolling") else None


@dataclass(frozen=True, slots=True)
class TrialMoments:
    """What the normaliser needs to know of one trial of a session, the features apart."""

    block: int
    split: str
    moments: Moments


def session_normalizer(
    kind: Kind, config: NormalizeConfig, trials: Sequence[TrialMoments]
) -> Apply:
    """Prepare the z-scoring of one session.

    Args:
        kind: Resolved kind.
        config: Epsilon and rolling window.
        trials: All trials of the session in the order of time; all splits, because a block's
            statistics need no labels.

    Returns:
        A function of a trial's place in `trials` and its features that gives them normalised.
    """
    if kind == "none":
        return lambda _, features: features
    if kind == "rolling":
        return _rolling(config, trials)
    blocks = {trial.block: _affine(_block(trials, trial.block), config) for trial in trials}
    if kind == "block_and_day":
        blocks = _with_day(blocks, config, trials)

    def apply(place: int, features: Features) -> Features:
        offset, scale = blocks[trials[place].block]
        normalised: Features = features - offset
        normalised *= scale
        return normalised

    return apply


_Affine = tuple[Float32[np.ndarray, " channels"], Float32[np.ndarray, " channels"]]


def _block(trials: Sequence[TrialMoments], block: int) -> Moments:
    inside = [trial.moments for trial in trials if trial.block == block]
    return pooled(inside, len(inside[0].mean))


def _affine(moments: Moments, config: NormalizeConfig) -> _Affine:
    return moments.mean.astype(np.float32), moments.gain(config.epsilon).astype(np.float32)


def _with_day(
    blocks: dict[int, _Affine], config: NormalizeConfig, trials: Sequence[TrialMoments]
) -> dict[int, _Affine]:
    """Follow the block z-score by one with the day's train statistics, as BIT does for T12.

    Both steps are affine, so the moments of the block-z-scored train bins follow from the stored
    ones and the two steps become one. A day without train trials keeps the block z-score.
    """
    train = [
        _z_scored(trial.moments, blocks[trial.block]) for trial in trials if trial.split == "train"
    ]
    if not train:
        return blocks
    day = pooled(train, len(train[0].mean))
    rescale = day.gain(config.epsilon)
    composed = {}
    for block, (offset, scale) in blocks.items():
        safe = np.where(scale > 0, scale, 1.0)
        composed[block] = (
            (offset + day.mean / safe).astype(np.float32),
            (scale * rescale).astype(np.float32),
        )
    return composed


def _z_scored(moments: Moments, affine: _Affine) -> Moments:
    offset, scale = (part.astype(np.float64) for part in affine)
    return Moments(moments.n, (moments.mean - offset) * scale, moments.m2 * scale**2)


@dataclass(frozen=True, slots=True)
class RollingState:
    """What a rolling normaliser remembers; passed in and out, never hidden.

    Attributes:
        past: Moments of the trials already ended, older ones faded.
        n_seen: Bins of the session seen so far.
        centre: Value the sums of the running trial are taken around; None before its first bin.
        n: Bins of the running trial.
        total: Sum of deviations from `centre`, per channel.
        squares: Sum of squared deviations from `centre`, per channel.
    """

    past: Moments
    n_seen: int = 0
    centre: Float64[np.ndarray, " channels"] | None = None
    n: int = 0
    total: Float64[np.ndarray, " channels"] | None = None
    squares: Float64[np.ndarray, " channels"] | None = None


class Rolling:
    """Strictly causal z-score: a bin is compared with earlier bins of the same session only.

    Within a trial every earlier bin counts fully. When a trial ends, all older bins fade by
    `exp(-bins / window_bins)`. The first `startup_bins` of a session come out as zeros, because
    there is nothing yet to compare them with; so does a channel that has not changed so far.
    """

    def __init__(self, config: NormalizeConfig, n_channels: int) -> None:
        self._config = config
        self._n_channels = n_channels

    def start(self) -> RollingState:
        """Begin a session."""
        return RollingState(Moments.none(self._n_channels))

    def step(
        self, features: Float[np.ndarray, "bins channels"], state: RollingState
    ) -> tuple[Features, RollingState]:
        """Normalise the next bins of the running trial; cut into chunks anyhow, the same result."""
        if not len(features):
            return features.astype(np.float32), state
        state = self._centred(features, state)
        deviation = features - state.centre
        total = _running(state.total, deviation)
        squares = _running(state.squares, deviation**2)
        normalised = self._z(deviation, total[:-1], squares[:-1], state)
        n = len(features)
        return normalised, replace(
            state, n_seen=state.n_seen + n, n=state.n + n, total=total[-1], squares=squares[-1]
        )

    def end_trial(self, state: RollingState) -> RollingState:
        """Close the running trial, so that its bins begin to fade."""
        if not state.n or state.centre is None or state.total is None or state.squares is None:
            return state
        mean = state.total / state.n
        trial = Moments(state.n, state.centre + mean, state.squares - state.n * mean**2)
        return self.after(state.past, trial, state.n_seen)

    def after(self, past: Moments, trial: Moments, n_seen: int) -> RollingState:
        """Give the state after a trial of which only the moments are known."""
        fade = math.exp(-trial.n / self._config.window_bins)
        return RollingState(past.faded(fade) + trial, n_seen)

    def _centred(
        self, features: Float[np.ndarray, "bins channels"], state: RollingState
    ) -> RollingState:
        if state.centre is not None:
            return state
        # Sums around a value close to the mean lose no digits. The first bin is nobody's future.
        centre = state.past.mean if state.past.n else features[0].astype(np.float64)
        zeros = np.zeros(self._n_channels)
        return replace(state, centre=centre, total=zeros, squares=zeros)

    def _z(
        self,
        deviation: Float64[np.ndarray, "bins channels"],
        total: Float64[np.ndarray, "bins channels"],
        squares: Float64[np.ndarray, "bins channels"],
        state: RollingState,
    ) -> Features:
        bins = np.arange(len(deviation))[:, None]
        weight = np.maximum(state.past.n + state.n + bins, 1.0)
        mean = total / weight
        variance = (state.past.m2 + squares) / weight - mean**2
        scale = gain(state.centre + mean, variance, self._config.epsilon)
        scale[state.n_seen + bins[:, 0] < self._config.startup_bins] = 0.0
        normalised: Features = ((deviation - mean) * scale).astype(np.float32)
        return normalised


def _running(
    start: Float64[np.ndarray, " channels"] | None, values: Float64[np.ndarray, "bins channels"]
) -> Float64[np.ndarray, "bins_and_one channels"]:
    """Sums before each bin, and after the last; added in the order of time, however chunked."""
    return np.cumsum(np.concatenate([np.asarray(start)[None], values]), axis=0)


def _rolling(config: NormalizeConfig, trials: Sequence[TrialMoments]) -> Apply:
    rolling = Rolling(config, len(trials[0].moments.mean))
    states = [rolling.start()]
    for trial in trials[:-1]:
        last = states[-1]
        states.append(rolling.after(last.past, trial.moments, last.n_seen + int(trial.moments.n)))
    return lambda place, features: rolling.step(features, states[place])[0]
