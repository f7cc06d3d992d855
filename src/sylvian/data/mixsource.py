"""One source of a mix: which sessions, columns and trials are used, and how they are read."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from jaxtyping import Float32

from sylvian.data.corpora.base import ParticipantFacts
from sylvian.data.index import Index, SessionEntry
from sylvian.data.leftout import some
from sylvian.data.mixconfig import MixConfig, Who
from sylvian.data.normalize import Features, NormalizeConfig, is_left_out, repair
from sylvian.data.splits import TRAIN, split_trials, unlabelled_trials
from sylvian.data.store import PreparedCorpus
from sylvian.errors import DataError
from sylvian.types import Trial, TrialInfo, TrialKey

Note = Callable[[str], None]
_SPIKES = ("crossing", "spikes", "counts", "units")
_TOLERANCE_S = 1e-6


@dataclass(frozen=True, slots=True)
class Columns:
    """Columns of a session that are used.

    Attributes:
        kept: Their places.
        n: How many they are.
        dead: Places, among those kept, of channels to be repaired.
    """

    kept: slice | tuple[int, ...]
    n: int
    dead: tuple[int, ...] = ()

    def of(self, features: Features) -> Float32[np.ndarray, "bins used"]:
        """Take them out of a trial, dead ones repaired."""
        kept = self.kept if isinstance(self.kept, slice) else list(self.kept)
        return repair(np.ascontiguousarray(features[:, kept]), self.dead)


@dataclass(frozen=True, slots=True)
class Opened:
    """One source with its trials.

    Attributes:
        who: Its name and species.
        reader: Its sessions, z-scored.
        columns: Session path -> the columns used.
        train: Trials to train on, sorted by key.
        val: Trials to select by.
        held_out: Trials that the release holds out; the mix never reads them.
    """

    who: Who
    reader: PreparedCorpus
    columns: dict[str, Columns]
    train: tuple[TrialInfo, ...]
    val: tuple[TrialInfo, ...]
    held_out: tuple[TrialInfo, ...]

    @property
    def hours(self) -> float:
        """Length of the training trials."""
        return sum(info.n_bins * info.bin_s for info in self.train) / 3600

    @property
    def widths(self) -> tuple[int, ...]:
        """Numbers of channels of the sessions used, each once."""
        return tuple(sorted({self.columns[path].n for path in self.sessions}))

    @property
    def sessions(self) -> tuple[str, ...]:
        """Paths of the sessions used, sorted."""
        return tuple(sorted({info.key.session_path for info in (*self.train, *self.val)}))

    def read(self, key: TrialKey) -> Trial:
        """Read one trial: z-scored, then reduced to the columns used."""
        trial = self.reader.read(key)
        return replace(trial, features=self.columns[key.session_path].of(trial.features))


def open_source(
    who: Who, folder: Path, index: Index, config: MixConfig, *, note: Note
) -> Opened | None:
    """Choose what a mix uses of one participant, and say what it does not.

    Args:
        who: The participant.
        folder: Where their corpus is prepared.
        index: Index of that folder.
        config: The mix.
        note: Takes reasons why something is left out.

    Returns:
        None where nothing is left to train on; `note` was told why.

    Raises:
        DataError: prepared files are missing, damaged, or do not fit the facts.
    """
    facts = index.facts.participants[who.participant]
    entries = [entry for entry in index.sessions if entry.participant == who.participant]
    columns = {entry.session: _columns(who, entry, facts, config) for entry in entries}
    if not columns[entries[0].session].n:
        kinds = sorted({group.feature for group in facts.channels})
        note(f"no spikes among its features ({', '.join(kinds)}); features=all takes them")
        return None
    alive = _without_dead(entries, columns, config, note)
    reader = _reader(folder, index, alive, config) if alive else None
    if reader is None:
        return None
    here = _of_width(reader.infos, config.bin_s, note)
    days = {info.key.session for info in here}
    used = [entry for entry in alive if entry.session in days]
    if not used:
        return None
    if len(used) < len(alive):  # statistics over days are of the sessions used alone
        reader = _reader(folder, index, used, config)
    paths = {f"{who}/{entry.session}": columns[entry.session] for entry in used}
    train, val, held_out = _divide(here, index.facts.splits, config, note)
    if not train:
        note(f"no trial to train on among {len(here)}")
        return None
    return Opened(who, reader, paths, train, val, held_out)


def subset(trials: Sequence[TrialInfo], fraction: float, *, seed: int) -> tuple[TrialInfo, ...]:
    """Keep a random share of trials, at least one; a smaller share is part of every larger one.

    Whether a trial is kept depends on the seed and on the keys of `trials`, on nothing else.

    Args:
        trials: Trials of one source, not empty.
        fraction: Share that is kept, in (0, 1].
        seed: Another seed keeps others.
    """
    if fraction >= 1:
        return tuple(trials)

    def lot(info: TrialInfo) -> bytes:
        return hashlib.blake2b(f"{seed} {info.key}".encode(), digest_size=8).digest()

    kept = sorted(trials, key=lot)[: max(1, round(fraction * len(trials)))]
    return tuple(sorted(kept, key=lambda info: info.key))


def held_back(reader: PreparedCorpus, *, unlabelled: bool) -> tuple[TrialInfo, ...]:
    """List what a corpus' release holds out, and the mix never reads.

    Args:
        reader: The corpus.
        unlabelled: The unlabelled ones are not held back.
    """
    hidden = unlabelled_trials(reader.infos, published=reader.facts.splits) if unlabelled else ()
    free = {info.key for info in hidden}
    held = split_trials(reader.infos, "blocks")["test"]
    return tuple(info for info in held if info.key not in free)


def _columns(who: Who, entry: SessionEntry, facts: ParticipantFacts, config: MixConfig) -> Columns:
    kept = _kept(f"{who}/{entry.session}", entry.n_channels, facts, config)
    if config.normalize.dead_channels == "keep":
        return Columns(_compact(kept), len(kept))
    if entry.dead is None:
        raise DataError(
            f"{who}/{entry.session}: prepared by a version that did not look for dead channels; "
            f"remove its file and run 'sylvian prepare {who.corpus}' again"
        )
    dead = tuple(place for place, column in enumerate(kept) if column in entry.dead)
    return Columns(_compact(kept), len(kept), dead)


def _kept(path: str, width: int, facts: ParticipantFacts, config: MixConfig) -> tuple[int, ...]:
    if config.features == "all" or not facts.channels:
        return tuple(range(width))
    end = max(group.stop for group in facts.channels)
    if end > width:
        raise DataError(f"{path}: {width} channels on disk, the facts describe {end}")
    spikes = [group for group in facts.channels if is_spikes(group.feature)]
    return tuple(sorted({column for g in spikes for column in range(g.start, g.stop)}))


def is_spikes(feature: str) -> bool:
    """Tell counts of spikes from whatever else the facts may call a feature."""
    return any(word in feature.casefold() for word in _SPIKES)


def _compact(kept: tuple[int, ...]) -> slice | tuple[int, ...]:
    run = bool(kept) and kept[-1] - kept[0] + 1 == len(kept)
    return slice(kept[0], kept[-1] + 1) if run else kept


def _without_dead(
    entries: Sequence[SessionEntry], columns: dict[str, Columns], config: MixConfig, note: Note
) -> list[SessionEntry]:
    dead = [e.session for e in entries if is_left_out(columns[e.session].dead, config.normalize)]
    if dead:
        note(
            f"{_out_of(dead, len(entries))}two dead channels or more; normalize.dead_channels=keep "
            "reads them as they are"
        )
    return [entry for entry in entries if entry.session not in dead]


def _out_of(sessions: Sequence[str], n: int) -> str:
    return "" if len(sessions) == n else f"{len(sessions)} of {n} sessions ({some(sessions)}): "


def _reader(
    folder: Path, index: Index, entries: Sequence[SessionEntry], config: MixConfig
) -> PreparedCorpus:
    facts = index.facts.participants[entries[0].participant]
    normalize = _resolved(config.normalize, facts)
    part = index.model_copy(update={"sessions": tuple(entries)})
    return PreparedCorpus(folder, part, normalize)


def _resolved(config: NormalizeConfig, facts: ParticipantFacts) -> NormalizeConfig:
    """Say what `auto` means in a mix; dead channels are the mix's own affair."""
    kind = config.kind
    if kind == "auto" and facts.sees_future:
        kind = "none"
    elif kind == "auto":  # equal numbers of units need not be the same units: ask the facts
        kind = "session" if facts.n_channels is None else "participant"
    return config.model_copy(update={"kind": kind, "dead_channels": "keep"})


def _of_width(infos: Sequence[TrialInfo], bin_s: float, note: Note) -> list[TrialInfo]:
    here = [info for info in infos if abs(info.bin_s - bin_s) < _TOLERANCE_S]
    n_sessions = len({info.key.session for info in infos})
    others: dict[float, dict[str, None]] = {}
    for info in infos:
        if abs(info.bin_s - bin_s) >= _TOLERANCE_S:
            others.setdefault(info.bin_s, {})[info.key.session] = None
    for width_s, sessions in others.items():
        out_of = _out_of([*sessions], n_sessions)
        note(f"{out_of}bins of {width_s * 1000:g} ms, the mix takes {bin_s * 1000:g} ms")
    return here


_Divided = tuple[tuple[TrialInfo, ...], tuple[TrialInfo, ...], tuple[TrialInfo, ...]]


def _divide(
    infos: Sequence[TrialInfo], published: Sequence[str], config: MixConfig, note: Note
) -> _Divided:
    """Divide into train, val and what the release holds out."""
    hidden = unlabelled_trials(infos, published=published) if config.unlabelled else ()
    free = {info.key for info in hidden}
    held_out = [i for i in split_trials(infos, "blocks")["test"] if i.key not in free]
    if held_out:
        counts = Counter(info.split for info in held_out)
        note(f"{_counted(counts)} trials, held out by the release")
    away = {info.key for info in held_out} | free
    pool = _of_strategy([i for i in infos if i.key not in away], config, note)
    splits = split_trials(pool, "blocks")
    train = sorted([*splits[TRAIN], *_of_strategy(hidden, config, note)], key=lambda i: i.key)
    return tuple(train), splits["val"], tuple(held_out)


def _of_strategy(infos: Iterable[TrialInfo], config: MixConfig, note: Note) -> list[TrialInfo]:
    wanted = config.strategies
    if wanted is None:
        return [*infos]
    counts = Counter(info.strategy.value for info in infos if info.strategy not in wanted)
    if counts:
        names = ", ".join(strategy.value for strategy in wanted)
        note(f"{_counted(counts)} trials, the mix takes {names}")
    return [info for info in infos if info.strategy in wanted]


def _counted(counts: Counter[str]) -> str:
    return " and ".join(f"{n} {name}" for name, n in sorted(counts.items()))
