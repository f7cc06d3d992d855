"""Runs as comparisons find them: their decodes of a split beside the truth, and what they are."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import NamedTuple

from sylvian import config
from sylvian.comparing.wording import wording
from sylvian.decode.io import read_logits
from sylvian.decoding import Decodes, compare, read_decodes
from sylvian.errors import ConfigError, DataError
from sylvian.evaluate import ScoreReport, TrialResult
from sylvian.jobs import Job
from sylvian.runs import RunFolder
from sylvian.text import is_cue
from sylvian.types import EditCounts, Strategy

SPOKEN = (Strategy.ATTEMPTED, Strategy.VOCALIZED, Strategy.SILENT)
SIMULATED = "synthetic"
UNITS = ("per", "wer")


class Column(NamedTuple):
    """Trials that systems are compared on: one person's, of one kind of speech."""

    corpus: str
    participant: str
    speech: str

    @property
    def said(self) -> str:
        """Name it in a message."""
        return f"{self.participant} {self.speech} ({self.corpus})"


@dataclass(frozen=True)
class Decoded:
    """One run's decodes of a split beside the truth.

    Attributes:
        job: The run, the split and its trials.
        decodes: What was decoded.
        results: Every spoken trial against its labels, in the order of their keys.
        called: What the system is to be called; None: by its recipe.
    """

    job: Job
    decodes: Decodes
    results: tuple[TrialResult, ...]
    called: str | None = None

    @property
    def path(self) -> Path:
        """The run folder."""
        return self.job.run.path

    @property
    def base(self) -> str:
        """Name the system before it has to be told from others."""
        if self.called is not None:
            return self.called
        n = len(self.job.members)
        name = f"ensemble of {n}" if n else self.job.recipe.name
        return f"{name}, zero-shot" if self.job.zero_shot else name

    @property
    def seed(self) -> int:
        """Tell this training from others of its recipe."""
        return self.job.recipe.train.seed

    @cached_property
    def wording(self) -> dict[str, str]:
        """What found its words, part by part."""
        return wording(self.job, self.decodes)

    @cached_property
    def settings(self) -> dict[str, str]:
        """Everything that makes the system but its seeds; equal settings, equal systems."""
        recipe = {key: str(_unseeded(value)) for key, value in config.flatten(self.job.recipe)}
        found = recipe | self.wording
        members = ", ".join(sorted(one.run.path.name for one in self.job.members))
        unseeded = {key: said for key, said in found.items() if key.rpartition(".")[2] != "seed"}
        return unseeded | {"members": members}

    @cached_property
    def tokens(self) -> tuple[str, ...] | None:
        """Phonemes it can say, in order; None where the logits are no longer there."""
        path = self.job.folder / "logits.safetensors"
        first = next(read_logits(path), None) if path.is_file() else None
        return None if first is None else first.vocabulary.tokens

    @cached_property
    def columns(self) -> dict[Column, tuple[TrialResult, ...]]:
        """Its trials by person and kind of speech."""
        found: dict[Column, list[TrialResult]] = {}
        for result in self.results:
            key = result.info.key
            column = Column(key.corpus, key.participant, speech_of(result.info.strategy))
            found.setdefault(column, []).append(result)
        return {column: tuple(results) for column, results in found.items()}

    @property
    def is_simulated(self) -> bool:
        """Whether nobody was recorded."""
        return self.job.recipe.corpus == SIMULATED


def read_decoded(
    run: RunFolder, split: str, *, called: str | None = None, data: Path | None = None
) -> Decoded:
    """Read a run's decodes of a split that was decoded and scored.

    Nothing is written: what is counted here was counted by `score`, whose look is on record.

    Args:
        run: A finished run.
        split: The split.
        called: What the system is to be called.
        data: Folder of prepared corpora, where the labels are; None for where it was trained from.

    Raises:
        CheckpointError: the run is not finished.
        ConfigError: the run's rule has no such split.
        DataError: the split was not decoded or not scored, its decodes are newer than its scores,
            or its labels are not to be had.
    """
    job = Job.open(run, split, data=data)
    decodes = read_decodes(job)
    path = job.folder / "scores.json"
    if not path.is_file():
        raise DataError(
            f"{run.path}: {split} was decoded but not scored; run 'sylvian score {run.path} "
            f"--split {split}' first"
        )
    compared = compare(job, decodes.greedy, decodes.nbest)
    spoken = [one for one in compared if not is_cue(one.reference)]
    found = Decoded(
        job, decodes, tuple(sorted(spoken, key=lambda one: one.info.key)), called or None
    )
    _as_scored(found, ScoreReport.read(path))
    return found


def read_all(
    run: RunFolder, split: str, *, called: str | None = None, data: Path | None = None
) -> list[Decoded]:
    """Read a split and its strategies that were decoded apart, such as `test/imagined`.

    Args:
        run: A finished run.
        split: The split; what was decoded as part of it is not read again.
        called: What the system is to be called.
        data: Folder of prepared corpora; None for where it was trained from.

    Raises:
        As `read_decoded`.
    """
    apart = [one for one in run.scored if one.startswith(f"{split}/")]
    found: list[Decoded] = []
    for own in [split, *apart] if split in run.scored or not apart else apart:
        one = read_decoded(run, own, called=called, data=data)
        if not one.columns.keys() <= {column for other in found for column in other.columns}:
            found.append(one)
    return found


def _as_scored(found: Decoded, report: ScoreReport) -> None:
    """Refuse decodes that are not those that were scored."""
    for unit in UNITS:
        own = pooled(one.counts(unit) for one in found.results)
        score = report.find(unit)
        if score is None or score.counts != own:
            raise DataError(
                f"{found.path}: the decodes of {found.job.split}, or the weights that rank them, "
                f"are newer than its scores; run 'sylvian score {found.path} --split "
                f"{found.job.split}' again"
            )


def pooled(counts: Iterable[EditCounts | None]) -> EditCounts:
    """Add counts up; those that do not exist count nothing."""
    return sum((one for one in counts if one is not None), EditCounts())


def speech_of(strategy: Strategy) -> str:
    """Name a kind of speech: `attempted`, voiced or not; `imagined`; or another task."""
    return Strategy.ATTEMPTED.value if strategy in SPOKEN else strategy.value


def named(source: str) -> tuple[str | None, str]:
    """Part `NAME=RUN` into the name to use and the run; a plain `RUN` has none."""
    name, equals, run = source.partition("=")
    if not equals:
        return None, source
    if not name.strip() or not run:
        raise ConfigError(f"{source!r}: write NAME=RUN, e.g. 'baseline=runs/rnn-12345678'")
    return name.strip(), run


def _unseeded(value: object) -> object:
    """Take seeds out of the overrides of an earlier stage."""
    if not isinstance(value, Sequence) or isinstance(value, str):
        return value
    return [one for one in value if not _is_seed(str(one))]


def _is_seed(override: str) -> bool:
    key, equals, _ = override.partition("=")
    return bool(equals) and key.rpartition(".")[2] == "seed"
