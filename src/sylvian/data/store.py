"""A prepared corpus: every trial by its key, normalised as it is read."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sylvian.data.corpora.base import CorpusFacts
from sylvian.data.index import Index, SessionEntry, read_index
from sylvian.data.moments import Moments, pooled
from sylvian.data.normalize import (
    Apply,
    Features,
    Kind,
    NormalizeConfig,
    TrialMoments,
    is_left_out,
    lookahead_bins,
    repair,
    session_normalizer,
)
from sylvian.data.sessionfile import StoredTrial, read_features, read_moments, read_table
from sylvian.data.splits import Rule, Splits, split_trials
from sylvian.errors import DataError
from sylvian.types import Trial, TrialInfo, TrialKey

_AUTO = NormalizeConfig()


class PreparedCorpus:
    """The trials of one prepared corpus.

    Holds descriptions, no features and no open file: it can be pickled to a spawned worker, forked,
    or shared by threads. A session's normalising statistics are loaded with its first trial.

    Attributes:
        normalize: How features are z-scored.
        infos: Descriptions of all trials, sorted by key.
        contents: Digest of each trial's features as published.
        left_out: Paths of the sessions that have too many dead channels.
    """

    def __init__(self, folder: Path, index: Index, normalize: NormalizeConfig) -> None:
        self.normalize = normalize
        self._index = index
        self._kinds = {
            name: normalize.resolve(facts) for name, facts in index.facts.participants.items()
        }
        every = {_path(index, entry): entry for entry in index.sessions}
        dead = {path: _dead(entry, path, normalize) for path, entry in every.items()}
        self.left_out = tuple(path for path in every if is_left_out(dead[path], normalize))
        self._entries = {p: entry for p, entry in every.items() if p not in self.left_out}
        if self.left_out and not self._entries:
            raise DataError(
                f"{folder}: every session has two dead channels or more, so none can be repaired; "
                "read it with dead_channels='keep'"
            )
        self._days = {entry.participant: _Days() for entry in self._entries.values()}
        sessions = [_Session(folder, entry, self, dead[p]) for p, entry in self._entries.items()]
        for participant, days in self._days.items():
            if self._kinds[participant] == "participant":
                days.refuse_differing(f"{folder}: {participant}")
        places = {
            stored.info.key: (session, place)
            for session in sessions
            for place, stored in enumerate(session.table)
        }
        self._places = {key: places[key] for key in sorted(places)}
        stored = [session.table[place] for session, place in self._places.values()]
        self.infos: tuple[TrialInfo, ...] = tuple(trial.info for trial in stored)
        self.contents = {trial.info.key: trial.content for trial in stored}

    @classmethod
    def open(cls, data: Path, corpus: str, *, normalize: NormalizeConfig = _AUTO) -> PreparedCorpus:
        """Open what `prepare` wrote.

        Args:
            data: Folder of prepared corpora.
            corpus: Name of the corpus.
            normalize: How features are z-scored when read.

        Raises:
            DataError: nothing is prepared there, or it is damaged.
        """
        folder = Path(data) / corpus
        return cls(folder, read_index(folder), normalize)

    @property
    def facts(self) -> CorpusFacts:
        """What the reader knew about the release."""
        return self._index.facts

    @property
    def digest(self) -> str:
        """Eight hexadecimal digits of the prepared files' checksums."""
        return self._index.digest

    @property
    def channels(self) -> dict[str, int]:
        """Participant -> columns of the feature matrix; the most of any session if they differ."""
        most: dict[str, int] = {}
        for entry in self._entries.values():
            most[entry.participant] = max(entry.n_channels, most.get(entry.participant, 0))
        return most

    @property
    def session_channels(self) -> dict[str, int]:
        """`corpus/participant/session` -> columns of the feature matrix."""
        return {path: entry.n_channels for path, entry in self._entries.items()}

    @property
    def lookahead_bins(self) -> int | None:
        """Bins of future our z-score looks at: 0, or None for the whole block."""
        looks = {lookahead_bins(self._kinds[participant]) for participant in self.channels}
        return None if None in looks else 0

    @property
    def sees_future(self) -> bool:
        """Whether any feature depends on later bins, by the release's z-score or by ours."""
        released = any(self.facts.participants[name].sees_future for name in self.channels)
        return released or self.lookahead_bins is None

    def kind(self, participant: str) -> Kind:
        """Say which z-score a participant's features get."""
        return self._kinds[participant]

    def days(self, participant: str) -> _Days:
        """All sessions of a participant; for the sessions themselves."""
        return self._days[participant]

    def read(self, key: TrialKey) -> Trial:
        """Read one trial, float32, z-scored.

        Raises:
            DataError: there is no such trial, or its file is missing or cut short.
        """
        if key not in self._places:
            raise DataError(f"{key}: no such trial is prepared; run 'sylvian prepare {key.corpus}'")
        session, place = self._places[key]
        return Trial(session.table[place].info, session.features(place))

    def splits(self, rule: Rule = "benchmark") -> Splits:
        """Divide the trials by a named rule; `split_trials` says how.

        Raises:
            DataError: a trial or recording is in two splits.
        """
        return split_trials(self.infos, rule, contents=self.contents)


def _path(index: Index, entry: SessionEntry) -> str:
    return f"{index.facts.name}/{entry.participant}/{entry.session}"


def _dead(entry: SessionEntry, path: str, config: NormalizeConfig) -> tuple[int, ...]:
    """List the channels to be repaired."""
    if config.dead_channels == "keep":
        return ()
    if entry.dead is None:
        raise DataError(
            f"{path}: prepared by a version that did not look for dead channels; remove its file "
            "and run 'sylvian prepare' again"
        )
    return entry.dead


class _Days:
    """The sessions of one participant, and their moments once somebody needed them."""

    def __init__(self) -> None:
        self._sessions: list[_Session] = []
        self._moments: Moments | None = None

    def add(self, session: _Session) -> None:
        self._sessions.append(session)

    def refuse_differing(self, where: str) -> None:
        widths = sorted({session.n_channels for session in self._sessions})
        if len(widths) > 1:
            raise DataError(
                f"{where}: sessions have {widths[0]} to {widths[-1]} channels, so that none is the "
                "same on all days; use normalize.kind=block"
            )

    def moments(self) -> Moments:
        if self._moments is None:
            every = (trial.moments for session in self._sessions for trial in session.moments())
            self._moments = pooled(every, self._sessions[0].n_channels)
        return self._moments


class _Session:
    """One session file: its table, and its normaliser once a trial was read."""

    def __init__(
        self, folder: Path, entry: SessionEntry, corpus: PreparedCorpus, dead: Sequence[int]
    ) -> None:
        self._path = folder / entry.file
        self.n_channels = entry.n_channels
        self._days = corpus.days(entry.participant)
        self._days.add(self)
        self._dead = dead
        self._kind = corpus.kind(entry.participant)
        self._config = corpus.normalize
        self._apply: Apply | None = None
        name = corpus.facts.name
        self.table: list[StoredTrial] = read_table(
            self._path, name, entry.participant, entry.session
        )

    def moments(self) -> list[TrialMoments]:
        return read_moments(self._path, self.table)

    def features(self, place: int) -> Features:
        raw = read_features(self._path, self.table[place], self.n_channels)
        if self._kind == "none":
            return repair(raw, self._dead)
        if self._apply is None:
            days = self._days.moments() if self._kind == "participant" else None
            self._apply = session_normalizer(self._kind, self._config, self.moments(), days=days)
        return repair(self._apply(place, raw), self._dead)

    def __getstate__(self) -> dict[str, Any]:
        return self.__dict__ | {"_apply": None}  # each process computes its own
