"""What simulated species share: behaviour drives a recurrent circuit, the circuit the electrodes.

A task's behaviour is whitened into inputs `u(t)`. Two circuits of the same ensemble follow them,

    h(t) = (1 - leak) h(t-1) + leak tanh(J h(t-1) + B u(t) + b)

one with `J`, `B`, `b` common to everybody, one with its own for every participant. Each unit is
brought to zero mean and unit variance over a reference stretch of the task, and the electrodes
follow

    x(t) = sqrt(sharing) common(t) + sqrt(1 - sharing) private(t)

Why here: a read-in per participant undoes any linear change of coordinates, so neither loadings nor
a rotation of one bank of dynamics could be private to a trunk behind it. The non-linear circuits
differ by more than that, yet draws of one ensemble have the same statistics on average.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from jaxtyping import Float, Float32

from sylvian.data.synthetic.config import SharedSpeaker
from sylvian.data.synthetic.movement import reaching_reference
from sylvian.data.synthetic.pen import writing_reference
from sylvian.data.synthetic.speech import Utterance, speak, with_change
from sylvian.data.synthetic.traits import LatentConfig, SpeechConfig
from sylvian.text import PHONES, SIL

N_UNITS = 32
TASKS = ("speech", "reaching", "handwriting")
# Columns of `B`, and of the inputs there may be. The n-th strongest input of every task enters
# the common circuit by the same column.
_MOST_INPUTS = 18
_GAIN = 2.0  # of `J`: strong enough that the circuit, not the behaviour alone, shapes the dynamics
_BIAS = 0.3
_LEAK = 0.2  # per 20 ms bin: a time constant of 90 ms
_FLOOR = 0.02  # of the mean variance: whitening must not blow up what hardly varies
_WARM_UP_BINS = 50
_REFERENCE_WORDS = 150

Array = np.ndarray[Any, np.dtype[np.float64]]


@dataclass(frozen=True, slots=True)
class Circuit:
    """A recurrent circuit and the coordinates in which its units have unit variance.

    Attributes:
        coupling: From unit to unit.
        inputs: From whitened behaviour to units.
        bias: Constant input of each unit.
        centre: Mean activity over the task's reference stretch.
        spread: Standard deviation of the activity over it.
    """

    coupling: Float[np.ndarray, "units units"]
    inputs: Float[np.ndarray, "inputs units"]
    bias: Float[np.ndarray, " units"]
    centre: Float[np.ndarray, " units"]
    spread: Float[np.ndarray, " units"]

    def run(self, inputs: Float[np.ndarray, "bins inputs"]) -> Float[np.ndarray, "bins units"]:
        """Follow the inputs, from the state at which the first of them holds the circuit."""
        drive = inputs @ self.inputs + self.bias
        drive = np.concatenate([np.repeat(drive[:1], _WARM_UP_BINS, axis=0), drive])
        kept = 1 - _LEAK
        activity = np.empty_like(drive)
        state = np.zeros(len(self.bias))
        for place, one in enumerate(drive):
            state = kept * state + _LEAK * np.tanh(self.coupling @ state + one)
            activity[place] = state
        return np.asarray((activity[_WARM_UP_BINS:] - self.centre) / self.spread)


@dataclass(frozen=True, slots=True)
class Space:
    """How one task's behaviour becomes latents.

    Attributes:
        centre: Mean behaviour over the reference stretch.
        whiten: From behaviour to uncorrelated inputs of unit variance, the strongest first.
        common: The circuit of all tasks.
        private: The circuit of this participant alone.
    """

    centre: Float[np.ndarray, " behaviour"]
    whiten: Float[np.ndarray, "behaviour inputs"]
    common: Circuit
    private: Circuit

    def units(
        self, behaviour: Float[np.ndarray, "bins behaviour"], sharing: float
    ) -> Float[np.ndarray, "bins units"]:
        """Mix what both circuits make of the behaviour.

        Args:
            behaviour: In bins of 20 ms.
            sharing: Share of the variance that comes from the common circuit.
        """
        inputs = (behaviour - self.centre) @ self.whiten
        common, private = self.common.run(inputs), self.private.run(inputs)
        return np.asarray(np.sqrt(sharing) * common + np.sqrt(1 - sharing) * private)

    def latents(
        self, behaviour: Float[np.ndarray, "bins behaviour"], sharing: float
    ) -> Float32[np.ndarray, "bins latents"]:
        """Return the mixed units and their rate of change side by side."""
        return with_change(np.asarray(self.units(behaviour, sharing), np.float32))


@cache
def space(task: str, seed: int, who: str = "") -> Space:
    """Draw the circuits of somebody at a task.

    Args:
        task: One of `TASKS`.
        seed: `LatentConfig.seed`; equal for all who are to share anything.
        who: Name of the participant, whose private circuit is theirs alone.
    """
    behaviour = _REFERENCES[task](np.random.default_rng([seed, 1]))
    centre, whiten = _whitening(behaviour)
    inputs = (behaviour - centre) @ whiten
    common = _circuit(np.random.default_rng([seed, 0]), inputs)
    own = np.random.default_rng([seed, 2, TASKS.index(task), *who.encode()])
    return Space(centre, whiten, common, _circuit(own, inputs))


def speech_latents(said: Utterance, config: object) -> Float32[np.ndarray, "bins latents"]:
    """Return what the electrodes of a speaker follow: the gestures, or the common space."""
    if isinstance(config, SharedSpeaker):
        return latents("speech", said.posture, config.latent, who=config.name)
    return said.latents()


def latents(
    task: str,
    behaviour: Float[np.ndarray, "bins behaviour"],
    config: LatentConfig,
    *,
    who: str = "",
) -> Float32[np.ndarray, "bins latents"]:
    """Return what electrodes follow during a task's behaviour."""
    return space(task, config.seed, who).latents(behaviour, config.sharing)


def _circuit(rng: np.random.Generator, inputs: Array) -> Circuit:
    """Draw a circuit; its units are measured on the reference inputs."""
    n_inputs = inputs.shape[1]
    coupling = rng.standard_normal((N_UNITS, N_UNITS)) * _GAIN / np.sqrt(N_UNITS)
    weights = rng.standard_normal((_MOST_INPUTS, N_UNITS))[:n_inputs] / np.sqrt(n_inputs)
    bias = _BIAS * rng.standard_normal(N_UNITS)
    raw = Circuit(coupling, weights, bias, np.zeros(N_UNITS), np.ones(N_UNITS))
    activity = raw.run(inputs)
    return Circuit(coupling, weights, bias, activity.mean(0), activity.std(0))


def _whitening(behaviour: Array) -> tuple[Array, Array]:
    centred = behaviour - behaviour.mean(0)
    scaled = centred / behaviour.std(0)
    variances, axes = np.linalg.eigh(np.cov(scaled, rowvar=False))
    variances, axes = variances[::-1], axes[:, ::-1]
    axes = axes * np.sign(axes[np.abs(axes).argmax(0), np.arange(axes.shape[1])])
    whiten = axes / np.sqrt(variances + _FLOOR * variances.mean()) / behaviour.std(0)[:, None]
    return behaviour.mean(0), np.asarray(whiten)


def _babble(rng: np.random.Generator) -> Array:
    words = rng.choice(np.array(PHONES, "U3"), (_REFERENCE_WORDS, 4))
    words[:, -1] = SIL
    return np.asarray(speak(words.ravel().tolist(), SpeechConfig(), rng).posture, np.float64)


_REFERENCES: Mapping[str, Callable[[np.random.Generator], Array]] = {
    "speech": _babble,
    "reaching": reaching_reference,
    "handwriting": writing_reference,
}
