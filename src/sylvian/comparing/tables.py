"""Tables that `sylvian study --out` wrote, as panels of a comparison."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sylvian.comparing.notes import few, key
from sylvian.comparing.panels import Comparison, filled
from sylvian.comparing.reading import SIMULATED
from sylvian.errors import ConfigError, DataError
from sylvian.evaluate.intervals import Difference
from sylvian.figures.comparison import SystemPanel, SystemRow
from sylvian.text import counted
from sylvian.types import EditCounts, Score


@dataclass(frozen=True)
class Table:
    """What a study left behind.

    Attributes:
        path: The file.
        corpus: The corpus.
        split: The split it was judged on.
        against: The row that all others are compared with.
        seeds: Seeds of every row.
        notes: What the study said.
        rows: Its rows as they were written.
    """

    path: Path
    corpus: str
    split: str
    against: str
    seeds: tuple[int, ...]
    notes: tuple[str, ...]
    rows: tuple[Mapping[str, Any], ...]


def read_table(path: Path) -> Table:
    """Read a study's JSON file.

    Raises:
        ConfigError: there is no such file, or it is no study's table.
    """
    content = read_json_object(path)
    try:
        rows = tuple(content["rows"])
        found = Table(
            path=path,
            corpus=str(content["corpus"]),
            split=str(content["split"]),
            against=str(content["against"]),
            seeds=tuple(content["seeds"]),
            notes=tuple(content.get("notes", ())),
            rows=rows,
        )
        for row in rows:
            system_row(row)
    except (KeyError, TypeError, ValueError) as failure:
        raise ConfigError(
            f"{path}: not the table of a study ({failure!r}); write one with 'sylvian study NAME "
            "… --out FILE'"
        ) from None
    if not rows:
        raise ConfigError(f"{path}: a study's table without rows; run the study again")
    return found


def read_json_object(path: Path) -> dict[str, Any]:
    """Read a JSON file that holds one object.

    Raises:
        ConfigError: it cannot be read, or holds something else.
    """
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as failure:
        raise ConfigError(f"{path}: cannot be read as JSON ({failure})") from None
    if not isinstance(content, dict):
        raise ConfigError(f"{path}: holds a {type(content).__name__}, not what sylvian writes")
    return content


def compare_tables(
    tables: Sequence[Table], *, participant: str | None = None, speech: str | None = None
) -> Comparison:
    """Put the rows of studies beside each other as they were measured.

    Args:
        tables: One study, or the same one of several corpora.
        participant: Only this one's rows.
        speech: Only this kind: `attempted` or `imagined`.

    Raises:
        ConfigError: nothing is left.
        DataError: the studies were judged on different splits, or against different rows.
    """
    first = tables[0]
    for other in tables[1:]:
        for name in ("split", "against"):
            mine, theirs = getattr(first, name), getattr(other, name)
            if mine != theirs:
                raise DataError(
                    f"{first.path} and {other.path}: {name} {mine} and {theirs}; compare studies "
                    f"that agree in it"
                )
    panels = [
        one
        for table in tables
        for one in _panels(table, several=len({table.corpus for table in tables}) > 1)
        if participant in (None, one.participant.partition(" ")[0]) and speech in (None, one.speech)
    ]
    if not panels:
        wanted = " ".join(one for one in (participant, speech) if one)
        raise ConfigError(f"no row of {wanted} in {first.path}")
    shown = filled(panels)
    notes = [key(shown, first.against), *_notes(tables), *few(shown)]
    return Comparison(
        panels=shown,
        against=first.against,
        split=first.split,
        notes=tuple(dict.fromkeys(notes)),
        simulated=any(table.corpus == SIMULATED for table in tables),
    )


def system_row(row: Mapping[str, Any]) -> SystemRow:
    """Turn a row into what is drawn.

    Raises:
        KeyError, TypeError: it is no row of a study.
    """
    label, unit = str(row["label"]), str(row.get("unit", "per"))
    counts = EditCounts(**row["counts"])
    low, high = (_number(row[end]) for end in ("low", "high"))
    change = None
    if row["difference"] is not None:
        ends = (_number(row[name]) for name in ("difference_low", "difference_high", "p"))
        change = Difference(float(row["difference"]), *ends)
    return SystemRow(
        name=label,
        encoder="gru" if label == "rnn" else "transformer",
        score=Score(unit, label, counts, low, high, int(row["n_trials"])),
        n_seeds=int(row["n_seeds"]),
        change=change,
    )


def _number(value: float | None) -> float:
    return math.nan if value is None else float(value)


def _panels(table: Table, *, several: bool) -> Iterator[SystemPanel]:
    groups: dict[tuple[str, str, str], list[SystemRow]] = {}
    for row in table.rows:
        group = f" ({row['group']})" if row.get("group") else ""
        corpus = f" ({table.corpus})" if several else ""
        who = f"{row['participant']}{corpus}{group}"
        own = groups.setdefault((who, str(row["speech"]), str(row.get("unit", "per"))), [])
        own.append(system_row(row))
    for (who, speech, unit), rows in groups.items():
        yield SystemPanel(who, speech, unit, tuple(rows))


def _notes(tables: Sequence[Table]) -> Iterator[str]:
    for table in tables:
        n = len(table.seeds)
        listed = ", ".join(map(str, table.seeds))
        yield f"{counted(n, 'training')} of each row (seed{'s' * (n > 1)} {listed})."
        if len({row["participant"] for row in table.rows}) == 1 and len(tables) == 1:
            yield "One participant only: nothing is said about others."
        yield from table.notes
    if not any(row["speech"] == "imagined" for table in tables for row in table.rows):
        yield "No imagined speech is in this study."
