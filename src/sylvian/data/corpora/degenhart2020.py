"""Reader of Degenhart et al. 2020: a cursor steered by a decoder that is disturbed and steadied."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from sylvian.data.corpora.base import ChannelGroup, CorpusFacts, ParticipantFacts
from sylvian.data.corpora.matlab import read_numbers, read_variable
from sylvian.data.corpora.pieces import Piece, refuse_shape
from sylvian.data.corpora.reading import as_float32, reading
from sylvian.data.corpora.recordings import TRAIN, Recordings, Take
from sylvian.data.corpora.structs import Array, fields, text
from sylvian.errors import DataError
from sylvian.types import Strategy

_N_ELECTRODES = 96
_GROUP = ChannelGroup(array="M1", feature="threshold crossings", start=0, stop=93)

DEGENHART2020 = CorpusFacts(
    name="degenhart2020",
    title="a monkey's cursor control, M1; the decoder is disturbed and steadied again",
    participants={
        "Monkey": ParticipantFacts(
            n_channels=93,
            channels=(_GROUP,),
            sessions={"2016-03-25": {TRAIN: 1252}},
            strategies=(Strategy.REACHING,),
            species="monkey",
        )
    },
    splits=(TRAIN,),
    bin_s=0.045,
    licence="MIT",
    citation="Degenhart et al. 2020, Stabilization of a brain-computer interface via the alignment "
    "of low-dimensional spaces of neural activity, Nature Biomedical Engineering 4, 672-685",
    directions="download 20160325.mat of https://github.com/alandegenhart/stabilizedbci and pass "
    "as --raw the folder that holds it",
)


class Degenhart2020(Recordings):
    """`YYYYMMDD.mat`: `trialData` with counts in bins of 45 ms, which stay 45 ms wide.

    What the decoder did (`type`: `baselineEvaluation`, `perturbationEvaluation`,
    `stabilizationEvaluation`, ...) is a trial's prompt set, and an uninterrupted run of one type a
    block. The disturbance was in what the decoder was given, not in these counts. Trials of
    observation have no counts and are left out, and so are the three electrodes, silent but for two
    or three spikes, that are not among the publishers' `goodElectrodes`.

    Args:
        raw: Folder of the file.
        facts: What to expect.

    Source: the file; the paper for the width of its bins.
    """

    pattern = re.compile(r"(?P<participant>)(?P<date>\d{8})\.mat")
    expected = "YYYYMMDD.mat file"
    people = {"": "Monkey"}

    def __init__(self, raw: Path, *, facts: CorpusFacts = DEGENHART2020) -> None:
        super().__init__(raw, facts=facts)

    def _read(self, take: Take) -> Iterator[Piece]:
        good = _good(take.path)
        where = f"{take.path}: trialData"
        block, last = take.block - 1, None
        for counts, kind in fields(
            read_variable(take.path, "trialData"), "binCounts", "type", where=where
        ):
            task = text(kind)
            block, last = block + (task != last), task
            if not counts.size:
                continue
            refuse_shape(counts, (None, _N_ELECTRODES), f"{where}.binCounts")
            with reading(take.path):
                features = as_float32(counts[:, good])
            yield Take(take.path, block, task).piece(features)


def _good(path: Path) -> Array:
    electrodes = read_numbers(path, "goodElectrodes")
    if not len(electrodes) or electrodes.min() < 1 or electrodes.max() > _N_ELECTRODES:
        raise DataError(f"{path}: goodElectrodes are not numbers from 1 to {_N_ELECTRODES}")
    return np.asarray(electrodes - 1)
