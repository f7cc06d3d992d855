"""Reader of the Brain-to-Text '25 layout (Card et al. 2024): one HDF5 per session and split."""

from __future__ import annotations

import csv
import hashlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import h5py

from sylvian.data.corpora.base import CorpusFacts, SessionRef
from sylvian.data.corpora.card2024_facts import CARD2024
from sylvian.data.corpora.reading import as_float32, dated, no_sessions, reading
from sylvian.errors import DataError
from sylvian.text import phoneme_vocabulary
from sylvian.types import Trial, TrialInfo, TrialKey

_SPLITS = ("train", "val", "test")
_UNLABELLED = "test"
_VOCABULARY = phoneme_vocabulary()
_Table = dict[tuple[str, int], str]  # (ISO date, block) -> prompt set


class Card2024:
    """The release of participant T15, or anything else written in the same layout.

    `hdf5_data_final/t15.YYYY.MM.DD/data_{train,val,test}.hdf5` holds one group per trial. Labels
    are read from `seq_class_ids` through the published vocabulary, never recomputed; test files
    have none. Bins after `n_time_steps` are padding and are cut off.

    Args:
        raw: Folder that contains `hdf5_data_final`, or that folder itself.
        facts: What to expect; another release of the same layout brings its own, and its
            participants' names in lower case are the file prefixes.

    Source: nejm-brain-to-text, the release's reference loader.
    """

    def __init__(self, raw: Path, *, facts: CorpusFacts = CARD2024) -> None:
        self.facts = facts
        self._raw = Path(raw)
        inner = self._raw / "hdf5_data_final"
        self._folder = inner if inner.is_dir() else self._raw
        self._tables: dict[str, _Table | None] = {}

    def sessions(self) -> tuple[SessionRef, ...]:
        """List the sessions on disk, sorted by participant and date.

        Raises:
            DataError: the folder is missing or holds no session, or a session no file.
        """
        refs = [
            ref for participant in sorted(self.facts.participants) for ref in self._of(participant)
        ]
        if not refs:
            raise no_sessions(self._raw, self.facts, "hdf5_data_final/t15.YYYY.MM.DD folder")
        return tuple(refs)

    def trials(self, session: SessionRef) -> Iterator[Trial]:
        """Yield the trials of a session, one in memory at a time.

        Raises:
            DataError: a file is damaged, or a group lacks what the layout promises.
        """
        table = self._table(session.participant)
        for split, path in session.paths.items():
            with reading(path):
                file = h5py.File(path, "r")
            with file:
                yield from self._of_file(file, path, session, split, table or {})

    def _of(self, participant: str) -> Iterator[SessionRef]:
        if not self._folder.is_dir():
            return
        names = (folder.name for folder in self._folder.iterdir() if folder.is_dir())
        table = self._table(participant)
        for session, name in dated(names, participant.lower()).items():
            candidates = {s: self._folder / name / f"data_{s}.hdf5" for s in _SPLITS}
            paths = {split: path for split, path in candidates.items() if path.is_file()}
            if not paths:
                raise DataError(f"{self._folder / name}: no data_train.hdf5 or other split in it")
            yield SessionRef(participant, session, paths, _digest(table), self._notes(participant))

    def _notes(self, participant: str) -> tuple[str, ...]:
        if self._table(participant) is not None:
            return ()
        name = _table_name(participant)
        return (f"{self._raw / name} is absent: prompt sets are unknown; the release has it",)

    def _table(self, participant: str) -> _Table | None:
        if participant not in self._tables:
            places = (self._raw, self._folder, self._folder.parent)
            paths = [place / _table_name(participant) for place in places]
            path = next((path for path in paths if path.is_file()), None)
            self._tables[participant] = _read_table(path) if path else None
        return self._tables[participant]

    def _of_file(
        self, file: h5py.File, path: Path, session: SessionRef, split: str, table: _Table
    ) -> Iterator[Trial]:
        with reading(path):
            names = sorted(file)
        if not names:
            raise DataError(f"{path}: holds no trial; download it again")
        for name in names:
            with reading(f"{path}: {name}"):
                trial = self._trial(file[name], f"{path}: {name}", session, split, table)
            yield trial

    def _trial(
        self, group: h5py.Group, where: str, session: SessionRef, split: str, table: _Table
    ) -> Trial:
        _check_session(group, where, session)
        key = TrialKey(
            self.facts.name,
            session.participant,
            session.session,
            int(_attribute(group, "block_num", where)),
            int(_attribute(group, "trial_num", where)),
        )
        n_bins = int(_attribute(group, "n_time_steps", where))
        features = _features(group, n_bins, where)
        sentence, phonemes = (None, None) if split == _UNLABELLED else _labels(group, where)
        info = TrialInfo(
            key,
            split,
            n_bins,
            bin_s=self.facts.bin_s,
            sentence=sentence,
            phonemes=phonemes,
            strategy=self.facts.participants[session.participant].strategies[0],
            prompt_set=table.get((session.session, key.block)),
        )
        return Trial(info, features)


def _check_session(group: h5py.Group, where: str, session: SessionRef) -> None:
    named = _text(_attribute(group, "session", where))
    expected = f"{session.participant.lower()}.{session.session.replace('-', '.')}"
    if named != expected:
        raise DataError(f"{where}: belongs to session {named!r}, not {expected!r}; move the file")


def _features(group: h5py.Group, n_bins: int, where: str) -> Any:
    data = _dataset(group, "input_features", where)
    if data.ndim != 2:
        raise DataError(f"{where}: input_features has shape {data.shape}, not (bins, channels)")
    if not 0 <= n_bins <= len(data):
        raise DataError(
            f"{where}: {len(data)} bins of features but n_time_steps is {n_bins}; "
            "the file is incomplete, download it again"
        )
    return as_float32(data[:n_bins])


def _labels(group: h5py.Group, where: str) -> tuple[str, tuple[str, ...]]:
    ids = _dataset(group, "seq_class_ids", where)[:]
    n_labels = int(_attribute(group, "seq_len", where))
    if not 0 <= n_labels <= len(ids):
        raise DataError(f"{where}: seq_len is {n_labels} but seq_class_ids has {len(ids)} places")
    wrong = [int(i) for i in ids[:n_labels] if not 0 < i < len(_VOCABULARY)]
    if wrong:
        raise DataError(
            f"{where}: label {wrong[0]} in seq_class_ids is outside the vocabulary "
            f"(1 to {len(_VOCABULARY) - 1}); the file is not of this release"
        )
    sentence = _text(_attribute(group, "sentence_label", where))
    return sentence, _VOCABULARY.decode([int(i) for i in ids[:n_labels]])


def _dataset(group: h5py.Group, name: str, where: str) -> Any:
    if not isinstance(group, h5py.Group) or name not in group:
        raise DataError(f"{where}: dataset {name!r} is missing; the file is not of this layout")
    return group[name]


def _attribute(group: h5py.Group, name: str, where: str) -> Any:
    if name not in group.attrs:
        raise DataError(f"{where}: attribute {name!r} is missing; the file is not of this layout")
    return group.attrs[name]


def _text(value: Any) -> str:
    return value.decode("utf-8") if isinstance(value, bytes) else str(value)


def _table_name(participant: str) -> str:
    return f"{participant.lower()}_copyTaskData_description.csv"


def _read_table(path: Path) -> _Table:
    with reading(path), path.open(encoding="utf-8-sig", newline="") as lines:
        rows = list(csv.DictReader(lines))
        return {(row["Date"], int(row["Block number"])): row["Corpus"] for row in rows}


def _digest(table: _Table | None) -> str:
    return hashlib.sha256(repr(sorted((table or {}).items())).encode()).hexdigest()[:16]
