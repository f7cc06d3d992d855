"""Who is asked to say what, and when: the days, blocks and trials of one simulated participant."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta

import numpy as np

from sylvian.data.synthetic.config import ParticipantConfig
from sylvian.data.synthetic.language import FIFTY, LARGE, draw_prompts
from sylvian.types import Strategy

CUES = ("[DO NOTHING]", "[RIGHT HAND - CLOSE]")
CUE_SET = "Cues"

_SKIPPED = 0.05  # share of trial numbers that are missing, as trials are left out of the releases


@dataclass(frozen=True, slots=True)
class PlannedTrial:
    """One prompt: its number within the block, the published split it goes to, and its text."""

    number: int
    split: str
    sentence: str


@dataclass(frozen=True, slots=True)
class PlannedBlock:
    """An uninterrupted run of trials from one prompt set."""

    number: int
    prompt_set: str
    trials: tuple[PlannedTrial, ...]


@dataclass(frozen=True, slots=True)
class PlannedDay:
    """A recording session."""

    session: str  # ISO date
    blocks: tuple[PlannedBlock, ...]
    strategy: Strategy = Strategy.ATTEMPTED


def plan(config: ParticipantConfig, rng: np.random.Generator) -> tuple[PlannedDay, ...]:
    """Lay out all days as the two releases do.

    In `card2024` the first part of a held-out block is `val` and the rest `test`; in `willett2023`
    the day begins with `holdout` blocks and ends with `test` blocks. A block has one prompt set.
    What is imagined is of the 50-word set.
    """
    return tuple(_day(config, place, day) for place, day in enumerate(rng.spawn(config.sessions)))


def _day(config: ParticipantConfig, place: int, rng: np.random.Generator) -> PlannedDay:
    session = config.first_day + timedelta(days=place * config.days_between)
    strategy = config.strategy(place)
    if strategy is Strategy.IMAGINED:
        config = config.model_copy(update={"fifty_share": 1.0})
    runs = [run for run in _runs(config, place) if sum(run[1].values())]
    blocks = tuple(
        PlannedBlock(number, prompt_set, _trials(prompt_set, counts, config, rng))
        for number, (prompt_set, counts) in enumerate(runs, 1)
    )
    return PlannedDay(session.isoformat(), blocks, strategy)


def _runs(config: ParticipantConfig, place: int) -> list[tuple[str, dict[str, int]]]:
    """List the blocks of a day: prompt set, and how many trials go to which split, in order."""
    whole = place not in config.train_only_sessions
    hidden = config.hidden_trials if whole else 0
    training = [
        (prompt_set, {"train": n})
        for prompt_set, total in _shared(config.train_trials, config).items()
        for n in _chunks(total, config.block_trials)
    ]
    training += [(CUE_SET, {"train": config.cues_per_session})]
    held, unseen = _shared(config.eval_trials, config), _shared(hidden, config)
    if config.layout == "card2024":
        both = [(name, {"val": held[name], "test": unseen[name]}) for name in held]
        return training + (both if whole else [])
    first = [(name, {"holdout": n}) for name, n in unseen.items()]
    return first + training + [(name, {"test": n}) for name, n in held.items()]


def _shared(n: int, config: ParticipantConfig) -> dict[str, int]:
    fifty = round(n * config.fifty_share)
    return {FIFTY: fifty, LARGE: n - fifty}


def _chunks(total: int, largest: int) -> Iterator[int]:
    n_chunks = -(-total // largest)
    for place in range(n_chunks):
        yield total // n_chunks + (place < total % n_chunks)


def _trials(
    prompt_set: str, counts: Mapping[str, int], config: ParticipantConfig, rng: np.random.Generator
) -> tuple[PlannedTrial, ...]:
    n = sum(counts.values())
    splits = [split for split, count in counts.items() for _ in range(count)]
    numbers = np.cumsum(1 + (rng.random(n) < _SKIPPED)) - 1
    if prompt_set == CUE_SET:
        sentences = [str(cue) for cue in rng.choice(CUES, n)]
    else:
        sentences = draw_prompts(prompt_set, n, rng, max_words=config.max_words)
        if config.keyword is not None:
            for place in config.keyword.taken(splits, rng):
                sentences[place] = config.keyword.phrase
    return tuple(
        PlannedTrial(int(number), split, sentence)
        for number, split, sentence in zip(numbers, splits, sentences, strict=True)
    )
