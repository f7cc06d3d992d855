"""What a card says about the trainings that made the weights: data, licences, trials, seeds."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sylvian.errors import CheckpointError
from sylvian.jobs import Lost, Trainings
from sylvian.runs import RunFolder
from sylvian.text import counted

_UNNAMED = "not on record here"
_DRAWN = "weights, batch order, augmentation, dropout"
_HIDDEN = "weights, batch order, hidden bins, dropout"


def data_of(past: Trainings) -> Iterator[str]:
    """Say what a model was trained on, one training after the other, the first one first."""
    if len(past.runs) == 1 and not past.lost:
        yield from _facts(past.runs[0])
        return
    n = len(past.runs) + len(past.lost)
    yield f"The weights come from {n} trainings, each going on with weights of the one before it."
    stages: list[RunFolder | Lost] = [*past.lost, *reversed(past.runs)]
    for place, one in enumerate(stages, start=1):
        yield ""
        yield f"### {place}. {_title(one)}"
        yield ""
        yield from _facts(one) if isinstance(one, RunFolder) else _unknown(one)


def seeds_of(past: Trainings) -> Iterator[str]:
    """Say with which seeds a model was trained, the first training first."""
    several = len(past.runs) + len(past.lost) > 1
    for lost in past.lost:
        yield f"{lost.model}: seed {_UNNAMED}."
    for run in reversed(past.runs):
        drawn = _HIDDEN if run.is_pretraining else _DRAWN
        name = f"{run.path.name}:" if several else "One training,"
        yield f"{name} seed {_seed(run)}: {drawn}."
    yield "The spread over seeds is not in the intervals above; `sylvian study` trains several."


def corpora_of(past: Trainings) -> set[str]:
    """Name the corpora of every training that is on record."""
    return {
        name for run in past.runs for name in str(run.environment["corpus"]["name"]).split(" + ")
    }


def _title(one: RunFolder | Lost) -> str:
    if isinstance(one, Lost):
        return str(one.model)
    return f"{one.path.name}, {'without labels' if one.is_pretraining else 'with labels'}"


def _unknown(one: Lost) -> Iterator[str]:
    if not one.labelled:
        yield "It was pretrained, without labels."
    yield (
        "Whose recordings it was trained on, under which licence and with which seed is "
        f"{_UNNAMED}; ask whoever made it."
    )


def _facts(run: RunFolder) -> Iterator[str]:
    corpus, outcome = run.environment["corpus"], run.training
    yield f"{corpus['title']} ({corpus['name']}), participant {', '.join(_people(run))}."
    yield f"Cite: {corpus['citation'] or 'nothing to cite'}."
    yield f"Licence of the data: {corpus['licence'] or 'not stated'}."
    yield f"Digest of the prepared recordings: {run.environment['data_digest']}."
    if run.is_pretraining:
        yield from _pretrained(corpus, outcome)
        return
    recipe = run.recipe
    spoken = ", ".join(recipe.strategies) if recipe.strategies else "all there are"
    yield f"Strategies: {spoken}."
    yield (
        f"Split rule `{recipe.splits}`: trained on {_trials(outcome['n_train'])}, "
        f"epoch chosen on {outcome['n_val']:,}."
    )


def _pretrained(corpus: dict[str, Any], outcome: dict[str, Any]) -> Iterator[str]:
    yield "Strategies: any; no label was used."
    yield (
        f"Trained on {_trials(outcome['n_train'])}, or pieces of recordings without trials; epoch "
        f"chosen on {outcome['n_val']:,} of blocks held out."
    )
    for left in corpus.get("left_out", ()):
        yield f"Left out: {left}"


def _trials(n: int) -> str:
    return counted(n, "trial") if n < 1000 else f"{n:,} trials"


def _people(run: RunFolder) -> list[str]:
    if not run.is_pretraining and run.recipe.participant:
        return [run.recipe.participant]
    return [str(name) for name in run.environment["corpus"]["participants"]]


def _seed(run: RunFolder) -> str:
    try:
        recipe = run.pretraining_recipe if run.is_pretraining else run.recipe
    except CheckpointError:  # another version's
        return _UNNAMED
    return str(recipe.train.seed)
