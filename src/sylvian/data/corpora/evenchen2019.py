"""Reader of DANDI:000121 (Even-Chen et al. 2019): delayed reaches, PMd and M1."""

from __future__ import annotations

import re
from pathlib import Path

from sylvian.data.corpora.base import ChannelGroup, CorpusFacts, ParticipantFacts
from sylvian.data.corpora.recordings import TRAIN
from sylvian.data.corpora.spikes import SpikeRecordings
from sylvian.types import Strategy

_GROUP = ChannelGroup(
    array="M1 and PMd", feature="threshold crossings or sorted spikes", start=0, stop=192
)
_MONKEY = ParticipantFacts(
    n_channels=192, channels=(_GROUP,), strategies=(Strategy.REACHING,), species="monkey"
)

EVENCHEN2019 = CorpusFacts(
    name="evenchen2019",
    title="monkeys Jenkins and Reggie, delayed reaches, PMd and M1",
    participants={"JenkinsC": _MONKEY, "Reggie": _MONKEY},
    splits=(TRAIN,),
    licence="CC-BY-4.0",
    citation="Even-Chen et al. 2019, Structure and variability of delay activity in premotor "
    "cortex, PLoS Computational Biology 15, e1006808",
    directions="run 'sylvian fetch evenchen2019 --raw DIR', or download "
    "https://dandiarchive.org/dandiset/000121 and pass its folder as --raw; 39 GB in 12 files, "
    "most of it field potentials that we do not read",
)


class EvenChen2019(SpikeRecordings):
    """`sub-<monkey>_ses-YYYYMMDDTHHMMSS_behavior+ecephys.nwb`; recordings of a day are its blocks.

    Args:
        raw: Folder of the dandiset, or one above it.
        facts: What to expect.
    """

    pattern = re.compile(
        r"sub-(?P<participant>JenkinsC|Reggie)_ses-(?P<date>\d{8})(?:T\d{6})?_behavior\+ecephys\.nwb"
    )
    expected = "sub-Reggie_ses-YYYYMMDDTHHMMSS_behavior+ecephys.nwb file"

    def __init__(self, raw: Path, *, facts: CorpusFacts = EVENCHEN2019) -> None:
        super().__init__(raw, facts=facts)
