"""The trials an experiment is about: its corpus, how that is divided, and which have labels."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from sylvian.errors import ConfigError, DataError
from sylvian.text import is_cue
from sylvian.types import Strategy, TrialInfo

if TYPE_CHECKING:
    from sylvian.data.store import PreparedCorpus
    from sylvian.recipes import Recipe


def open_corpus(recipe: Recipe, data: Path) -> PreparedCorpus:
    """Open the recipe's prepared corpus with the recipe's normalisation."""
    from sylvian.data.store import PreparedCorpus

    return PreparedCorpus.open(data, recipe.corpus, normalize=recipe.normalize)


def divide(recipe: Recipe, corpus: PreparedCorpus) -> dict[str, tuple[TrialInfo, ...]]:
    """Divide the corpus by the recipe's rule; keep the recipe's participant and strategies.

    Raises:
        ConfigError: the corpus has no such participant, or nobody did what was asked for.
    """
    wanted = recipe.participant
    if wanted is not None and wanted not in corpus.channels:
        known = ", ".join(corpus.channels)
        raise ConfigError(f"participant: no {wanted!r} in {recipe.corpus}; there are: {known}")
    kept = {
        name: tuple(info for info in infos if _is_meant(info, recipe))
        for name, infos in corpus.splits(recipe.splits).items()
    }
    if recipe.strategies is not None and not any(kept.values()):
        there = ", ".join(sorted({info.strategy.value for info in corpus.infos}))
        raise ConfigError(
            f"strategies: no trial of {recipe.corpus} is {' or '.join(recipe.strategies)}; "
            f"there are: {there}"
        )
    return kept


def _is_meant(info: TrialInfo, recipe: Recipe) -> bool:
    return recipe.participant in (None, info.key.participant) and (
        recipe.strategies is None or info.strategy in recipe.strategies
    )


def split_and_strategies(split: str) -> tuple[str, tuple[Strategy, ...]]:
    """Take `test/imagined` apart; no strategies where none is named.

    Raises:
        ConfigError: no strategy has that name.
    """
    name, _, told = split.partition("/")
    try:
        return name, tuple(Strategy(one) for one in told.split("+")) if told else ()
    except ValueError:
        known = ", ".join(Strategy)
        raise ConfigError(f"split {split!r}: after the slash goes a strategy: {known}") from None


def spoken(infos: Sequence[TrialInfo], split: str) -> list[TrialInfo]:
    """Keep the trials whose phonemes are known; cues are instructions, not speech.

    Raises:
        DataError: none is left.
    """
    kept = [info for info in infos if info.phonemes and not is_cue(info.sentence or "")]
    if not kept:
        raise DataError(f"split {split}: no labelled trial; prepare sessions that have this split")
    return kept


def labelled_trials(
    recipe: Recipe, corpus: PreparedCorpus
) -> tuple[list[TrialInfo], list[TrialInfo]]:
    """Give the train and val trials of an experiment, and no others.

    Raises:
        ConfigError: no such participant or strategy.
        DataError: one of the two has no labelled trial.
    """
    parts = divide(recipe, corpus)
    return spoken(parts["train"], "train"), spoken(parts["val"], "val")
