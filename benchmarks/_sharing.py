"""Participants whose attempted and imagined speech share what was planted, and models of both.

A participant attempts speech on two days and imagines it on one between them; a planted share of
the electrodes keeps its preferred direction when speech is imagined, the others turn to unrelated
ones. Simulation seed 0 is the participant of `planted_sharing.py`; others are other people, who
say other sentences.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before NumPy is imported

from sylvian import pipeline
from sylvian.data.synthetic import (
    ImaginedConfig,
    NeuralConfig,
    ParticipantConfig,
    SpeechConfig,
    SyntheticConfig,
    simulate,
)
from sylvian.decode.greedy import greedy
from sylvian.evaluate import count_edits
from sylvian.jobs import Job, encode, spoken
from sylvian.runs import RunFolder
from sylvian.text import SIL
from sylvian.types import EditCounts, TrialKey, silent

ATTEMPTED = 'strategies=["attempted","vocalized","silent"]'
IMAGINED = 'strategies=["imagined"]'
NEIGHBOURS = (-2, -1, 1, 2)  # of like length: places in a row ordered by length
Counts = tuple[EditCounts, ...]


@dataclass(frozen=True)
class Bench:
    """One planted share and one training seed.

    Attributes:
        home: Folder of the share's recordings and runs.
        seed: Training seed.
        epochs: Passes over the training sentences.
    """

    home: Path
    seed: int
    epochs: int

    def train(self, recipe: str, *own: str) -> RunFolder:
        """Train, or find what was trained."""
        asked = ["corpus=synthetic", "splits=bit", "train.batch_size=8"]
        asked += [f"train.epochs={self.epochs}", f"train.seed={self.seed}", *own]
        made = pipeline.train(recipe, asked, data=self.home / "data", runs=self.home / "runs")
        return RunFolder(Path(made.run))


@dataclass(frozen=True)
class Heard:
    """A trial's phonemes and what a model heard.

    Attributes:
        key: Of the trial.
        n_bins: Length of the recording.
        true: Phonemes of the sentence.
        said: Phonemes of the greedy decode.
    """

    key: TrialKey
    n_bins: int
    true: tuple[str, ...]
    said: tuple[str, ...]


def hear(run: RunFolder, split: str, *, silences: bool = True) -> tuple[Heard, ...]:
    """Decode a split's trials greedily, in the order of its trials."""
    job = Job.open(run, split)
    said = {one.key: greedy(one).tokens for one in encode(job, silent)[0]}

    def kept(tokens: Sequence[str]) -> tuple[str, ...]:
        return tuple(token for token in tokens if silences or token != SIL)

    return tuple(
        Heard(info.key, info.n_bins, kept(info.phonemes or ()), kept(said[info.key]))
        for info in spoken(job.infos, split)
    )


def errors(heard: Sequence[Heard]) -> Counts:
    """Count the errors of the decodes."""
    return tuple(count_edits(one.true, one.said) for one in heard)


def chance(heard: Sequence[Heard]) -> Counts:
    """Count what other trials' decodes of like length are worth, summed over `NEIGHBOURS`."""
    return tuple(
        sum((count_edits(one.true, other.said) for other in others), EditCounts())
        for one, others in _beside(heard)
    )


def chance_same_length(heard: Sequence[Heard]) -> Counts:
    """Count what decodes are worth against others' phonemes, as many as their own sentence has.

    A decode is as long as its own sentence, and only roughly as long as its neighbours': against
    their decodes it wins by its length alone.
    """
    found = []
    for one, others in _beside(heard):
        counts = EditCounts()
        for first in range(len(others)):
            row = [token for other in others[first:] + others[:first] for token in other.true]
            counts += count_edits(row[: len(one.true)], one.said)
        found.append(counts)
    return tuple(found)


def _beside(heard: Sequence[Heard]) -> list[tuple[Heard, list[Heard]]]:
    """Pair every trial with its neighbours in length, in the order given."""
    ranked = sorted(range(len(heard)), key=lambda at: (heard[at].n_bins, heard[at].key))
    rank = {at: place for place, at in enumerate(ranked)}
    return [
        (one, [heard[ranked[(rank[at] + step) % len(ranked)]] for step in NEIGHBOURS])
        for at, one in enumerate(heard)
    ]


def participant(share: float) -> ParticipantConfig:
    """Plan who attempts speech on two days and imagines it on one between them."""
    return ParticipantConfig(
        name="S15",
        layout="card2024",
        sessions=3,
        train_trials=40,
        eval_trials=80,
        hidden_trials=0,
        max_words=4,
        fifty_share=1.0,
        train_only_sessions=(),
        block_trials=20,
        speech=SpeechConfig(words_per_minute=90.0),
        neural=NeuralConfig(snr=2.0),
        imagined=ImaginedConfig(sessions=(1,), depth=0.7, turnover=1.0 - share, turn=1.0),
    )


def prepared(share: float, work: Path, *, person: int = 0) -> Path:
    """Simulate and prepare the participant of a share and simulation seed, once."""
    home = work / (f"share-{share:g}" if person == 0 else f"person-{person}-share-{share:g}")
    if not (home / "data").is_dir():
        shutil.rmtree(home, ignore_errors=True)
        planned = SyntheticConfig(seed=person, participants=(participant(share),))
        simulate(planned, home / "raw")
        pipeline.prepare_corpus("synthetic", raw=home / "raw", data=home / "data", jobs=1)
    return home
