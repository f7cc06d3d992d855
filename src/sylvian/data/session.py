"""One session from its published files to its prepared file."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

from sylvian.data.corpora.base import Corpus, CorpusFacts, SessionRef
from sylvian.data.disk import creating
from sylvian.data.files import replacing, sha256
from sylvian.data.index import FORMAT, SessionEntry
from sylvian.data.sessionfile import SessionWriter, StoredTrial
from sylvian.data.validate import checked, is_impossible
from sylvian.errors import DataError
from sylvian.types import Strategy, Trial, TrialInfo


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
        dead = _dead(writer, session)
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
        notes=(*session.notes, *_notes(writer, dead, session, corpus.facts)),
        dead=dead,
    )


def _add(writer: SessionWriter, trial: Trial, session: SessionRef, facts: CorpusFacts) -> None:
    if trial.key in writer:
        raise DataError(
            f"{session.where(trial.info)}: duplicate trial {trial.key}, it is also in "
            f"{writer[trial.key].info.split}; download the session again"
        )
    moments = checked(trial, session, facts, n_channels=writer.n_channels, bin_s=writer.bin_s)
    writer.add(trial, moments)


def _dead(writer: SessionWriter, session: SessionRef) -> tuple[int, ...]:
    """List the channels that never change; a session without any activity is refused."""
    moments = writer.moments()
    flat = moments.is_flat
    if flat.all():
        value = "are 0" if not moments.mean.any() else "never change"
        raise DataError(
            f"{next(iter(session.paths.values()))}: {session.participant}/{session.session}: all "
            f"values of all {len(flat)} channels {value}: the arrays are dead or the files are "
            "damaged; take the session out of the raw folder"
        )
    return tuple(int(channel) for channel in np.flatnonzero(flat))


def _notes(
    writer: SessionWriter, dead: tuple[int, ...], session: SessionRef, facts: CorpusFacts
) -> Iterator[str]:
    """Say what a person should know who will train on this session."""
    where = f"{facts.name}/{session.participant}/{session.session}"
    if writer.bin_s is not None and abs(writer.bin_s - facts.bin_s) > 1e-6:
        yield (
            f"{where}: bins of {writer.bin_s * 1000:g} ms, where the corpus has "
            f"{facts.bin_s * 1000:g} ms; they are kept as they are"
        )
    for group in facts.participants[session.participant].channels:
        if set(range(group.start, group.stop)) <= set(dead):
            yield (
                f"{where}: no channel of {group.array} ({group.feature}, columns {group.start} to "
                f"{group.stop - 1}) ever changes; was the array dead that day?"
            )
    yield from _repeats(writer.stored)
    yield from _out_of_order(writer.as_read, where)


def _out_of_order(infos: Iterable[TrialInfo], where: str) -> Iterator[str]:
    """Warn where hidden sentences are in another order than that of blocks and trials.

    Why here: a competition wants them in its files' order, which only a reader sees.
    """
    hidden = [
        info.key
        for info in infos
        if info.sentence is None and info.phonemes is None
        if info.strategy is not Strategy.REACHING
    ]
    if hidden != sorted(hidden):
        yield (
            f"{where}: its {len(hidden)} trials without labels are not in the order of their "
            "blocks; a competition that goes by the files would misread what 'sylvian submit' "
            "writes"
        )


def _repeats(stored: Iterable[StoredTrial]) -> list[str]:
    first: dict[str, StoredTrial] = {}
    notes = []
    for trial in stored:
        earlier = first.setdefault(trial.content, trial)
        if earlier is not trial:
            notes.append(f"{trial.info.key}: same recording as {earlier.info.key}")
    return notes
