"""Reader of Zenodo 3854034 (O'Doherty et al. 2017): random targets on a grid, M1 and S1."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import h5py
import numpy as np

from sylvian.data.corpora.base import CorpusFacts, ParticipantFacts
from sylvian.data.corpora.binning import bin_spike_times, refuse_disorder
from sylvian.data.corpora.nwb import Times
from sylvian.data.corpora.pieces import Piece
from sylvian.data.corpora.reading import reading
from sylvian.data.corpora.recordings import TRAIN, Recordings, Take, listed_days
from sylvian.data.corpora.spikes import refuse_spikes
from sylvian.data.corpora.windows import windows
from sylvian.errors import DataError
from sylvian.types import Strategy

# Electrodes: M1 alone, or M1 and S1.
_WIDTHS = (96, 192)
# The release's files; the run that a name ends in is a block.
_INDY = """
    2016 0407 0411 0418 0419 0420 0426 0622 0624 0627 0630 0915 0916 0921 0927 0930 1005 1006 1007
         1011 1013 1014 1017 1024 1025 1026 1027 1206 1207 1212 1220
    2017 0123 0124 0127 0131
"""
_LOCO = "2017 0210 0213 0214 0215 0216 0217 0227 0228 0301 0302"


def _participant(listing: str) -> ParticipantFacts:
    return ParticipantFacts(
        n_channels=None,
        sessions=listed_days(listing),
        strategies=(Strategy.REACHING,),
        species="monkey",
    )


ODOHERTY2017 = CorpusFacts(
    name="odoherty2017",
    title="monkeys Indy and Loco, reaches to random targets, M1 (96 channels) or M1 and S1 (192)",
    participants={"Indy": _participant(_INDY), "Loco": _participant(_LOCO)},
    splits=(TRAIN,),
    licence="CC-BY-4.0",
    citation="O'Doherty et al. 2017, Nonhuman primate reaching with multichannel sensorimotor "
    "cortex electrophysiology, Zenodo",
    doi="10.5281/zenodo.3854034",
    directions="run 'sylvian fetch odoherty2017 --raw DIR', or download the 47 .mat files of "
    "https://doi.org/10.5281/zenodo.3854034 (not the broadband recordings) and pass as --raw the "
    "folder that holds them",
)


class ODoherty2017(Recordings):
    """`{indy,loco}_YYYYMMDD_<run>.mat`: spike times as references, MATLAB 7.3.

    `spikes` holds a cell for every electrode and unit; the first unit is what was not sorted. We
    count all threshold crossings of an electrode, so that a channel is the same every day. The
    recording has no trials; it is cut into windows from the first to the last moment of `t`.

    Args:
        raw: Folder of the files.
        facts: What to expect.

    Source: brainsets, `odoherty_sabes_nonhuman_2017` (names and layout).
    """

    pattern = re.compile(r"(?P<participant>indy|loco)_(?P<date>\d{8})_(?P<run>\d+)\.mat")
    expected = "indy_YYYYMMDD_NN.mat file"
    people = {"indy": "Indy", "loco": "Loco"}

    def __init__(self, raw: Path, *, facts: CorpusFacts = ODOHERTY2017) -> None:
        super().__init__(raw, facts=facts)

    def _read(self, take: Take) -> Iterator[Piece]:
        with reading(take.path):
            file = h5py.File(take.path, "r")
        with file:
            first, last = _span(file, take.path)
            electrodes = _electrodes(file, take.path)
        refuse_spikes(electrodes, first, last, take.path)
        bin_s = self.facts.bin_s
        for window in windows(int((last - first) / bin_s + 1e-6), bin_s=bin_s):
            features = bin_spike_times(
                electrodes,
                start_s=first + window.start * bin_s,
                stop_s=first + window.stop * bin_s,
                bin_s=bin_s,
                where=str(take.path),
                is_sorted=True,
            )
            yield take.piece(features)


def _span(file: h5py.File, path: Path) -> tuple[float, float]:
    """Read the first and last moment at which the hand was tracked."""
    with reading(path):
        times = np.ravel(_dataset(file, "t", path)[()]).astype(np.float64)
    if len(times) < 2 or not (np.diff(times) > 0).all():
        raise DataError(f"{path}: t does not increase; download the file again")
    return float(times[0]), float(times[-1])


def _electrodes(file: h5py.File, path: Path) -> list[Times]:
    """Join the spikes of an electrode's units."""
    cells = _dataset(file, "spikes", path)
    if cells.dtype != h5py.ref_dtype or cells.ndim != 2 or cells.shape[1] not in _WIDTHS:
        raise DataError(
            f"{path}: spikes has shape {cells.shape} of {cells.dtype}, not references to (units, "
            "96 or 192 electrodes); is the file of this release?"
        )
    joined = []
    with reading(path):
        for electrode, units in enumerate(cells[()].T):
            times = [_times(file[unit]) for unit in units]
            for unit, one in enumerate(times):
                refuse_disorder(one, f"{path}: electrode {electrode}, unit {unit}")
            joined.append(np.sort(np.concatenate(times)))
    return joined


def _times(cell: h5py.Dataset) -> Times:
    if cell.attrs.get("MATLAB_empty") or 0 in cell.shape:
        return np.empty(0)
    return np.ravel(cell[()]).astype(np.float64)


def _dataset(file: h5py.File, name: str, path: Path) -> h5py.Dataset:
    found = file.get(name)
    if not isinstance(found, h5py.Dataset):
        raise DataError(f"{path}: variable {name!r} is missing; is the file of this release?")
    return found
