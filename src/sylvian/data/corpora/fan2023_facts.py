"""What is published about the year of self-recalibrating handwriting (participant T5)."""

from __future__ import annotations

from sylvian.data.corpora.base import CorpusFacts
from sylvian.data.corpora.handwriting import T5

# Source: the session list of CORP's recalibration simulator. The five sessions after these, which
# it comments out, were published with FALCON H2.
_SESSIONS = """
    2022-05-18 2022-05-23 2022-05-25 2022-06-01 2022-06-03 2022-06-06 2022-06-08 2022-06-13
    2022-06-15 2022-06-22 2022-09-01 2022-09-29 2022-10-06 2022-10-18 2022-10-25 2022-10-27
    2022-11-01 2022-11-03 2022-12-08 2022-12-15 2023-02-28
"""

FAN2023 = CorpusFacts(
    name="fan2023",
    title="CORP: attempted handwriting of participant T5 over a year (its recordings before March "
    "2023 are also FALCON H2's)",
    participants={
        "T5": T5.model_copy(update={"sessions": {session: {} for session in _SESSIONS.split()}})
    },
    splits=("train",),
    licence="CC0-1.0",
    citation="Fan et al. 2023, Plug-and-play stability for intracortical brain-computer "
    "interfaces: a one-year demonstration of seamless brain-to-text communication, NeurIPS 36",
    doi="10.5061/dryad.hqbzkh1p6",
    directions="download the data from https://doi.org/10.5061/dryad.hqbzkh1p6 (Dryad may ask you "
    "to log in), unpack, and pass as --raw the folder that holds seed_model_training_data and "
    "online_evaluation_data",
)
