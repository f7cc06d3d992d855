"""The electrodes of a simulated participant: which way each is tuned, and how that drifts.

Every electrode has a baseline rate and a preferred direction in the space of latents: articulation
(posture and its rate of change) or, where species share one, the common space of `latents.py`; the
logarithm of its rate is linear along that direction.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from jaxtyping import Float32

from sylvian.data.synthetic.articulation import FEATURES
from sylvian.data.synthetic.config import (
    AnyParticipant,
    Layout,
    MonkeyConfig,
    ParticipantConfig,
    SharedSpeaker,
    WriterConfig,
)
from sylvian.data.synthetic.latents import latents, speech_latents
from sylvian.data.synthetic.movement import reaching_reference
from sylvian.data.synthetic.pen import writing_reference
from sylvian.data.synthetic.speech import speak
from sylvian.data.synthetic.traits import ImaginedConfig, NeuralConfig
from sylvian.text import PHONES, SIL

N_ELECTRODES = 256

# electrodes of each array in column order, and how deeply speech modulates them
_ARRAYS: dict[Layout, tuple[tuple[int, float], ...]] = {
    "card2024": ((64, 1.0), (64, 0.9), (64, 0.5), (64, 0.7)),  # ventral 6v, 4, 55b, dorsal 6v
    "willett2023": ((128, 1.0), (128, 0.15)),  # area 6v, area 44 (hardly tuned: Willett 2023)
}
_DEPTH_SPREAD = 0.3  # log standard deviation of depth over electrodes of an array
_EFFORT = 2.0  # all electrodes prefer speaking to silence, this much more than any one gesture
_BACKGROUND = 8.0  # gamma shape of power without crossings: the skew of the real log power
_BACKGROUND_SPREAD = 0.5  # its log standard deviation over electrodes
_MOMENT_WORDS = 500  # length of the babble that measures how much the latents vary

Array = np.ndarray[Any, np.dtype[np.float32]]
_Arrays = tuple[tuple[int, float], ...]
_Moments = tuple[Array, Array]  # mean of the latents over speech, and their covariance


@dataclass(frozen=True, slots=True)
class Tuning:
    """All parameters of the electrodes on one day.

    Attributes:
        log_rate: Baseline log of crossings per bin; minus infinity for a dead electrode.
        depth: Standard deviation of the log rate over speech, the snr included.
        crossings: Preferred direction of crossings, scaled so that speech gives unit variance.
        power: The same for spike-band power.
        background: Gamma shape of power without any crossing.
        loadings: Weights of the shared noise sources in the log rate.
        centre: Mean latents over speech; taken away first, so that the snr leaves mean rates alone.
        covariance: Covariance of the latents over speech, for drawing new directions.
        leading: Whether all electrodes prefer a high first latent, `effort`.
    """

    log_rate: Float32[np.ndarray, " electrodes"]
    depth: Float32[np.ndarray, " electrodes"]
    crossings: Float32[np.ndarray, "latents electrodes"]
    power: Float32[np.ndarray, "latents electrodes"]
    background: Float32[np.ndarray, " electrodes"]
    loadings: Float32[np.ndarray, "sources electrodes"]
    centre: Float32[np.ndarray, " latents"]
    covariance: Float32[np.ndarray, "latents latents"]
    leading: bool = True

    @property
    def dead(self) -> np.ndarray[Any, np.dtype[np.bool_]]:
        """Which electrodes record nothing."""
        return np.isneginf(self.log_rate)

    def only(self, electrodes: np.ndarray) -> Tuning:
        """Return some of the electrodes (a mask or places)."""
        return replace(
            self,
            log_rate=self.log_rate[electrodes],
            depth=self.depth[electrodes],
            crossings=self.crossings[:, electrodes],
            power=self.power[:, electrodes],
            background=self.background[electrodes],
            loadings=self.loadings[:, electrodes],
        )

    def next_day(self, config: NeuralConfig, rng: np.random.Generator) -> Tuning:
        """Let a night pass: some electrodes turn to another direction; nothing else changes.

        Crossings and power of an electrode turn together.
        """
        return self._turned(config.session_turnover, config.session_turn, config, rng)

    def imagined(
        self, config: ImaginedConfig, neural: NeuralConfig, rng: np.random.Generator
    ) -> Tuning:
        """Return the electrodes as they follow imagined speech: less deeply, some of them turned.

        Args:
            config: How much less, and how many.
            neural: As the electrodes were drawn with.
            rng: Which electrodes turn, and where to; in the same state on every day, the same ones
                to the same direction.
        """
        turned = self._turned(config.turnover, config.turn, neural, rng)
        return replace(turned, depth=_single(self.depth * config.depth))

    def _turned(
        self, share: float, turn: float, config: NeuralConfig, rng: np.random.Generator
    ) -> Tuning:
        moments = self.centre, self.covariance
        n_electrodes = len(self.log_rate)
        fresh = _directions(moments, config, rng, n_electrodes, leading=self.leading)
        turning = (rng.random(n_electrodes) < share) * turn
        return replace(
            self,
            crossings=_unit_drive(_turn(self.crossings, fresh[0], turning), moments),
            power=_unit_drive(_turn(self.power, fresh[1], turning), moments),
        )


def first_day(config: AnyParticipant, rng: np.random.Generator) -> Tuning:
    """Draw a participant's electrodes as they are on the first day."""
    if isinstance(config, MonkeyConfig | WriterConfig):
        arrays: _Arrays = ((config.electrodes, 1.0),)
        moments, leading = _moments_of(_movement_latents(config, rng)), False
    else:
        arrays = _ARRAYS[config.layout]
        moments, leading = _moments(config, rng), not isinstance(config, SharedSpeaker)
    return _population(arrays, config.neural, moments, rng, leading=leading)


def _population(
    arrays: _Arrays,
    neural: NeuralConfig,
    moments: _Moments,
    rng: np.random.Generator,
    *,
    leading: bool,
) -> Tuning:
    n_electrodes = sum(n for n, _ in arrays)
    crossings, power = _directions(moments, neural, rng, n_electrodes, leading=leading)
    return Tuning(
        log_rate=_baselines(neural, rng, n_electrodes),
        depth=_depths(arrays, neural, rng),
        crossings=crossings,
        power=power,
        background=_backgrounds(rng, n_electrodes),
        loadings=_loadings(neural, rng, n_electrodes),
        centre=moments[0],
        covariance=moments[1],
        leading=leading,
    )


def _baselines(config: NeuralConfig, rng: np.random.Generator, n_electrodes: int) -> Array:
    typical = np.log(config.crossings_per_bin)
    rates = typical + config.rate_spread * rng.standard_normal(n_electrodes, np.float32)
    rates[rng.random(n_electrodes) < config.dead_fraction] = -np.inf
    return _single(rates)


def _depths(arrays: _Arrays, config: NeuralConfig, rng: np.random.Generator) -> Array:
    of_array = np.concatenate([np.full(n, depth) for n, depth in arrays])
    tuned = rng.random(len(of_array)) < config.tuned_fraction
    spread = np.exp(_DEPTH_SPREAD * rng.standard_normal(len(of_array)))
    scale = config.depth * config.snr
    return _single(of_array * tuned * spread * scale)


def _backgrounds(rng: np.random.Generator, n_electrodes: int) -> Array:
    spread = _BACKGROUND_SPREAD * rng.standard_normal(n_electrodes, np.float32)
    return _single(_BACKGROUND * np.exp(spread))


def _loadings(config: NeuralConfig, rng: np.random.Generator, n_electrodes: int) -> Array:
    """Draw the shared noise's weights: half its variance moves all electrodes the same way."""
    loadings = rng.standard_normal((config.noise_rank, n_electrodes), np.float32)
    loadings[1:] /= np.sqrt(max(config.noise_rank - 1, 1))
    loadings[:1] = np.abs(loadings[:1])
    return _single(loadings * config.noise / np.sqrt(2))


def _moments(config: ParticipantConfig, rng: np.random.Generator) -> _Moments:
    words = rng.choice(np.array(PHONES, "U3"), (_MOMENT_WORDS, 4))
    words[:, -1] = SIL
    said = speak(words.ravel().tolist(), config.speech, rng)
    return _moments_of(speech_latents(said, config))


def _movement_latents(config: MonkeyConfig | WriterConfig, rng: np.random.Generator) -> Array:
    if isinstance(config, MonkeyConfig):
        return latents("reaching", reaching_reference(rng), config.latent, who=config.name)
    return latents("handwriting", writing_reference(rng), config.latent, who=config.name)


def _moments_of(found: Array) -> _Moments:
    return found.mean(0), _single(np.cov(found, rowvar=False))


def _directions(
    moments: _Moments,
    config: NeuralConfig,
    rng: np.random.Generator,
    n_electrodes: int,
    *,
    leading: bool,
) -> tuple[Array, Array]:
    """Draw preferred directions of crossings and of power that overlap as configured."""
    first, second = (
        _direction(moments, config, rng, n_electrodes, leading=leading) for _ in range(2)
    )
    overlap = config.power_overlap
    mixed = overlap * first + np.sqrt(1 - overlap**2) * second
    return first, _unit_drive(mixed, moments)


def _direction(
    moments: _Moments,
    config: NeuralConfig,
    rng: np.random.Generator,
    n_electrodes: int,
    *,
    leading: bool,
) -> Array:
    """Mix a direction of posture with one of change, each of unit drive."""
    n_latents = len(moments[0])
    parts = np.zeros((2, n_latents, n_electrodes), np.float32)
    half = n_latents // 2
    parts[0, :half] = rng.standard_normal((half, n_electrodes), np.float32)
    if leading:
        parts[0, FEATURES.index("effort")] = _EFFORT * np.abs(parts[0, 0])
    parts[1, half:] = rng.standard_normal((half, n_electrodes), np.float32)
    posture, change = (_unit_drive(part, moments) for part in parts)
    share = config.velocity_share
    return _unit_drive(np.sqrt(1 - share) * posture + np.sqrt(share) * change, moments)


def _unit_drive(weights: np.ndarray, moments: _Moments) -> Array:
    variance = np.einsum("ze,zy,ye->e", weights, moments[1], weights, optimize=True)
    return _single(weights / np.sqrt(variance))


def _turn(old: Array, new: Array, turning: np.ndarray) -> Array:
    """Rotate each column towards a new one by a share of a right angle."""
    angle = turning * np.pi / 2
    return _single(np.cos(angle) * old + np.sin(angle) * new)


def _single(values: np.ndarray) -> Array:
    return np.asarray(values, np.float32)
