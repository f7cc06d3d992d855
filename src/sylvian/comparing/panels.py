"""From decoded runs to panels of a comparison, and what a reader has to know about it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from sylvian.comparing.notes import key, notes_on
from sylvian.comparing.reading import UNITS, Column, Decoded
from sylvian.comparing.systems import Columns, Systems, systems_in
from sylvian.errors import ConfigError, DataError
from sylvian.evaluate.intervals import LEAST_TRIALS
from sylvian.evaluate.systems import Compared, compare_systems
from sylvian.figures.comparison import SystemPanel, SystemRow
from sylvian.types import EditCounts, Score

ORDER = ("attempted", "imagined")
Edits = dict[int, list[EditCounts]]


@dataclass(frozen=True)
class Comparison:
    """Systems beside each other.

    Attributes:
        panels: What to draw.
        against: The system that all others are compared with; None where there is one only.
        split: The split.
        notes: What to keep in mind.
        simulated: Whether anybody in it was simulated.
    """

    panels: tuple[SystemPanel, ...]
    against: str | None
    split: str
    notes: tuple[str, ...]
    simulated: bool


def compare_runs(
    found: Sequence[Decoded],
    *,
    against: str | None = None,
    units: Sequence[str] = UNITS,
    participant: str | None = None,
    speech: str | None = None,
) -> Comparison:
    """Put systems beside each other, person by person and one kind of speech at a time.

    Args:
        found: Runs on one split.
        against: The system that all others are compared with; None: that of the first run.
        units: `per` and `wer`, or one of them.
        participant: Only this one's trials.
        speech: Only this kind: `attempted`, `imagined` or another task.

    Raises:
        ConfigError: no trial is left, or no system has the name of `against`.
        DataError: the runs cannot be compared; the message says why.
    """
    columns = columns_of(found, participant, speech)
    systems = {column: systems_in(found, column) for column in columns}
    names = _in_order(found, systems)
    against = _against(against, names)
    several = len({column.corpus for column in columns}) > 1
    panels = [
        panel
        for column in columns
        for unit in units
        if (panel := _panel(column, unit, systems[column], names, against, several)) is not None
    ]
    if not panels:
        raise DataError(f"{found[0].path}: no trial has a label that could be compared")
    return Comparison(
        panels=filled(panels),
        against=against if len(names) > 1 else None,
        split=found[0].job.split,
        notes=(
            key(panels, against if len(names) > 1 else None),
            *dict.fromkeys(notes_on(systems, panels, against, names)),
        ),
        simulated=any(one.is_simulated for one in found),
    )


def columns_of(
    found: Sequence[Decoded], participant: str | None, speech: str | None
) -> list[Column]:
    """List whose trials, of which kind of speech, runs were judged on.

    Raises:
        ConfigError: there are none of that participant or kind.
    """
    every = sorted(
        {column for one in found for column in one.columns},
        key=lambda own: (own.corpus, own.participant, _rank(own.speech)),
    )
    kept = [
        column
        for column in every
        if participant in (None, column.participant) and speech in (None, column.speech)
    ]
    if not kept:
        there = ", ".join(column.said for column in every) or "none"
        wanted = " ".join(one for one in (participant, speech) if one)
        raise ConfigError(f"no trial of {wanted} in these runs; there are: {there}")
    return kept


def _rank(speech: str) -> tuple[int, str]:
    return (ORDER.index(speech) if speech in ORDER else len(ORDER), speech)


def _in_order(found: Sequence[Decoded], systems: Columns) -> list[str]:
    """List systems in the order in which their runs were given.

    Raises:
        DataError: there are several, and no two of them on the same trials.
    """
    place = {id(one): at for at, one in enumerate(found)}
    first: dict[str, int] = {}
    for own in systems.values():
        for name, runs in own.items():
            at = min(place[id(one)] for one in runs.values())
            first[name] = min(at, first.get(name, at))
    names = sorted(first, key=lambda name: first[name])
    if len(names) > 1 and all(len(own) < 2 for own in systems.values()):
        who = "; ".join(f"{next(iter(own))}: {column.said}" for column, own in systems.items())
        raise DataError(
            f"nothing to compare, no two systems have trials in common ({who}); name runs on the "
            "same participant's trials"
        )
    return names


def _against(wanted: str | None, names: Sequence[str]) -> str:
    if wanted is None:
        return names[0]
    if wanted not in names:
        raise ConfigError(f"--against {wanted}: no such system; there are: {', '.join(names)}")
    return wanted


def _panel(
    column: Column,
    unit: str,
    systems: Systems,
    names: Sequence[str],
    against: str,
    several: bool,
) -> SystemPanel | None:
    """Judge the systems of one column in one unit; None where no label allows it."""
    edits = {
        name: {seed: _edits(one, column, unit) for seed, one in runs.items()}
        for name, runs in systems.items()
    }
    if not any(
        count.n_reference for own in edits.values() for run in own.values() for count in run
    ):
        return None
    compared = compare_systems(edits, against=against)
    rows = [_row(name, unit, systems[name], compared[name]) for name in names if name in compared]
    who = f"{column.participant} ({column.corpus})" if several else column.participant
    return SystemPanel(who, column.speech, unit, tuple(rows))


def _edits(one: Decoded, column: Column, unit: str) -> list[EditCounts]:
    counts = [result.counts(unit) for result in one.columns[column]]
    return [count for count in counts if count is not None]


def _row(name: str, unit: str, runs: Mapping[int, Decoded], found: Compared) -> SystemRow:
    score = Score(unit, name, found.counts, found.low, found.high, found.n_trials)
    few = f"fewer than {LEAST_TRIALS} sentences, no statistic"
    return SystemRow(
        name=name,
        encoder=next(iter(runs.values())).job.recipe.encoder.kind,
        score=score,
        n_seeds=len(found.seeds),
        change=found.change,
        note=few if found.n_trials < LEAST_TRIALS else "",
    )


def filled(panels: Sequence[SystemPanel]) -> tuple[SystemPanel, ...]:
    """Give all panels the same systems, and say where somebody lacks what others have."""
    names = list(dict.fromkeys(row.name for one in panels for row in one.rows))
    at = {(one.participant, one.unit, one.speech): _with_all(one, names) for one in panels}
    people, units, speeches = (
        dict.fromkeys(getattr(one, name) for one in panels)
        for name in ("participant", "unit", "speech")
    )
    return tuple(
        at.get((who, unit, speech))
        or SystemPanel(who, speech, unit, (), f"No {speech} speech of {who} was decoded.")
        for who in people
        for unit in units
        for speech in sorted(speeches, key=_rank)
    )


def _with_all(one: SystemPanel, names: Sequence[str]) -> SystemPanel:
    known = {row.name: row for row in one.rows}
    absent = (known.get(name) or SystemRow(name, "", None, note="not run") for name in names)
    return replace(one, rows=tuple(absent))
