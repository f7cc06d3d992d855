"""The known ceiling: how many phones an observer names who knows everything but the phone itself.

The observer is told the true tuning, offsets, shared noise and articulatory jitter, where each
phone begins and ends, and all phones around it. One phone at a time, it compares the likelihood of
the recording, crossings and power of all electrodes the layout keeps, under each of the 39 phones
in that place, and names the most likely.

A decoder knows none of this, so without knowledge of language it cannot name more phones on average
than the observer does. One with a language model may: the observer counts all phones as equally
probable. Without any signal it names one in 39.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from sylvian.data.synthetic.articulation import FEATURES
from sylvian.data.synthetic.config import ParticipantConfig, SharedSpeaker
from sylvian.data.synthetic.electrodes import Tuning, first_day
from sylvian.data.synthetic.language import LARGE, draw_prompts
from sylvian.data.synthetic.recording import (
    Drive,
    Recording,
    log_likelihood,
    noise_drive,
    record,
    speech_drive,
)
from sylvian.data.synthetic.speech import (
    BIN_MS,
    Utterance,
    blend,
    gestures_of,
    halves,
    speak,
    with_change,
)
from sylvian.errors import ConfigError
from sylvian.text import PHONES, Lexicon

KEPT_ELECTRODES = {"card2024": 256, "willett2023": 128}  # those whose features the loaders keep

Array = np.ndarray[Any, np.dtype[np.float32]]


@dataclass(frozen=True, slots=True)
class Ceiling:
    """How the ideal observer did."""

    n_correct: int
    n_phones: int

    @property
    def accuracy(self) -> float:
        """Share of phones named."""
        return self.n_correct / self.n_phones

    @property
    def per(self) -> float:
        """Lowest phoneme error rate without knowledge of language; SIL is not counted."""
        return 1 - self.accuracy


def ceiling(
    config: ParticipantConfig, *, seed: int = 0, n_trials: int = 20, imagined: bool = False
) -> Ceiling:
    """Measure the ceiling of a participant on sentences of the large prompt set.

    The same seed gives the same sentences, electrodes and noise at every `snr`.

    Args:
        config: The participant; only `layout`, `speech` and `neural` matter, and `imagined`.
        seed: Source of sentences, electrodes and noise.
        n_trials: Number of sentences; each has some 20 phones.
        imagined: The same sentences imagined, not attempted.

    Raises:
        ConfigError: the electrodes follow the space that tasks share, where one phone changes the
            activity for a long time after it; the observer's shortcut holds for gestures only. Or
            the participant never imagines.
    """
    if isinstance(config, SharedSpeaker):
        raise ConfigError(f"{config.name}: has a latent space; take a participant without one")
    birth, prompts, *trials, imagery = np.random.default_rng(seed).spawn(3 + n_trials)
    tuning = first_day(config, birth)
    if imagined:
        if config.imagined is None:
            raise ConfigError(f"{config.name}: never imagines; give its sessions as `imagined`")
        tuning = tuning.imagined(config.imagined, config.neural, imagery)
    kept = np.arange(len(tuning.log_rate)) < KEPT_ELECTRODES[config.layout]
    tuning = tuning.only(kept & ~tuning.dead)
    sentences = draw_prompts(LARGE, n_trials, prompts)
    right = [
        correct
        for sentence, rng in zip(sentences, trials, strict=True)
        for correct in _named(sentence, config, tuning, rng)
    ]
    return Ceiling(sum(right), len(right))


def _named(
    sentence: str, config: ParticipantConfig, tuning: Tuning, rng: np.random.Generator
) -> Iterator[bool]:
    said = speak(Lexicon.cmudict().phonemes(sentence), config.speech, rng)
    noise = noise_drive(said.n_bins, tuning, config.neural, rng)
    drive = speech_drive(said.latents(), tuning, config.neural) + noise
    calm = np.zeros_like(tuning.log_rate)
    seen = record(drive, tuning, calm, rng)
    for place in np.flatnonzero(said.segments < len(PHONES)):
        window, changes = _alternatives(said, int(place), config)
        moved = speech_drive(changes + tuning.centre, tuning, config.neural)
        candidate = moved + Drive(drive.crossings[window], drive.power[window])
        part = Recording(seen.crossings[window], seen.power[window])
        likelihood = log_likelihood(part, candidate, tuning, calm).sum((-2, -1))
        yield bool(likelihood.argmax() == said.segments[place])


def _alternatives(said: Utterance, place: int, config: ParticipantConfig) -> tuple[slice, Array]:
    """Say how the latents would differ, and in which bins, had each phone stood in this place.

    Blending is linear, so the difference is that of the gestures times the blended halves.
    """
    reach = int(np.ceil(4 * config.speech.coarticulation_ms / BIN_MS)) + 1
    window = slice(max(int(said.edges[place]) - reach, 0), int(said.edges[place + 1]) + reach)
    edges = halves(said.edges)[2 * place : 2 * place + 3]
    indicators = np.zeros((said.n_bins, 2), np.float32)
    for half in range(2):
        indicators[edges[half] : edges[half + 1], half] = 1
    weights = with_change(blend(indicators, config.speech))[window]  # [bins, posture ‖ change]
    table = gestures_of(config.speech)
    other = table[: len(PHONES)] - table[said.segments[place]]  # [phones halves features]
    shaped = np.einsum("bkh,phf->pbkf", weights.reshape(len(weights), 2, 2), other)
    return window, shaped.reshape(*shaped.shape[:2], 2 * len(FEATURES))
