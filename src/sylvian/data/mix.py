"""Many prepared corpora as one: what to pretrain on, how it is read, and how often it is drawn."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from sylvian.config import dump
from sylvian.data.corpora import corpus_names
from sylvian.data.corpora.base import CorpusFacts, Species
from sylvian.data.index import NAME, Index, read_index
from sylvian.data.leftout import LeftOut
from sylvian.data.mixconfig import (
    MixConfig,
    Target,
    Who,
    fraction_field,
    refuse_repeats,
    refuse_unknown,
    unwanted,
)
from sylvian.data.mixsource import Opened, held_back, open_source, subset
from sylvian.data.normalize import NormalizeConfig
from sylvian.data.store import PreparedCorpus
from sylvian.errors import ConfigError, DataError
from sylvian.types import Trial, TrialInfo, TrialKey

__all__ = ["MixConfig", "Mixture", "Source"]


@dataclass(frozen=True, slots=True)
class Source:
    """One participant of one corpus in a mix.

    Attributes:
        name: `corpus/participant`.
        species: A person, a monkey, or another.
        n_channels: Numbers of channels of the sessions, each once, after the choice of features.
        n_train: Training trials, after the fraction.
        n_val: Trials to select by.
        hours: Length of the training trials.
        share: Trials drawn in an epoch, divided by `n_train`; weights and caps applied. May
            exceed 1.
    """

    name: str
    species: Species
    n_channels: tuple[int, ...]
    n_train: int
    n_val: int
    hours: float
    share: float


class Mixture:
    """The recordings of a mix of prepared corpora, and how often each is drawn.

    Train and val are divided by the rule `blocks`, session by session. What a release holds out
    with labels is in neither; nor is any recording that equals, value for value, a held-out one
    under another name (of the corpora in the mix and of the one to be fine-tuned).

    Holds descriptions, no features and no open file: it can be pickled to a spawned worker.

    Attributes:
        config: What was asked for.
        sources: Who is in it, sorted by name.
        train: Trials to train on, sorted by key.
        val: Trials to select by, sorted by key.
        session_channels: `corpus/participant/session` -> columns of the features that are read.
        left_out: What is not in it and why, one sentence each.
        facts: Corpus -> what its reader knew about the release.
        digest: Eight hexadecimal digits that change with the files used and with what is used of
            them.
    """

    def __init__(
        self,
        config: MixConfig,
        sources: Sequence[Opened],
        facts: Mapping[str, tuple[CorpusFacts, str]],
        left_out: tuple[str, ...],
    ) -> None:
        self.config = config
        self._readers = {str(one.who): one for one in sources}
        self.sources = tuple(_source(one, config) for one in sources)
        self.train = _sorted(info for one in sources for info in one.train)
        self.val = _sorted(info for one in sources for info in one.val)
        self._keys = frozenset(info.key for info in (*self.train, *self.val))
        self._shares = {source.name: source.share for source in self.sources}
        self.session_channels = {
            path: one.columns[path].n for one in sources for path in one.sessions
        }
        self.left_out = left_out
        corpora = sorted({one.who.corpus for one in sources})
        self.facts = {name: facts[name][0] for name in corpora}
        self.digest = self._digest({name: facts[name][1] for name in corpora})

    @classmethod
    def open(cls, config: MixConfig, data: Path, *, target: Target | None = None) -> Mixture:
        """Choose recordings among what is prepared.

        Args:
            config: What is wanted.
            data: Folder of prepared corpora.
            target: Corpus and participants to be fine-tuned (no participants: all of the corpus),
                where `config.target` needs to know.

        Raises:
            ConfigError: a corpus is named twice, a name stands for nobody, the mix has zero weight,
                or the target is needed and not given.
            DataError: a corpus is not prepared or prepared by too old a version, two folders hold
                corpora of one name, a prepared file is missing or damaged, or nothing matches.
        """
        refuse_repeats(config)
        prepared = _prepared(Path(data))
        chosen = _chosen(config, prepared, Path(data))
        target = _target(config, target, prepared)
        everyone = [who for name in chosen for who in _people(config, *prepared[name])]
        refuse_unknown(config, everyone, {*prepared, *corpus_names()})
        left = LeftOut()
        opened = []
        for who in everyone:
            note = partial(left.add, who.corpus, who.participant)
            reason = unwanted(config, who, target)
            if reason is not None:
                note(reason)
            elif (one := open_source(who, *prepared[who.corpus], config, note=note)) is not None:
                opened.append(one)
        opened = _without_leaks(opened, _guarded(config, target, prepared), left)
        opened = [_thinned(one, config, left) for one in opened]
        sentences = left.sentences((who.corpus, who.participant) for who in everyone)
        if not opened:
            raise _empty(config, everyone, sentences)
        facts = {name: (index.facts, index.digest) for name, (_, index) in prepared.items()}
        return cls(config, opened, facts, sentences)

    @property
    def sees_future(self) -> bool:
        """Whether any feature depends on later bins, by a release's z-score or by ours."""
        return any(one.reader.sees_future for one in self._readers.values())

    def read(self, key: TrialKey) -> Trial:
        """Read one trial, float32: z-scored, its spikes chosen, dead channels repaired, clipped.

        Raises:
            DataError: the trial is not in the mix, or its file is missing or cut short.
        """
        if key not in self._keys:
            raise DataError(
                f"{key}: not in the mix; read what a release holds out through its own corpus"
            )
        trial = self._readers[f"{key.corpus}/{key.participant}"].read(key)
        clip = self.config.clip
        if clip is not None:
            np.clip(trial.features, -clip, clip, out=trial.features)
        return trial

    def share(self, info: TrialInfo) -> float:
        """Say how often a training trial is drawn in an epoch, on average.

        Raises:
            DataError: nothing of its participant is in the mix.
        """
        name = f"{info.key.corpus}/{info.key.participant}"
        if name not in self._shares:
            raise DataError(f"{info.key}: not in the mix")
        return self._shares[name]

    def summary(self) -> list[dict[str, Any]]:
        """Give the sources as plain data, for JSON and tables; `hours` are of training."""
        names = {"n_channels": "channels", "n_train": "train", "n_val": "val"}
        rows = [asdict(source) for source in self.sources]
        return [
            {names.get(name, name): _plain(value) for name, value in row.items()} for row in rows
        ]

    def _digest(self, corpora: Mapping[str, str]) -> str:
        told = dump(self.config)
        how = [f"{name} {told[name]}" for name in ("features", "bin_s", "clip", "normalize")]
        shares = [f"{source.name} {source.share!r}" for source in self.sources]
        trials = [f"{info.key} {part}" for part in ("train", "val") for info in getattr(self, part)]
        lines = [*(f"{name} {digest}" for name, digest in corpora.items()), *how, *shares, *trials]
        return hashlib.sha256("\n".join(lines).encode()).hexdigest()[:8]


_Prepared = Mapping[str, tuple[Path, Index]]


def _prepared(data: Path) -> _Prepared:
    """Find every prepared corpus by the name in its index."""
    found: dict[str, tuple[Path, Index]] = {}
    for path in sorted(data.glob(f"[!.]*/{NAME}")):
        index = read_index(path.parent)
        name = index.facts.name
        if name in found:
            raise DataError(
                f"{path.parent}: a corpus called {name}, as is {found[name][0]}; remove one of "
                "them, or prepare it under another name"
            )
        found[name] = path.parent, index
    if not found:
        raise DataError(f"{data}: nothing is prepared there; run 'sylvian prepare CORPUS' first")
    return found


def _chosen(config: MixConfig, prepared: _Prepared, data: Path) -> list[str]:
    names = sorted(prepared) if config.corpora is None else sorted(config.corpora)
    for name in names:
        if name not in prepared:
            raise DataError(
                f"{data / name}: not prepared; run 'sylvian prepare {name}' first, or leave it out "
                f"of corpora (prepared are: {', '.join(sorted(prepared))})"
            )
    return names


def _people(config: MixConfig, folder: Path, index: Index) -> list[Who]:
    """List the participants whose sessions are prepared."""
    corpus = index.facts.name
    people = []
    for name in sorted({entry.participant for entry in index.sessions}):
        facts = index.facts.participants[name]
        who = Who(corpus, name, facts.species)
        if "species" not in facts.model_fields_set and not who.is_named(config.exclude):
            raise DataError(
                f"{folder / NAME}: written by a version that did not note whether {name} is a "
                f"person or a monkey; run 'sylvian prepare {corpus}' again (sessions that have not "
                "changed are kept)"
            )
        people.append(who)
    return people


def _target(config: MixConfig, target: Target | None, prepared: _Prepared) -> Target | None:
    """Fill in the participants of the target, where all are meant."""
    if target is None:
        if config.target != "include":
            raise ConfigError(
                f"target={config.target!r}, but who is to be fine-tuned is not known here; name "
                "the corpus to be fine-tuned, or set target=include"
            )
        return None
    corpus, participants = target
    if not participants and corpus in prepared:
        entries = prepared[corpus][1].sessions
        participants = tuple(sorted({entry.participant for entry in entries}))
    return corpus, participants


def _guarded(config: MixConfig, target: Target | None, prepared: _Prepared) -> set[str]:
    """Digest what the corpus to be fine-tuned holds out, in or out of the mix."""
    if target is None or target[0] not in prepared:
        return set()
    folder, index = prepared[target[0]]
    reader = PreparedCorpus(folder, index, NormalizeConfig(kind="none"))
    held = held_back(reader, unlabelled=config.unlabelled)
    return {reader.contents[info.key] for info in held}


def _without_leaks(opened: Sequence[Opened], guarded: set[str], left: LeftOut) -> list[Opened]:
    """Take out training trials that equal one held out or selected by, whatever their names.

    Why here: releases overlap (one session of T5 is in two), and two short recordings without a
    single spike are equal too; neither should end a pretraining run.
    """
    held = guarded | {_content(one, info) for one in opened for info in one.held_out}
    seen = held | {_content(one, info) for one in opened for info in one.val}
    kept = []
    for one in opened:
        train = tuple(info for info in one.train if _content(one, info) not in seen)
        val = tuple(info for info in one.val if _content(one, info) not in held)
        n = len(one.train) + len(one.val) - len(train) - len(val)
        if n:
            reason = f"{n} trials whose recording is held out or selected by, here or elsewhere"
            left.add(one.who.corpus, one.who.participant, reason)
        if train:
            kept.append(replace(one, train=train, val=val))
    return kept


def _content(one: Opened, info: TrialInfo) -> str:
    return one.reader.contents[info.key]


def _thinned(one: Opened, config: MixConfig, left: LeftOut) -> Opened:
    fraction = config.fraction(one.who.species)
    train = subset(one.train, fraction, seed=config.seed)
    if len(train) < len(one.train):
        n = len(one.train)
        field = fraction_field(one.who.species)
        reason = f"{n - len(train)} of {n} training trials; {field}={fraction:g}"
        left.add(one.who.corpus, one.who.participant, reason)
    return replace(one, train=train)


def _empty(config: MixConfig, everyone: Sequence[Who], sentences: Sequence[str]) -> Exception:
    there = "; ".join(sentences) or "no session of anybody"
    if any(config.weight(who.corpus, who.participant) == 0 for who in everyone):
        return ConfigError(f"a mix with zero weight: nothing is left to draw from ({there})")
    return DataError(f"no recordings match the mix; prepared are: {there}")


def _source(one: Opened, config: MixConfig) -> Source:
    cap = config.cap_hours
    capped = 1.0 if cap is None else min(1.0, cap / one.hours)
    return Source(
        str(one.who),
        one.who.species,
        one.widths,
        len(one.train),
        len(one.val),
        one.hours,
        config.weight(one.who.corpus, one.who.participant) * capped,
    )


def _sorted(infos: Iterable[TrialInfo]) -> tuple[TrialInfo, ...]:
    return tuple(sorted(infos, key=lambda info: info.key))


def _plain(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value
