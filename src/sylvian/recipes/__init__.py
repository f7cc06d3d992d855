"""Complete experiments as functions from a corpus' name to a `Recipe`."""

from collections.abc import Iterable

from sylvian.config import override
from sylvian.errors import ConfigError
from sylvian.recipes.endtoend import EndToEnd
from sylvian.recipes.recipe import Recipe
from sylvian.recipes.recipe import build_recipe as _build
from sylvian.recipes.sentences import end_to_end
from sylvian.recipes.speech import rnn, tfs
from sylvian.recipes.start import (
    Checkpoint,
    EarlierTask,
    Phonemes,
    Pretraining,
    PretrainingRecipe,
)
from sylvian.recipes.transfer import (
    all_species,
    attempted,
    attempted_and_imagined,
    cross_task_only,
    exclude_target,
    human,
    imagined,
    imagined_all,
    imagined_human,
    same_participant_ssl,
)

RECIPES = {
    "rnn": rnn,
    "tfs": tfs,
    "human": human,
    "all": all_species,
    "exclude_target": exclude_target,
    "same_participant_ssl": same_participant_ssl,
    "cross_task_only": cross_task_only,
    "attempted": attempted,
    "imagined": imagined,
    "imagined_human": imagined_human,
    "imagined_all": imagined_all,
    "attempted_and_imagined": attempted_and_imagined,
    "end_to_end": end_to_end,
}

__all__ = [
    "RECIPES",
    "Checkpoint",
    "EarlierTask",
    "EndToEnd",
    "Phonemes",
    "Pretraining",
    "PretrainingRecipe",
    "Recipe",
    "build_pretraining",
    "build_recipe",
]


def build_recipe(name: str, assignments: Iterable[str]) -> Recipe:
    """Resolve a named recipe with `corpus=NAME` and further dotted overrides.

    Raises:
        ConfigError: unknown recipe, no corpus, unknown key, or a value of the wrong type.
    """
    return _build(name, assignments, recipes=RECIPES)


def build_pretraining(name: str, assignments: Iterable[str]) -> PretrainingRecipe:
    """Resolve the first stage of a named recipe alone.

    Args:
        name: A recipe that pretrains.
        assignments: `corpus=NAME` for the sizes meant for that corpus (default: the published
            ones), and dotted overrides of the first stage: `mix.*`, `objective.*`, `encoder.*`,
            `train.*`.

    Raises:
        ConfigError: unknown recipe or key, a recipe that does not pretrain, or one that needs to
            know who will be fine-tuned.
    """
    assignments = list(assignments)
    chosen = [a for a in assignments if a.partition("=")[0] == "corpus"]
    recipe = build_recipe(name, chosen or ["corpus=any"])
    if not isinstance(recipe.start, Pretraining):
        names = ", ".join(n for n, make in RECIPES.items() if _pretrains(make("any")))
        raise ConfigError(f"recipe {name} does not pretrain; these do: {names}")
    own = [a for a in assignments if a not in chosen]
    stage = override(recipe.start.recipe(recipe.encoder), own)
    if stage.mix.target != "include" and not chosen:
        raise ConfigError(
            f"recipe {name}: which participant will be fine-tuned? add corpus=NAME, or "
            "mix.target=include"
        )
    return stage


def _pretrains(recipe: Recipe) -> bool:
    return isinstance(recipe.start, Pretraining)
