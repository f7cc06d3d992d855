"""From published files to one HDF5 per session: streamed, checksummed, resumable, atomic."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from sylvian.data.corpora.base import Corpus, CorpusFacts, SessionRef
from sylvian.data.facts import differences
from sylvian.data.files import sweep
from sylvian.data.index import NAME, Index, SessionEntry, read_index, write_index
from sylvian.data.session import fingerprint
from sylvian.data.workers import Task, Written, in_processes, in_this_process, n_processes

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


def prepare(
    corpus: Corpus, data: Path, *, jobs: int | None = None, progress: Progress | None = None
) -> PrepareReport:
    """Write `data/<corpus>/<participant>/<session>.h5` for every session, and `index.json`.

    One trial a process is in memory at a time. A session file appears whole or not at all, and the
    index after each, so an interrupted run loses at most the sessions it was in; the next run
    reuses every session whose raw files (name, size, time of change) and labels' sources are the
    same. Sessions and counts that the facts do not know are kept and reported. What is written does
    not depend on the number of processes.

    Args:
        corpus: Reader of the raw files.
        data: Folder for prepared corpora.
        jobs: Sessions prepared at the same time, each by a process of its own; 1 for this process
            alone. None for all cores this process may use, but fewer for a small corpus, which is
            prepared before other processes have started.
        progress: Called with a session's name, sessions done, and sessions in all; before that
            with how many are reused, if any are.

    Raises:
        ConfigError: `jobs` is not positive.
        DataError: a raw file is damaged or a trial unusable (the message names both), or the disk
            is full or read-only, or a process was killed. Sessions finished before are kept.
    """
    folder = Path(data) / corpus.facts.name
    known, notes = _known(folder, corpus.facts)
    sessions = corpus.sessions()
    tasks = [Task(session, fingerprint(session)) for session in sessions]
    due = [task for task in tasks if not _is_current(known.get(_place(task)), folder, task.source)]
    n_reused = len(tasks) - len(due)
    if progress and n_reused:
        progress(f"{n_reused} sessions are as they were", n_reused, len(tasks))
    with closing(_written(corpus, folder, due, n_processes(jobs, due), notes)) as written:
        for done, (task, entry) in enumerate(written, start=n_reused + 1):
            known[_place(task)] = entry
            write_index(folder, _index(corpus.facts, known.values()))
            if progress:
                progress("/".join(_place(task)), done, len(tasks))
    notes += _absent(known, sessions)
    index = _index(corpus.facts, known.values())
    write_index(folder, index)
    return _report(index, n_reused, notes)


def _written(corpus: Corpus, folder: Path, due: list[Task], n: int, notes: list[str]) -> Written:
    if n > 1:
        return in_processes(corpus, folder, due, n=n, note=notes.append)
    return in_this_process(corpus, folder, due)


def _place(task: Task) -> tuple[str, str]:
    return task.session.participant, task.session.session


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


def _is_current(entry: SessionEntry | None, folder: Path, source: str) -> bool:
    if entry is None or entry.source != source:
        return False
    path = folder / entry.file
    return path.is_file() and path.stat().st_size == entry.n_bytes


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
