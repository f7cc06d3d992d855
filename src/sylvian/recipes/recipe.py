"""What an experiment is made of, and the named ones."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Literal

from pydantic import Field

from sylvian.config import Config, override
from sylvian.data.normalize import NormalizeConfig
from sylvian.decode.config import DecodeConfig
from sylvian.errors import ConfigError
from sylvian.models.encoder import EncoderConfig
from sylvian.models.transformer import TransformerConfig
from sylvian.recipes.endtoend import EndToEnd
from sylvian.recipes.start import Start
from sylvian.train.augment import AugmentConfig
from sylvian.train.config import TrainConfig
from sylvian.types import Strategy


class Recipe(Config):
    """One complete experiment: data, encoder, optimisation, decoding."""

    name: str = Field(description="recipe this came from; names the run folder")
    corpus: str = Field(description="prepared corpus to train on; see `sylvian show corpora`")
    participant: str | None = Field(None, description="only this participant; null: all")
    strategies: tuple[Strategy, ...] | None = Field(
        None, description="only trials in which the participant did one of these; null: all"
    )
    splits: Literal["benchmark", "bit", "blocks"] = Field(
        "benchmark",
        description="benchmark: val as published, test without labels; bit: the labelled held-out "
        "trials cut into val and test by seed 42; blocks: the last blocks of each session are val",
    )
    normalize: NormalizeConfig = NormalizeConfig()
    start: Start | None = Field(
        None, description="where the encoder's trunk starts from; null: from random weights"
    )
    encoder: EncoderConfig = Field(default_factory=TransformerConfig)
    augment: AugmentConfig = AugmentConfig()
    train: TrainConfig = TrainConfig()
    decode: DecodeConfig = DecodeConfig()
    end_to_end: EndToEnd | None = Field(
        None, description="speak to a language model in sentences; null: phonemes, for a cascade"
    )


def build_recipe(
    name: str, assignments: Iterable[str], *, recipes: Mapping[str, Callable[[str], Recipe]]
) -> Recipe:
    """Resolve a named recipe for a corpus and apply typed overrides.

    Args:
        name: One of `recipes`.
        assignments: `corpus=NAME` and further dotted `key=value` overrides.
        recipes: Functions from corpus name to recipe.

    Raises:
        ConfigError: unknown recipe, no corpus, unknown key, or a value of the wrong type.
    """
    assignments = list(assignments)
    if name not in recipes:
        raise ConfigError(f"no recipe {name!r}; recipes are: {', '.join(recipes)}")
    corpora = [a.partition("=")[2] for a in assignments if a.partition("=")[0] == "corpus"]
    if not corpora:
        raise ConfigError(f"recipe {name}: which corpus? add corpus=NAME, e.g. corpus=card2024")
    return override(recipes[name](corpora[-1]), assignments)
