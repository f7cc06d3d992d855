"""What is published about DANDI:000688 (Perich et al. 2018)."""

from __future__ import annotations

from sylvian.data.corpora.base import CorpusFacts, ParticipantFacts
from sylvian.data.corpora.recordings import TRAIN, listed_days
from sylvian.types import Strategy

# The dandiset's files as a public user listed them: month and days, by year, monkey and task.
_SESSIONS = {
    "C": """
        2013 1003 1009 1010 1011 1022 1023 1028 1029 1031 1101 1203 1204 1209 1210 1212 1213 1217
             1218 1219 1220
        2015 0309 0311 0312 0313 0316 0317 0318 0319 0320 0629 0630 0701 0703 0706 0707 0708 0709
             0710 0713 0714 0715 0716 1103 1104 1106 1109 1110 1112 1113 1116 1117 1119 1120 1201
        2016 0909 0912 0914 0915 0919 0921 0923 0929 1005 1006 1007 1011 1013 1021
    """,
    "J": "2016 0405 0406 0407",
    "M": """
        2014 0114 0115 0116 0203 0214 0217 0218 0221 0224 0303 0304 0306 0307 0626 0627 0929 1203
        2015 0511 0512 0610 0611 0612 0615 0616 0617 0623 0625 0626
    """,
    "T": "2013 0819 0820 0821 0822 0823 0830 0903 0904 0905 0906 0909 0910",
}


def _participant(listing: str) -> ParticipantFacts:
    return ParticipantFacts(
        n_channels=None,
        sessions=listed_days(listing),
        strategies=(Strategy.REACHING,),
        species="monkey",
    )


PERICH2018 = CorpusFacts(
    name="perich2018",
    title="four monkeys, centre-out (CO) and random-target (RT) reaches, M1 and PMd; sorted units "
    "differ from day to day (some recordings of C and M are in ma2023 too)",
    participants={name: _participant(listing) for name, listing in _SESSIONS.items()},
    splits=(TRAIN,),
    licence="CC-BY-4.0",
    citation="Perich, Gallego & Miller 2018, A neural population mechanism for rapid learning, "
    "Neuron 100, 964-976",
    doi="10.48324/dandi.000688/0.250122.1735",
    directions="run 'sylvian fetch perich2018 --raw DIR', or download "
    "https://doi.org/10.48324/dandi.000688/0.250122.1735 and pass its folder as --raw",
)
