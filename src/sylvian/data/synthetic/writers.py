"""Simulated days as files of exactly the two published layouts."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping, Sequence
from datetime import date
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from jaxtyping import UInt8

from sylvian.data.disk import creating
from sylvian.data.files import replacing
from sylvian.data.synthetic.participant import SimulatedBlock, SimulatedDay, SimulatedTrial
from sylvian.data.synthetic.schedule import PlannedDay
from sylvian.text import phoneme_vocabulary

LABEL_PLACES = 500  # length of seq_class_ids and transcription in the release
T15_FIRST_DAY = 25  # post-implant day of the release's first session
PLACEHOLDER = "withheld"  # sentence in competition files

_HEADER_BYTES = 116  # of text at the start of a MATLAB file
_HEADER = "MATLAB 5.0 MAT-file, simulated by Sylvian"  # without the date scipy puts there
_KEPT = 0.45  # share of crossings of one threshold that also cross the next lower one
_FOLDERS = {"train": "train", "test": "test", "holdout": "competitionHoldOut"}

Array = np.ndarray[Any, np.dtype[np.float32]]
Counts = np.ndarray[Any, np.dtype[np.uint8]]


def write_card2024(day: SimulatedDay, folder: Path) -> dict[str, int]:
    """Write a day in the layout of Brain-to-Text '25 (Card et al. 2024).

    `hdf5_data_final/<prefix>.YYYY.MM.DD/data_{train,val,test}.hdf5`, a group per trial, features
    z-scored over their whole block (they have seen the future, as the release's have): crossings
    of 256 electrodes, then their spike-band power. Test groups have no labels.

    Args:
        day: A simulated day; its blocks are walked through.
        folder: Raw folder of the participant.

    Returns:
        Split -> trials written; a split without trials has no file.

    Raises:
        DataError: a file cannot be written.
    """
    session = session_name(day.config.name, day.planned.session)
    counts = _counts(day.planned)
    blocks = list(day.blocks())
    for split in counts:
        path = folder / "hdf5_data_final" / session / f"data_{split}.hdf5"
        with replacing(path) as partial, creating(partial) as (file, disk):
            place = 0
            for block in blocks:
                place = _write_block(file, block, split, session, place)
            disk.check()
    return counts


def write_description(days: Iterable[PlannedDay], participant: str, folder: Path) -> None:
    """Write the table of blocks that lies beside the release of Brain-to-Text '25.

    Raises:
        DataError: the file cannot be written.
    """
    days = tuple(days)
    start = date.fromisoformat(days[0].session)
    path = folder / f"{participant.lower()}_copyTaskData_description.csv"
    with replacing(path) as partial, partial.open("w", encoding="utf-8", newline="") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(
            ["Date", "Post-implant day", "Block number", "Number of sentences", "Corpus", "Split"]
        )
        for day in days:
            since = (date.fromisoformat(day.session) - start).days + T15_FIRST_DAY
            for block in day.blocks:
                split = "Train" if block.trials[0].split == "train" else "Val/Test"
                row = [day.session, since, block.number, len(block.trials), block.prompt_set, split]
                table.writerow(row)


def write_willett2023(day: SimulatedDay, folder: Path) -> dict[str, int]:
    """Write a day in the layout of Brain-to-Text '24 (Willett et al. 2023).

    `competitionData/{train,test,competitionHoldOut}/<prefix>.YYYY.MM.DD.mat` (MATLAB version 5):
    `sentenceText` as character rows, `blockIdx`, and cells `tx1` to `tx4` (crossings of four
    thresholds, each a subset of the one before) and `spikePow` with 256 columns, raw.

    Args:
        day: A simulated day; its blocks are walked through.
        folder: Raw folder of the participant.

    Returns:
        Split -> trials written; a split without trials has no file.

    Raises:
        DataError: a file cannot be written.
    """
    name = session_name(day.config.name, day.planned.session) + ".mat"
    trials: dict[str, list[tuple[int, SimulatedTrial]]] = {}
    for block in day.blocks():
        for trial in block.trials:
            trials.setdefault(trial.planned.split, []).append((block.planned.number, trial))
    for split, numbered in trials.items():
        save_matlab(folder / "competitionData" / _FOLDERS[split] / name, _variables(numbered))
    return _counts(day.planned)


def session_name(participant: str, session: str) -> str:
    """Name a day as the releases do: `t15.2023.08.11`."""
    return f"{participant.lower()}.{session.replace('-', '.')}"


def _counts(day: PlannedDay) -> dict[str, int]:
    counts: dict[str, int] = {}
    for block in day.blocks:
        for trial in block.trials:
            counts[trial.split] = counts.get(trial.split, 0) + 1
    return counts


def _write_block(
    file: h5py.File, block: SimulatedBlock, split: str, session: str, place: int
) -> int:
    """Write a block's trials of one split; returns the place of the next trial in the file."""
    if not any(trial.planned.split == split for trial in block.trials):
        return place
    for trial, features in zip(block.trials, _z_scored(block.trials), strict=True):
        if trial.planned.split == split:
            group = file.create_group(f"trial_{place:04d}")
            _write_trial(group, trial, features)
            group.attrs["session"] = session
            group.attrs["block_num"] = block.planned.number
            group.attrs["trial_num"] = trial.planned.number
            place += 1
    return place


def _write_trial(group: h5py.Group, trial: SimulatedTrial, features: Array) -> None:
    group["input_features"] = features
    group.attrs["n_time_steps"] = len(features)
    if trial.planned.split == "test":
        return
    sentence = trial.planned.sentence
    ids = phoneme_vocabulary().encode(trial.labels)
    group["seq_class_ids"] = _padded(ids)
    group["transcription"] = _padded([ord(c) for c in sentence.replace("\u2019", "'")])
    group.attrs["seq_len"] = len(ids)
    group.attrs["sentence_label"] = sentence


def _padded(values: Sequence[int]) -> np.ndarray[Any, np.dtype[np.int32]]:
    padded = np.zeros(LABEL_PLACES, np.int32)
    padded[: len(values)] = values
    return padded


def _z_scored(trials: Sequence[SimulatedTrial]) -> list[Array]:
    """Z-score every feature over the block; one that never changes becomes zero."""
    features = [
        np.concatenate([t.recording.crossings, t.recording.power], axis=1, dtype=np.float32)
        for t in trials
    ]
    bins = np.concatenate(features)
    mean, spread = bins.mean(0), bins.std(0)
    spread[spread == 0] = 1
    return [(matrix - mean) / spread for matrix in features]


def _variables(numbered: Sequence[tuple[int, SimulatedTrial]]) -> dict[str, Any]:
    recordings = [trial.recording for _, trial in numbered]
    hidden = numbered[0][1].planned.split == "holdout"
    text = [PLACEHOLDER if hidden else trial.planned.sentence for _, trial in numbered]
    levels = {
        f"tx{threshold}": as_cell([_crossing(r.crossings, threshold) for r in recordings])
        for threshold in range(1, 5)
    }
    return {
        "sentenceText": np.array(text),
        "blockIdx": np.array([[number] for number, _ in numbered], np.uint8),
        **levels,
        "spikePow": as_cell([recording.power for recording in recordings]),
    }


def _crossing(crossings: UInt8[np.ndarray, "bins electrodes"], threshold: int) -> Counts:
    """Count those crossings of the first threshold that reach another one.

    A share of them does; where it is rounded up follows a fixed uneven pattern over bins and
    electrodes. Nobody decodes from the deeper thresholds, so no randomness is spent on them.
    """
    bins, electrodes = np.ogrid[: crossings.shape[0], : crossings.shape[1]]
    dither = (bins * 0.618034 + electrodes * 0.754878) % 1
    return np.asarray(crossings * _KEPT ** (threshold - 1) + dither).astype(np.uint8)


def as_cell(matrices: Sequence[Any]) -> np.ndarray[Any, np.dtype[np.object_]]:
    """Make a MATLAB cell of one row."""
    cell = np.empty((1, len(matrices)), object)
    for place, matrix in enumerate(matrices):
        cell[0, place] = matrix
    return cell


def save_matlab(path: Path, variables: Mapping[str, Any]) -> None:
    """Write a MATLAB file of version 5 whose bytes do not depend on when it is written.

    Raises:
        DataError: it cannot be written.
    """
    from scipy.io import savemat  # half a second that readers of this room need not wait

    with replacing(path) as partial:
        savemat(str(partial), dict(variables), appendmat=False, oned_as="column")
        with partial.open("rb+") as file:
            file.write(_HEADER.ljust(_HEADER_BYTES).encode("ascii"))
