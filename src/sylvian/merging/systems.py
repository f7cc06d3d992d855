"""The runs that are merged: what each says of every trial, how sure it is, and what it cost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sylvian.decode.config import DecodeConfig
from sylvian.decode.consensus import Beliefs, Pool, beliefs
from sylvian.decoding import in_use, read_decodes
from sylvian.errors import ConfigError, DataError
from sylvian.evaluate.intervals import LEAST_TRIALS
from sylvian.jobs import Job
from sylvian.merging.costs import Cost, cost_of
from sylvian.runs import RunFolder
from sylvian.text import counted, is_cue
from sylvian.types import TrialKey


@dataclass(frozen=True)
class System:
    """One run's decodes of a split.

    Attributes:
        job: The split of the run.
        decoder: Where its candidates came from.
        said: Its belief in its candidates; a greedy decode believes in one.
        best: Its sentence.
        cost: What that took.
    """

    job: Job
    decoder: str
    said: dict[TrialKey, Beliefs]
    best: dict[TrialKey, str]
    cost: Cost

    @property
    def name(self) -> str:
        """Name of the run."""
        return self.job.run.path.name

    @classmethod
    def open(cls, run: RunFolder, split: str) -> System:
        """Read what a run made of a split; beliefs are the softmax of the total scores.

        Raises:
            DataError: the split was not decoded.
        """
        job = Job.open(run, split)
        decodes = read_decodes(job)
        made: dict[str, Any] = run.read_optional(f"{split}/decode.json") or {}
        weights: DecodeConfig = in_use(job, made).decode
        lists = decodes.nbest or decodes.greedy
        return cls(
            job,
            decodes.decoder,
            {key: beliefs(nbest, weights) for key, nbest in lists.items()},
            {key: nbest.best.text for key, nbest in lists.items()},
            cost_of(run, made),
        )


def open_systems(runs: Sequence[RunFolder], split: str) -> list[System]:
    """Open several runs' decodes of the same trials.

    Raises:
        ConfigError: fewer than two runs, or one twice.
        DataError: the split was not decoded, or the runs have other trials.
    """
    if len({run.path.resolve() for run in runs}) < max(2, len(runs)):
        raise ConfigError("merge: give two or more different runs, such as seeds of one recipe")
    systems = [System.open(run, split) for run in runs]
    keys = {info.key for info in systems[0].job.infos}
    for one in systems[1:]:
        if {info.key for info in one.job.infos} != keys:
            raise DataError(
                f"{one.job.folder}: not the trials of {systems[0].job.folder}; merge runs of one "
                "corpus, participant and split rule"
            )
    return systems


def sentences(systems: Sequence[System]) -> dict[TrialKey, str]:
    """Give the true sentences of the split.

    Raises:
        DataError: fewer are known than an interval needs.
    """
    job = systems[0].job
    truth = {i.key: i.sentence for i in job.infos if i.sentence and not is_cue(i.sentence)}
    if len(truth) < LEAST_TRIALS:
        raise DataError(
            f"{job.folder}: {counted(len(truth), 'sentence')} known in split {job.split}; an "
            f"interval needs {LEAST_TRIALS}"
        )
    return truth


def pools(systems: Sequence[System], truth: dict[TrialKey, str]) -> list[Pool]:
    """Pool the candidates of each trial."""
    return [Pool.of(key, [one.said[key] for one in systems]) for key in truth]
