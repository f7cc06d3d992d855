"""What has to be read with a comparison: seeds, decoders, who is missing, what is too little."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from sylvian.comparing.reading import Column, Decoded
from sylvian.comparing.systems import Columns, differing
from sylvian.comparing.wording import NAMED, OWN, described
from sylvian.evaluate.intervals import LEAST_TRIALS
from sylvian.figures.comparison import SystemPanel
from sylvian.text import counted

RESAMPLES = 10_000


def notes_on(
    columns: Columns, panels: Sequence[SystemPanel], against: str, names: Sequence[str]
) -> Iterator[str]:
    """Say what a reader of a comparison of runs has to know.

    Args:
        columns: Runs by column, system and seed.
        panels: What was made of them.
        against: The system that all others are compared with.
        names: All systems.
    """
    yield _seeds(columns, names)
    yield from _other_models(columns, names)
    yield _decoders(columns, names)
    if len({one.participant for one in panels}) == 1:
        yield "One participant only: nothing is said about others."
    if not any(column.speech == "imagined" for column in columns):
        yield "No imagined speech is among these trials."
    for column, own in columns.items():
        if against not in own and len(names) > 1:
            yield f"{column.participant} {column.speech}: {against} was not run, so no change."
    yield from few(panels)
    if any(one.unit == "wer" for one in panels):
        yield from _unlike(columns, against)
    yield from _cautions(columns)


def few(panels: Sequence[SystemPanel]) -> Iterator[str]:
    """Say where there are too few sentences for a statistic."""
    for one in panels:
        counts = [row.score.n_trials for row in one.rows if row.score]
        if counts and max(counts) < LEAST_TRIALS:
            n = counted(max(counts), "sentence")
            yield f"{one.participant} {one.speech} {one.unit.upper()}: {n}, too few for statistics."


def key(panels: Sequence[SystemPanel], against: str | None) -> str:
    """Say how a comparison is read."""
    several = any(row.n_seeds > 1 for one in panels for row in one.rows)
    over = "seeds and trials" if several else "trials"
    said = f"Bars: 95 % bootstrap intervals over {over} ({RESAMPLES:,} resamples)."
    if against is None or all(row.change is None for one in panels for row in one.rows):
        return said
    return (
        f"{said} Open marker: {against}. Change: points more or less than {against} on the same "
        "trials, drawn again together; p: two-sided, paired, not corrected for the number of "
        "systems; grey where p is 0.05 or more."
    )


def _seeds(columns: Columns, names: Sequence[str]) -> str:
    seeds = {
        name: sorted({seed for own in columns.values() for seed in own.get(name, {})})
        for name in names
    }
    if len({tuple(own) for own in seeds.values()}) > 1:
        told = "; ".join(f"{name} {', '.join(map(str, own))}" for name, own in seeds.items())
        return f"Seeds of the trainings: {told}; unequal seeds are drawn apart."
    own = seeds[names[0]]
    each = "each system" if len(names) > 1 else names[0]
    if len(own) == 1:
        return f"One training of {each} (seed {own[0]}), so nothing is said about training again."
    return f"{len(own)} trainings of {each} (seeds {', '.join(map(str, own))})."


def _other_models(columns: Columns, names: Sequence[str]) -> Iterator[str]:
    """Say which names stand for one model here and for another there."""
    for name in names:
        first: dict[str, Column] = {}
        for column, own in columns.items():
            if name not in own:
                continue
            known = first.setdefault(column.corpus, column)
            both = [_made_by(columns[one][name], one) for one in (known, column)]
            if keys := differing(both):
                yield (
                    f"{name} is not one model: those of {_place(known, column)} and of "
                    f"{_place(column, known)} differ in {', '.join(keys)}."
                )


def _made_by(seeds: Mapping[int, Decoded], column: Column) -> dict[str, str]:
    """Give what made a column's models; what is every person's own is no difference."""
    found = next(iter(seeds.values())).settings
    own = {"members", *(["participant"] if found["participant"] == column.participant else [])}
    return {key: said for key, said in found.items() if key not in own and not said.startswith(OWN)}


def _place(column: Column, other: Column) -> str:
    """Name a column among others of its corpus."""
    if column.participant == other.participant:
        return f"{column.participant}'s {column.speech} speech"
    return f"{column.participant}'s speech" if column.speech == other.speech else column.said


def _decoders(columns: Columns, names: Sequence[str]) -> str:
    said = {name: _decoder(columns, name) for name in names}
    if len(set(said.values())) == 1:
        return f"Phonemes greedily, words by {said[names[0]]}."
    told = "; ".join(f"{who}: {how}" for who, how in said.items())
    return f"Phonemes greedily; words by {told}."


def _decoder(columns: Columns, name: str) -> str:
    runs = [one for own in columns.values() for one in own.get(name, {}).values()]
    return " or ".join(sorted({described(one.wording) for one in runs}))


def _unlike(columns: Columns, against: str) -> Iterator[str]:
    """Say where a change in words may be due to what found them, not to the models."""
    for own in columns.values():
        base = [one.wording for one in own.get(against, {}).values()]
        for name, seeds in own.items():
            both = [*base, *(one.wording for one in seeds.values())]
            shared = [key for key in NAMED if all(key in parts for parts in both)]
            keys = [key for key in shared if key in differing(both)]
            if base and keys and name != against:
                yield (
                    f"{name} and {against} did not find words with the same {' and '.join(keys)}: "
                    "their change in words is not of the models alone."
                )


def _cautions(columns: Columns) -> Iterator[str]:
    for column, own in columns.items():
        runs = [one for seeds in own.values() for one in seeds.values()]
        digests = dict.fromkeys(one.job.run.environment["data_digest"] for one in runs)
        if len(digests) > 1:
            yield f"{column.said}: of different preparations ({', '.join(digests)})."
        for name, seeds in own.items():
            if keys := differing([one.settings for one in seeds.values()]):
                yield f"The runs of {name} differ in {', '.join(keys)}."
        for one in runs:
            yield from one.decodes.notes
