"""The table of `sylvian study figure8` as curves of error rate against hours of pretraining."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from matplotlib.figure import Figure

from sylvian.comparing.reading import SIMULATED
from sylvian.comparing.tables import Table, system_row
from sylvian.errors import ConfigError
from sylvian.figures.scaling import ScalingPanel, ScalingPoint, scaling_figure

_PEOPLE = re.compile(r"(\d+)% human")
_MONKEYS = re.compile(r"human \+ (\d+)% monkey")


def draw_amounts(
    table: Table, *, participant: str | None = None, speech: str | None = None
) -> tuple[Figure, tuple[str, ...], bool]:
    """Draw what more recordings to pretrain on bring.

    Args:
        table: What `sylvian study figure8` measured.
        participant: Only this one's rows.
        speech: Only this kind.

    Returns:
        The figure, what has to be read with it, and whether nobody was recorded.

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
    return scaling_figure(panels), tuple(_notes(table, panels)), table.corpus == SIMULATED


def _panel(table: Table, name: str, rows: Sequence[Mapping[str, Any]]) -> ScalingPanel:
    drawn = {str(row["label"]): system_row(row) for row in rows}
    base = drawn.get(table.against)
    counts = sorted({one.score.n_trials for one in drawn.values() if one.score is not None})
    n = "\N{EN DASH}".join(f"{count:,}" for count in counts)
    points = tuple(_point(table, row) for row in rows if row["label"] != table.against)
    return ScalingPanel(f"{name}, n = {n} trials", points, base.score if base else None)


def _point(table: Table, row: Mapping[str, Any]) -> ScalingPoint:
    label, drawn = str(row["label"]), system_row(row)
    for series, pattern in (("human", _PEOPLE), ("human + monkey", _MONKEYS)):
        found = pattern.fullmatch(label)
        if found and row["hours"] is not None and drawn.score is not None:
            p = drawn.change.p if drawn.change is not None else math.nan
            return ScalingPoint(series, int(found[1]), float(row["hours"]), drawn.score, p)
    raise ConfigError(
        f"{table.path}: row {label!r} is no amount of pretraining; make the table with 'sylvian "
        "study figure8 … --out FILE'"
    )


def _notes(table: Table, panels: Sequence[ScalingPanel]) -> Iterator[str]:
    n = len(table.seeds)
    over = "seeds and trials" if n > 1 else "trials"
    yield (
        f"Bars and band: 95 % bootstrap intervals over {over}; {n} training{'s' * (n > 1)} of each "
        f"row, pretraining included. Filled: differs from {table.against} on the same trials at "
        "p below 0.05, two-sided, paired, not corrected for the number of rows."
    )
    if len(panels) == 1:
        yield "One participant and one kind of speech only."
    yield from table.notes
