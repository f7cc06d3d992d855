"""Reader of DANDI:000688 (Perich et al. 2018): centre-out and random-target reaches."""

from __future__ import annotations

import re
from pathlib import Path

from sylvian.data.corpora.base import CorpusFacts
from sylvian.data.corpora.perich2018_facts import PERICH2018
from sylvian.data.corpora.spikes import SpikeRecordings


class Perich2018(SpikeRecordings):
    """`sub-<monkey>_ses-<task>-YYYYMMDD_behavior+ecephys.nwb`: units sorted anew every day.

    Args:
        raw: Folder of the dandiset, or one above it.
        facts: What to expect.

    Source: brainsets, `perich_miller_population_2018` (names and layout).
    """

    pattern = re.compile(
        r"sub-(?P<participant>[CJMT])_ses-(?P<task>CO|RT)-(?P<date>\d{8})_behavior\+ecephys\.nwb"
    )
    expected = "sub-C_ses-CO-YYYYMMDD_behavior+ecephys.nwb file"

    def __init__(self, raw: Path, *, facts: CorpusFacts = PERICH2018) -> None:
        super().__init__(raw, facts=facts)
