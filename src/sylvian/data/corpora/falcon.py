"""Reader of the FALCON sets (Karpowicz et al. 2024): an NWB file per run and split."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float, Float32

from sylvian.data.corpora.base import CorpusFacts, SessionRef
from sylvian.data.corpora.binning import bin_spike_times
from sylvian.data.corpora.falcon_facts import (
    FALCON,
    FALCON_H1,
    FALCON_M1,
    FALCON_M2,
    HELD_IN,
    HELD_OUT,
    MINIVAL,
)
from sylvian.data.corpora.handwriting import readable
from sylvian.data.corpora.nwb import NwbFile, Times, open_nwb
from sylvian.data.corpora.pieces import Piece, numbered, some
from sylvian.data.corpora.reading import as_float32, no_sessions, reading
from sylvian.data.corpora.spikes import read_intervals, refuse_spikes
from sylvian.errors import DataError
from sylvian.types import Trial

_FOLDERS = {
    MINIVAL: "sub-{}-held-in-minival",
    HELD_IN: "sub-{}-held-in-calib",
    HELD_OUT: "sub-{}-held-out-calib",
}
# `ses-20220518` (H2, M1), `ses-19250101T111740` (H1), `ses-2020-10-19-Run1` (M2)
_SESSION = re.compile(r"_ses-(\d{4})-?(\d\d)-?(\d\d)(?:T(\d{6})|-Run(\d+))?(?=[_.])")
# Shorter trials may agree by chance.
_SHORTEST_REPEAT_BINS = 25


@dataclass(frozen=True, slots=True)
class _Cut:
    """One trial as it lies in a file; the block is None where a file is one block."""

    features: Float32[np.ndarray, "bins channels"]
    block: int | None = None
    sentence: str | None = None


class Falcon:
    """One of the FALCON sets: H2 by default, and H1, M1 or M2 by their facts.

    `sub-<name>-{held-in-calib,held-in-minival,held-out-calib}/*_ses-<date>*.nwb` are the published
    splits `held_in_calib`, `minival` and `held_out_calib`. H2 holds counts in bins of 20 ms, the
    others spike times, which are binned from the start of each trial. Trials are those of
    `intervals/trials`, or in H1 the runs of `acquisition/TrialNum`. Where trials overlap (M1 keeps
    a second before and after each), the earlier one has what both share. Several runs of a day are
    the blocks of one session; H2 numbers its blocks itself.

    Minival files were seen to begin as the calibration file of their day does. A calibration trial
    that begins as a trial of minival does is therefore given out once only, in minival.

    Args:
        raw: Folder that contains the `sub-` folders, or a folder above them named like the
            dandiset, as `dandi download` leaves it.
        facts: Which set: `FALCON` (H2), `FALCON_H1`, `FALCON_M1` or `FALCON_M2`.

    Source: falcon-challenge, `dataloaders.py`, `config.py`; CORP, `FalconChallenge/nwb_utils.py`.
    """

    def __init__(self, raw: Path, *, facts: CorpusFacts = FALCON) -> None:
        self.facts = facts
        self._raw = Path(raw)

    def sessions(self) -> tuple[SessionRef, ...]:
        """List the sessions on disk, sorted by participant and date.

        Raises:
            DataError: the folder is missing or holds no session.
        """
        refs = [
            ref for participant in sorted(self.facts.participants) for ref in self._of(participant)
        ]
        if not refs:
            raise no_sessions(self._raw, self.facts, "sub-*-held-in-calib/*_ses-*.nwb file")
        return tuple(refs)

    def trials(self, session: SessionRef) -> Iterator[Trial]:
        """Yield the trials of a session, minival first; one trial is in memory at a time.

        Raises:
            DataError: a file is damaged, or lacks what the layout promises.
        """
        return numbered(self._pieces(session), session, self.facts)

    def _of(self, participant: str) -> Iterator[SessionRef]:
        found: dict[str, list[tuple[str, str, Path]]] = {}
        for split, pattern in _FOLDERS.items():
            name = pattern.format(participant)
            for path in [*self._raw.glob(f"{name}/*.nwb"), *self._raw.glob(f"*/{name}/*.nwb")]:
                match = _SESSION.search(path.name)
                if match is not None:
                    year, month, day, time, run = match.groups()
                    place = (time or f"{int(run or 0):06d}", split, path)
                    found.setdefault(f"{year}-{month}-{day}", []).append(place)
        for session in sorted(found):
            yield _ref(participant, session, sorted(found[session]))

    def _pieces(self, session: SessionRef) -> Iterator[Piece]:
        participant = self.facts.participants[session.participant]
        brief: list[Float32[np.ndarray, "bins channels"]] = []  # minival, a few trials
        for split, block, path in self._runs(session):
            for cut in some(self._cuts(session.participant, path), path):
                if split == MINIVAL:
                    brief.append(cut.features)
                elif any(_begin_alike(cut.features, other) for other in brief):
                    continue
                yield Piece(
                    split,
                    block if cut.block is None else cut.block,
                    cut.features,
                    participant.strategies[0],
                    sentence=cut.sentence,
                )

    def _runs(self, session: SessionRef) -> list[tuple[str, int, Path]]:
        """List split, block and file, minival first."""
        if not session.files:
            return [(split, 0, path) for split, path in session.paths.items()]
        return [
            (split, block, path)
            for split, pattern in _FOLDERS.items()
            for block, path in session.files.items()
            if path.parent.name == pattern.format(session.participant)
        ]

    def _cuts(self, participant: str, path: Path) -> Iterator[_Cut]:
        with open_nwb(path) as file:
            yield from _CUTS[participant](file, self.facts.bin_s)


def _ref(participant: str, session: str, runs: list[tuple[str, str, Path]]) -> SessionRef:
    """Describe a day by its files: run, split and path of each, in order."""
    first: dict[str, Path] = {}
    for _, split, path in runs:
        if first.setdefault(split, path) != path and _CUTS[participant] is _binned:
            raise DataError(f"{path}: the day has another file, {first[split]}; remove one of them")
    paths = {split: first[split] for split in _FOLDERS if split in first}
    blocks = {number: path for number, (_, _, path) in enumerate(runs, start=1)}
    return SessionRef(
        participant, session, paths, files={} if _CUTS[participant] is _binned else blocks
    )


def _columns(file: NwbFile, *names: str) -> list[Any]:
    trials = file.table("intervals/trials")
    missing = [name for name in names if name not in trials]
    if missing:
        raise DataError(f"{file.path}: column {missing[0]!r} of intervals/trials is missing")
    return [trials[name] for name in names]


def _binned(file: NwbFile, bin_s: float) -> Iterator[_Cut]:
    series = file.series("acquisition/binned_spikes")
    _refuse_clock(series.times_s, bin_s, file.path)
    columns = _columns(file, "start_time", "stop_time", "block_num", "cue")
    # The bin whose time is nearest to a moment is the first one later than half a bin before it.
    columns[:2] = (np.searchsorted(series.times_s, column - bin_s / 2) for column in columns[:2])
    for start, stop, block, cue in zip(*columns, strict=True):
        with reading(file.path):
            features = as_float32(series.data[start:stop])
        yield _Cut(features, int(block), readable(cue))


def _sorted_spikes(file: NwbFile, first_s: float, last_s: float) -> list[Times]:
    # M1 joins the units of an electrode end to end (falcon-challenge, m1_reachgrasp_preprocv2.py).
    spikes = [np.sort(times) for times in file.spike_times()]
    refuse_spikes(spikes, first_s, last_s, file.path)
    return spikes


def _by_interval(file: NwbFile, bin_s: float) -> Iterator[_Cut]:
    trials = read_intervals(file)
    spikes = _sorted_spikes(file, *trials.span)
    ended = -np.inf
    for start, stop in sorted(zip(trials.starts, trials.stops, strict=True)):
        features = bin_spike_times(
            spikes,
            start_s=float(max(start, ended)),
            stop_s=float(stop),
            bin_s=bin_s,
            where=str(file.path),
            is_sorted=True,
        )
        ended = stop
        yield _Cut(features)


def _by_number(file: NwbFile, bin_s: float) -> Iterator[_Cut]:
    """Cut H1, which has no table of trials but a trial number for each bin, told by its end."""
    numbers = file.values("acquisition/TrialNum/data")
    ends = _ends(file, len(numbers))
    if len(ends) != len(numbers):
        raise DataError(f"{file.path}: {len(numbers)} trial numbers for {len(ends)} bins")
    if not len(ends):
        return
    _refuse_clock(ends, bin_s, file.path)
    spikes = _sorted_spikes(file, float(ends[0]) - bin_s, float(ends[-1]))
    first = np.flatnonzero(np.diff(numbers, prepend=np.nan) != 0)
    for start, stop in zip(first, [*first[1:], len(numbers)], strict=True):
        yield _Cut(
            bin_spike_times(
                spikes,
                start_s=float(ends[start]) - bin_s,
                stop_s=float(ends[start]) + (stop - start - 1) * bin_s,
                bin_s=bin_s,
                where=str(file.path),
                is_sorted=True,
            )
        )


def _ends(file: NwbFile, n_bins: int) -> Float[np.ndarray, " bins"]:
    """Find when each bin of H1 ends.

    FALCON's own loader starts at `offset` and steps by `rate`, so that `rate` holds a period and
    not, as the standard has it, a frequency; whichever it is, it is not near one.
    """
    name = "acquisition/OpenLoopKinematics"
    if f"{name}/timestamps" in file:
        return file.series(name).times_s
    rate = file.attribute(f"{name}/starting_time", "rate", float("nan"))
    offset = file.attribute(f"{name}/data", "offset", 0.0)
    return offset + np.arange(n_bins) * (rate if rate < 1 else 1 / rate)


def _refuse_clock(times: Float[np.ndarray, " bins"], bin_s: float, path: Path) -> None:
    steps = np.diff(times)
    if len(steps) and not (steps > 0).all():
        raise DataError(f"{path}: timestamps do not increase; download the file again")
    if len(steps) and abs(np.median(steps) - bin_s) > 0.01 * bin_s:
        raise DataError(
            f"{path}: bins of {np.median(steps) * 1000:g} ms, facts say {bin_s * 1000:g} ms; "
            "is the file of this release?"
        )


def _begin_alike(
    first: Float32[np.ndarray, "bins channels"], second: Float32[np.ndarray, "others channels"]
) -> bool:
    n = min(len(first), len(second))
    return n >= _SHORTEST_REPEAT_BINS and np.array_equal(first[:n], second[:n])


_CUTS: dict[str, Callable[[NwbFile, float], Iterator[_Cut]]] = {
    "T5": _binned,
    "HumanPitt": _by_number,
    "MonkeyL": _by_interval,
    "MonkeyN": _by_interval,
}

FalconH1 = partial(Falcon, facts=FALCON_H1)
FalconM1 = partial(Falcon, facts=FALCON_M1)
FalconM2 = partial(Falcon, facts=FALCON_M2)
