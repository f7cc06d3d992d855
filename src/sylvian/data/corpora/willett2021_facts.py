"""What is published about the handwriting release (participant T5, 2019 and 2020)."""

from __future__ import annotations

from sylvian.data.corpora.base import CorpusFacts
from sylvian.data.corpora.handwriting import T5

# Source: the session list of handwritingBCI, step 4.
_SESSIONS = """
    2019-05-08 2019-11-25 2019-12-09 2019-12-11 2019-12-18
    2019-12-20 2020-01-06 2020-01-08 2020-01-13 2020-01-15
"""

WILLETT2021 = CorpusFacts(
    name="willett2021",
    title="Attempted handwriting of participant T5: single letters and 1,000 sentences",
    participants={
        "T5": T5.model_copy(update={"sessions": {session: {} for session in _SESSIONS.split()}})
    },
    splits=("train",),
    licence="CC0-1.0",
    citation="Willett et al. 2021, High-performance brain-to-text communication via handwriting, "
    "Nature 593, 249-254",
    doi="10.5061/dryad.wh70rxwmv",
    directions="download handwritingBCIData.tar.gz from https://doi.org/10.5061/dryad.wh70rxwmv "
    "(Dryad may ask you to log in), unpack, and pass as --raw the folder that holds Datasets",
)
