"""Simulate a corpus: write every participant's files, and say in `synthetic.json` what they are."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sylvian import config as configs
from sylvian.data.corpora.synthetic import FORMAT, NAME
from sylvian.data.files import replacing
from sylvian.data.synthetic.config import ParticipantConfig, SyntheticConfig
from sylvian.data.synthetic.participant import SimulatedDay, participants
from sylvian.data.synthetic.schedule import PlannedDay
from sylvian.data.synthetic.writers import (
    session_name,
    write_card2024,
    write_description,
    write_willett2023,
)
from sylvian.errors import DataError

Progress = Callable[[str, int, int], None]

_WRITERS = {"card2024": write_card2024, "willett2023": write_willett2023}


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
    for participant, days in participants(config):
        folder = raw / participant.name
        written: dict[str, Any] = {}
        plans: list[PlannedDay] = []
        for day in days:
            written[day.planned.session] = _write_day(day, folder)
            plans.append(day.planned)
            done += 1
            if progress:
                progress(f"{participant.name}/{day.planned.session}", done, total)
        if participant.layout == "card2024":
            write_description(plans, participant.name, folder)
        _refuse_strangers(participant, plans, folder)
        told[participant.name] = {"layout": participant.layout, "sessions": written}
    manifest = {"format": FORMAT, "config": configs.dump(config), "participants": told}
    with replacing(raw / NAME) as partial:
        partial.write_text(json.dumps(manifest, indent=1) + "\n", encoding="utf-8")


def _write_day(day: SimulatedDay, folder: Path) -> dict[str, Any]:
    counts = _WRITERS[day.config.layout](day, folder)
    sets = {str(block.number): block.prompt_set for block in day.planned.blocks}
    return {"trials": counts, "prompt_sets": sets}


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


def _refuse_strangers(
    participant: ParticipantConfig, plans: list[PlannedDay], folder: Path
) -> None:
    """Refuse days in the participant's folder that are not of this simulation."""
    known = {session_name(participant.name, day.session) for day in plans}
    for path in sorted((*folder.rglob("*.hdf5"), *folder.rglob("*.mat"))):
        named = path.parent.name if path.suffix == ".hdf5" else path.stem
        if named not in known:
            raise DataError(f"{path}: not of this simulation; remove it, or choose another folder")
