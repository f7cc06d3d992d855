"""Reader of Chowdhury et al. 2020: reaches and pushes, area 2 of somatosensory cortex."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from sylvian.data.corpora.base import CorpusFacts, ParticipantFacts
from sylvian.data.corpora.binning import bins_to_join, rebin_counts
from sylvian.data.corpora.matlab import read_variable
from sylvian.data.corpora.pieces import Piece, refuse_shape
from sylvian.data.corpora.reading import reading
from sylvian.data.corpora.recordings import TRAIN, Recordings, Take
from sylvian.data.corpora.structs import fields, number
from sylvian.types import Strategy

_MONKEY = ParticipantFacts(n_channels=None, strategies=(Strategy.REACHING,), species="monkey")

CHOWDHURY2020 = CorpusFacts(
    name="chowdhury2020",
    title="monkeys Chips, Han and Lando: centre-out reaches and pushes (COactpas) and reaches in "
    "two workspaces (TRT), area 2; units differ from day to day",
    participants={"Chips": _MONKEY, "Han": _MONKEY, "Lando": _MONKEY},
    splits=(TRAIN,),
    licence="CC0-1.0",
    citation="Chowdhury, Glaser & Miller 2020, Area 2 of primary somatosensory cortex encodes "
    "kinematics of the whole arm, eLife 9, e48198",
    doi="10.5061/dryad.nk98sf7q7",
    directions="run 'sylvian fetch chowdhury2020 --raw DIR', or download s1-kinematics.zip (4 GB) "
    "from https://doi.org/10.5061/dryad.nk98sf7q7 (Dryad may ask you to log in), unzip, and pass "
    "as --raw the folder that holds reaching_experiments",
)


class Chowdhury2020(Recordings):
    """`reaching_experiments/{C,H,L}_YYYYMMDD_<task>_TD.mat`: `trial_data` of MATLAB version 5.

    An element of `trial_data` is a continuous recording, a block here, with counts in bins of 10 ms
    (`S1_spikes`), of which two make one of ours. It is cut into windows. All units are kept, sorted
    or not.

    Args:
        raw: Folder that contains `reaching_experiments`, or that folder itself.
        facts: What to expect.

    Source: s1-kinematics, the paper's own analysis (file names, fields).
    """

    pattern = re.compile(
        r"(?P<participant>C|H|L|Chips|Han|Lando)_(?P<date>\d{8})_(?P<task>COactpas|TRT)\w*\.mat"
    )
    expected = "reaching_experiments/C_YYYYMMDD_COactpas_TD.mat file"
    people = {"C": "Chips", "H": "Han", "L": "Lando"}

    def __init__(self, raw: Path, *, facts: CorpusFacts = CHOWDHURY2020) -> None:
        super().__init__(raw, facts=facts)

    def _read(self, take: Take) -> Iterator[Piece]:
        where = f"{take.path}: trial_data"
        elements = fields(
            read_variable(take.path, "trial_data"), "S1_spikes", "bin_size", where=where
        )
        for place, (counts, bin_size) in enumerate(elements):
            refuse_shape(counts, (None, None), f"{where}.S1_spikes")
            width_s = number(bin_size, f"{where}.bin_size")
            factor = bins_to_join(width_s, bin_s=self.facts.bin_s, where=where)
            with reading(take.path):
                features = rebin_counts(counts, factor)
            yield from self._windows(replace(take, block=take.block + place), features)
