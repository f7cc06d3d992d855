"""A simulated participant at work: every planned trial with what the electrodes recorded."""

from __future__ import annotations

from collections.abc import Iterator
from copy import deepcopy
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float32

from sylvian.data.synthetic.config import AnyParticipant, ParticipantConfig, SyntheticConfig
from sylvian.data.synthetic.electrodes import N_ELECTRODES, Tuning, first_day
from sylvian.data.synthetic.latents import speech_latents
from sylvian.data.synthetic.recording import Recording, noise_drive, record, speech_drive
from sylvian.data.synthetic.schedule import PlannedBlock, PlannedDay, PlannedTrial, plan
from sylvian.data.synthetic.speech import Utterance, speak
from sylvian.text import Lexicon, is_cue
from sylvian.types import Strategy


@dataclass(frozen=True, slots=True)
class SimulatedTrial:
    """One trial with everything that made it.

    Attributes:
        planned: Prompt, number and split.
        labels: Phones of the prompt with `SIL` closing each word; those of a cue's words for a
            cue, as in the T15 release, although nothing is said.
        utterance: What was articulated, and when.
        recording: What the electrodes gave.
    """

    planned: PlannedTrial
    labels: tuple[str, ...]
    utterance: Utterance
    recording: Recording


@dataclass(frozen=True, slots=True)
class SimulatedBlock:
    """A block of trials with the electrodes' state during it."""

    planned: PlannedBlock
    tuning: Tuning
    offset: Float32[np.ndarray, " electrodes"]
    trials: tuple[SimulatedTrial, ...]


@dataclass(frozen=True, slots=True)
class SimulatedDay:
    """A session; `blocks()` simulates them one after the other."""

    planned: PlannedDay
    config: ParticipantConfig
    tuning: Tuning
    _rng: np.random.Generator

    def blocks(self) -> Iterator[SimulatedBlock]:
        """Simulate the blocks; to be walked through once."""
        neural = self.config.neural
        offset = neural.session_baseline * _normal(self._rng)
        for planned in self.planned.blocks:
            offset = offset + neural.block_baseline * _normal(self._rng)
            trials = [
                _trial(t, self.config, self.tuning, offset, self._rng) for t in planned.trials
            ]
            yield SimulatedBlock(planned, self.tuning, offset, tuple(trials))


def participants(
    config: SyntheticConfig,
) -> Iterator[tuple[ParticipantConfig, Iterator[SimulatedDay]]]:
    """Give each speaker with their days, all from the config's one seed.

    A participant's days do not depend on how many participants come after them, nor a day on how
    many days come after it, nor a day of attempted speech on whether others are imagined.
    """
    for participant, own in seeded(config):
        if isinstance(participant, ParticipantConfig):
            yield participant, days(participant, own)


def seeded(config: SyntheticConfig) -> Iterator[tuple[AnyParticipant, np.random.Generator]]:
    """Give each participant with a source of randomness of their own."""
    rng = np.random.default_rng(config.seed)
    yield from zip(config.participants, rng.spawn(len(config.participants)), strict=True)


def days(config: ParticipantConfig, rng: np.random.Generator) -> Iterator[SimulatedDay]:
    """Simulate one participant day by day, the electrodes drifting in between."""
    prompts, birth, nights, recording, imagery = rng.spawn(5)
    tuning = first_day(config, birth)
    for planned, day in zip(plan(config, prompts), recording.spawn(config.sessions), strict=True):
        today = tuning
        if config.imagined and planned.strategy is Strategy.IMAGINED:
            today = tuning.imagined(config.imagined, config.neural, deepcopy(imagery))
        yield SimulatedDay(planned, config, today, day)
        tuning = tuning.next_day(config.neural, nights)


def _trial(
    planned: PlannedTrial,
    config: ParticipantConfig,
    tuning: Tuning,
    offset: np.ndarray[Any, np.dtype[np.float32]],
    rng: np.random.Generator,
) -> SimulatedTrial:
    labels = Lexicon.cmudict().phonemes(planned.sentence)
    utterance = speak(() if is_cue(planned.sentence) else labels, config.speech, rng)
    noise = noise_drive(utterance.n_bins, tuning, config.neural, rng)
    drive = speech_drive(speech_latents(utterance, config), tuning, config.neural) + noise
    return SimulatedTrial(planned, labels, utterance, record(drive, tuning, offset, rng))


def _normal(rng: np.random.Generator) -> np.ndarray[Any, np.dtype[np.float32]]:
    return rng.standard_normal(N_ELECTRODES, np.float32)
