"""Reader of Hennig et al. 2018: a cursor steered by two decoders in turn."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from sylvian.data.corpora.base import CorpusFacts, ParticipantFacts
from sylvian.data.corpora.matlab import read_variable
from sylvian.data.corpora.pieces import Piece, refuse_shape
from sylvian.data.corpora.reading import as_float32, reading
from sylvian.data.corpora.recordings import TRAIN, Recordings, Take
from sylvian.data.corpora.structs import fields, number, only
from sylvian.types import Strategy

# Which monkey a session is of, the paper's code tells by the year.
_MONKEYS = {"2012": "MonkeyJ", "2013": "MonkeyL", "2016": "MonkeyN"}

HENNIG2018 = CorpusFacts(
    name="hennig2018",
    title="monkeys' cursor control with two decoders, M1",
    participants={
        name: ParticipantFacts(n_channels=None, strategies=(Strategy.REACHING,), species="monkey")
        for name in _MONKEYS.values()
    },
    splits=(TRAIN,),
    bin_s=0.045,
    licence="MIT",
    citation="Hennig et al. 2018, Constraints on neural redundancy, eLife 7, e36774",
    directions="download the files of data/sessions in "
    "https://github.com/mobeets/neural-redundancy-elife2018 and pass as --raw the folder that "
    "holds them",
)


class Hennig2018(Recordings):
    """`YYYYMMDD.mat`: `D.blocks` with spike counts in bins of 45 ms, which stay 45 ms wide.

    A block is what was recorded with one decoder. The release sets its trials end to end, so that a
    window may hold the end of one and the beginning of the next.

    Args:
        raw: Folder of the files.
        facts: What to expect.

    Source: neural-redundancy-elife2018, `preprocessSessionsForElife.m` and
    `+tools/getMonkeyDateFilter.m`; the paper for the width of its bins.
    """

    pattern = re.compile(r"(?P<date>(?P<participant>2012|2013|2016)\d{4})\.mat")
    expected = "YYYYMMDD.mat file"
    people = _MONKEYS

    def __init__(self, raw: Path, *, facts: CorpusFacts = HENNIG2018) -> None:
        super().__init__(raw, facts=facts)

    def _read(self, take: Take) -> Iterator[Piece]:
        where = f"{take.path}: D"
        (blocks,) = only(read_variable(take.path, "D"), "blocks", where=where)
        width = None
        for counts, index in fields(blocks, "spikes", "block_index", where=f"{where}.blocks"):
            refuse_shape(counts, (None, width), f"{where}.blocks.spikes")
            width = counts.shape[1]
            with reading(take.path):
                block = int(number(index, f"{where}.blocks.block_index"))
                features = as_float32(counts)
            yield from self._windows(replace(take, block=block), features)
