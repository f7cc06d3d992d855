"""What a rescoring model said once is not asked again: scores by model and text, in SQLite."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, runtime_checkable

from sylvian.errors import DecodeError
from sylvian.types import Progress, silent

_CREATE = (
    "CREATE TABLE IF NOT EXISTS scores "
    "(model TEXT, text TEXT, nats REAL NOT NULL, PRIMARY KEY (model, text)) WITHOUT ROWID"
)
_PATIENCE_S = 60.0  # another process may be writing
CHUNK = 2000  # sentences scored between two writes of the cache
SAMPLE = 64  # known sentences scored again, to see what scoring takes


@runtime_checkable
class SentenceScorer(Protocol):
    """A language model as a cache knows it; `models.textlm.CausalLm` is one."""

    name: str
    digest: str

    def score_sentences(self, texts: Sequence[str]) -> Any:
        """Give the log-probability of each sentence (nats)."""


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


@dataclass(frozen=True, slots=True)
class Scored:
    """Sentences with a language model's scores.

    Attributes:
        nats: Text -> log-probability.
        n_known: Texts whose scores the cache knew.
        seconds: What scoring all of them takes, extrapolated from those that were scored now; where
            most were known, from a few that are scored again to see.
    """

    nats: dict[str, float]
    n_known: int
    seconds: float


def score_texts(
    texts: Iterable[str],
    lm: SentenceScorer,
    *,
    cache: ScoreCache | None = None,
    progress: Progress = silent,
) -> Scored:
    """Score sentences that the cache does not know; neighbours in spelling are scored together.

    Args:
        texts: Sentences, repeated or not.
        lm: Who scores them.
        cache: Scores of earlier calls; new ones are added, chunk by chunk.
        progress: Told how many new sentences are scored.

    Raises:
        DecodeError: a sentence cannot be scored, or the cache cannot be used.
    """
    wanted = sorted(set(texts))
    known = cache.find(lm.digest, wanted) if cache else {}
    fresh = [text for text in wanted if text not in known]
    scores: dict[str, float] = {}
    began = time.perf_counter()
    for first in range(0, len(fresh), CHUNK):
        chunk = fresh[first : first + CHUNK]
        found = dict(zip(chunk, map(float, lm.score_sentences(chunk)), strict=True))
        if cache:
            cache.add(lm.digest, found)
        scores |= found
        progress("rescore", len(scores), len(fresh), lm.name)
    if 2 * len(fresh) < len(wanted):
        fresh, began = wanted[:SAMPLE], time.perf_counter()
        lm.score_sentences(fresh)
    each_s = (time.perf_counter() - began) / max(1, len(fresh))
    return Scored(known | scores, len(known), each_s * len(wanted))
