"""Who is trained on, who is tuned on, who is reported: the published rules, and no leakage."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np

from sylvian.errors import DataError
from sylvian.types import TrialInfo, TrialKey

Rule = Literal["benchmark", "bit", "blocks"]
Splits = dict[str, tuple[TrialInfo, ...]]
TRAIN = "train"
_BIT_SEED = 42
_HELD_BLOCKS = 0.1


@dataclass(frozen=True, slots=True)
class _Style:
    """How a release calls its parts: to train on, held out, and hidden (the last to be opened)."""

    train: str
    held_out: str
    hidden: str
    is_unlabelled: bool = True
    """Whether the labels of the hidden part are withheld."""

    @property
    def names(self) -> set[str]:
        return {self.train, self.held_out, self.hidden}


# The first style that has all of a participant's names is meant.
_STYLES = (
    _Style(TRAIN, "test", "holdout"),  # willett2023; also what publishes no split, all `train`
    _Style(TRAIN, "val", "test"),  # card2024
    _Style(TRAIN, "val_50words", "holdout"),  # kunz2025
    _Style("held_in_calib", "minival", "held_out_calib", is_unlabelled=False),  # falcon
)


def split_names(rule: Rule) -> tuple[str, ...]:
    """List the splits that a rule makes."""
    return (TRAIN, "val", "test", *(("holdout",) if rule == "bit" else ()))


def split_trials(
    infos: Iterable[TrialInfo], rule: Rule, *, contents: Mapping[TrialKey, str] | None = None
) -> Splits:
    """Divide the trials of a corpus by a named rule, each participant by itself.

    `benchmark`: train as published; val is the published labelled held-out split (`val` of
    card2024, `test` of willett2023, `minival` of falcon, `val_50words` of kunz2025); test is the
    published unlabelled one (`test`, `holdout`), or falcon's later days (`held_out_calib`).
    `bit`: val and test are the two random halves of the published labelled held-out split, and
    holdout is the published unlabelled one. Each participant's trials are ordered by key and
    permuted by `RandomState(42)`; the first half is val. So are kunz2025's imagined 50-word
    sentences (`val_50words`) halved, which has nothing unlabelled.
    `blocks`, for releases that publish no split or to pretrain on any: val is the last tenth of the
    blocks of every session, at least one, train the blocks before; where a session is a single
    block, the last tenth of its trials. A session of one trial is trained on. Only what was
    published to train on is so divided; test is everything published as held out.

    Args:
        infos: Trials of one corpus.
        rule: Name of the rule.
        contents: Digest of each trial's features, to find a recording under two names.

    Returns:
        Split -> trials in the order of their keys.

    Raises:
        DataError: a split has a name no rule knows, or the same trial or the same recording is in
            train and in a held-out split. The same sentence may be; scoring reports it apart.

    Source: BIT, `data/*/prepare_data.py` (the halves), dossier §1.2, §1.3, §1.5.

    Why here: `blocks` holds out within every session, not whole days, because a pretrained model
    may have a read-in of its own for every session, and time neighbours within a block are too
    much alike to be held out from one another.
    """
    assigned: dict[str, list[TrialInfo]] = {name: [] for name in split_names(rule)}
    for trials in _by_participant(infos):
        style = _style(trials)
        train, held_out, hidden = (
            [info for info in trials if info.split == name]
            for name in (style.train, style.held_out, style.hidden)
        )
        for name, part in _DIVIDE[rule](train, held_out, hidden).items():
            assigned[name] += part
    splits = {name: tuple(trials) for name, trials in assigned.items()}
    refuse_leakage(splits, contents or {})
    return splits


def unlabelled_trials(
    infos: Iterable[TrialInfo], *, published: Sequence[str] = ()
) -> tuple[TrialInfo, ...]:
    """List the trials of the published hidden split, whose labels the release withholds.

    Args:
        infos: Trials of one corpus.
        published: Names of all splits of the release, should not all be at hand: where it has no
            `val`, `test` is the labelled one.

    Returns:
        In the order of their keys; none of falcon, which publishes the labels of its later days.

    Raises:
        DataError: a split has a name no rule knows.
    """
    groups = ((trials, _style(trials, published)) for trials in _by_participant(infos))
    return tuple(
        info
        for trials, style in groups
        for info in trials
        if style.is_unlabelled and info.split == style.hidden
        if info.sentence is None and info.phonemes is None
    )


def refuse_leakage(splits: Splits, contents: Mapping[TrialKey, str]) -> None:
    """Raise if a trial, or one recording under two names, is in two splits.

    Args:
        splits: Split -> trials.
        contents: Digest of each trial's features; trials without one are compared by key only.

    Raises:
        DataError: names both trials and their splits.
    """
    seen: dict[TrialKey | str, tuple[TrialKey, str]] = {}
    for split, trials in splits.items():
        for info in trials:
            marks: list[TrialKey | str] = [info.key]
            if info.key in contents:
                marks.append(contents[info.key])
            for mark in marks:
                key, other = seen.setdefault(mark, (info.key, split))
                if other != split:
                    raise DataError(
                        f"{info.key}: in {split}, and the same recording is {key} in {other}; "
                        "remove one of them from the raw files and prepare again"
                    )


def _by_participant(infos: Iterable[TrialInfo]) -> Sequence[Sequence[TrialInfo]]:
    groups: dict[tuple[str, str], list[TrialInfo]] = {}
    for info in sorted(infos, key=lambda info: info.key):
        groups.setdefault((info.key.corpus, info.key.participant), []).append(info)
    return list(groups.values())


def _style(trials: Sequence[TrialInfo], published: Sequence[str] = ()) -> _Style:
    """Tell train, held-out and hidden trials apart by the names a release uses."""
    names = {info.split for info in trials}
    for known in (names | {*published}, names):  # `synthetic` publishes in several styles at once
        for style in _STYLES:
            if known <= style.names:
                return style
    closest = max(_STYLES, key=lambda style: len(names & style.names))
    strange = next(info for info in trials if info.split not in closest.names)
    raise DataError(
        f"{strange.key}: split {strange.split!r} beside "
        f"{', '.join(sorted(names & closest.names)) or 'no other'}: no rule says what it is for; "
        "releases have train/val/test or train/test/holdout"
    )


_Part = list[TrialInfo]


def _benchmark(train: _Part, held_out: _Part, hidden: _Part) -> dict[str, _Part]:
    return {TRAIN: train, "val": held_out, "test": hidden}


def _bit(train: _Part, held_out: _Part, hidden: _Part) -> dict[str, _Part]:
    val, test = _halves(held_out)
    return {TRAIN: train, "val": val, "test": test, "holdout": hidden}


def _blocks(train: _Part, held_out: _Part, hidden: _Part) -> dict[str, _Part]:
    sessions: dict[str, _Part] = {}
    for info in train:
        sessions.setdefault(info.key.session, []).append(info)
    last = {info.key for session in sessions.values() for info in _last_blocks(session)}
    return {
        TRAIN: [info for info in train if info.key not in last],
        "val": [info for info in train if info.key in last],
        "test": sorted([*held_out, *hidden], key=lambda info: info.key),
    }


def _last_blocks(session: _Part) -> _Part:
    blocks = sorted({info.key.block for info in session})
    if len(blocks) > 1:
        held = set(blocks[-max(1, round(_HELD_BLOCKS * len(blocks))) :])
        return [info for info in session if info.key.block in held]
    if len(session) > 1:
        return session[-max(1, round(_HELD_BLOCKS * len(session))) :]
    return []


_DIVIDE = {"benchmark": _benchmark, "bit": _bit, "blocks": _blocks}


def _halves(trials: Sequence[TrialInfo]) -> tuple[list[TrialInfo], list[TrialInfo]]:
    # The published rule is this legacy generator with this seed; a new one would be another split.
    order = np.random.RandomState(_BIT_SEED).permutation(len(trials))  # noqa: NPY002
    middle = len(trials) // 2
    first, second = (sorted(half) for half in (order[:middle], order[middle:]))
    return [trials[i] for i in first], [trials[i] for i in second]
