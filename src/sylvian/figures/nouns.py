"""What a report is made of: plain frozen things the pipeline fills. No matplotlib here."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal

from sylvian.errors import ConfigError
from sylvian.evaluate.confusion import Confusions
from sylvian.evaluate.report import ALL, SEEN, UNSEEN, ScoreReport
from sylvian.types import Score, Trial

METRIC_COLUMNS = ("train_loss", "val_loss", "val_per", "learning_rate", "val_wer")


@dataclass(frozen=True, slots=True)
class EpochRow:
    """One row of `metrics.csv`; None where a column has no value in that row.

    Attributes:
        epoch: When, in passes over the training trials; fractions are fine.
        train_loss: Objective on training trials, in nats a trial, or a token where sentences are
            learnt.
        val_loss: The same on validation trials.
        val_per: Validation phoneme error rate as a fraction.
        learning_rate: Of the optimiser.
        val_wer: Validation word error rate as a fraction, where sentences are learnt.
    """

    epoch: int | float
    train_loss: float | None = None
    val_loss: float | None = None
    val_per: float | None = None
    learning_rate: float | None = None
    val_wer: float | None = None


@dataclass(frozen=True, slots=True)
class Decode:
    """One decoded trial beside the truth.

    Attributes:
        key: The trial's address as text.
        truth: The reference (words, or phonemes where there is no language model).
        hypothesis: What was decoded.
        n_errors: Word (or phoneme) edits between the two.
    """

    key: str
    truth: str
    hypothesis: str
    n_errors: int


@dataclass(frozen=True, slots=True)
class SplitScores:
    """The error rates of one run on one split.

    Attributes:
        split: `val`, `test`, …
        report: What `sylvian.evaluate.score_trials` gave.
        seconds: Time it took to decode and score the split, if measured.
        decoder: What decoded it, where that differs from the run's.
    """

    split: str
    report: ScoreReport
    seconds: float | None = None
    decoder: str | None = None

    def unit(self, unit: str, group: str = ALL) -> Score | None:
        """A group's score, by default all trials together; None where nothing was scored."""
        score = self.report.find(unit, group)
        return score if score is not None and score.counts.n_reference else None

    def groups(self, unit: str, kind: str) -> tuple[Score, ...]:
        """Scores of every group of a kind (`session`, `prompt_set`, `seen`) that has references."""
        names = (SEEN, UNSEEN) if kind == SEEN else self.report.groups(f"{kind}:")
        found = (self.report.find(unit, name) for name in names)
        return tuple(score for score in found if score is not None and score.counts.n_reference)


@dataclass(frozen=True)
class RunReport:
    """Everything the report says about one run.

    Attributes:
        name: The run's name, unique in a report.
        participants: Who was recorded.
        encoder: Kind of encoder (`transformer`, `gru`); decides the colour.
        decoder: What turned logits into text (`greedy`, `first pass`), in a few words.
        scores: One per split (and decoder) that was scored.
        recipe: Dotted keys with their values.
        environment: Versions, machine, commit, seeds, command: name and value.
        metrics: Rows of `metrics.csv`.
        confusions: Aligned phoneme counts, or None.
        confusions_split: The split the confusions were counted on.
        decodes: EVERY scored trial of `decodes_split` (the report chooses what to show).
        decodes_split: The split the decodes are from.
        decodes_unit: `words`, or `phonemes` where there is no language model.
        protocol: Sentences: what was chosen on what, how often splits were opened, and so on.
        warnings: Sentences about anything that went wrong or was left out.
        seconds: Time of the whole run, if known.
        trial: One recorded trial to show, or None.
        channels: Electrode layout of that trial: (array, feature, start, stop) per group.
    """

    name: str
    participants: tuple[str, ...]
    encoder: str
    decoder: str
    scores: tuple[SplitScores, ...] = ()
    recipe: tuple[tuple[str, str], ...] = ()
    environment: tuple[tuple[str, str], ...] = ()
    metrics: tuple[EpochRow, ...] = ()
    confusions: Confusions | None = None
    confusions_split: str = "val"
    decodes: tuple[Decode, ...] = ()
    decodes_split: str = "val"
    decodes_unit: Literal["words", "phonemes"] = "words"
    protocol: tuple[str, ...] = ()
    warnings: tuple[str, ...] = ()
    seconds: float | None = None
    trial: Trial | None = field(default=None, repr=False)
    channels: tuple[tuple[str, str, int, int], ...] = ()


def epoch_rows(rows: Iterable[Mapping[str, object]]) -> tuple[EpochRow, ...]:
    """Read rows of `metrics.csv` (as `csv.DictReader` gives them) into typed rows.

    Columns: `epoch`, `train_loss`, `val_loss`, `val_per` or `val_wer`, `learning_rate`; a missing
    or empty cell is None, other columns are ignored.

    Raises:
        ConfigError: a row has no `epoch`, or a cell is not a number.
    """
    return tuple(_epoch_row(number, row) for number, row in enumerate(rows, start=1))


def _epoch_row(number: int, row: Mapping[str, object]) -> EpochRow:
    epoch = _number(number, row, "epoch")
    if epoch is None:
        raise ConfigError(f"metrics row {number}: no epoch; its columns are {', '.join(row)}")
    return EpochRow(epoch, *(_number(number, row, column) for column in METRIC_COLUMNS))


def _number(number: int, row: Mapping[str, object], column: str) -> float | None:
    cell = row.get(column)
    if cell is None or cell == "":
        return None
    try:
        return float(str(cell))
    except ValueError:
        raise ConfigError(
            f"metrics row {number}: {column} is {cell!r}, not a number; is this metrics.csv?"
        ) from None
