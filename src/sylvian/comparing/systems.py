"""Which runs are one system trained again, what systems are called, and what cannot be compared."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sylvian.comparing.reading import Column, Decoded
from sylvian.comparing.wording import short
from sylvian.errors import DataError

LONGEST = 30  # letters of a name
MOST_KEYS = 2  # settings that tell two systems of one recipe apart

Systems = Mapping[str, Mapping[int, Decoded]]
"""Runs by system and seed."""

Columns = Mapping[Column, Systems]
"""Systems by the trials that they are compared on."""


def systems_in(found: Sequence[Decoded], column: Column) -> dict[str, dict[int, Decoded]]:
    """Group the runs of a column into systems, after making sure that they can be paired.

    Runs of one recipe and decoder are one system, whatever their seeds and whatever `tune` chose
    for each; so are runs that were given one name. A decoder is its language models, words and
    pronunciations, too. Two systems of one recipe are told apart by the settings they differ in.

    Args:
        found: Runs; those without trials in the column are passed over.
        column: Whose trials.

    Raises:
        DataError: two runs are not of the same trials, know other labels, are one system with one
            seed, or know other phonemes.
    """
    members = [one for one in found if column in one.columns]
    for other in members[1:]:
        same_trials(members[0], other, column)
        same_tokens(members[0], other)
    groups: dict[object, list[Decoded]] = {}
    for one in members:
        identity = one.called or tuple(sorted(one.settings.items()))
        groups.setdefault(identity, []).append(one)
    names = _names([own[0] for own in groups.values()])
    return {name: _by_seed(own) for name, own in zip(names, groups.values(), strict=True)}


def same_trials(one: Decoded, other: Decoded, column: Column) -> None:
    """Raise DataError unless two runs were judged on the same trials with the same labels."""
    rules = [each.job.recipe.splits for each in (one, other)]
    mine, theirs = (
        {result.info.key: result.info for result in each.columns[column]} for each in (one, other)
    )
    differing = mine.keys() ^ theirs.keys()
    if differing:
        key = min(differing)
        has, lacks = (one, other) if key in mine else (other, one)
        why = "" if rules[0] == rules[1] else f" (splits={rules[0]} and splits={rules[1]})"
        raise DataError(
            f"{key}: a trial of {_place(has)} and not of {_place(lacks)}{why}; compare runs on the "
            f"same trials of {column.said}"
        )
    for key, info in mine.items():
        if (info.sentence, info.phonemes) != (theirs[key].sentence, theirs[key].phonemes):
            raise DataError(
                f"{key}: {one.path} and {other.path} know different labels for this trial, so "
                "they are of different recordings; compare runs of one prepared corpus"
            )


def _place(one: Decoded) -> str:
    return f"{one.path} ({one.job.split})"


def same_tokens(one: Decoded, other: Decoded) -> None:
    """Raise DataError if two runs are known to say different phonemes."""
    if one.tokens is None or other.tokens is None:
        return
    differing = set(one.tokens) ^ set(other.tokens)
    if differing:
        raise DataError(
            f"{one.path} and {other.path}: unequal vocabularies, {min(differing)!r} is a token of "
            "one alone; compare runs that say the same phonemes"
        )


def _by_seed(runs: Sequence[Decoded]) -> dict[int, Decoded]:
    found: dict[int, Decoded] = {}
    for one in runs:
        if one.seed in found:
            raise DataError(
                f"{found[one.seed].path} and {one.path}: one system and one seed "
                f"(train.seed={one.seed}), so not two trainings; leave one out or call it "
                f"something else: NAME={one.path}"
            )
        found[one.seed] = one
    return dict(sorted(found.items()))


def _names(firsts: Sequence[Decoded]) -> list[str]:
    """Name systems by their first runs; where several share a name, by what they differ in."""
    bases = [one.base for one in firsts]
    return [
        base if bases.count(base) == 1 else _told_apart(one, firsts)
        for base, one in zip(bases, firsts, strict=True)
    ]


def _told_apart(one: Decoded, firsts: Sequence[Decoded]) -> str:
    if one.called is not None:
        return one.called
    rivals = [other for other in firsts if other.base == one.base]
    keys = differing([other.settings for other in rivals])
    names = [f"{other.base} ({', '.join(_said(other, keys))})" for other in rivals]
    distinct = len(set(names)) == len(names) and max(map(len, names)) <= LONGEST
    if len(keys) <= MOST_KEYS and distinct:
        return names[rivals.index(one)]
    return f"{one.base} ({one.path.name.rpartition('-')[2]})"


def _said(one: Decoded, keys: Sequence[str]) -> list[str]:
    told = {key: one.settings.get(key) for key in keys}
    return [short(key, value or "") or f"{_last(key)}={value}" for key, value in told.items()]


def differing(settings: Sequence[Mapping[str, str]]) -> list[str]:
    """List the settings in which systems differ."""
    keys = dict.fromkeys(key for own in settings for key in own)
    return [key for key in keys if len({own.get(key) for own in settings}) > 1]


def _last(key: str) -> str:
    return key.rpartition(".")[2]
