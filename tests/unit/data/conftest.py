"""Small files of exactly the two published layouts, written here and not by our own writers."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
from scipy.io import savemat

from sylvian.data.corpora import CARD2024, WILLETT2023, CorpusFacts, ParticipantFacts

N_CHANNELS = 6
LABELS = [16, 27, 40]  # HH, P, SIL


@pytest.fixture
def rng() -> np.random.Generator:
    return np.random.default_rng(7)


@pytest.fixture
def few_t15() -> CorpusFacts:
    """Facts of a T15-like release with six channels and nothing known about sessions."""
    return CARD2024.model_copy(update={"participants": {"T15": ParticipantFacts(n_channels=6)}})


@pytest.fixture
def few_t12() -> CorpusFacts:
    return WILLETT2023.model_copy(update={"participants": {"T12": ParticipantFacts(n_channels=6)}})


def t15_trial(block: int, trial: int, features: Any, **changes: Any) -> dict[str, Any]:
    """Describe one trial group; `changes` overrides attributes, None removes them."""
    row = {
        "block_num": block,
        "trial_num": trial,
        "n_time_steps": len(features),
        "seq_len": len(LABELS),
        "sentence_label": "Hip.",
        "input_features": features,
        "seq_class_ids": np.pad(LABELS, (0, 500 - len(LABELS))),
        "transcription": np.pad([72, 105, 112], (0, 497)),
    }
    return row | changes


def write_t15(raw: Path, date: str, **splits: list[dict[str, Any]]) -> Path:
    """Write `data_<split>.hdf5` of a session below `raw/hdf5_data_final`; returns its folder."""
    session = f"t15.{date.replace('-', '.')}"
    folder = raw / "hdf5_data_final" / session
    folder.mkdir(parents=True, exist_ok=True)
    for split, rows in splits.items():
        with h5py.File(folder / f"data_{split}.hdf5", "w") as file:
            for place, row in enumerate(rows):
                _write_group(
                    file.create_group(f"trial_{place:04d}"), {"session": session} | row, split
                )
    return folder


def _write_group(group: h5py.Group, row: dict[str, Any], split: str) -> None:
    datasets = {"input_features", "seq_class_ids", "transcription"}
    withheld = {"seq_class_ids", "transcription", "seq_len", "sentence_label"}
    for name, value in row.items():
        if value is None or (split == "test" and name in withheld):
            continue
        if name in datasets:
            group[name] = value
        else:
            group.attrs[name] = value


def cells(matrices: list[Any]) -> Any:
    """Make a MATLAB cell row."""
    row = np.empty((1, len(matrices)), object)
    for place, matrix in enumerate(matrices):
        row[0, place] = matrix
    return row


def t12_variables(matrices: list[Any], blocks: list[int], sentences: list[str]) -> dict[str, Any]:
    """Make the variables of one file: area 6v in the first half of the columns."""
    counts = [np.round(np.abs(matrix)) for matrix in matrices]
    levels = {f"tx{level}": cells(counts) for level in (1, 2, 3, 4)}
    return levels | {
        "spikePow": cells(matrices),
        "blockIdx": np.array(blocks, np.uint8)[:, None],
        "sentenceText": sentences,
    }


def write_t12(raw: Path, date: str, **splits: dict[str, Any]) -> Path:
    """Write a day's files below `raw/competitionData`; returns that folder."""
    folder = raw / "competitionData"
    for split, variables in splits.items():
        place = folder / {"holdout": "competitionHoldOut"}.get(split, split)
        place.mkdir(parents=True, exist_ok=True)
        savemat(place / f"t12.{date.replace('-', '.')}.mat", variables)
    return folder


@pytest.fixture
def t15_raw(tmp_path: Path, rng: np.random.Generator) -> Path:
    """Two T15 sessions, six channels: the first without val and test, as four real ones are."""

    def trials(block: int, numbers: range) -> list[dict[str, Any]]:
        return [t15_trial(block, n, rng.normal(3, 2, (30 + n, N_CHANNELS))) for n in numbers]

    raw = tmp_path / "raw"
    write_t15(raw, "2023-08-11", train=trials(2, range(3)))
    val, test = trials(4, range(2)), trials(4, range(2, 4))
    write_t15(raw, "2023-08-13", train=trials(3, range(4)), val=val, test=test)
    (raw / "t15_copyTaskData_description.csv").write_text(
        "Date,Post-implant day,Block number,Number of sentences,Corpus,Split\n"
        "2023-08-11,25,2,3,50-Word,Train\n"
        "2023-08-13,27,3,4,Switchboard,Train\n"
        "2023-08-13,27,4,4,Harvard,Val/Test\n",
        encoding="utf-8",
    )
    return raw


@pytest.fixture
def t12_raw(tmp_path: Path, rng: np.random.Generator) -> Path:
    """Two T12 days, six columns of which three are area 6v; the first without holdout."""

    def file(blocks: list[int], sentences: list[str]) -> dict[str, Any]:
        matrices = [rng.normal(50, 9, (20 + n, N_CHANNELS)) for n in range(len(blocks))]
        return t12_variables(matrices, blocks, sentences)

    raw = tmp_path / "raw"
    labels = ["He said so.", "It's a well-known one, too.", "[DO NOTHING]"]
    placeholders = ["x", "x"]
    write_t12(raw, "2022-04-28", train=file([3, 3, 4], labels), test=file([6, 6], labels[:2]))
    write_t12(
        raw,
        "2022-05-24",
        train=file([3, 4, 4], labels),
        test=file([7, 7], labels[:2]),
        holdout=file([1, 2], placeholders),
    )
    return raw


@pytest.fixture
def make_t15() -> Callable[..., Path]:
    return write_t15


@pytest.fixture
def make_t15_trial() -> Callable[..., dict[str, Any]]:
    return t15_trial


@pytest.fixture
def make_t12() -> Callable[..., Path]:
    return write_t12


@pytest.fixture
def make_t12_variables() -> Callable[..., dict[str, Any]]:
    return t12_variables
