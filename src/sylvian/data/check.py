"""Hold a prepared corpus against its checksums, its facts and the rules of honest splits."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from sylvian.data.facts import differences
from sylvian.data.files import sha256
from sylvian.data.index import Index, SessionEntry, read_index
from sylvian.data.sessionfile import read_table
from sylvian.errors import DataError

Progress = Callable[[str, int, int], None]


@dataclass(frozen=True, slots=True)
class CheckReport:
    """What `check` found.

    Attributes:
        corpus: Name of the corpus.
        n_sessions: Sessions in the index.
        trials: Split -> trials.
        problems: What is wrong, one sentence each; empty when all is well.
        warnings: What `prepare` warned about, differences from the facts apart.
        strategies: What participants did -> trials, of the sessions that could be read.
    """

    corpus: str
    n_sessions: int
    trials: dict[str, int]
    problems: tuple[str, ...]
    warnings: tuple[str, ...]
    strategies: dict[str, int]


def check(corpus: str, data: Path, *, progress: Progress | None = None) -> CheckReport:
    """Read every prepared byte of a corpus and compare.

    Args:
        corpus: Name of the corpus.
        data: Folder of prepared corpora.
        progress: Called with a session's name, sessions done, and sessions in all.

    Raises:
        DataError: nothing is prepared there, or the index itself is damaged.
    """
    folder = Path(data) / corpus
    index = read_index(folder)
    problems = list(differences(index))
    contents: dict[str, tuple[str, str]] = {}
    done_so: Counter[str] = Counter()
    for done, entry in enumerate(index.sessions, start=1):
        problems += _file_problems(folder, entry) or _repeats(
            folder, entry, index, contents, done_so
        )
        if progress:
            progress(f"{entry.participant}/{entry.session}", done, len(index.sessions))
    problems += _strangers(folder, index)
    notes = dict.fromkeys(note for entry in index.sessions for note in entry.notes)
    told = (tuple(problems), tuple(notes), dict(done_so.most_common()))
    return CheckReport(corpus, len(index.sessions), index.trials, *told)


def _file_problems(folder: Path, entry: SessionEntry) -> list[str]:
    path = folder / entry.file
    advice = f"remove it and re-run 'sylvian prepare {folder.name}'"
    if not path.is_file():
        return [f"{path}: missing; re-run 'sylvian prepare {folder.name}'"]
    if path.stat().st_size != entry.n_bytes:
        return [f"{path}: {path.stat().st_size} bytes, index says {entry.n_bytes}; {advice}"]
    if sha256(path) != entry.sha256:
        return [f"{path}: content changed since it was prepared (SHA-256 differs); {advice}"]
    return []


def _repeats(
    folder: Path,
    entry: SessionEntry,
    index: Index,
    contents: dict[str, tuple[str, str]],
    strategies: Counter[str],
) -> list[str]:
    """Find recordings both in train and elsewhere; `contents` and `strategies` collect all seen."""
    try:
        table = read_table(folder / entry.file, index.facts.name, entry.participant, entry.session)
    except DataError as failure:
        return [str(failure)]
    problems = []
    for trial in table:
        strategies[trial.info.strategy.value] += 1
        key, split = str(trial.info.key), trial.info.split
        other, other_split = contents.setdefault(trial.content, (key, split))
        if split != other_split:
            problems.append(f"{key} ({split}): same recording as {other} ({other_split})")
    return problems


def _strangers(folder: Path, index: Index) -> Iterator[str]:
    listed = {folder / entry.file for entry in index.sessions}
    for path in sorted(folder.rglob("*.h5")):
        if path not in listed:
            yield f"{path}: not in the index; remove it or re-run 'sylvian prepare {folder.name}'"
