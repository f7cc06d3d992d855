"""Simulate a corpus: write every participant's files, and say in `synthetic.json` what they are."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from sylvian import config as configs
from sylvian.data.corpora.synthetic import FORMAT, NAME
from sylvian.data.files import replacing
from sylvian.data.synthetic.config import (
    AnyParticipant,
    MonkeyConfig,
    ParticipantConfig,
    SyntheticConfig,
)
from sylvian.data.synthetic.mover_writers import write_handwriting, write_reaches
from sylvian.data.synthetic.movers import Mover, moving_days
from sylvian.data.synthetic.participant import SimulatedDay, days, seeded
from sylvian.data.synthetic.schedule import PlannedDay
from sylvian.data.synthetic.writers import (
    session_name,
    write_card2024,
    write_description,
    write_willett2023,
)
from sylvian.errors import DataError
from sylvian.types import Strategy

Progress = Callable[[str, int, int], None]

_WRITERS = {"card2024": write_card2024, "willett2023": write_willett2023}
_KINDS = ("*.hdf5", "*.mat", "*.nwb")
_Written = Iterator[tuple[str, dict[str, Any]]]  # day by day: ISO date, and what was written


def simulate(config: SyntheticConfig, raw: Path, progress: Progress | None = None) -> None:
    """Write a simulated corpus in the published layouts.

    `raw/<participant>/` holds what a downloaded release would; `raw/synthetic.json` comes last.
    A folder that already holds this very simulation is left as it is; after an interruption the
    files are written again. Equal configs give equal bytes.

    Args:
        config: What to simulate.
        raw: Folder to write to.
        progress: Called with a session's name, sessions done, and sessions in all.

    Raises:
        DataError: the folder holds another simulation, or cannot be written.
    """
    raw = Path(raw)
    if (raw / NAME).is_file():
        _expect_same(config, raw / NAME)
        return
    total = sum(participant.sessions for participant in config.participants)
    done = 0
    told: dict[str, Any] = {}
    for participant, rng in seeded(config):
        folder = raw / participant.name
        if isinstance(participant, ParticipantConfig):
            found = _speech(participant, folder, rng)
        else:
            found = _movements(participant, folder, rng)
        written: dict[str, Any] = {}
        for session, day in found:
            written[session] = day
            done += 1
            if progress:
                progress(f"{participant.name}/{session}", done, total)
        _refuse_strangers(participant, written, folder)
        told[participant.name] = {"layout": participant.layout, "sessions": written}
        if isinstance(participant, MonkeyConfig):
            told[participant.name]["electrodes"] = participant.electrodes
    manifest = {"format": FORMAT, "config": configs.dump(config), "participants": told}
    with replacing(raw / NAME) as partial:
        partial.write_text(json.dumps(manifest, indent=1) + "\n", encoding="utf-8")


def _speech(participant: ParticipantConfig, folder: Path, rng: np.random.Generator) -> _Written:
    plans: list[PlannedDay] = []
    for day in days(participant, rng):
        written = _write_day(day, folder)
        plans.append(day.planned)
        yield day.planned.session, written
    if participant.layout == "card2024":
        write_description(plans, participant.name, folder)


def _movements(participant: Mover, folder: Path, rng: np.random.Generator) -> _Written:
    doing, placing = rng.spawn(2)
    write = write_reaches if participant.layout == "evenchen2019" else write_handwriting
    for day, own in zip(
        moving_days(participant, doing), placing.spawn(participant.sessions), strict=True
    ):
        yield day.session, write(day, folder, own)


def _write_day(day: SimulatedDay, folder: Path) -> dict[str, Any]:
    counts = _WRITERS[day.config.layout](day, folder)
    sets = {str(block.number): block.prompt_set for block in day.planned.blocks}
    told = {"trials": counts, "prompt_sets": sets}
    # the layouts have no place for it, and where it is not told speech is attempted
    imagined = day.planned.strategy is Strategy.IMAGINED
    return told | ({"strategy": day.planned.strategy.value} if imagined else {})


def _expect_same(config: SyntheticConfig, path: Path) -> None:
    try:
        found = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as failure:
        raise DataError(f"{path}: cannot be read ({failure}); choose another folder") from failure
    if found.get("format") != FORMAT or found.get("config") != configs.dump(config):
        raise DataError(
            f"{path}: another simulation is in this folder; choose another one, or remove it to "
            "simulate anew"
        )


def _refuse_strangers(participant: AnyParticipant, sessions: Iterable[str], folder: Path) -> None:
    """Refuse days in the participant's folder that are not of this simulation."""
    known = {session_name(participant.name, session) for session in sessions}
    known |= {f"sub-{participant.name}_ses-{session.replace('-', '')}" for session in sessions}
    for path in sorted(p for kind in _KINDS for p in folder.rglob(kind)):
        named = _day_of(path)
        if named not in known:
            raise DataError(f"{path}: not of this simulation; remove it, or choose another folder")


def _day_of(path: Path) -> str:
    """Say which day a file is of, as its layout names days."""
    if path.suffix == ".nwb":
        return path.name.rpartition("T")[0]
    in_folder = path.suffix == ".hdf5" or path.parent.parent.name == "Datasets"
    return path.parent.name if in_folder else path.stem
