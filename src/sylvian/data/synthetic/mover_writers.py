"""Simulated days of monkeys and of a handwriting human as files of published layouts."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from sylvian.data.disk import creating
from sylvian.data.files import replacing
from sylvian.data.synthetic.movers import LETTER_SET, MovedBlock, MovedDay
from sylvian.data.synthetic.speech import BIN_MS
from sylvian.data.synthetic.writers import as_cell, save_matlab, session_name

BLOCK_FOLDER = "000121"  # the dandiset whose layout it is
_BIN_S = BIN_MS / 1000
_FINE_S = 0.01  # bins of the handwriting release
_FIRST_HOUR = 3  # twenty blocks fit into the day
_EDGE = 0.02  # of a bin: a spike keeps this far from its edges, so that rounding moves none
# Characters whose cue is a word in the release.
_CUE_NAMES = {
    ">": "greaterThan",
    ",": "comma",
    "'": "apostrophe",
    "~": "tilde",
    "?": "questionMark",
}

Array = np.ndarray[Any, np.dtype[Any]]


def write_reaches(day: MovedDay, folder: Path, rng: np.random.Generator) -> dict[str, Any]:
    """Write a monkey's day as DANDI:000121 holds days (Even-Chen et al. 2019).

    `sub-<monkey>_ses-YYYYMMDDTHHMMSS_behavior+ecephys.nwb`, a file a block: `units` with the spike
    times of each electrode in seconds, `intervals/trials`, and the hand's place.

    Args:
        day: A simulated day; its blocks are walked through.
        folder: Raw folder of the participant.
        rng: Places the spikes within their bins.

    Returns:
        `trials` (split -> trials) and `prompt_sets` (block -> task).

    Raises:
        DataError: a file cannot be written.
    """
    n_trials, sets = 0, {}
    for block in day.blocks():
        moment = f"{day.session.replace('-', '')}T{_FIRST_HOUR + block.number - 1:02d}0000"
        name = f"sub-{day.config.name}_ses-{moment}_behavior+ecephys.nwb"
        path = folder / BLOCK_FOLDER / f"sub-{day.config.name}" / name
        with replacing(path) as partial, creating(partial) as (file, disk):
            _write_nwb(file, block, day.session, rng)
            disk.check()
        n_trials += len(block.starts)
        sets[str(block.number)] = block.prompt_set
    return {"trials": {"train": n_trials}, "prompt_sets": sets}


def write_handwriting(day: MovedDay, folder: Path, rng: np.random.Generator) -> dict[str, Any]:
    """Write a day in the layout of the handwriting release (Willett et al. 2021).

    `Datasets/<prefix>.YYYY.MM.DD/{singleLetters,sentences}.mat` (MATLAB version 5): counts in bins
    of 10 ms, letters as a continuous recording, sentences as a zero-padded cube.

    Args:
        day: A simulated day; its blocks are walked through.
        folder: Raw folder of the participant.
        rng: Says which half of a bin a crossing was in.

    Returns:
        `trials` (split -> trials) and `prompt_sets` (block -> kind of prompt).

    Raises:
        DataError: a file cannot be written.
    """
    blocks = list(day.blocks())
    letters = [block for block in blocks if block.prompt_set == LETTER_SET]
    sentences = [block for block in blocks if block.prompt_set != LETTER_SET]
    place = folder / "Datasets" / session_name(day.config.name, day.session)
    save_matlab(place / "singleLetters.mat", _letters(letters, rng))
    if sentences:
        save_matlab(place / "sentences.mat", _sentences(sentences, rng))
    return {
        "trials": {"train": sum(len(block.starts) for block in blocks)},
        "prompt_sets": {str(block.number): block.prompt_set for block in blocks},
    }


def _write_nwb(file: h5py.File, block: MovedBlock, session: str, rng: np.random.Generator) -> None:
    file.attrs.update(nwb_version="2.4.0", namespace="core", neurodata_type="NWBFile")
    file["session_start_time"] = f"{session}T{_FIRST_HOUR + block.number - 1:02d}:00:00+00:00"
    spikes = [_spike_times(counts, rng) for counts in block.crossings.T]
    units = file.create_group("units")
    units["id"] = np.arange(len(spikes))
    units["spike_times"] = np.concatenate(spikes)
    units["spike_times_index"] = np.cumsum([len(times) for times in spikes])
    units["electrodes"] = np.arange(len(spikes))
    trials = file.create_group("intervals/trials")
    trials["id"] = np.arange(len(block.starts))
    trials["start_time"] = _BIN_S * np.array(block.starts)
    trials["stop_time"] = _BIN_S * np.array(block.stops)
    hand = file.create_group("processing/behavior/Position/Hand")
    hand["data"] = block.place
    hand["timestamps"] = _BIN_S * np.arange(len(block.place))


def _spike_times(counts: Array, rng: np.random.Generator) -> Array:
    bins = np.repeat(np.arange(len(counts)), counts)
    return np.sort(_BIN_S * (bins + rng.uniform(_EDGE, 1 - _EDGE, len(bins))))


def _halved(block: MovedBlock, rng: np.random.Generator) -> Array:
    """Divide each bin of 20 ms into two of 10 ms; a crossing is in either half by chance."""
    first = rng.binomial(block.crossings, 0.5).astype(np.uint8)
    halves = np.stack([first, block.crossings - first], axis=1)
    return halves.reshape(-1, halves.shape[2])


def _letters(blocks: Sequence[MovedBlock], rng: np.random.Generator) -> dict[str, Any]:
    series = [_halved(block, rng) for block in blocks]
    before = np.cumsum([0, *(len(one) for one in series)])
    onsets = [
        1 + start + 2 * first  # MATLAB counts from one
        for block, start in zip(blocks, before, strict=False)
        for first in block.starts
    ]
    numbers = [block.number for block in blocks]
    return {
        "neuralActivityTimeSeries": np.concatenate(series),
        "clockTimeSeries": _FINE_S * np.arange(before[-1])[:, None],
        "blockNumsTimeSeries": _column(np.repeat(numbers, [len(one) for one in series])),
        "blockList": _column(numbers),
        "characterCues": as_cell(
            [_CUE_NAMES.get(cue, cue) for block in blocks for cue in block.cues]
        ).T,
        "delayPeriodOnsetTimeBin": np.array(onsets, float)[:, None],
    }


def _sentences(blocks: Sequence[MovedBlock], rng: np.random.Generator) -> dict[str, Any]:
    pieces = [
        fine[2 * start : 2 * stop]
        for block, fine in ((block, _halved(block, rng)) for block in blocks)
        for start, stop in zip(block.starts, block.stops, strict=True)
    ]
    lengths = [len(piece) for piece in pieces]
    cube = np.zeros((len(pieces), max(lengths), pieces[0].shape[1]), np.uint8)
    for place, piece in enumerate(pieces):
        cube[place, : len(piece)] = piece
    return {
        "neuralActivityCube": cube,
        "numTimeBinsPerSentence": _column(lengths),
        "sentencePrompt": as_cell([f"{cue}#" for block in blocks for cue in block.cues]).T,
        "sentenceBlockNums": _column([block.number for block in blocks for _ in block.starts]),
        "blockList": _column([block.number for block in blocks]),
        "excludedSentences": np.zeros((len(pieces), 1), np.uint8),
    }


def _column(values: Sequence[int] | Array) -> Array:
    return np.asarray(values, np.uint16)[:, None]
