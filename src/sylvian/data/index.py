"""`index.json`: which sessions of a corpus are prepared, from what, and their checksums."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path

import pydantic
from pydantic import Field

from sylvian.config import Config
from sylvian.data.corpora.base import CorpusFacts
from sylvian.data.files import replacing
from sylvian.errors import DataError

FORMAT = 1
NAME = "index.json"


class SessionEntry(Config):
    """One prepared session."""

    participant: str = Field(description="Name of the participant.")
    session: str = Field(description="ISO date.")
    file: str = Field(description="Path below the corpus folder.")
    n_bytes: int = Field(description="Size of the file.")
    sha256: str = Field(description="Checksum of the file.")
    source: str = Field(description="Fingerprint of the raw files it was made from.")
    n_channels: int = Field(description="Columns of the feature matrix.")
    trials: Mapping[str, int] = Field(description="Split -> trials.")
    n_impossible: int = Field(default=0, description="Trials with fewer bins than CTC needs.")
    notes: tuple[str, ...] = Field(default=(), description="What prepare warned about.")
    dead: tuple[int, ...] | None = Field(
        default=None, description="Channels that never change; null if nobody looked."
    )


class Index(Config):
    """Everything prepared of one corpus."""

    format: int = Field(default=FORMAT, description="Layout of the prepared files.")
    facts: CorpusFacts = Field(description="What the reader knew about the release.")
    sessions: tuple[SessionEntry, ...] = Field(description="Sorted by participant and date.")

    @property
    def digest(self) -> str:
        """Eight hexadecimal digits that change when any prepared session changes."""
        lines = (f"{e.participant} {e.session} {e.sha256}\n" for e in self.sessions)
        return hashlib.sha256("".join(lines).encode()).hexdigest()[:8]

    @property
    def trials(self) -> dict[str, int]:
        """Split -> trials of all sessions, in the order the release lists its splits."""
        splits = dict.fromkeys((*self.facts.splits, *(s for e in self.sessions for s in e.trials)))
        return {split: sum(e.trials.get(split, 0) for e in self.sessions) for split in splits}


def read_index(folder: Path) -> Index:
    """Read the index of a prepared corpus folder.

    Raises:
        DataError: there is none, it is damaged, or of another format.
    """
    path = folder / NAME
    if not path.is_file():
        raise DataError(
            f"{path}: nothing is prepared there; run 'sylvian prepare {folder.name}' first"
        )
    again = f"run 'sylvian prepare {folder.name}' again"
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(data, dict) or data.get("format") != FORMAT:
            raise DataError(f"{path}: not of format {FORMAT}; remove the folder and {again}")
        return Index.model_validate_json(json.dumps(data))
    except (OSError, ValueError, pydantic.ValidationError) as failure:
        raise DataError(f"{path}: damaged; remove it and {again}") from failure


def write_index(folder: Path, index: Index) -> None:
    """Write the index, whole or not at all.

    Raises:
        DataError: it cannot be written.
    """
    with replacing(folder / NAME) as path:
        path.write_text(index.model_dump_json(indent=1), encoding="utf-8")
