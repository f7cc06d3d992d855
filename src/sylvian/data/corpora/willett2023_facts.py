"""What is published about Brain-to-Text '24 (participant T12)."""

from __future__ import annotations

from sylvian.data.corpora.base import ChannelGroup, CorpusFacts, ParticipantFacts

# Source: the session list of neural_seq_decoder, the same in every public fork of it.
_SESSIONS = """
    2022-04-28 2022-05-05 2022-05-17 2022-05-19 2022-05-24 2022-05-26 2022-06-02 2022-06-07
    2022-06-14 2022-06-16 2022-06-21 2022-06-23 2022-06-28 2022-07-05 2022-07-14 2022-07-21
    2022-07-27 2022-07-29 2022-08-02 2022-08-11 2022-08-13 2022-08-18 2022-08-23 2022-08-25
"""
# Places of the sessions that have a competition file (neural_seq_decoder); 80 sentences each.
_WITH_HOLDOUT = (4, 5, 6, 7, 8, 9, 10, 12, 13, 14, 15, 16, 18, 19, 20)
_TOTALS = {"train": 8800, "test": 880, "holdout": 1200}
# Columns of area 6v, from the electrode map in the release's competitionData read-me: the arrays'
# electrodes are not contiguous there.
_ARRAYS = (("inferior 6v", 0, 32), ("superior 6v", 32, 96), ("inferior 6v", 96, 128))
_FEATURES = ("threshold crossings", "spike-band power")


def _sessions() -> dict[str, dict[str, int]]:
    return {
        session: {"holdout": 80 if place in _WITH_HOLDOUT else 0}
        for place, session in enumerate(_SESSIONS.split())
    }


def _channels() -> tuple[ChannelGroup, ...]:
    return tuple(
        ChannelGroup(array=array, feature=feature, start=128 * half + start, stop=128 * half + stop)
        for half, feature in enumerate(_FEATURES)
        for array, start, stop in _ARRAYS
    )


T12 = ParticipantFacts(n_channels=256, channels=_channels(), sessions=_sessions(), trials=_TOTALS)

WILLETT2023 = CorpusFacts(
    name="willett2023",
    title="Brain-to-Text '24: attempted speech of participant T12",
    participants={"T12": T12},
    splits=("train", "test", "holdout"),
    licence="CC0-1.0",
    citation="Willett et al. 2023, A high-performance speech neuroprosthesis, "
    "Nature 620, 1031-1036",
    doi="10.5061/dryad.x69p8czpq",
    directions="download competitionData.tar.gz from https://doi.org/10.5061/dryad.x69p8czpq "
    "(Dryad may ask you to log in), unpack, and pass as --raw the folder that holds "
    "competitionData",
)
