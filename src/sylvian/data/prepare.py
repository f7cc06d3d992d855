"""From published files to one HDF5 per session: streamed, checksummed, resumable, atomic."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sylvian.data.corpora.base import Corpus, CorpusFacts, SessionRef
from sylvian.data.disk import creating
from sylvian.data.facts import differences
from sylvian.data.files import replacing, sha256, sweep
from sylvian.data.index import FORMAT, NAME, Index, SessionEntry, read_index, write_index
from sylvian.data.sessionfile import SessionWriter, StoredTrial
from sylvian.data.validate import checked, is_impossible
from sylvian.errors import DataError
from sylvian.types import Trial

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True)
class PrepareReport:
    """What `prepare` did.

    Attributes:
        corpus: Name of the corpus.
        n_sessions: Sessions prepared, the reused ones included.
        trials: Split -> trials.
        n_reused: Sessions whose raw files had not changed since the last time.
        warnings: What a person should know, one sentence each: prompt sets that are unknown, trials
            too short for their labels, repeated recordings, differences from the facts.
    """

    corpus: str
    n_sessions: int
    trials: dict[str, int]
    n_reused: int
    warnings: tuple[str, ...]


def prepare(corpus: Corpus, data: Path, *, progress: Progress | None = None) -> PrepareReport:
    """Write `data/<corpus>/<participant>/<session>.h5` for every session, and `index.json`.

    One trial is in memory at a time. A session file appears whole or not at all, and the index
    after each, so an interrupted run loses at most the session it was in; the next run reuses every
    session whose raw files (name, size, time of change) and labels' sources are the same. Sessions
    and counts that the facts do not know are kept and reported.

    Args:
        corpus: Reader of the raw files.
        data: Folder for prepared corpora.
        progress: Called with a session's name, sessions done, and sessions in all.

    Raises:
        DataError: a raw file is damaged or a trial unusable (the message names both), or the disk
            is full or read-only. Sessions finished before are kept.
    """
    folder = Path(data) / corpus.facts.name
    known, notes = _known(folder, corpus.facts)
    sessions = corpus.sessions()
    n_reused = 0
    for done, session in enumerate(sessions, start=1):
        place = session.participant, session.session
        source = _source(session)
        if _is_current(known.get(place), folder, source):
            n_reused += 1
        else:
            known[place] = _write(corpus, session, folder, source)
            write_index(folder, _index(corpus.facts, known.values()))
        if progress:
            progress("/".join(place), done, len(sessions))
    notes += _absent(known, sessions)
    index = _index(corpus.facts, known.values())
    write_index(folder, index)
    return _report(index, n_reused, notes)


def _known(
    folder: Path, facts: CorpusFacts
) -> tuple[dict[tuple[str, str], SessionEntry], list[str]]:
    """Read what an earlier run left; sessions of another release under the same name go."""
    if not folder.is_dir():
        return {}, []
    sweep(folder)
    if not (folder / NAME).is_file():
        return {}, []
    known = {(e.participant, e.session): e for e in read_index(folder).sessions}
    notes = []
    for participant, session in list(known):
        told = facts.participants.get(participant)
        if told is None or (told.sessions and session not in told.sessions):
            stale = known.pop((participant, session))
            (folder / stale.file).unlink(missing_ok=True)
            notes.append(f"{participant}/{session}: removed, the release no longer has it")
    return known, notes


def _absent(
    known: dict[tuple[str, str], SessionEntry], sessions: Iterable[SessionRef]
) -> list[str]:
    here = {(session.participant, session.session) for session in sessions}
    return [
        f"{'/'.join(place)}: prepared earlier and kept, though its raw files are gone"
        for place in sorted(known)
        if place not in here
    ]


def _source(session: SessionRef) -> str:
    parts = [str(FORMAT), session.context]
    files = [*sorted(session.paths.items()), *sorted(session.files.items())]
    for place, path in files:
        stat = path.stat()
        parts.append(f"{place} {path.name} {stat.st_size} {stat.st_mtime_ns}")
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()


def _is_current(entry: SessionEntry | None, folder: Path, source: str) -> bool:
    if entry is None or entry.source != source:
        return False
    path = folder / entry.file
    return path.is_file() and path.stat().st_size == entry.n_bytes


def _write(corpus: Corpus, session: SessionRef, folder: Path, source: str) -> SessionEntry:
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


def _index(facts: CorpusFacts, entries: Iterable[SessionEntry]) -> Index:
    ordered = sorted(entries, key=lambda entry: (entry.participant, entry.session))
    return Index(facts=facts, sessions=tuple(ordered))


def _report(index: Index, n_reused: int, notes: list[str]) -> PrepareReport:
    per_session = [note for entry in index.sessions for note in entry.notes]
    short = [
        f"{index.facts.name}/{e.participant}/{e.session}: {e.n_impossible} trials have fewer bins "
        "than their labels need; CTC cannot learn from them"
        for e in index.sessions
        if e.n_impossible
    ]
    warnings = dict.fromkeys([*notes, *per_session, *short, *differences(index)])
    return PrepareReport(
        index.facts.name, len(index.sessions), index.trials, n_reused, tuple(warnings)
    )
