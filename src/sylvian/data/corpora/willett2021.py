"""Reader of the handwriting release (Willett et al. 2021): two MATLAB files a day."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from sylvian.data.corpora.base import CorpusFacts, SessionRef
from sylvian.data.corpora.binning import bins_to_join, rebin_counts
from sylvian.data.corpora.handwriting import character, readable
from sylvian.data.corpora.matlab import char_rows, read_numbers, read_optional, read_variable
from sylvian.data.corpora.pieces import (
    Piece,
    files_by_block,
    numbered,
    refuse_lengths,
    refuse_shape,
    some,
)
from sylvian.data.corpora.reading import dated, no_sessions, reading
from sylvian.data.corpora.willett2021_facts import WILLETT2021
from sylvian.errors import DataError
from sylvian.types import Strategy, Trial

_PUBLISHED_BIN_S = 0.01
_SPLIT = "train"
_LETTERS, _SENTENCES = "singleLetters.mat", "sentences.mat"
# A letter's trial ends with the next one's; after the last of a block nobody stopped the clock.
_LONGEST_LETTER_S = 10.0


class Willett2021:
    """The handwriting release of participant T5.

    `Datasets/t5.YYYY.MM.DD/{singleLetters,sentences}.mat` hold a day's trials as threshold
    crossings in bins of 10 ms, of which two and two are added. A sentence is cut as the release
    cuts it, from the go cue to its end. A letter lasts from its delay period to the next one's, the
    end of its block or 10 s, because the release's own cut of 2 s leaves most of the recording
    out. Sentences marked as excluded are kept without their text: it is not what T5 wrote. There
    are no phonemes: T5 wrote, he did not speak. Drawn lines (`straightLines.mat`) are not read.

    Args:
        raw: Folder that contains `Datasets`, or that folder itself.
        facts: What to expect.

    Source: handwritingBCI, `dataPreprocessing.py`, `dataLabelingStep.py`, `tsneAndKNNExample.m`.
    """

    def __init__(self, raw: Path, *, facts: CorpusFacts = WILLETT2021) -> None:
        self.facts = facts
        self._raw = Path(raw)
        inner = self._raw / "Datasets"
        self._folder = inner if inner.is_dir() else self._raw

    def sessions(self) -> tuple[SessionRef, ...]:
        """List the sessions on disk, sorted by date.

        Raises:
            DataError: the folder is missing or holds no session, or a file cannot be read.
        """
        refs = [
            ref for participant in sorted(self.facts.participants) for ref in self._of(participant)
        ]
        if not refs:
            raise no_sessions(
                self._raw, self.facts, "Datasets/t5.YYYY.MM.DD folder with .mat files"
            )
        return tuple(refs)

    def trials(self, session: SessionRef) -> Iterator[Trial]:
        """Yield letters, then sentences; one variable of one file is in memory at a time.

        Raises:
            DataError: a file is damaged, or lacks what the layout promises.
        """
        return numbered(self._pieces(session), session, self.facts)

    def _of(self, participant: str) -> Iterator[SessionRef]:
        folders = self._folder.iterdir() if self._folder.is_dir() else ()
        names = [folder.name for folder in folders if folder.is_dir()]
        for session, name in dated(names, participant.lower()).items():
            paths = [self._folder / name / file for file in (_LETTERS, _SENTENCES)]
            there = [path for path in paths if path.is_file()]
            if there:
                files = files_by_block(there, lambda path: read_numbers(path, "blockList"))
                yield SessionRef(participant, session, {_SPLIT: there[-1]}, files=files)

    def _pieces(self, session: SessionRef) -> Iterator[Piece]:
        n_channels = self.facts.participants[session.participant].n_channels
        for path in dict.fromkeys(session.files.values()):
            _refuse_clock(path)
            join = bins_to_join(_PUBLISHED_BIN_S, bin_s=self.facts.bin_s, where=str(path))
            cut = _letters if path.name == _LETTERS else _sentences
            yield from some(cut(path, n_channels, join), path)


def _refuse_clock(path: Path) -> None:
    """Refuse bins of another width than the release's, where the file has a clock.

    The clock is in seconds, begins anew with every block, and may stand still between two bins.
    """
    clock = read_optional(path, "clockTimeSeries")
    with reading(path):
        steps = np.diff(np.ravel(clock if clock is not None else [])).astype(float)
    steps = steps[steps > 0]
    width_s = float(np.median(steps)) if len(steps) else _PUBLISHED_BIN_S
    if abs(width_s - _PUBLISHED_BIN_S) > 0.1 * _PUBLISHED_BIN_S:
        raise DataError(
            f"{path}: clockTimeSeries goes in steps of {width_s:g} s, the release's bins are "
            f"{_PUBLISHED_BIN_S} s wide; is the file of this release?"
        )


def _letters(path: Path, n_channels: int | None, join: int) -> Iterator[Piece]:
    blocks = read_numbers(path, "blockNumsTimeSeries")
    cues = char_rows(path, "characterCues")
    starts = _starts(path, len(blocks))
    refuse_lengths(path, characterCues=len(cues), delayPeriodOnsetTimeBin=len(starts))
    series = read_variable(path, "neuralActivityTimeSeries")
    refuse_shape(series, (len(blocks), n_channels), f"{path}: neuralActivityTimeSeries")
    longest = round(_LONGEST_LETTER_S / _PUBLISHED_BIN_S)
    for start, following, cue in zip(starts, [*starts, len(blocks)][1:], cues, strict=True):
        other = np.flatnonzero(blocks[start:following] != blocks[start])
        stop = min(following, start + longest, start + other[0] if len(other) else following)
        with reading(path):
            features = rebin_counts(series[start:stop], join)
        yield Piece(
            _SPLIT,
            int(blocks[start]),
            features,
            Strategy.HANDWRITING,
            sentence=character(cue),
            prompt_set="single letters",
        )


def _starts(path: Path, n_bins: int) -> list[int]:
    """Read where letters' trials begin, counted from zero as MATLAB does not."""
    name = "delayPeriodOnsetTimeBin"
    starts = read_numbers(path, name) - 1
    if (starts < 0).any() or (starts >= n_bins).any() or (np.diff(starts) <= 0).any():
        raise DataError(f"{path}: {name} is not in order within {n_bins} bins; download it again")
    return [int(start) for start in starts]


def _sentences(path: Path, n_channels: int | None, join: int) -> Iterator[Piece]:
    blocks = read_numbers(path, "sentenceBlockNums")
    lengths = read_numbers(path, "numTimeBinsPerSentence")
    prompts = char_rows(path, "sentencePrompt")
    marks = read_optional(path, "excludedSentences")
    excluded = np.zeros(len(blocks), bool) if marks is None else np.ravel(marks).astype(bool)
    refuse_lengths(
        path,
        sentenceBlockNums=len(blocks),
        numTimeBinsPerSentence=len(lengths),
        sentencePrompt=len(prompts),
        excludedSentences=len(excluded),
    )
    cube = read_variable(path, "neuralActivityCube")
    refuse_shape(cube, (len(blocks), None, n_channels), f"{path}: neuralActivityCube")
    for place, (block, length, prompt) in enumerate(zip(blocks, lengths, prompts, strict=True)):
        if not 0 < length <= cube.shape[1]:
            raise DataError(
                f"{path}: sentence {place} has {length} bins by numTimeBinsPerSentence, but "
                f"neuralActivityCube has {cube.shape[1]}; download it again"
            )
        with reading(path):
            features = rebin_counts(cube[place, :length], join)
        yield Piece(
            _SPLIT,
            int(block),
            features,
            Strategy.HANDWRITING,
            sentence=None if excluded[place] else readable(prompt),
            prompt_set="sentences",
        )
