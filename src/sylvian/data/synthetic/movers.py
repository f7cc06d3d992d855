"""Simulated monkeys and a handwriting human at work: whole blocks, trials cut out of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import numpy as np
from jaxtyping import Float, UInt8

from sylvian.data.synthetic.config import MonkeyConfig, WriterConfig
from sylvian.data.synthetic.electrodes import Tuning, first_day
from sylvian.data.synthetic.language import FIFTY, draw_prompts
from sylvian.data.synthetic.latents import latents
from sylvian.data.synthetic.movement import Movements, ReachTask, reach
from sylvian.data.synthetic.pen import LETTERS, spelled, write
from sylvian.data.synthetic.recording import noise_drive, record, speech_drive

LETTER_SET, SENTENCE_SET = "single letters", "sentences"
_TASKS: tuple[ReachTask, ...] = ("CO", "RT")
_REST = "doNothing"

Mover = MonkeyConfig | WriterConfig


@dataclass(frozen=True, slots=True)
class MovedBlock:
    """An uninterrupted recording.

    Attributes:
        number: Of the block in its day, from 1.
        prompt_set: Task or kind of prompt.
        cues: What was to be written, in T5's alphabet, trial by trial; empty for a monkey.
        starts: First bin of each trial.
        stops: Bin after the last of each trial.
        place: Where the hand or pen was.
        crossings: What the electrodes recorded.
    """

    number: int
    prompt_set: str
    cues: tuple[str, ...]
    starts: tuple[int, ...]
    stops: tuple[int, ...]
    place: Float[np.ndarray, "bins 2"]
    crossings: UInt8[np.ndarray, "bins electrodes"]


@dataclass(frozen=True, slots=True)
class MovedDay:
    """A session; `blocks()` simulates them one after the other.

    Attributes:
        session: ISO date.
        config: Who it is.
        tuning: The electrodes on this day.
    """

    session: str
    config: Mover
    tuning: Tuning
    _rng: np.random.Generator

    def blocks(self) -> Iterator[MovedBlock]:
        """Simulate the blocks; to be walked through once."""
        neural, n_electrodes = self.config.neural, len(self.tuning.log_rate)
        offset = neural.session_baseline * self._rng.standard_normal(n_electrodes, np.float32)
        for number in range(1, self.config.blocks + 1):
            drift = self._rng.standard_normal(n_electrodes, np.float32)
            offset = offset + neural.block_baseline * drift
            yield _block(number, self.config, self.tuning, offset, self._rng)


def moving_days(config: Mover, rng: np.random.Generator) -> Iterator[MovedDay]:
    """Simulate one participant day by day, the electrodes drifting in between."""
    birth, nights, recording = rng.spawn(3)
    tuning = first_day(config, birth)
    for place, day in enumerate(recording.spawn(config.sessions)):
        date = config.first_day + timedelta(days=place * config.days_between)
        yield MovedDay(date.isoformat(), config, tuning, day)
        tuning = tuning.next_day(config.neural, nights)


def _block(
    number: int,
    config: Mover,
    tuning: Tuning,
    offset: np.ndarray[Any, np.dtype[np.float32]],
    rng: np.random.Generator,
) -> MovedBlock:
    prompt_set, cues, moved = _moved(number, config, rng)
    task = "reaching" if isinstance(config, MonkeyConfig) else "handwriting"
    drive = speech_drive(
        latents(task, moved.behaviour, config.latent, who=config.name), tuning, config.neural
    )
    noise = noise_drive(len(moved.place), tuning, config.neural, rng)
    crossings = record(drive + noise, tuning, offset, rng).crossings
    return MovedBlock(number, prompt_set, cues, moved.starts, moved.stops, moved.place, crossings)


def _moved(
    number: int, config: Mover, rng: np.random.Generator
) -> tuple[str, tuple[str, ...], Movements]:
    if isinstance(config, MonkeyConfig):
        task = _TASKS[(number - 1) % len(_TASKS)]
        return task, (), reach(task, config.block_trials, rng)
    if number == 1:
        cues = tuple(str(cue) for cue in rng.choice([*LETTERS, _REST], config.block_trials))
        return LETTER_SET, cues, write(("" if cue == _REST else cue for cue in cues), rng)
    said = draw_prompts(FIFTY, config.block_trials, rng, max_words=config.max_words)
    cues = tuple(spelled(sentence) for sentence in said)
    return SENTENCE_SET, cues, write(cues, rng)
