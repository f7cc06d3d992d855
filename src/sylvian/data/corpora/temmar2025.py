"""Reader of LINK (Temmar et al. 2025, DANDI:001201): monkey N's finger movements over 3.5 years."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from jaxtyping import Float64, Int

from sylvian.data.corpora.base import ChannelGroup, CorpusFacts, ParticipantFacts
from sylvian.data.corpora.nwb import NwbFile, Series, open_nwb
from sylvian.data.corpora.pieces import Piece, refuse_shape
from sylvian.data.corpora.reading import as_float32, reading
from sylvian.data.corpora.recordings import TRAIN, Recordings, Take
from sylvian.data.corpora.spikes import Intervals, read_intervals
from sylvian.errors import DataError
from sylvian.types import Strategy

# The release's writer says 20 ms, its read-me 32 ms.
_BINS_S = (0.02, 0.032)
# Where the published files and their writer put the counts.
_PLACES = ("analysis/ThresholdCrossings", "processing/ecephys/ThresholdCrossings")
_GROUP = ChannelGroup(
    array="hand area of M1", feature="threshold crossings (-4.5 RMS)", start=0, stop=96
)

TEMMAR2025 = CorpusFacts(
    name="temmar2025",
    title="LINK: monkey N's self-paced finger movements, M1, 312 days (falcon_m2's monkey)",
    participants={
        "MonkeyN": ParticipantFacts(
            n_channels=96, channels=(_GROUP,), strategies=(Strategy.REACHING,), species="monkey"
        )
    },
    splits=(TRAIN,),
    licence="CC-BY-4.0",
    citation="Temmar et al. 2025, LINK: Long-term intracortical neural activity and kinematics, "
    "NeurIPS 38, datasets and benchmarks",
    doi="10.48324/dandi.001201/0.251023.2336",
    directions="run 'sylvian fetch temmar2025 --raw DIR', or download "
    "https://doi.org/10.48324/dandi.001201/0.251023.2336 (12.6 GB) and pass its folder as --raw",
)


class Temmar2025(Recordings):
    """`sub-Monkey-N_ses-YYYYMMDD_ecephys.nwb`: counts in bins, and a table of trials.

    How wide the bins are is read off their timestamps, which have gaps: a trial that one divides is
    given out in parts. Centre-out and random targets (`CO`, `RD`) are blocks of their own, as often
    as they alternate.

    Args:
        raw: Folder of the dandiset, or one above it.
        facts: What to expect.

    Source: LINK_dataset, `convert_dandi_nwb_to_pkl.py` and `pkl_to_nwb.py`.
    """

    pattern = re.compile(r"sub-(?P<participant>Monkey-N)_ses-(?P<date>\d{8})\w*_ecephys\.nwb")
    expected = "sub-Monkey-N_ses-YYYYMMDD_ecephys.nwb file"
    people = {"Monkey-N": "MonkeyN"}

    def __init__(self, raw: Path, *, facts: CorpusFacts = TEMMAR2025) -> None:
        super().__init__(raw, facts=facts)

    def _read(self, take: Take) -> Iterator[Piece]:
        n_channels = self.facts.participants["MonkeyN"].n_channels
        with open_nwb(take.path) as file:
            counts, trials = _counts(file), read_intervals(file)
            refuse_shape(counts.data, (None, n_channels), f"{take.path}: {counts.data.name}")
            step_s = _step(counts, take.path)
            styles = np.asarray(trials.columns.get("target_style", [""] * len(trials.starts)))
            blocks = np.cumsum(np.r_[0, styles[1:] != styles[:-1]])
            with reading(take.path):
                values = as_float32(counts.data[()])
        for row, first, last in _rows(counts.times_s, trials, step_s):
            task = str(styles[row]) or None
            block = take.block + int(blocks[row])
            yield Take(take.path, block, task).piece(values[first:last], bin_s=step_s)


def _counts(file: NwbFile) -> Series:
    place = next((place for place in _PLACES if f"{place}/data" in file), _PLACES[0])
    return file.series(place)


def _step(counts: Series, path: Path) -> float:
    """Say how wide a bin is.

    Raises:
        DataError: timestamps do not increase, or lie otherwise than either account of the release.
    """
    steps = np.diff(counts.times_s)
    if not len(steps):
        raise DataError(f"{path}: counts of {len(counts.times_s)} bins only; download it again")
    if not (steps > 0).all():
        raise DataError(f"{path}: timestamps do not increase; download the file again")
    found = float(np.median(steps))
    nearest = min(_BINS_S, key=lambda width: abs(width - found))
    if abs(found - nearest) > 0.01 * nearest:
        raise DataError(
            f"{path}: bins of {found * 1000:g} ms; the release has 20 ms or 32 ms, is it of this "
            "release?"
        )
    return nearest


def _rows(
    times: Float64[np.ndarray, " bins"], trials: Intervals, step_s: float
) -> Iterator[tuple[int, int, int]]:
    """Give the trial, first bin and bin after the last of each stretch without a gap.

    A trial's stop is the time of its last bin, and a bin belongs to one trial only.
    """
    gaps = np.flatnonzero(np.diff(times) > 1.5 * step_s) + 1
    used = 0
    for row in np.argsort(trials.starts, kind="stable"):
        first = max(used, _first_bin(times, trials.starts[row] - step_s / 2))
        used = max(first, _first_bin(times, trials.stops[row] + step_s / 2))
        for start, stop in _between(first, used, gaps):
            yield int(row), start, stop


def _first_bin(times: Float64[np.ndarray, " bins"], moment: float) -> int:
    return int(np.searchsorted(times, moment))


def _between(first: int, last: int, gaps: Int[np.ndarray, " gaps"]) -> Iterator[tuple[int, int]]:
    edges = [first, *gaps[(gaps > first) & (gaps < last)].tolist(), last]
    for start, stop in zip(edges[:-1], edges[1:], strict=True):
        if stop > start:
            yield start, stop
