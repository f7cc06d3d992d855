"""What the readers of monkey recordings share: a file per recording, found by its name."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar

import numpy as np
from jaxtyping import Float32

from sylvian.data.corpora.base import CorpusFacts, SessionRef
from sylvian.data.corpora.pieces import Piece, numbered, some
from sylvian.data.corpora.reading import iso_date, no_sessions
from sylvian.data.corpora.windows import windows
from sylvian.errors import DataError
from sylvian.types import Strategy, Trial

TRAIN = "train"
Features = Float32[np.ndarray, "bins channels"]


def listed_days(listing: str) -> dict[str, dict[str, int]]:
    """Read a list of days for the facts: a year, then month and day of each (`2013 1003 1022`).

    Returns:
        ISO date -> nothing known about its trials.
    """
    sessions: dict[str, dict[str, int]] = {}
    year = ""
    for word in listing.split():
        if word > "1231":
            year = word
        else:
            sessions[f"{year}-{word[:2]}-{word[2:]}"] = {}
    return sessions


@dataclass(frozen=True, slots=True)
class Take:
    """One file of a session.

    Attributes:
        path: The file.
        block: Block it is, or where its blocks begin.
        task: Task its name tells (`CO`, `RT`), if it does.
    """

    path: Path
    block: int
    task: str | None

    def piece(self, features: Features, *, bin_s: float | None = None) -> Piece:
        """Make a trial of some of its bins."""
        return Piece(
            TRAIN, self.block, features, Strategy.REACHING, prompt_set=self.task, bin_s=bin_s
        )


class Recordings(ABC):
    """A release that publishes recordings and no splits: all of them are there to train on.

    The files of a day are the blocks of one session. They may lie anywhere below the raw folder.

    Args:
        raw: Folder of the downloaded files.
        facts: What to expect.

    Attributes:
        pattern: How the files are named. Its groups are `participant` and `date` (eight digits),
            and `run` (a number) and `task` where names tell them.
        expected: What to say is missing where there is no such file.
        people: Participants under the names that the files give them, where those differ.
    """

    pattern: ClassVar[re.Pattern[str]]
    expected: ClassVar[str]
    people: ClassVar[Mapping[str, str]] = {}

    def __init__(self, raw: Path, *, facts: CorpusFacts) -> None:
        self.facts = facts
        self._raw = Path(raw)

    def sessions(self) -> tuple[SessionRef, ...]:
        """List the sessions on disk, sorted by participant and date.

        Raises:
            DataError: the folder is missing or holds no session, or one file twice.
        """
        days: dict[tuple[str, str], list[Path]] = {}
        for path in sorted(self._raw.rglob("*")):
            place = self._place(path)
            if place is not None:
                days.setdefault(place, []).append(path)
        if not days:
            raise no_sessions(self._raw, self.facts, self.expected)
        return tuple(self._session(*place, paths) for place, paths in sorted(days.items()))

    def trials(self, session: SessionRef) -> Iterator[Trial]:
        """Yield the trials of a session, block by block.

        Raises:
            DataError: a file is damaged, holds no trial, or is not of the published layout.
        """
        return numbered(self._pieces(session), session, self.facts)

    @abstractmethod
    def _read(self, take: Take) -> Iterator[Piece]:
        """Yield the trials of one file."""

    def _windows(self, take: Take, features: Features) -> Iterator[Piece]:
        for window in windows(len(features), bin_s=self.facts.bin_s):
            yield take.piece(features[window])

    def _pieces(self, session: SessionRef) -> Iterator[Piece]:
        for block, path in (session.files or {1: session.paths[TRAIN]}).items():
            yield from some(self._read(Take(path, block, self._told(path, "task"))), path)

    def _told(self, path: Path, name: str) -> str | None:
        match = self.pattern.fullmatch(path.name)
        return match.groupdict().get(name) if match else None

    def _place(self, path: Path) -> tuple[str, str] | None:
        match = self.pattern.fullmatch(path.name)
        if match is None:
            return None
        participant = self.people.get(match["participant"], match["participant"])
        session = iso_date(match["date"])
        known = participant in self.facts.participants
        return (participant, session) if known and session else None

    def _session(self, participant: str, session: str, paths: list[Path]) -> SessionRef:
        by_name: dict[str, Path] = {}
        for path in paths:
            if by_name.setdefault(path.name, path) is not path:
                raise DataError(f"{path}: {by_name[path.name]} has the same name; remove one")
        files = self._blocks(paths) if len(paths) > 1 else {}
        first = next(iter(files.values()), paths[0])
        return SessionRef(participant, session, {TRAIN: first}, files=files)

    def _blocks(self, paths: list[Path]) -> dict[int, Path]:
        """Number the files of a day as their names do, or else in the order of their names."""
        runs = [int(self._told(path, "run") or 0) for path in paths]
        if 0 in runs or len(set(runs)) < len(runs):
            runs = list(range(1, len(paths) + 1))
        return dict(sorted(zip(runs, paths, strict=True)))
