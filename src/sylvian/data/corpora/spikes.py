"""Recordings as NWB files with the spike times of units and a table of trials."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float64

from sylvian.data.corpora.binning import bin_spike_times, refuse_disorder
from sylvian.data.corpora.nwb import NwbFile, Times, open_nwb
from sylvian.data.corpora.pieces import Piece
from sylvian.data.corpora.recordings import Features, Recordings, Take
from sylvian.errors import DataError

TRIALS = "intervals/trials"
# Least share of the spikes in the recording, and of the recording that has spikes.
_SHARED = 0.1


@dataclass(frozen=True, slots=True)
class Intervals:
    """When the trials of a file were.

    Attributes:
        starts: Start of each trial, in seconds.
        stops: End of each trial, in seconds.
        columns: The table's plain columns, row for row.
    """

    starts: Float64[np.ndarray, " trials"]
    stops: Float64[np.ndarray, " trials"]
    columns: Mapping[str, np.ndarray[Any, np.dtype[Any]]]

    @property
    def span(self) -> tuple[float, float]:
        """When the first began and the last ended, in seconds."""
        return float(self.starts.min()), float(self.stops.max())


class SpikeRecordings(Recordings):
    """Recordings of spike times, binned trial by trial.

    Bins are counted from the start of each trial, and a last bin that the trial does not fill is
    left out; a trial shorter than a bin has nothing to give. What was recorded between trials is
    not read.
    """

    def _read(self, take: Take) -> Iterator[Piece]:
        with open_nwb(take.path) as file:
            trials, units = read_intervals(file), file.spike_times()
        refuse_spikes(units, *trials.span, take.path)
        for features in binned(units, trials, self.facts.bin_s, take.path):
            if len(features):
                yield take.piece(features)


def read_intervals(file: NwbFile) -> Intervals:
    """Read the table of trials.

    Raises:
        DataError: there is none, it is empty, or a trial ends before it starts.
    """
    columns = file.table(TRIALS)
    for name in ("start_time", "stop_time"):
        if name not in columns:
            raise DataError(f"{file.path}: column {name!r} of {TRIALS} is missing")
    starts, stops = (np.asarray(columns[name], np.float64) for name in ("start_time", "stop_time"))
    if not len(starts):
        raise DataError(f"{file.path}: {TRIALS} is empty; download the file again")
    wrong = np.flatnonzero(~(stops >= starts))  # also where either is not a number
    if len(wrong):
        raise DataError(
            f"{file.path}: trial {wrong[0]} is from {starts[wrong[0]]} to {stops[wrong[0]]} s; "
            "the file is damaged, download it again"
        )
    return Intervals(starts, stops, columns)


def refuse_spikes(units: Sequence[Times], first_s: float, last_s: float, path: Path) -> None:
    """Refuse spike times that are unsorted, not finite, or of another clock than the rest.

    Spikes are recorded before the first trial and after the last, and a unit may fall silent. That
    hardly a spike lies in the recording, or that all lie in a small part of it, says that the two
    were not measured in the same unit.

    Args:
        units: Spike times of each unit.
        first_s: When the first trial began.
        last_s: When the last trial ended.
        path: The file, for the message.

    Raises:
        DataError: names the unit and the time.
    """
    if not units:
        raise DataError(f"{path}: holds no unit; download it again")
    for unit, times in enumerate(units):
        refuse_disorder(times, f"{path}: unit {unit}")
    spiking = [times for times in units if len(times)]
    if not spiking:
        return
    low, high = min(times[0] for times in spiking), max(times[-1] for times in spiking)
    inside = sum(int(np.diff(np.searchsorted(t, [first_s, last_s]))[0]) for t in spiking)
    covered = min(high, last_s) - max(low, first_s)
    if inside < _SHARED * sum(map(len, spiking)) or covered < _SHARED * (last_s - first_s):
        raise DataError(
            f"{path}: spikes are from {low:g} to {high:g}, the recording is from {first_s:g} to "
            f"{last_s:g} s; are both in seconds?"
        )


def binned(
    units: Sequence[Times], trials: Intervals, bin_s: float, path: Path
) -> Iterator[Features]:
    """Count the spikes of each trial; the times must have passed `refuse_spikes`."""
    for start, stop in zip(trials.starts, trials.stops, strict=True):
        yield bin_spike_times(
            units,
            start_s=float(start),
            stop_s=float(stop),
            bin_s=bin_s,
            where=str(path),
            is_sorted=True,
        )
