"""What is published about the four FALCON sets with motor or handwriting tasks."""

from __future__ import annotations

from sylvian.data.corpora.base import ChannelGroup, CorpusFacts, ParticipantFacts, Species
from sylvian.data.corpora.handwriting import T5
from sylvian.types import Strategy

# FALCON's folders, shortened to what differs; their order here is that of reading.
MINIVAL, HELD_IN, HELD_OUT = "minival", "held_in_calib", "held_out_calib"
_CITATION = (
    "Karpowicz et al. 2024, Few-shot algorithms for consistent neural decoding (FALCON) benchmark, "
    "NeurIPS 37, datasets and benchmarks"
)

# Held-in sessions of H2 and their trials to calibrate on, each with two in minival; then the
# held-out ones, three trials each. Counted by CORP's conversion notebook.
_H2_HELD_IN = """
    2022-05-18 30  2022-05-23 48  2022-05-25 36  2022-06-01 48  2022-06-03 48  2022-06-06 47
    2022-06-08 25  2022-06-13 48  2022-06-15 36  2022-06-22 48  2022-09-01 30  2022-09-29 24
    2022-10-06 24  2022-10-18 24  2022-10-25 23  2022-10-27 24  2022-11-01 24  2022-11-03 24
    2022-12-08 24  2022-12-15 12  2023-02-28 24
"""
_H2_HELD_OUT = "2023-04-17 2023-05-31 2023-06-28 2023-08-16 2023-10-09"
# Sources: falcon-challenge, `config.py` (H1; dates moved a century back by the release), and
# brainsets' pipelines (M1, M2).
_H1 = """
    1925-01-01 1925-01-08 1925-01-13 1925-01-15 1925-01-19 1925-01-20 1925-01-26 1925-01-27
    1925-01-29 1925-02-02 1925-02-03 1925-02-06 1925-02-09
"""
_M1 = "2012-09-24 2012-09-26 2012-09-27 2012-09-28 2012-10-04 2012-10-17 2012-10-24"
_M2 = """
    2020-10-19 2020-10-20 2020-10-27 2020-10-28 2020-10-30 2020-11-18 2020-11-19 2020-11-24
"""


def _h2_sessions() -> dict[str, dict[str, int]]:
    words = _H2_HELD_IN.split()
    held_in = {
        session: {MINIVAL: 2, HELD_IN: int(count), HELD_OUT: 0}
        for session, count in zip(words[::2], words[1::2], strict=True)
    }
    return held_in | {day: {MINIVAL: 0, HELD_IN: 0, HELD_OUT: 3} for day in _H2_HELD_OUT.split()}


def _reaching(
    n_channels: int, array: str, sessions: str, *, species: Species = "monkey"
) -> ParticipantFacts:
    group = ChannelGroup(array=array, feature="threshold crossings", start=0, stop=n_channels)
    return ParticipantFacts(
        n_channels=n_channels,
        channels=(group,),
        sessions={session: {} for session in sessions.split()},
        strategies=(Strategy.REACHING,),
        species=species,
    )


def _facts(
    name: str, title: str, dandiset: str, participant: str, facts: ParticipantFacts
) -> CorpusFacts:
    return CorpusFacts(
        name=name,
        title=title,
        participants={participant: facts},
        splits=(MINIVAL, HELD_IN, HELD_OUT),
        licence="CC-BY-4.0",
        citation=_CITATION,
        directions=f"run 'dandi download DANDI:{dandiset}' (https://dandiarchive.org/dandiset/"
        f"{dandiset}) and pass as --raw the folder that holds sub-{participant}-held-in-calib, "
        f"or the one that holds {dandiset}",
    )


FALCON = _facts(
    "falcon",
    "FALCON H2: attempted handwriting of participant T5 (held-in days are also fan2023's)",
    "000950",
    "T5",
    T5.model_copy(update={"sessions": _h2_sessions()}),
)
FALCON_H1 = _facts(
    "falcon_h1",
    "FALCON H1: a human's attempted reach and grasp in seven degrees of freedom",
    "000954",
    "HumanPitt",
    _reaching(176, "motor cortex", _H1, species="human"),
)
FALCON_M1 = _facts(
    "falcon_m1",
    "FALCON M1: monkey L's reach to grasp",
    "000941",
    "MonkeyL",
    _reaching(64, "motor cortex", _M1),
)
FALCON_M2 = _facts(
    "falcon_m2",
    "FALCON M2: monkey N's finger movements",
    "000953",
    "MonkeyN",
    _reaching(96, "motor cortex", _M2),
)
