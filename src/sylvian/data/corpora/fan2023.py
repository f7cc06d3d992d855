"""Reader of the CORP release (Fan et al. 2023): MATLAB files of handwritten sentences."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from sylvian.data.corpora.base import CorpusFacts, SessionRef
from sylvian.data.corpora.fan2023_facts import FAN2023
from sylvian.data.corpora.handwriting import readable
from sylvian.data.corpora.matlab import char_rows, read_numbers, read_optional, read_variable
from sylvian.data.corpora.pieces import (
    Piece,
    files_by_block,
    numbered,
    refuse_lengths,
    refuse_shape,
    some,
)
from sylvian.data.corpora.reading import as_float32, dated, no_sessions, reading
from sylvian.errors import DataError
from sylvian.types import Strategy, Trial

_SPLIT = "train"
# Folder of the release -> what its prompts are called here.
_PARTS = {
    "seed_model_training_data": "seed",
    "online_evaluation_data/no_recalibration": "no recalibration",
    "online_evaluation_data/recalibration": "recalibration",
}


class Fan2023:
    """The year of handwriting of participant T5 with a decoder that recalibrated itself.

    `{seed_model_training_data,online_evaluation_data/{recalibration,no_recalibration}}/mat` hold a
    day's sentences as `t5.YYYY.MM.DD.mat`, or as `t5.YYYY.MM.DD/sentences.mat`; both are read, and
    a day may be in more than one part. Bins are 20 ms. Trials marked as excluded are kept without
    their text. There are no phonemes: T5 wrote, he did not speak.

    Args:
        raw: Folder that contains `seed_model_training_data`.
        facts: What to expect.

    Source: CORP, its configurations; `formatSessionDataForRelease`, which wrote the files, with its
    read-me; the folders, from public code that reads the release.
    """

    def __init__(self, raw: Path, *, facts: CorpusFacts = FAN2023) -> None:
        self.facts = facts
        self._raw = Path(raw)

    def sessions(self) -> tuple[SessionRef, ...]:
        """List the sessions on disk, sorted by date.

        Raises:
            DataError: the folder is missing or holds no session, or a file cannot be read.
        """
        refs = [
            ref for participant in sorted(self.facts.participants) for ref in self._of(participant)
        ]
        if not refs:
            raise no_sessions(self._raw, self.facts, "seed_model_training_data/mat/t5.*.mat file")
        return tuple(refs)

    def trials(self, session: SessionRef) -> Iterator[Trial]:
        """Yield the sentences of a day; one file is in memory at a time.

        Raises:
            DataError: a file is damaged, or lacks what the layout promises.
        """
        return numbered(self._pieces(session), session, self.facts)

    def _of(self, participant: str) -> Iterator[SessionRef]:
        found: dict[str, list[Path]] = {}
        for part in _PARTS:
            flat = {path.stem: path for path in (self._raw / part / "mat").glob("*.mat")}
            deep = {p.parent.name: p for p in (self._raw / part / "mat").glob("*/sentences.mat")}
            files = flat | deep
            for session, name in dated(files, participant.lower()).items():
                found.setdefault(session, []).append(files[name])
        for session in sorted(found):
            blocks = files_by_block(found[session], lambda path: read_numbers(path, "blockList"))
            yield SessionRef(participant, session, {_SPLIT: found[session][0]}, files=blocks)

    def _pieces(self, session: SessionRef) -> Iterator[Piece]:
        n_channels = self.facts.participants[session.participant].n_channels
        for path in dict.fromkeys(session.files.values()):
            part = path.relative_to(self._raw).as_posix().split("/mat/")[0]
            yield from some(_sentences(path, n_channels, _PARTS[part]), path)


def _sentences(path: Path, n_channels: int | None, prompt_set: str) -> Iterator[Piece]:
    blocks = read_numbers(path, "blockList")
    lengths = read_numbers(path, "numTimeBinsPerSentence")
    prompts = char_rows(path, "sentencePrompt")
    marks = read_optional(path, "excludedTrials")
    excluded = np.zeros(len(blocks), bool) if marks is None else np.ravel(marks).astype(bool)
    trials = np.ravel(read_variable(path, "neuralActivityCube"))
    refuse_lengths(
        path,
        blockList=len(blocks),
        numTimeBinsPerSentence=len(lengths),
        sentencePrompt=len(prompts),
        excludedTrials=len(excluded),
        neuralActivityCube=len(trials),
    )
    for place, matrix in enumerate(trials):
        refuse_shape(matrix, (None, n_channels), f"{path}: neuralActivityCube of trial {place}")
        if len(matrix) != lengths[place]:
            raise DataError(
                f"{path}: trial {place} has {len(matrix)} bins, numTimeBinsPerSentence says "
                f"{lengths[place]}; download it again"
            )
        with reading(path):
            features = as_float32(matrix)
        yield Piece(
            _SPLIT,
            int(blocks[place]),
            features,
            Strategy.HANDWRITING,
            sentence=None if excluded[place] else readable(prompts[place]),
            prompt_set=prompt_set,
        )
