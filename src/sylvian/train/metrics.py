"""One row an epoch, for people and plots: always `metrics.csv`, TensorBoard when asked."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING

from sylvian.errors import CheckpointError, ConfigError
from sylvian.train.files import append_durably, write_durably
from sylvian.train.state import RunState
from sylvian.train.tasks import Verdict

if TYPE_CHECKING:
    from torch.utils.tensorboard import SummaryWriter


@dataclass(frozen=True, slots=True)
class MetricsRow:
    """An epoch in numbers.

    Attributes:
        epoch: From 1.
        step: Optimiser steps taken since the start of the run.
        train_loss: Mean over the epoch's items, with augmentation and dropout: nats per trial for
            CTC, error per hidden entry for reconstruction.
        val_loss: Mean over the validation's items.
        value: The task's metric over all validation trials together; the file calls it by its name:
            `val_per`, greedy and free-running, or `val_r2`, on hidden bins.
        learning_rate: Rate of the epoch's last step.
        grad_norm: Mean norm of the epoch's gradients before clipping.
        n_nonfinite: Steps skipped in this epoch for a loss or gradient that was not finite.
        n_impossible: Training trials too short for their labels in this epoch.
        trials_per_s: Training trials per second of training, data loading included.
        seconds: Time the epoch took, validation included.
        parts: The parts of the training loss, unweighted, where it has several; the file has a
            column `train_NAME` for each.
    """

    epoch: int
    step: int
    train_loss: float
    val_loss: float
    value: float
    learning_rate: float
    grad_norm: float
    n_nonfinite: int
    n_impossible: int
    trials_per_s: float
    seconds: float
    parts: tuple[float, ...] = ()

    @classmethod
    def of(
        cls, state: RunState, *, verdict: Verdict, seconds: float, parts: Sequence[str] = ()
    ) -> MetricsRow:
        """Turn the sums of the epoch under way into its row."""
        tally = state.tally
        return cls(
            epoch=state.epoch + 1,
            step=state.step,
            train_loss=_ratio(tally.loss_sum, tally.n_items),
            val_loss=verdict.loss,
            value=verdict.value,
            learning_rate=tally.learning_rate,
            grad_norm=_ratio(tally.norm_sum, tally.n_steps),
            n_nonfinite=tally.n_nonfinite,
            n_impossible=tally.n_impossible,
            trials_per_s=_ratio(tally.n_trials, tally.seconds),
            seconds=seconds,
            parts=tuple(_ratio(tally.part_sums.get(part, 0.0), tally.n_items) for part in parts),
        )

    @property
    def values(self) -> tuple[int | float, ...]:
        """Give the cells of the row in the order of `columns`."""
        *first, parts = astuple(self)
        return (*first, *parts)


def columns(metric: str, parts: Sequence[str] = ()) -> tuple[str, ...]:
    """Name the columns of metrics.csv for a task's metric and the parts of its loss."""
    names = [field.name for field in fields(MetricsRow) if field.name != "parts"]
    named = (metric if name == "value" else name for name in names)
    return (*named, *(f"train_{part}" for part in parts))


TIMING_COLUMNS = ("trials_per_s", "seconds")
"""Columns that differ from run to run; all others are reproduced by a resumed run."""


class MetricsLog:
    """`metrics.csv`; a row is on disk when `append` returns."""

    def __init__(self, path: Path, *, metric: str, parts: Sequence[str] = ()) -> None:
        self.path, self._columns = path, columns(metric, parts)

    def begin(self) -> None:
        """Start an empty file."""
        write_durably(self.path, _line(self._columns))

    def append(self, row: MetricsRow) -> None:
        """Add one epoch; numbers are written so that reading gives the same float back."""
        append_durably(self.path, _line(row.values))

    def truncate(self, n_epochs: int) -> None:
        """Drop every row after `n_epochs`, and a half-written one, so that none comes twice.

        Raises:
            CheckpointError: a row that should be there is missing.
        """
        lines = self.path.read_text().splitlines() if self.path.exists() else []
        if len(lines) <= n_epochs or (lines and lines[0] != ",".join(self._columns)):
            raise CheckpointError(
                f"{self.path}: does not hold the {n_epochs} epochs that the checkpoint has seen; "
                "restore the file, or train into a new run folder"
            )
        write_durably(self.path, "".join(f"{line}\n" for line in lines[: n_epochs + 1]).encode())


def read_metrics(path: Path) -> list[dict[str, float]]:
    """Read `metrics.csv` back, one mapping an epoch.

    Raises:
        CheckpointError: the file is missing or a value is not a number.
    """
    try:
        with path.open(newline="") as file:
            return [
                {name: float(value) for name, value in row.items()} for row in csv.DictReader(file)
            ]
    except (OSError, ValueError, TypeError) as failure:
        raise CheckpointError(f"{path}: not a readable metrics file ({failure})") from failure


class Board:
    """TensorBoard events in a folder; an epoch that a resumed run repeats shows the same values.

    Raises:
        ConfigError: TensorBoard is not installed.
    """

    def __init__(self, folder: Path, *, metric: str, parts: Sequence[str] = ()) -> None:
        try:
            from torch.utils.tensorboard import SummaryWriter
        except ImportError:
            raise ConfigError(
                "train.tensorboard=true needs a package: pip install 'sylvian[tensorboard]'"
            ) from None
        self._writer: SummaryWriter = SummaryWriter(str(folder))
        self._columns = columns(metric, parts)

    def append(self, row: MetricsRow) -> None:
        """Add one epoch, by epoch number."""
        values: Mapping[str, float | int] = dict(zip(self._columns, row.values, strict=True))
        for name, value in values.items():
            self._writer.add_scalar(name, value, global_step=row.epoch)
        self._writer.flush()

    def close(self) -> None:
        """Finish the event file."""
        self._writer.close()


def _ratio(total: float | int, count: float | int) -> float:
    return total / count if count else float("nan")


def _line(values: tuple[object, ...]) -> bytes:
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="\n").writerow(values)
    return buffer.getvalue().encode()
