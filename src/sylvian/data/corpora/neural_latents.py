"""Reader of the Neural Latents sets MC_Maze and MC_RTT (Pei et al. 2021)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sylvian.data.corpora.base import CorpusFacts, ParticipantFacts, SessionRef
from sylvian.data.corpora.nwb import NwbFile, Times, open_nwb
from sylvian.data.corpora.pieces import Piece, numbered, some
from sylvian.data.corpora.reading import no_sessions
from sylvian.data.corpora.spikes import TRIALS, binned, read_intervals, refuse_spikes
from sylvian.errors import DataError
from sylvian.types import Strategy, Trial

_SPLITS = ("train", "val", "test")
# Trials that the benchmark uses for nothing.
_UNUSED = "none"
_BLOCKS = {"train": 1, "test": 2}
_CITATION = "Pei et al. 2021, Neural Latents Benchmark '21, NeurIPS 34, datasets and benchmarks"
_MONKEY = ParticipantFacts(n_channels=None, strategies=(Strategy.REACHING,), species="monkey")

MC_MAZE = CorpusFacts(
    name="mc_maze",
    title="Neural Latents MC_Maze, all four sizes: monkey Jenkins, M1 and PMd, sorted units "
    "(days of churchland2012 may be among them)",
    participants={"Jenkins": _MONKEY},
    splits=_SPLITS,
    licence="CC-BY-4.0",
    citation=_CITATION,
    directions="run 'sylvian fetch mc_maze --raw DIR' for the full set, or fetch mc_maze_large, "
    "mc_maze_medium or mc_maze_small, or download any of "
    "https://dandiarchive.org/dandiset/000128 (full), 000138 (large), 000139 (medium) and 000140 "
    "(small), and pass as --raw the folder that holds them",
)
MC_RTT = CorpusFacts(
    name="mc_rtt",
    title="Neural Latents MC_RTT: monkey Indy, M1, sorted units (a day of odoherty2017)",
    participants={"Indy": _MONKEY},
    splits=_SPLITS,
    licence="CC-BY-4.0",
    citation=_CITATION,
    directions="run 'sylvian fetch mc_rtt --raw DIR', or download "
    "https://dandiarchive.org/dandiset/000129 and pass its folder as --raw",
)


@dataclass(frozen=True, slots=True)
class _Found:
    """A file, by the day that is written in it."""

    participant: str
    session: str
    part: str
    path: Path


class NeuralLatents:
    """`sub-<monkey>_[ses-<size>_]desc-{train,test}_[behavior+]ecephys.nwb`, one pair a session.

    The train file holds the splits train and val, the test file the split test, whose times have
    been moved. Trials that the benchmark leaves unused count as train, because nothing is scored on
    them. Units that the test file withholds are left out of the train file as well, so that a
    session has the same units throughout. The files' names tell no date: they are opened for it.

    Args:
        raw: Folder of the dandisets, or one above them.
        facts: Which set.

    Source: the files of MC_Maze_Small; nlb_tools, `nwb_interface`.
    """

    def __init__(self, raw: Path, *, facts: CorpusFacts) -> None:
        self.facts = facts
        self._raw = Path(raw)
        people = "|".join(facts.participants)
        self._pattern = re.compile(
            rf"sub-({people})_(?:ses-\w+_)?desc-(train|test)_(?:behavior\+)?ecephys\.nwb"
        )

    def sessions(self) -> tuple[SessionRef, ...]:
        """List the sessions on disk, sorted by participant and date.

        Raises:
            DataError: the folder is missing or holds no session, a file is damaged, or two claim
                to be the same part of a session.
        """
        days: dict[tuple[str, str], dict[str, Path]] = {}
        for one in self._found():
            parts = days.setdefault((one.participant, one.session), {})
            if one.part in parts:
                raise DataError(
                    f"{one.path}: {one.part} of {one.session}, as is {parts[one.part]}; remove one"
                )
            parts[one.part] = one.path
        if not days:
            raise no_sessions(self._raw, self.facts, "sub-*_desc-train_behavior+ecephys.nwb file")
        return tuple(_session(*place, parts) for place, parts in sorted(days.items()))

    def trials(self, session: SessionRef) -> Iterator[Trial]:
        """Yield the trials of a session, one at a time.

        Raises:
            DataError: a file is damaged, holds no trial, or is not of the published layout.
        """
        return numbered(self._pieces(session), session, self.facts)

    def _found(self) -> Iterator[_Found]:
        for path in sorted(self._raw.rglob("*.nwb")):
            match = self._pattern.fullmatch(path.name)
            if match is not None:
                with open_nwb(path) as file:
                    day = file.text("session_start_time")[:10]
                yield _Found(match[1], day, match[2], path)

    def _pieces(self, session: SessionRef) -> Iterator[Piece]:
        for block, path in session.files.items():
            yield from some(self._of_file(path, block), path)

    def _of_file(self, path: Path, block: int) -> Iterator[Piece]:
        with open_nwb(path) as file:
            trials, units = read_intervals(file), _held_in(file)
        if "split" not in trials.columns:
            raise DataError(f"{path}: column 'split' of {TRIALS} is missing")
        refuse_spikes(units, *trials.span, path)
        features = binned(units, trials, self.facts.bin_s, path)
        for matrix, split in zip(features, trials.columns["split"], strict=True):
            named = "train" if split == _UNUSED else str(split)
            if len(matrix):
                yield Piece(named, block, matrix, Strategy.REACHING)


class McMaze(NeuralLatents):
    """Reaches through mazes: DANDI 000128 (full), 000138, 000139 and 000140 (small)."""

    def __init__(self, raw: Path, *, facts: CorpusFacts = MC_MAZE) -> None:
        super().__init__(raw, facts=facts)


class McRtt(NeuralLatents):
    """Random targets without pause: DANDI 000129; trials are cuts of 0.6 s."""

    def __init__(self, raw: Path, *, facts: CorpusFacts = MC_RTT) -> None:
        super().__init__(raw, facts=facts)


def _session(participant: str, session: str, parts: dict[str, Path]) -> SessionRef:
    paths = {split: parts[part] for split, part in _PARTS.items() if part in parts}
    files = {_BLOCKS[part]: parts[part] for part in sorted(parts, key=_BLOCKS.__getitem__)}
    return SessionRef(participant, session, paths, files=files)


_PARTS = {"train": "train", "val": "train", "test": "test"}


def _held_in(file: NwbFile) -> list[Times]:
    units = file.spike_times()
    if "units/heldout" not in file:
        return units
    withheld = np.asarray(file.values("units/heldout"), bool)
    if len(withheld) != len(units):
        raise DataError(f"{file.path}: {len(withheld)} marks of {len(units)} units; it is damaged")
    return [times for times, out in zip(units, withheld, strict=True) if not out]
