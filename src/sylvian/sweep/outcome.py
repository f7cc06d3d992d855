"""What a sweep found, best first."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from textwrap import shorten
from typing import TYPE_CHECKING, Any

from sylvian.sweep.ledger import FILE, Draw, Ledger, State
from sylvian.sweep.space import as_overrides

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table

STROKES = "▁▂▃▄▅▆▇█"
STOPPED = "×"
NOTE_WIDTH = 160
LINE_WIDTH = 14  # characters of a whole training's course


@dataclass(frozen=True, slots=True)
class Row:
    """One draw; `val_per` is a fraction, None where no epoch was completed."""

    number: int
    state: State
    val_per: float | None
    best_epoch: int | None
    epochs: int
    epochs_planned: int
    values: dict[str, Any]
    run: str
    note: str | None
    pers: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class SweepResult:
    """The draws in order of their best PER on val.

    Attributes:
        sweep: The ledger.
        recipe: Name of the recipe.
        overrides: Overrides of every draw.
        rows: Best first; draws without a PER last.
        best: Command that trains the best draw anew; None if no epoch was completed.
        seconds: Time this call took.
    """

    sweep: str
    recipe: str
    overrides: tuple[str, ...]
    rows: tuple[Row, ...]
    best: str | None
    seconds: float

    @classmethod
    def of(cls, ledger: Ledger, folder: Path, runs: Path, *, seconds: float) -> SweepResult:
        """Put a ledger's draws in order."""
        rows = sorted((_row(draw, runs) for draw in ledger.draws), key=_rank)
        best = None
        if rows and rows[0].val_per is not None:
            values = [*ledger.overrides, *as_overrides(rows[0].values)]
            best = " ".join(["sylvian train", ledger.recipe, *values])
        return cls(
            sweep=str(folder / FILE),
            recipe=ledger.recipe,
            overrides=ledger.overrides,
            rows=tuple(rows),
            best=best,
            seconds=round(seconds, 1),
        )

    def summary(self) -> dict[str, Any]:
        """Give everything but the courses of the PER, as plain data."""
        from dataclasses import asdict

        plain = asdict(self)
        for row in plain["rows"]:
            del row["pers"]
        return plain

    def table(self) -> RenderableType:
        """Draw the sweep for the terminal: one line a draw, with the course of its PER."""
        from rich.console import Group
        from rich.text import Text

        notes = [Text(line, style="dim") for line in self._notes()]
        return Group(self._draws(), *notes)

    def _draws(self) -> Table:
        from rich.box import SIMPLE_HEAD
        from rich.table import Table

        table = Table(
            title=f"{self.recipe}: {len(self.rows)} draws, lowest PER on val first",
            title_justify="left",
            box=SIMPLE_HEAD,
            pad_edge=False,
            collapse_padding=True,
        )
        for name in ("draw", "PER %", "epoch"):
            table.add_column(name, justify="right", no_wrap=True, vertical="bottom")
        table.add_column("course", no_wrap=True)
        keys = list(self.rows[0].values)
        for key in keys:
            words = key.rpartition(".")[2].replace("_", "\n")
            table.add_column(words, justify="right", no_wrap=True)
        table.add_column("run", no_wrap=True)
        top = min(max((per for row in self.rows for per in row.pers), default=1.0), 1.0)
        for row in self.rows:
            is_best = row is self.rows[0] and self.best
            style = "bold" if is_best else "" if row.state == "finished" else "dim"
            table.add_row(*_cells(row, keys, top=top), style=style)
        return table

    def _notes(self) -> Iterator[str]:
        for row in self.rows:
            if row.note:  # in full in the ledger
                yield f"{row.run}: {shorten(row.note, NOTE_WIDTH, placeholder=' ...')}"
        if any(row.state == "stopped" for row in self.rows):
            yield f"{STOPPED} stopped for its PER; the same command with --no-asha trains it on"
        yield self.sweep
        if self.best:
            yield "val chose, so its best PER is optimistic; train the best with other seeds by"
            yield self.best


def _row(draw: Draw, runs: Path) -> Row:
    per, epoch = draw.best or (None, None)
    return Row(
        number=draw.number,
        state=draw.state,
        val_per=per,
        best_epoch=epoch,
        epochs=len(draw.pers),
        epochs_planned=draw.epochs,
        values=dict(draw.values),
        run=draw.run,
        note=draw.note,
        pers=draw.pers,
    )


def _rank(row: Row) -> tuple[float, int]:
    return (math.inf if row.val_per is None else row.val_per, row.number)


def _cells(row: Row, keys: list[str], *, top: float) -> list[str]:
    none = "\N{EN DASH}"
    per = none if row.val_per is None else f"{100 * row.val_per:.1f}"
    epoch = none if row.best_epoch is None else str(row.best_epoch)
    values = [_short(row.values[key]) for key in keys]
    return [str(row.number), per, epoch, _course(row, top), *values, row.run]


def _course(row: Row, top: float) -> str:
    course = course_of(row.pers, row.epochs_planned, top=top)
    if row.state in ("failed", "waiting"):
        return f"{course} {row.state}".strip()
    return course + STOPPED * (row.state == "stopped")


def _short(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)


def course_of(pers: tuple[float, ...], epochs: int, *, top: float, width: int = LINE_WIDTH) -> str:
    """Sketch PER by epoch as a row of blocks, as long as the share of the epochs trained.

    Args:
        pers: PER after each epoch.
        epochs: Epochs of a whole training, which fill `width` characters.
        top: PER of a full block; more is cut off.
        width: Characters.
    """
    n_cells = math.ceil(width * len(pers) / epochs)
    line = ""
    for cell in range(n_cells):
        epoch = min(math.ceil((cell + 1) * len(pers) / n_cells), len(pers))
        share = min(pers[epoch - 1] / top, 1.0) if top > 0 else 0.0
        line += STROKES[round(share * (len(STROKES) - 1))]
    return line
