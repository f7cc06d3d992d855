"""Who is trained on, who is tuned on, who is reported: the published rules, and no leakage."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Literal

import numpy as np

from sylvian.errors import DataError
from sylvian.types import TrialInfo, TrialKey

Rule = Literal["benchmark", "bit"]
Splits = dict[str, tuple[TrialInfo, ...]]
TRAIN = "train"
_BIT_SEED = 42


def split_trials(
    infos: Iterable[TrialInfo], rule: Rule, *, contents: Mapping[TrialKey, str] | None = None
) -> Splits:
    """Divide the trials of a corpus by a named rule, each participant by itself.

    `benchmark`: train as published; val is the published labelled held-out split (`val` of
    card2024, `test` of willett2023); test is the published unlabelled one (`test`, `holdout`).
    `bit`: val and test are the two random halves of the published labelled held-out split, and
    holdout is the published unlabelled one.

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
    """
    assigned: dict[str, list[TrialInfo]] = {
        name: [] for name in (TRAIN, "val", "test", *(("holdout",) if rule == "bit" else ()))
    }
    for trials in _by_participant(infos):
        labelled, unlabelled = _published_names(trials)
        held_out = [info for info in trials if info.split == labelled]
        hidden = [info for info in trials if info.split == unlabelled]
        assigned[TRAIN] += [info for info in trials if info.split == TRAIN]
        if rule == "benchmark":
            assigned["val"] += held_out
            assigned["test"] += hidden
        else:
            val, test = _halves(held_out)
            assigned["val"] += val
            assigned["test"] += test
            assigned["holdout"] += hidden
    splits = {name: tuple(trials) for name, trials in assigned.items()}
    refuse_leakage(splits, contents or {})
    return splits


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


def _published_names(trials: Sequence[TrialInfo]) -> tuple[str, str]:
    """Tell the labelled from the unlabelled held-out split by the names a release uses."""
    names = {info.split for info in trials}
    labelled, unlabelled = ("val", "test") if "val" in names else ("test", "holdout")
    unknown = names - {TRAIN, labelled, unlabelled}
    if unknown:
        strange = next(info for info in trials if info.split in unknown)
        raise DataError(
            f"{strange.key}: split {strange.split!r} beside {', '.join(sorted(names - unknown))}: "
            "no rule says what it is for; releases have train/val/test or train/test/holdout"
        )
    return labelled, unlabelled


def _halves(trials: Sequence[TrialInfo]) -> tuple[list[TrialInfo], list[TrialInfo]]:
    # The published rule is this legacy generator with this seed; a new one would be another split.
    order = np.random.RandomState(_BIT_SEED).permutation(len(trials))  # noqa: NPY002
    middle = len(trials) // 2
    first, second = (sorted(half) for half in (order[:middle], order[middle:]))
    return [trials[i] for i in first], [trials[i] for i in second]
