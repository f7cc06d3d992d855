"""Error rate against hours of pretraining, of runs or of the table of `sylvian study figure8`."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from sylvian.comparing.panels import compare_runs
from sylvian.comparing.reading import SIMULATED, Decoded
from sylvian.comparing.tables import Table, system_row
from sylvian.errors import ConfigError
from sylvian.figures.comparison import SystemPanel, SystemRow
from sylvian.figures.scaling import ScalingPanel, ScalingPoint, scaling_figure
from sylvian.recipes import Pretraining
from sylvian.runs import RunFolder

_PEOPLE = re.compile(r"(\d+)% human")
_MONKEYS = re.compile(r"human \+ (\d+)% monkey")


Drawn = tuple[Figure, tuple[str, ...], bool]
"""The figure, what has to be read with it, and whether nobody was recorded."""


def draw_amounts_of(
    found: Sequence[Decoded], *, participant: str | None = None, speech: str | None = None
) -> Drawn:
    """Draw what more recordings to pretrain on bring, from runs.

    Args:
        found: Runs on one split: one recipe without pretraining, and others that pretrained on
            shares of people's and monkeys' recordings.
        participant: Only this one's trials.
        speech: Only this kind.

    Raises:
        ConfigError: no run, or runs of several systems, or all runs, went without pretraining; or a
            run pretrained on something that is no amount of people's and monkeys' recordings.
        DataError: the runs cannot be compared.
    """
    plain = {one.base for one in found if one.job.recipe.start is None}
    if len(plain) != 1:
        there = ", ".join(sorted(plain)) or "none"
        raise ConfigError(
            f"figure8: runs of one system without pretraining are needed to compare with, here are "
            f"{there}; add such runs, or leave the others out"
        )
    if all(one.job.recipe.start is None for one in found):
        raise ConfigError(
            "figure8: none of these runs was pretrained; add runs that were, such as of the "
            "recipes human and all"
        )
    against = plain.pop()
    amounts = [_amount(one) for one in found]
    called = [replace(one, called=label) for one, (label, _) in zip(found, amounts, strict=True)]
    hours = {
        label: float(np.mean([own for other, own in amounts if other == label]))
        for label, _ in amounts
    }
    compared = compare_runs(
        called, against=against, units=("per",), participant=participant, speech=speech
    )
    panels = [_panel_of(one, hours, against) for one in compared.panels]
    n_seeds = max(row.n_seeds for one in compared.panels for row in one.rows)
    notes = (*_notes(n_seeds, against, panels), *compared.notes[1:])
    return scaling_figure(panels), notes, compared.simulated


def _amount(one: Decoded) -> tuple[str, float]:
    """Name the recordings a run was pretrained on as the study does, and give their hours."""
    start = one.job.recipe.start
    if start is None:
        return one.base, 0.0
    if isinstance(start, Pretraining):
        mix, path = start.mix, Path(one.job.run.environment["start"]["path"])
        hours = float(RunFolder(path.parent.parent).training["hours"])
        of_everyone = mix.target == "include"
        if of_everyone and (mix.species == "human" or not mix.monkey_fraction):
            return f"{mix.human_fraction:.0%} human", hours
        if of_everyone and mix.species == "all" and mix.human_fraction == 1:
            return f"human + {mix.monkey_fraction:.0%} monkey", hours
    raise ConfigError(
        f"{one.path}: begins with no amount of people's, or of all people's and some monkeys', "
        "recordings; leave it out"
    )


def _panel_of(one: SystemPanel, hours: Mapping[str, float], against: str) -> ScalingPanel:
    rows = {row.name: row for row in one.rows}
    counts = {row.score.n_trials for row in one.rows if row.score is not None}
    n = "\N{EN DASH}".join(f"{count:,}" for count in sorted(counts))
    drawn = (_drawn(row, hours[row.name]) for row in one.rows if row.name != against)
    points = tuple(point for point in drawn if point is not None)
    title = f"{one.participant}, {one.speech} speech, n = {n} trials"
    return ScalingPanel(title, points, rows[against].score)


def draw_amounts(
    table: Table, *, participant: str | None = None, speech: str | None = None
) -> Drawn:
    """Draw what more recordings to pretrain on bring, from a study's table.

    Args:
        table: What `sylvian study figure8` measured.
        participant: Only this one's rows.
        speech: Only this kind.

    Raises:
        ConfigError: nothing is left, or a row says no amount of pretraining.
    """
    groups: dict[str, list[Mapping[str, Any]]] = {}
    for row in table.rows:
        if participant in (None, row["participant"]) and speech in (None, row["speech"]):
            groups.setdefault(f"{row['participant']}, {row['speech']} speech", []).append(row)
    panels = [_panel(table, name, rows) for name, rows in groups.items()]
    if not any(one.points for one in panels):
        raise ConfigError(
            f"{table.path}: no row of pretraining; make the table with 'sylvian study figure8 … "
            "--out FILE'"
        )
    notes = (*_notes(len(table.seeds), table.against, panels), *table.notes)
    return scaling_figure(panels), notes, table.corpus == SIMULATED


def _panel(table: Table, name: str, rows: Sequence[Mapping[str, Any]]) -> ScalingPanel:
    drawn = {str(row["label"]): system_row(row) for row in rows}
    base = drawn.get(table.against)
    counts = sorted({one.score.n_trials for one in drawn.values() if one.score is not None})
    n = "\N{EN DASH}".join(f"{count:,}" for count in counts)
    points = tuple(_point(table, row) for row in rows if row["label"] != table.against)
    return ScalingPanel(f"{name}, n = {n} trials", points, base.score if base else None)


def _point(table: Table, row: Mapping[str, Any]) -> ScalingPoint:
    point = _drawn(system_row(row), row["hours"])
    if point is not None:
        return point
    raise ConfigError(
        f"{table.path}: row {row['label']!r} is no amount of pretraining; make the table with "
        "'sylvian study figure8 … --out FILE'"
    )


def _drawn(row: SystemRow, hours: float | None) -> ScalingPoint | None:
    for series, pattern in (("human", _PEOPLE), ("human + monkey", _MONKEYS)):
        found = pattern.fullmatch(row.name)
        if found and hours is not None and row.score is not None:
            p = row.change.p if row.change is not None else math.nan
            return ScalingPoint(series, int(found[1]), float(hours), row.score, p)
    return None


def _notes(n: int, against: str, panels: Sequence[ScalingPanel]) -> Iterator[str]:
    over = "seeds and trials" if n > 1 else "trials"
    yield (
        f"Bars and band: 95 % bootstrap intervals over {over}; {n} training{'s' * (n > 1)} of each "
        f"row, pretraining included. Filled: differs from {against} on the same trials at "
        "p below 0.05, two-sided, paired, not corrected for the number of rows."
    )
    if len(panels) == 1:
        yield "One participant and one kind of speech only."
