"""What our corpora need of an NWB 2 file, read through h5py.

Why here: pynwb is the reference reader, and `tests/oracle/test_nwb_pynwb.py` holds this one against
it. But pynwb takes 3.5 s to import, brings pandas, needs 0.25 s to open a session that h5py reads
in 1 ms, and warns about every field that was renamed since a release was written; and all that we
read are spike times, series and intervals.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from jaxtyping import Float64

from sylvian.data.corpora.reading import reading
from sylvian.errors import DataError

# Units differ in how many spikes they have, so a list of these shares no length.
Times = Float64[np.ndarray, " _times"]


@dataclass(frozen=True, slots=True)
class Series:
    """A time series of an NWB file.

    Attributes:
        data: The values, still on disk: `[times]` or `[times channels]`.
        times_s: When each was sampled, in seconds of the session's clock.
    """

    data: h5py.Dataset
    times_s: Times


class NwbFile:
    """An open NWB 2 file; `open_nwb` makes one.

    Every method raises DataError, naming the file, for what is missing or damaged.
    """

    def __init__(self, file: h5py.File, path: Path) -> None:
        self._file = file
        self.path = path

    def __contains__(self, name: str) -> bool:
        with reading(self.path):
            return name in self._file

    def names(self, group: str) -> list[str]:
        """List what a group holds, sorted; nothing if there is no such group."""
        with reading(self.path):
            found = self._file.get(group)
            return sorted(found) if isinstance(found, h5py.Group) else []

    def spike_times(self) -> list[Times]:
        """Read `units/spike_times`, one array a unit, in seconds."""
        return self.ragged("units/spike_times")

    def values(self, name: str) -> np.ndarray[Any, np.dtype[Any]]:
        """Read one dataset whole."""
        dataset = self._dataset(name)
        with reading(f"{self.path}: {name}"):
            return np.asarray(dataset[()])

    def ragged(self, name: str) -> list[Times]:
        """Read a column whose rows differ in length, through its `_index` of row ends.

        Raises:
            DataError: the column or its index is missing, or the index does not fit.
        """
        values = np.asarray(self.values(name), np.float64)
        ends = np.asarray(self.values(f"{name}_index"), np.int64)
        if len(ends) and (ends[-1] != len(values) or (np.diff(ends, prepend=0) < 0).any()):
            raise DataError(
                f"{self.path}: {name}_index does not fit the {len(values)} values of {name}; "
                "the file is damaged, download it again"
            )
        return np.split(values, ends[:-1]) if len(ends) else []

    def table(self, group: str) -> Mapping[str, np.ndarray[Any, np.dtype[Any]]]:
        """Read the plain columns of a table such as `intervals/trials`; text becomes `str`.

        Columns with rows of different lengths are left out; `ragged` reads those.

        Raises:
            DataError: there is no such table, or its columns differ in length.
        """
        with reading(self.path):
            columns = {
                name: _plain(self._file[f"{group}/{name}"])
                for name in self.names(group)
                if isinstance(self._file[f"{group}/{name}"], h5py.Dataset)
                and not name.endswith("_index")
                and f"{group}/{name}_index" not in self._file
            }
        if not columns:
            raise DataError(
                f"{self.path}: table {group!r} is missing; is the file of this release?"
            )
        lengths = {name: len(column) for name, column in columns.items()}
        if len(set(lengths.values())) > 1:
            raise DataError(f"{self.path}: the columns of {group} differ in length: {lengths}")
        return columns

    def series(self, name: str) -> Series:
        """Find a time series, with its timestamps or its start and rate.

        Raises:
            DataError: it is missing, or has not one time a value.
        """
        data = self._dataset(f"{name}/data")
        with reading(self.path):
            if f"{name}/timestamps" in self._file:
                times = np.asarray(self._file[f"{name}/timestamps"][()], np.float64)
            else:
                start = self._dataset(f"{name}/starting_time")
                rate = float(start.attrs["rate"])
                times = float(start[()]) + np.arange(len(data)) / rate
        if times.shape != data.shape[:1]:
            raise DataError(
                f"{self.path}: {name} has {data.shape[0]} values but {len(times)} timestamps; "
                "the file is damaged, download it again"
            )
        return Series(data, times)

    def attribute(self, name: str, key: str, default: float) -> float:
        """Read a number written beside a dataset, or `default` if there is none."""
        dataset = self._dataset(name)
        with reading(f"{self.path}: {name}"):
            return float(dataset.attrs.get(key, default))

    def text(self, name: str) -> str:
        """Read a text, such as `session_start_time`."""
        with reading(self.path):
            return str(_decoded(self._dataset(name)[()]))

    def _dataset(self, name: str) -> h5py.Dataset:
        with reading(self.path):
            found = self._file.get(name)
        if not isinstance(found, h5py.Dataset):
            raise DataError(f"{self.path}: {name!r} is missing; is the file of this release?")
        return found


@contextmanager
def open_nwb(path: Path) -> Iterator[NwbFile]:
    """Open an NWB file for reading.

    Raises:
        DataError: it is not HDF5, or damaged.
    """
    with reading(path):
        file = h5py.File(path, "r")
    with file:
        yield NwbFile(file, path)


def _plain(column: h5py.Dataset) -> np.ndarray[Any, np.dtype[Any]]:
    values = np.asarray(column[()])
    if values.dtype == object and values.ndim == 1:
        return np.array([_decoded(value) for value in values], object)
    return values


def _decoded(value: Any) -> Any:
    return value.decode("utf-8") if isinstance(value, bytes) else value
