"""Reader of simulated participants, through the readers of the published layouts."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from sylvian.data.corpora.base import (
    ChannelGroup,
    Corpus,
    CorpusFacts,
    ParticipantFacts,
    SessionRef,
)
from sylvian.data.corpora.card2024 import Card2024
from sylvian.data.corpora.card2024_facts import CARD2024
from sylvian.data.corpora.evenchen2019 import EvenChen2019
from sylvian.data.corpora.handwriting import T5
from sylvian.data.corpora.willett2021 import Willett2021
from sylvian.data.corpora.willett2023 import Willett2023
from sylvian.data.corpora.willett2023_facts import WILLETT2023
from sylvian.errors import DataError
from sylvian.types import Strategy, Trial

NAME = "synthetic.json"
FORMAT = 1

SYNTHETIC = CorpusFacts(
    name="synthetic",
    title="Simulated participants, written in published layouts",
    participants={},
    splits=("train", "val", "test", "holdout"),
    licence="Apache-2.0",
    citation="Sylvian; see docs/synthetic.md",
    directions="nothing to download: 'sylvian prepare synthetic --raw DIR' simulates into DIR",
)


class _Reaches(EvenChen2019):
    """The layout of DANDI:000121 with simulated monkeys' names."""

    pattern = re.compile(
        r"sub-(?P<participant>[A-Z]\d+)_ses-(?P<date>\d{8})T\d{6}_behavior\+ecephys\.nwb"
    )


# What each layout fixes: its reader, the splits it knows, and facts of whoever is written in it.
_MONKEY = ParticipantFacts(n_channels=None, strategies=(Strategy.REACHING,), species="monkey")
_LAYOUTS: Mapping[str, tuple[Callable[..., Corpus], tuple[str, ...], ParticipantFacts]] = {
    "card2024": (Card2024, CARD2024.splits, CARD2024.participants["T15"]),
    "willett2023": (Willett2023, WILLETT2023.splits, WILLETT2023.participants["T12"]),
    "willett2021": (Willett2021, ("train",), T5),
    "evenchen2019": (_Reaches, ("train",), _MONKEY),
}


class Synthetic:
    """What `sylvian.data.synthetic.simulate` wrote: `synthetic.json` and a folder per participant.

    Trials come from `Card2024`, `Willett2023`, `Willett2021` and `EvenChen2019` unchanged, but for
    the prompt set of a trial, and whether it was imagined: not every layout holds the one and none
    the other, `synthetic.json` does.

    Args:
        raw: Folder of the simulation.

    Raises:
        DataError: nothing was simulated there, or `synthetic.json` is damaged.
    """

    def __init__(self, raw: Path) -> None:
        self._raw = Path(raw)
        told = _participants(self._raw / NAME)
        people = {name: _facts(one) for name, one in told.items()}
        self.facts = SYNTHETIC.model_copy(update={"participants": people})
        self._readers = {name: self._reader(name, one["layout"]) for name, one in told.items()}
        self._prompt_sets = {
            (name, session, int(block)): prompt_set
            for name, one in told.items()
            for session, day in one["sessions"].items()
            for block, prompt_set in day["prompt_sets"].items()
        }
        self._strategies = {
            (name, session): Strategy(day["strategy"])
            for name, one in told.items()
            for session, day in one["sessions"].items()
            if "strategy" in day
        }

    def sessions(self) -> tuple[SessionRef, ...]:
        """List the sessions on disk, sorted by participant and date.

        Raises:
            DataError: a participant's folder is missing or holds no session.
        """
        return tuple(
            ref for name in sorted(self._readers) for ref in self._readers[name].sessions()
        )

    def trials(self, session: SessionRef) -> Iterator[Trial]:
        """Yield the trials of a session as the reader of its layout does.

        Raises:
            DataError: a file is damaged.
        """
        for trial in self._readers[session.participant].trials(session):
            key = trial.key
            prompt_set = self._prompt_sets.get((key.participant, key.session, key.block))
            strategy = self._strategies.get((key.participant, key.session), trial.info.strategy)
            info = replace(trial.info, prompt_set=prompt_set, strategy=strategy)
            yield Trial(info, trial.features)

    def _reader(self, name: str, layout: str) -> Corpus:
        kind, splits, _ = _LAYOUTS[layout]
        facts = self.facts.model_copy(
            update={
                "participants": {name: self.facts.participants[name]},
                "splits": splits,
            }
        )
        return kind(self._raw / name, facts=facts)


def _participants(path: Path) -> Mapping[str, Any]:
    if not path.is_file():
        raise DataError(
            f"{path}: no such file, so nothing is simulated here; run 'sylvian prepare synthetic "
            f"--raw {path.parent}' or sylvian.data.synthetic.simulate"
        )
    try:
        found = json.loads(path.read_text("utf-8"))
        if found["format"] != FORMAT:
            raise DataError(
                f"{path}: format {found['format']}, this version reads {FORMAT}; simulate again"
            )
        told: Mapping[str, Any] = found["participants"]
        for day in (day for one in told.values() for day in one["sessions"].values()):
            Strategy(day.get("strategy", Strategy.ATTEMPTED))
    except (OSError, ValueError, KeyError, TypeError) as failure:
        raise DataError(f"{path}: damaged ({failure!r}); simulate again") from failure
    return told


def _facts(told: Mapping[str, Any]) -> ParticipantFacts:
    """Take over what the layout fixes, and count the trials as they were simulated."""
    _, _, published = _LAYOUTS[told["layout"]]
    sessions = {session: day["trials"] for session, day in told["sessions"].items()}
    splits = sorted({split for counts in sessions.values() for split in counts})
    totals = {s: sum(counts.get(s, 0) for counts in sessions.values()) for s in splits}
    update: dict[str, Any] = {"sessions": sessions, "trials": totals}
    days = told["sessions"].values()
    done = {Strategy(day.get("strategy", published.strategies[0])) for day in days}
    update["strategies"] = tuple(sorted(done, key=lambda one: one not in published.strategies))
    if "electrodes" in told:  # the layout leaves their number open
        group = {"array": "M1", "feature": "threshold crossings", "start": 0}
        update["n_channels"] = told["electrodes"]
        update["channels"] = (ChannelGroup(**group, stop=told["electrodes"]),)
    return published.model_copy(update=update)
