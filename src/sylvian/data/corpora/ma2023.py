"""Reader of Ma et al. 2023: five monkeys, isometric wrist, grasping and reaching tasks, M1."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import h5py
import numpy as np

from sylvian.data.corpora.base import CorpusFacts
from sylvian.data.corpora.binning import bins_to_join, rebin_counts
from sylvian.data.corpora.ma2023_facts import MA2023
from sylvian.data.corpora.matlab import read_variable
from sylvian.data.corpora.pieces import Piece, refuse_lengths, refuse_shape
from sylvian.data.corpora.reading import reading
from sylvian.data.corpora.recordings import Features, Recordings, Take
from sylvian.data.corpora.structs import Array, number, only
from sylvian.errors import DataError

# Fine bins are read for this long at a time: 96 channels of 1 ms bins take 750 KB a second.
_STRIP_S = 30.0


class Ma2023(Recordings):
    """`<monkey>_YYYYMMDD[_<task>]_NNN[_<task>].mat`: an `xds` struct of MATLAB 7.3 or 5.

    `spike_counts` are counts in bins of 1 ms (`bin_width`), which are added up to ours and cut into
    windows. Electrodes that gave nothing are left out by the release, so that sessions differ in
    channels. A file of version 7.3 is read in strips; one of version 5 is in memory whole.

    Args:
        raw: Folder that contains the unpacked archives, or one of them.
        facts: What to expect.

    Source: limblab's xds (fields); context_general_bci (file names).
    """

    pattern = re.compile(
        r"(?P<participant>Chewie|Greyson|Jango|Mihili|Spike)_(?P<date>\d{8})_"
        r"(?:[A-Za-z]+_)?(?P<run>\d+)(?:_(?P<task>[A-Za-z]+))?\.mat"
    )
    expected = "Jango_YYYYMMDD_NNN.mat file"

    def __init__(self, raw: Path, *, facts: CorpusFacts = MA2023) -> None:
        super().__init__(raw, facts=facts)

    def _read(self, take: Take) -> Iterator[Piece]:
        with reading(take.path):
            is_new = h5py.is_hdf5(take.path)
        features = (_from_7_3 if is_new else _from_5)(take.path, self.facts.bin_s)
        yield from self._windows(take, features)


def _from_5(path: Path, bin_s: float) -> Features:
    where = f"{path}: xds"
    counts, width, times = only(
        read_variable(path, "xds"), "spike_counts", "bin_width", "time_frame", where=where
    )
    refuse_shape(counts, (None, None), f"{where}.spike_counts")
    factor = _factor(number(width, f"{where}.bin_width"), np.ravel(times), bin_s, where)
    refuse_lengths(where, spike_counts=len(counts), time_frame=times.size)
    with reading(path):
        return rebin_counts(counts, factor)


def _from_7_3(path: Path, bin_s: float) -> Features:
    where = f"{path}: xds"
    with reading(path):
        file = h5py.File(path, "r")
    with file, reading(path):
        counts, width, times = (
            _dataset(file, f"xds/{name}", path)
            for name in ("spike_counts", "bin_width", "time_frame")
        )
        refuse_shape(counts, (None, None), f"{where}.spike_counts")
        frame = np.ravel(times[()])
        factor = _factor(number(width[()], f"{where}.bin_width"), frame, bin_s, where)
        refuse_lengths(where, spike_counts=counts.shape[1], time_frame=len(frame))
        strip = factor * round(_STRIP_S / bin_s)
        parts = [
            rebin_counts(counts[:, start : start + strip].T, factor)  # 7.3 stores axes reversed
            for start in range(0, counts.shape[1], strip)
        ]
        return np.concatenate(parts)


def _factor(width_s: float, times: Array, bin_s: float, where: str) -> int:
    """Say how many bins make one of ours, by what the file says and by its clock.

    Raises:
        DataError: they disagree, or do not make up a bin of ours.
    """
    if len(times) < 2:
        raise DataError(f"{where}: time_frame has {len(times)} moments; download the file again")
    step_s = float(np.median(np.diff(times)))
    if abs(step_s - width_s) > 0.01 * width_s:
        raise DataError(
            f"{where}: bin_width is {width_s} s, but time_frame goes in steps of {step_s:g} s; "
            "the file is damaged, download it again"
        )
    return bins_to_join(width_s, bin_s=bin_s, where=where)


def _dataset(file: h5py.File, name: str, path: Path) -> h5py.Dataset:
    found = file.get(name)
    if not isinstance(found, h5py.Dataset):
        raise DataError(f"{path}: {name.replace('/', '.')} is missing; is it of this release?")
    return found
