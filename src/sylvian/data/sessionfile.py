"""One prepared session: an HDF5 file with the features as published, a table, and moments.

Layout (format 1): `/features/bBB_tTTT` float32 `[bins channels]`, contiguous; `/trials` a JSON list
in the order of time; `/moments/mean` and `/moments/m2` float64 `[trials channels]`, row for row.

Why here: features are stored neither chunked nor compressed. On z-scored features gzip and lzf save
25-29 % of the disk and read 130-240 trials/s of 800 x 512 bins, where the plain layout gives 2,500
through h5py and 4,700 by position (one core). Reading by position also keeps no file open, so a
reader can be forked, pickled or shared by threads.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import h5py
import numpy as np

from sylvian.data.corpora.reading import reading
from sylvian.data.disk import Disk
from sylvian.data.moments import Moments, pooled
from sylvian.data.normalize import Features, TrialMoments
from sylvian.errors import DataError
from sylvian.types import Strategy, Trial, TrialInfo, TrialKey


@dataclass(frozen=True, slots=True)
class StoredTrial:
    """Where a trial lies in its file.

    Attributes:
        info: The trial's description.
        offset: Byte at which its features start.
        content: Digest of its features.
    """

    info: TrialInfo
    offset: int
    content: str


class SessionWriter:
    """Writes the trials of one session, one in memory at a time; `close` writes the table.

    Attributes:
        n_channels: Columns of the trials so far; None before the first.
        bin_s: Width of their bins in seconds.
    """

    def __init__(self, file: h5py.File, disk: Disk) -> None:
        self._file = file
        self._disk = disk
        self._rows: dict[TrialKey, tuple[StoredTrial, Moments]] = {}
        self.n_channels: int | None = None
        self.bin_s: float | None = None

    @property
    def stored(self) -> list[StoredTrial]:
        """The trials written so far, in the order of time."""
        return [self._rows[key][0] for key in sorted(self._rows)]

    @property
    def as_read(self) -> list[TrialInfo]:
        """Describe the trials written so far, in the order they came."""
        return [stored.info for stored, _ in self._rows.values()]

    def __contains__(self, key: TrialKey) -> bool:
        return key in self._rows

    def __getitem__(self, key: TrialKey) -> StoredTrial:
        return self._rows[key][0]

    def add(self, trial: Trial, moments: Moments) -> None:
        """Write one trial; its key must be new."""
        features = np.ascontiguousarray(trial.features, "<f4")
        name = f"features/b{trial.key.block:02d}_t{trial.key.trial:03d}"
        dataset = self._file.create_dataset(name, data=features)
        stored = StoredTrial(trial.info, dataset.id.get_offset(), content_digest(features))
        self._rows[trial.key] = stored, moments
        self.n_channels, self.bin_s = features.shape[1], trial.info.bin_s
        self._disk.check()

    def moments(self) -> Moments:
        """Pool the bins of all trials so far."""
        return pooled([moments for _, moments in self._rows.values()], self.n_channels or 0)

    def close(self) -> None:
        """Write the table and the moments of one trial or more."""
        rows = [self._rows[key] for key in sorted(self._rows)]
        self._file["trials"] = json.dumps([_to_json(stored) for stored, _ in rows])
        self._file["moments/mean"] = np.stack([moments.mean for _, moments in rows])
        self._file["moments/m2"] = np.stack([moments.m2 for _, moments in rows])


def content_digest(features: Features) -> str:
    """Return 32 hexadecimal digits of the features' values and shape."""
    content = hashlib.blake2b(np.ascontiguousarray(features).data, digest_size=16)
    content.update(repr(features.shape).encode())
    return content.hexdigest()


def read_table(path: Path, corpus: str, participant: str, session: str) -> list[StoredTrial]:
    """Read the descriptions of a session's trials, in the order of time.

    Raises:
        DataError: the file is missing, damaged or of another format.
    """
    with _opened(path), h5py.File(path, "r") as file:
        rows = json.loads(file["trials"].asstr()[()])
        return [_from_json(row, corpus, participant, session) for row in rows]


def read_moments(path: Path, trials: Iterable[StoredTrial]) -> list[TrialMoments]:
    """Read what the normaliser needs, row for row with `trials`.

    Raises:
        DataError: the file is missing or damaged.
    """
    with _opened(path), h5py.File(path, "r") as file:
        rows = zip(trials, file["moments/mean"][()], file["moments/m2"][()], strict=True)
        return [
            TrialMoments(
                stored.info.key.block,
                stored.info.split,
                Moments(float(stored.info.n_bins), mean, m2),
            )
            for stored, mean, m2 in rows
        ]


def read_features(path: Path, trial: StoredTrial, n_channels: int) -> Features:
    """Read the features of one trial as stored.

    Raises:
        DataError: the file is missing or shorter than its table says.
    """
    shape = trial.info.n_bins, n_channels
    with _opened(path):
        values = np.fromfile(path, "<f4", count=shape[0] * shape[1], offset=trial.offset)
    if values.size != shape[0] * shape[1]:
        raise DataError(f"{path}: ends inside {trial.info.key}; {_again(path)}")
    return values.reshape(shape)


def _opened(path: Path) -> Any:
    return reading(path, advice=_again(path))


def _again(path: Path) -> str:
    corpus = path.parent.parent.name
    return f"remove the file and run 'sylvian prepare {corpus}' again"


def _to_json(stored: StoredTrial) -> dict[str, Any]:
    info = stored.info
    return {
        "block": info.key.block,
        "trial": info.key.trial,
        "split": info.split,
        "n_bins": info.n_bins,
        "bin_s": info.bin_s,
        "sentence": info.sentence,
        "phonemes": None if info.phonemes is None else " ".join(info.phonemes),
        "strategy": info.strategy.value,
        "prompt_set": info.prompt_set,
        "offset": stored.offset,
        "content": stored.content,
    }


def _from_json(row: dict[str, Any], corpus: str, participant: str, session: str) -> StoredTrial:
    phonemes = row["phonemes"]
    info = TrialInfo(
        TrialKey(corpus, participant, session, row["block"], row["trial"]),
        row["split"],
        row["n_bins"],
        bin_s=row["bin_s"],
        sentence=row["sentence"],
        phonemes=None if phonemes is None else tuple(phonemes.split()),
        strategy=Strategy(row["strategy"]),
        prompt_set=row["prompt_set"],
    )
    return StoredTrial(info, row["offset"], row["content"])
