"""A study's table: one row a recipe and participant."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sylvian.evaluate.table import spread
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
        rate: Error rate over all seeds and trials.
        low: Lower end of its 95 % interval over seeds and trials.
        high: Upper end.
        difference: Rate minus that of the row it is compared with; None for that row itself.
        difference_low: Lower end of the paired 95 % interval.
        difference_high: Upper end.
        p: Two-sided bootstrap p-value.
        hours: Recordings pretrained on; None without pretraining.
        r2: Mean over seeds of the pretraining's R² on hidden bins.
        seconds: Mean fine-tuning time of a seed.
        runs: The run folders whose decodes were counted.
        unit: What the errors are of: phonemes (`per`) or words (`wer`).
        group: Rows that are compared with one another alone.
    """

    participant: str
    speech: str
    label: str
    n_seeds: int
    n_trials: int
    counts: EditCounts
    rate: float
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
    unit: str = "per"
    group: str = ""

    @property
    def heading(self) -> str:
        """Say whose row it is."""
        return f"{self.participant} {self.speech}{self.group and f', {self.group}'}"


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

        unit = self.rows[0].unit.upper() if self.rows else "PER"
        told = [
            f"{unit} on {self.split}, n trials, seeds {', '.join(map(str, self.seeds))}; in "
            "brackets: 95 % over seeds and trials.",
            f"Change: against {self.against}, same seeds and trials. Bold: below 0 at 95 %.",
            *(() if unit == "PER" else _stages(self.rows)),
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
        pretrained = unit == "PER" and any(row.hours is not None for row in self.rows)
        shown = [*(["hours", "R²"] if pretrained else []), f"{unit} % (95 %)", "change (95 %)"]
        for name in shown:
            table.add_column(name, justify="right", no_wrap=True)
        before = ""
        for row in self.rows:
            head = f"{row.heading}, n {row.n_trials}"
            if head != before:
                table.add_section()
                table.add_row(Text(head, style="italic"))
                before = head
            wins = row.difference_high is not None and row.difference_high < 0
            cells = _cells(row, pretrained=pretrained)
            table.add_row(*cells, style="bold" if wins else "")
        return table


def winners(rows: Sequence[StudyRow], against: str) -> tuple[str, ...]:
    """Say which row made the fewest errors, group by group, and whether that is more than noise."""
    found = []
    for heading in dict.fromkeys(row.heading for row in rows):
        best = min((row for row in rows if row.heading == heading), key=lambda row: row.rate)
        sure = ""
        if best.difference_high is not None and not math.isnan(best.difference_high):
            sure = f"; {'' if best.difference_high < 0 else 'not '}below {against} at 95 %"
        found.append(f"{heading}: {best.label} won, {100 * best.rate:.1f} %{sure}.")
    return tuple(found)


def _stages(rows: Sequence[StudyRow]) -> Iterator[str]:
    """Say once for each group what its rows, which share their earlier stages, learned from."""
    for heading, row in {row.heading: row for row in rows}.items():
        if row.hours is not None and row.r2 is not None:
            yield f"{heading}: pretrained on {row.hours:.2f} h, R² {_signed(row.r2, '.2f')}."


def _cells(row: StudyRow, *, pretrained: bool) -> Iterator[str]:
    yield f" {row.label}"
    if pretrained:
        yield "" if row.hours is None else f"{row.hours:.2f}"
        yield "" if row.r2 is None else _signed(row.r2, ".2f")
    yield spread(row.rate, row.low, row.high)
    if row.difference is None or row.difference_low is None or row.difference_high is None:
        yield ""
        return
    if math.isnan(row.difference_low):  # too few trials, or no error
        yield _signed(100 * row.difference)
        return
    low, high = _signed(100 * row.difference_low), _signed(100 * row.difference_high)
    yield f"{_signed(100 * row.difference)} ({low} to {high})"


def _signed(value: float, form: str = "+.1f") -> str:
    return f"{value:{form}}".replace("-", "\N{MINUS SIGN}")
