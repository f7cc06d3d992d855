"""Complete experiments as functions from a corpus' name to a `Recipe`."""

from collections.abc import Iterable

from sylvian.recipes.recipe import Recipe
from sylvian.recipes.recipe import build_recipe as _build
from sylvian.recipes.speech import rnn, tfs

RECIPES = {"rnn": rnn, "tfs": tfs}

__all__ = ["RECIPES", "Recipe", "build_recipe", "rnn", "tfs"]


def build_recipe(name: str, assignments: Iterable[str]) -> Recipe:
    """Resolve a named recipe with `corpus=NAME` and further dotted overrides.

    Raises:
        ConfigError: unknown recipe, no corpus, unknown key, or a value of the wrong type.
    """
    return _build(name, assignments, recipes=RECIPES)
