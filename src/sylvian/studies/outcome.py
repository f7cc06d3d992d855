"""A study's table: one row a recipe and participant."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sylvian.types import EditCounts

if TYPE_CHECKING:
    from rich.table import Table


@dataclass(frozen=True, slots=True)
class StudyRow:
    """One cell of a study's table; rates are fractions.

    Attributes:
        participant: Who was fine-tuned.
        speech: `attempted` or `imagined`.
        label: The row.
        n_seeds: Trainings behind it.
        n_trials: Trials of the split, in each of them.
        counts: Edits of all seeds together.
        per: Phoneme error rate over all seeds and trials.
        low: Lower end of its 95 % interval over seeds and trials.
        high: Upper end.
        difference: Rate minus that of the row it is compared with; None for that row itself.
        difference_low: Lower end of the paired 95 % interval.
        difference_high: Upper end.
        p: Two-sided bootstrap p-value.
        hours: Recordings pretrained on; None without pretraining.
        r2: Mean over seeds of the pretraining's R² on hidden bins.
        seconds: Mean fine-tuning time of a seed.
        runs: The run folders.
    """

    participant: str
    speech: str
    label: str
    n_seeds: int
    n_trials: int
    counts: EditCounts
    per: float
    low: float
    high: float
    difference: float | None
    difference_low: float | None
    difference_high: float | None
    p: float | None
    hours: float | None
    r2: float | None
    seconds: float
    runs: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class StudyResult:
    """A study's table."""

    title: str
    corpus: str
    split: str
    against: str
    seeds: tuple[int, ...]
    overrides: tuple[str, ...]
    rows: tuple[StudyRow, ...]
    seconds: float
    file: str | None = None
    notes: tuple[str, ...] = field(default=())

    def table(self) -> Table:
        """Draw the rows for the terminal; bold is better than the row compared with, at 95 %."""
        from rich.box import SIMPLE_HEAD
        from rich.table import Table
        from rich.text import Text

        told = [
            f"PER on {self.split}, n trials, seeds {', '.join(map(str, self.seeds))}; in brackets: "
            "95 % over seeds and trials.",
            f"Change: against {self.against}, same seeds and trials. Bold: below 0 at 95 %.",
            *self.notes,
        ]
        table = Table(
            title=f"{self.title} ({self.corpus})",
            caption=Text("\n".join(told)),
            box=SIMPLE_HEAD,
            pad_edge=False,
        )
        table.title_justify = table.caption_justify = "left"
        table.collapse_padding = True  # five columns must fit into 80 characters
        table.add_column("", no_wrap=True)
        for name in ("hours", "R²", "PER % (95 %)", "change (95 %)"):
            table.add_column(name, justify="right", no_wrap=True)
        before = ""
        for row in self.rows:
            head = f"{row.participant} {row.speech}, n {row.n_trials}"
            if head != before:
                table.add_section()
                table.add_row(Text(head, style="italic"))
                before = head
            wins = row.difference_high is not None and row.difference_high < 0
            table.add_row(*_cells(row), style="bold" if wins else "")
        return table


def _cells(row: StudyRow) -> Iterator[str]:
    yield f" {row.label}"
    yield "" if row.hours is None else f"{row.hours:.2f}"
    yield "" if row.r2 is None else _signed(row.r2, ".2f")
    dash = "\N{EN DASH}"
    yield f"{100 * row.per:.1f} ({100 * row.low:.1f}{dash}{100 * row.high:.1f})"
    if row.difference is None or row.difference_low is None or row.difference_high is None:
        yield ""
        return
    low, high = _signed(100 * row.difference_low), _signed(100 * row.difference_high)
    yield f"{_signed(100 * row.difference)} ({low} to {high})"


def _signed(value: float, form: str = "+.1f") -> str:
    return f"{value:{form}}".replace("-", "\N{MINUS SIGN}")
