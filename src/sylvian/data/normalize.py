"""Z-scoring on read: none, by block, block and day, session, participant, or rolling and causal."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
from jaxtyping import Float, Float32
from pydantic import Field, PositiveFloat, PositiveInt

from sylvian.config import Config
from sylvian.data.corpora.base import ParticipantFacts
from sylvian.data.moments import Moments, pooled

Kind = Literal["none", "block", "block_and_day", "session", "participant", "rolling"]
Features = Float32[np.ndarray, "bins channels"]
Apply = Callable[[int, Features], Features]


class NormalizeConfig(Config):
    """How features are z-scored when a trial is read; the stored features are as published."""

    kind: Literal["auto", Kind] = Field(
        default="auto",
        description="`auto` is `none` where the release is z-scored already and `block` elsewhere; "
        "`session` takes one mean and spread a channel over a recording day, `participant` over "
        "all of a participant's days.",
    )
    epsilon: PositiveFloat = Field(
        default=1e-8, description="Added to the standard deviation, in the feature's unit."
    )
    window_bins: PositiveFloat = Field(
        default=6000.0, description="Rolling: bins after which a past trial weighs 1/e (2 min)."
    )
    refresh_bins: PositiveInt = Field(
        default=25, description="Rolling: bins between updates of the statistics (0.5 s)."
    )
    startup_bins: PositiveInt = Field(
        default=50, description="Rolling: bins a session must hold before it is z-scored (1 s)."
    )
    dead_channels: Literal["keep", "repair"] = Field(
        default="keep",
        description="`repair`: the only channel of a session that never changes becomes the mean "
        "of the others, and a session with two or more such channels is left out.",
    )

    def resolve(self, facts: ParticipantFacts) -> Kind:
        """Say which kind `auto` means for a participant."""
        if self.kind != "auto":
            return self.kind
        return "none" if facts.sees_future else "block"


def lookahead_bins(kind: Kind) -> int | None:
    """Bins of future a normalised bin has seen: 0, or None for the whole block or more."""
    return 0 if kind in ("none", "rolling") else None


@dataclass(frozen=True, slots=True)
class TrialMoments:
    """What the normaliser needs to know of one trial of a session, the features apart."""

    block: int
    split: str
    moments: Moments


def session_normalizer(
    kind: Kind,
    config: NormalizeConfig,
    trials: Sequence[TrialMoments],
    *,
    days: Moments | None = None,
) -> Apply:
    """Prepare the z-scoring of one session.

    Args:
        kind: Resolved kind.
        config: Epsilon and rolling window.
        trials: All trials of the session in the order of time; all splits, because a block's
            statistics need no labels.
        days: Moments of all bins of the participant, which `participant` needs and `session` must
            not get. A channel that does not change in the session at hand comes out as zeros: the
            mean over the days.

    Returns:
        A function of a trial's place in `trials` and its features that gives them normalised.

    Source: BIT z-scores its pretraining recordings across days (dossier §2).
    """
    if kind == "none":
        return lambda _, features: features
    if kind == "rolling":
        return _rolling(config, trials)
    own = [trial.block for trial in trials]
    if kind in ("session", "participant"):
        blocks = dict.fromkeys(own, _day(config, trials, days))
    else:
        blocks = {block: _affine(_block(trials, block), config) for block in dict.fromkeys(own)}
    if kind == "block_and_day":
        blocks = _with_day(blocks, config, trials)

    # Neither `trials` nor `days` may be held on to below: a reader of many sessions would fill up.
    def apply(place: int, features: Features) -> Features:
        offset, scale = blocks[own[place]]
        normalised: Features = features - offset
        normalised *= scale
        return normalised

    return apply


def repair(features: Features, dead: Sequence[int]) -> Features:
    """Give a dead channel the mean of the living ones at each moment.

    Args:
        features: Normalised features of a trial; changed in place.
        dead: Places of the dead channels; nothing happens if there is none.

    Source: BIT, dossier §2.
    """
    if dead:
        alive = np.delete(features, dead, axis=1)
        features[:, list(dead)] = alive.mean(axis=1, keepdims=True)
    return features


def is_left_out(dead: Sequence[int], config: NormalizeConfig) -> bool:
    """Say whether a session has too many dead channels to be repaired.

    Why here: BIT repairs fewer than two and leaves a session out at more than two. Exactly two is
    said nowhere; we leave the session out, because what is invented cannot be told from data later.
    """
    return config.dead_channels == "repair" and len(dead) > 1


_Affine = tuple[Float32[np.ndarray, " channels"], Float32[np.ndarray, " channels"]]


def _block(trials: Sequence[TrialMoments], block: int) -> Moments:
    inside = [trial.moments for trial in trials if trial.block == block]
    return pooled(inside, len(inside[0].mean))


def _affine(moments: Moments, config: NormalizeConfig) -> _Affine:
    return moments.mean.astype(np.float32), moments.gain(config.epsilon).astype(np.float32)


def _day(config: NormalizeConfig, trials: Sequence[TrialMoments], days: Moments | None) -> _Affine:
    """Give the session's own z-score, or that of all days, with what stands still today at 0."""
    today = pooled([trial.moments for trial in trials], len(trials[0].moments.mean))
    if days is None:
        return _affine(today, config)
    offset, scale = _affine(days, config)
    return offset, np.where(today.is_flat, np.float32(0), scale)


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
        n_past: Bins of those trials, not faded.
        trial: Moments of the running trial up to the last refresh.
        pending: Bins since the last refresh.
        affine: Offset and scale in force since the last refresh.
    """

    past: Moments
    n_past: int
    trial: Moments
    pending: Features
    affine: _Affine


class Rolling:
    """Strictly causal z-score: a bin is compared with earlier bins of the same session only.

    The statistics are refreshed at the start of a trial and every `refresh_bins` bins within it.
    Within a trial all earlier bins count fully; when it ends, all older ones fade by
    `exp(-bins / window_bins)`. Until the statistics rest on `startup_bins` bins, a session comes
    out as zeros, because there is nothing to compare it with; so does a channel that has not
    changed so far.
    """

    def __init__(self, config: NormalizeConfig, n_channels: int) -> None:
        self._config = config
        self._nothing = np.zeros((0, n_channels), np.float32)
        self._none = Moments.none(n_channels)

    def start(self) -> RollingState:
        """Begin a session."""
        return self._trial_after(self._none, 0)

    def step(
        self, features: Float[np.ndarray, "bins channels"], state: RollingState
    ) -> tuple[Features, RollingState]:
        """Normalise the next bins of the running trial; cut into chunks anyhow, the same result."""
        parts = [features[:0].astype(np.float32)]
        while len(features):
            room = self._config.refresh_bins - len(state.pending)
            offset, scale = state.affine
            taken = features[:room].astype(np.float32)
            parts.append((taken - offset) * scale)
            state = self._refreshed(replace(state, pending=np.concatenate([state.pending, taken])))
            features = features[room:]
        return np.concatenate(parts), state

    def end_trial(self, state: RollingState) -> RollingState:
        """Close the running trial, so that its bins begin to fade."""
        return self.after(state, _with_pending(state))

    def after(self, state: RollingState, trial: Moments) -> RollingState:
        """Give the state after the running trial when only its moments are known."""
        fade = math.exp(-trial.n / self._config.window_bins)
        return self._trial_after(state.past.faded(fade) + trial, state.n_past + int(trial.n))

    def _trial_after(self, past: Moments, n_past: int) -> RollingState:
        affine = self._statistics(past, n_past)
        return RollingState(past, n_past, self._none, self._nothing, affine)

    def _refreshed(self, state: RollingState) -> RollingState:
        if len(state.pending) < self._config.refresh_bins:
            return state
        trial = _with_pending(state)
        affine = self._statistics(state.past + trial, state.n_past + int(trial.n))
        return replace(state, trial=trial, pending=self._nothing, affine=affine)

    def _statistics(self, seen: Moments, n_seen: int) -> _Affine:
        offset, scale = _affine(seen, self._config)
        return offset, scale * (n_seen >= self._config.startup_bins)


def _with_pending(state: RollingState) -> Moments:
    return state.trial + Moments.of(state.pending) if len(state.pending) else state.trial


def _rolling(config: NormalizeConfig, trials: Sequence[TrialMoments]) -> Apply:
    rolling = Rolling(config, len(trials[0].moments.mean))
    states = [rolling.start()]
    for trial in trials[:-1]:
        states.append(rolling.after(states[-1], trial.moments))
    return lambda place, features: rolling.step(features, states[place])[0]
