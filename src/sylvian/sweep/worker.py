"""What a Ray worker does with one draw: the ordinary training, followed epoch by epoch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sylvian import pipeline
from sylvian.errors import SylvianError
from sylvian.runs import RunFolder
from sylvian.sweep.ledger import Draw
from sylvian.sweep.space import as_overrides
from sylvian.train.metrics import read_metrics

Report = Callable[[dict[str, Any]], None]


@dataclass(frozen=True, slots=True)
class Errand:
    """What every draw of a sweep has in common; the folders are absolute.

    Attributes:
        recipe: Name of the recipe.
        overrides: Overrides of every draw.
        data: Folder of prepared corpora.
        runs: Folder of run folders.
    """

    recipe: str
    overrides: tuple[str, ...]
    data: str
    runs: str


class Follower:
    """Reports new rows of a run's `metrics.csv`, called as the progress of its training.

    Args:
        metrics: The file; there is none before the first epoch.
        report: Told `epoch` and `val_per`. It may raise SystemExit to end the training; the run is
            then as resumable as after a kill.

    Why here: an epoch is reported once its row and its checkpoint are on disk, so that whoever
    stops a draw for its PER leaves a run that goes on after that epoch.
    """

    def __init__(self, metrics: Path, report: Report) -> None:
        self._metrics, self._report = metrics, report
        self._told, self._size = 0, 0

    def __call__(self, stage: str, done: int, total: int, note: str = "") -> None:
        """Look for a new row; cheap enough for every batch."""
        size = self._metrics.stat().st_size if self._metrics.is_file() else 0
        if size != self._size:
            self._size = size
            self.catch_up()

    def catch_up(self) -> None:
        """Report every row not reported yet."""
        for row in pers_of(self._metrics)[self._told :]:
            self._told += 1
            self._report({"epoch": self._told, "val_per": row})


def pers_of(metrics: Path) -> tuple[float, ...]:
    """Read the PER on val after each epoch; empty before the first."""
    if not metrics.is_file():
        return ()
    return tuple(row["val_per"] for row in read_metrics(metrics))


def train_draw(draw: Draw, errand: Errand, report: Report) -> None:
    """Train one draw, or go on with it; its failure is reported, not raised.

    The last epoch is reported after the run is complete: nobody can stop it then.
    """
    runs = Path(errand.runs)
    run = runs / draw.run
    follower = Follower(run / "metrics.csv", report)
    try:
        follower.catch_up()
        pipeline.train(
            errand.recipe,
            [*errand.overrides, *as_overrides(draw.values)],
            data=Path(errand.data),
            runs=runs,
            resume=str(run) if RunFolder(run).is_begun else None,
            progress=follower,
        )
        follower.catch_up()
    except SylvianError as failure:
        report({"epoch": 0, "val_per": float("nan"), "failure": str(failure)})
