"""What is published about Brain-to-Text '25 (participant T15)."""

from __future__ import annotations

from sylvian.data.corpora.base import ChannelGroup, CorpusFacts, ParticipantFacts

# Session, labelled train trials, labelled val trials. Counted in the train and val labels of
# github.com/osehmathias/nejm-brain-to-text (2ba0eff), which add up to the published 8,072 + 1,426.
# The test trials of a session are published nowhere outside the files themselves; their total is.
_LABELLED = """
    2023-08-11 288  0
    2023-08-13 348 35
    2023-08-18 197 49
    2023-08-20 278 48
    2023-08-25  88 25
    2023-08-27 150 25
    2023-09-01 297 49
    2023-09-03 322 34
    2023-09-24 245 35
    2023-09-29 153 48
    2023-10-01 218 44
    2023-10-06 174 36
    2023-10-08 284 17
    2023-10-13 155 44
    2023-10-15 239 44
    2023-10-20  98  9
    2023-10-22 134 33
    2023-11-03 149 50
    2023-11-04  80 15
    2023-11-17 100 25
    2023-11-19  60 20
    2023-11-26 198 44
    2023-12-03 228 34
    2023-12-08 198 50
    2023-12-10 131 25
    2023-12-17 135 30
    2023-12-29 198 50
    2024-02-25 193 23
    2024-03-03 219  0
    2024-03-08 163 24
    2024-03-15 239 48
    2024-03-17 246 48
    2024-04-25 364  0
    2024-04-28 150  0
    2024-05-10 110 25
    2024-06-14  90 25
    2024-07-19 169 48
    2024-07-21 160 46
    2024-07-28 161 48
    2025-01-10 106 23
    2025-01-12 163 47
    2025-03-14  59 24
    2025-03-16 101 24
    2025-03-30 165 30
    2025-04-13  69 25
"""
_TOTALS = {"train": 8072, "val": 1426, "test": 1450}
_ARRAYS = ("ventral 6v", "area 4", "55b", "dorsal 6v")
_FEATURES = ("threshold crossings", "spike-band power")


def _sessions() -> dict[str, dict[str, int]]:
    table: dict[str, dict[str, int]] = {}
    for line in _LABELLED.strip().splitlines():
        session, train, val = line.split()
        table[session] = {"train": int(train), "val": int(val)}
        if val == "0":  # the four days without held-out blocks have no test file either
            table[session]["test"] = 0
    return table


def _channels() -> tuple[ChannelGroup, ...]:
    columns = [(array, feature) for feature in _FEATURES for array in _ARRAYS]
    return tuple(
        ChannelGroup(array=array, feature=feature, start=64 * place, stop=64 * (place + 1))
        for place, (array, feature) in enumerate(columns)
    )


T15 = ParticipantFacts(
    n_channels=512,
    channels=_channels(),
    sessions=_sessions(),
    trials=_TOTALS,
    sees_future=True,
)

CARD2024 = CorpusFacts(
    name="card2024",
    title="Brain-to-Text '25: attempted speech of participant T15",
    participants={"T15": T15},
    splits=("train", "val", "test"),
    licence="CC0-1.0",
    citation="Card et al. 2024, An accurate and rapidly calibrating speech neuroprosthesis, "
    "New England Journal of Medicine 391, 609-618",
    doi="10.5061/dryad.dncjsxm85",
    directions="download t15_copyTask_neuralData.zip and t15_copyTaskData_description.csv from "
    "https://doi.org/10.5061/dryad.dncjsxm85 (Dryad may ask you to log in), unzip, and pass as "
    "--raw the folder that holds hdf5_data_final and the description table",
)
