"""From tuning and articulation to what the electrodes record, and how likely that was.

With `d(t)` an electrode's drive (its depth times the latents along its preferred direction), `n(t)`
the shared noise through its loadings and `b` its baseline with the offsets of day and block:

    crossings per bin ~ Poisson(exp(b + d + n))
    shape     = 4 exp(gain (d' + n + offset)) + 1.7 crossings
    log power = 3 + 0.12 y,   y ~ gamma(shape)

`y` is drawn as the cube of a normal variable (Wilson and Hilferty 1931): a per cent or two from a
gamma at these shapes, fast, and here the model *by definition*, so that likelihoods are exact.

Why here: shapes and scale are fitted to the one real T12 trial we have (`docs/synthetic.md`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float32, UInt8

from sylvian.data.synthetic.electrodes import Tuning
from sylvian.data.synthetic.speech import BIN_MS
from sylvian.data.synthetic.traits import NeuralConfig

PER_CROSSING = 2.2  # gamma shape a crossing adds: gives the real correlation of the two, 0.49
_LOG_SCALE = 0.12  # log power per unit of y: power varies by about 30 %
_LOG_FLOOR = 3.0  # log power of an electrode's own noise (microvolts squared)
_MOST = 25  # crossings in 20 ms; refractory neurons cannot do many more
_TOGETHER = 16  # bins to a matrix product: below what BLAS shares among threads
_LOG_RATES = (-7.0, 2.5)  # a log rate outside is cut: no drift makes an electrode absurd

Array = np.ndarray[Any, np.dtype[np.float32]]


@dataclass(frozen=True, slots=True)
class Drive:
    """What modulates the electrodes in one trial, in log units, before baselines.

    Leading axes, if there are any, are candidates to compare.
    """

    crossings: Float32[np.ndarray, "*candidates bins electrodes"]
    power: Float32[np.ndarray, "*candidates bins electrodes"]

    def __add__(self, other: Drive) -> Drive:
        return Drive(self.crossings + other.crossings, self.power + other.power)


@dataclass(frozen=True, slots=True)
class Recording:
    """What the electrodes gave in one trial: crossings (counts) and power (microvolts squared)."""

    crossings: UInt8[np.ndarray, "bins electrodes"]
    power: Float32[np.ndarray, "bins electrodes"]


def speech_drive(
    latents: Float32[np.ndarray, "*candidates bins latents"], tuning: Tuning, config: NeuralConfig
) -> Drive:
    """Project articulation on the preferred directions; affine in `latents`."""
    centred = latents - tuning.centre
    return Drive(
        _project(centred, tuning.crossings * tuning.depth),
        _project(centred, tuning.power * (tuning.depth * np.float32(config.power_gain))),
    )


def noise_drive(
    n_bins: int, tuning: Tuning, config: NeuralConfig, rng: np.random.Generator
) -> Drive:
    """Draw shared noise: a few sources, each with a memory of `noise_ms`."""
    from scipy.signal import lfilter  # slow to import, and only a simulation needs it

    memory = np.exp(-BIN_MS / config.noise_ms)
    warm_up = int(5 * config.noise_ms / BIN_MS)
    white = rng.standard_normal((n_bins + warm_up, len(tuning.loadings)), np.float32)
    sources = lfilter([np.sqrt(1 - memory**2)], [1, -memory], white, axis=0)[warm_up:]
    common = _project(sources.astype(np.float32), tuning.loadings)
    return Drive(common, common * np.float32(config.power_gain))


def record(
    drive: Drive,
    tuning: Tuning,
    offset: Float32[np.ndarray, " electrodes"],
    rng: np.random.Generator,
) -> Recording:
    """Draw crossings and power.

    Args:
        drive: Speech and shared noise.
        tuning: The electrodes; a dead one gives zeros throughout.
        offset: Change of the log rate today and in this block.
        rng: Source of randomness.
    """
    crossings = _poisson(log_rates(drive, tuning, offset), rng)
    shape = power_shape(drive, tuning, offset, crossings)
    centre, spread = _cube_root(shape)
    root = centre + spread * rng.standard_normal(shape.shape, np.float32)
    power = np.exp(_LOG_FLOOR + _LOG_SCALE * root * root * root)
    power[:, tuning.dead] = 0
    return Recording(crossings, power)


def log_rates(drive: Drive, tuning: Tuning, offset: Array) -> Array:
    """Return the log of the expected crossings per bin."""
    rates: Array = np.clip(drive.crossings + (tuning.log_rate + offset), *_LOG_RATES)
    rates[..., tuning.dead] = -np.inf
    return rates


def power_shape(drive: Drive, tuning: Tuning, offset: Array, crossings: np.ndarray) -> Array:
    """Return the gamma shape of the log power, given the crossings."""
    background = tuning.background * np.exp(np.clip(drive.power + offset, -2, 2))
    shape: Array = background + np.float32(PER_CROSSING) * crossings
    return shape


def log_likelihood(
    seen: Recording, drive: Drive, tuning: Tuning, offset: Array
) -> Float32[np.ndarray, "*candidates bins electrodes"]:
    """Return how likely a recording was under a drive, for every bin and electrode.

    Args:
        seen: The recording, or a stretch of it.
        drive: The drive of the same bins; leading axes are candidates.
        tuning: The true electrodes, none of them dead.
        offset: The true offset.

    Returns:
        Nats, without the terms that no drive changes.
    """
    rates = log_rates(drive, tuning, offset)
    centre, spread = _cube_root(power_shape(drive, tuning, offset, seen.crossings))
    root = np.cbrt((np.log(seen.power) - _LOG_FLOOR) / _LOG_SCALE)
    of_power = -0.5 * ((root - centre) / spread) ** 2 - np.log(spread)
    likelihood: Array = seen.crossings * rates - np.exp(rates) + of_power
    return likelihood


def _project(
    values: Float32[np.ndarray, "*candidates bins sources"],
    weights: Float32[np.ndarray, "sources electrodes"],
) -> Float32[np.ndarray, "*candidates bins electrodes"]:
    """Multiply a few bins at a time.

    Why here: BLAS would share the whole product among its threads. These products are too small to
    gain by it, lose much on a busy machine, and would depend on how many cores there are.
    """
    *candidates, n_bins, n_sources = values.shape
    missing = np.zeros((*candidates, -n_bins % _TOGETHER, n_sources), np.float32)
    stacks = np.concatenate([values, missing], axis=-2)
    n_stacks = stacks.shape[-2] // _TOGETHER
    product = stacks.reshape(*candidates, n_stacks, _TOGETHER, n_sources) @ weights
    whole: Array = product.reshape(*candidates, -1, weights.shape[1])
    return whole[..., :n_bins, :]


def _cube_root(shape: Array) -> tuple[Array, Array]:
    """Return mean and standard deviation of the cube root of a gamma variable (Wilson-Hilferty)."""
    third = np.cbrt(shape)
    centre, spread = third - 1 / (9 * third * third), 1 / (3 * np.sqrt(third))
    return np.asarray(centre, np.float32), np.asarray(spread, np.float32)


def _poisson(log_rate: Array, rng: np.random.Generator) -> np.ndarray[Any, np.dtype[np.uint8]]:
    """Draw Poisson counts by running up all distribution functions together.

    Three times as fast as the generator's own `poisson` at these small means.
    """
    rate = np.exp(log_rate)
    uniform = rng.random(rate.shape, np.float32)
    term = np.exp(-rate)
    reached = term.copy()
    counts = np.zeros(rate.shape, np.uint8)
    for k in range(1, _MOST + 1):
        above = uniform > reached
        if not above.any():
            break
        counts += above
        term *= rate / np.float32(k)
        reached += term
    return counts
