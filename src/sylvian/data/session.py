"""One session from its published files to its prepared file."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from sylvian.data.corpora.base import Corpus, CorpusFacts, SessionRef
from sylvian.data.disk import creating
from sylvian.data.files import replacing, sha256
from sylvian.data.index import FORMAT, SessionEntry
from sylvian.data.sessionfile import SessionWriter, StoredTrial
from sylvian.data.validate import checked, is_impossible
from sylvian.errors import DataError
from sylvian.types import Trial


def fingerprint(session: SessionRef) -> str:
    """Digest what a session is prepared from: names, sizes and times of change of its raw files."""
    parts = [str(FORMAT), session.context]
    files = [*sorted(session.paths.items()), *sorted(session.files.items())]
    for place, path in files:
        stat = path.stat()
        parts.append(f"{place} {path.name} {stat.st_size} {stat.st_mtime_ns}")
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def write_session(corpus: Corpus, session: SessionRef, folder: Path, source: str) -> SessionEntry:
    """Write `folder/<participant>/<session>.h5`, whole or not at all, a trial at a time.

    Args:
        corpus: Reader of the raw files.
        session: The session to read.
        folder: Folder of the prepared corpus.
        source: Fingerprint of the raw files.

    Raises:
        DataError: a raw file is damaged, a trial unusable, the session without trials or activity,
            or the disk full or read-only.
    """
    path = folder / session.participant / f"{session.session}.h5"
    trials = corpus.trials(session)
    with replacing(path) as partial, creating(partial) as (file, disk):
        writer = SessionWriter(file, disk)
        for trial in trials:
            _add(writer, trial, session, corpus.facts)
        if not writer.stored:
            raise DataError(f"{path}: the raw files of this session hold no trial")
        writer.close()
        dead = _dead(writer, path)
    stored = writer.stored
    return SessionEntry(
        participant=session.participant,
        session=session.session,
        file=str(path.relative_to(folder)),
        n_bytes=path.stat().st_size,
        sha256=sha256(path),
        source=source,
        n_channels=writer.n_channels or 0,
        trials=Counter(s.info.split for s in stored),
        n_impossible=sum(is_impossible(s.info) for s in stored),
        notes=(*session.notes, *_repeats(stored)),
        dead=dead,
    )


def _add(writer: SessionWriter, trial: Trial, session: SessionRef, facts: CorpusFacts) -> None:
    if trial.key in writer:
        raise DataError(
            f"{session.where(trial.info)}: duplicate trial {trial.key}, it is also in "
            f"{writer[trial.key].info.split}; download the session again"
        )
    writer.add(trial, checked(trial, session, facts, n_channels=writer.n_channels))


def _dead(writer: SessionWriter, path: Path) -> tuple[int, ...]:
    """List the channels that never change; a session without any activity is refused."""
    moments = writer.moments()
    if not moments.mean.any() and not moments.m2.any():
        raise DataError(
            f"{path}: all values of all {len(moments.mean)} channels are 0: the arrays are dead or "
            "the files are damaged; take the session out of the raw folder"
        )
    return tuple(int(channel) for channel in np.flatnonzero(moments.is_flat))


def _repeats(stored: Iterable[StoredTrial]) -> list[str]:
    first: dict[str, StoredTrial] = {}
    notes = []
    for trial in stored:
        earlier = first.setdefault(trial.content, trial)
        if earlier is not trial:
            notes.append(f"{trial.info.key}: same recording as {earlier.info.key}")
    return notes
