"""What a rescoring model said once is not asked again: scores by model and text, in SQLite."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path

from sylvian.errors import DecodeError

_CREATE = (
    "CREATE TABLE IF NOT EXISTS scores "
    "(model TEXT, text TEXT, nats REAL NOT NULL, PRIMARY KEY (model, text)) WITHOUT ROWID"
)
_PATIENCE_S = 60.0  # another process may be writing


class ScoreCache:
    """Sentence scores on disk; several processes may share the file."""

    def __init__(self, path: Path) -> None:
        """Open or make the file.

        Raises:
            DecodeError: the file is not a cache of scores.
        """
        self.path = path
        path.parent.mkdir(parents=True, exist_ok=True)
        with self._open() as store:
            store.execute(_CREATE)

    def find(self, model: str, texts: Iterable[str]) -> dict[str, float]:
        """Give the known ones of some texts.

        Args:
            model: Digest of the model that scored them.
            texts: Sentences.

        Returns:
            Text -> log-probability (nats), bit for bit as it was stored.
        """
        ask = "SELECT nats FROM scores WHERE model = ? AND text = ?"
        with self._open() as store:
            rows = ((text, store.execute(ask, (model, text)).fetchone()) for text in texts)
            return {text: float(row[0]) for text, row in rows if row is not None}

    def add(self, model: str, scores: Mapping[str, float]) -> None:
        """Store scores, in place of older ones."""
        with self._open() as store:
            store.executemany(
                "INSERT OR REPLACE INTO scores VALUES (?, ?, ?)",
                ((model, text, float(nats)) for text, nats in scores.items()),
            )

    @contextmanager
    def _open(self) -> Iterator[sqlite3.Connection]:
        try:
            with closing(sqlite3.connect(self.path, timeout=_PATIENCE_S)) as store, store:
                yield store
        except sqlite3.Error as failure:
            raise DecodeError(
                f"{self.path}: cannot be used as a cache of scores ({failure}); delete it"
            ) from None
