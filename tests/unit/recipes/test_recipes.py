import math

import pytest

from sylvian import config
from sylvian.errors import ConfigError
from sylvian.models.gru import GruConfig
from sylvian.models.transformer import TransformerConfig
from sylvian.recipes import RECIPES, Recipe, build_recipe
from sylvian.types import Strategy


@pytest.mark.parametrize("name", RECIPES)
@pytest.mark.parametrize(
    "corpus", ["card2024", "willett2023", "kunz2025", "synthetic", "a-lab-of-its-own"]
)
def test_every_recipe_survives_the_disk(name: str, corpus: str) -> None:
    recipe = build_recipe(name, [f"corpus={corpus}"])
    assert (recipe.name, recipe.corpus) == (name, corpus)
    assert config.load(Recipe, config.dump(recipe)) == recipe


def test_published_values_reach_the_recipes() -> None:
    t15 = build_recipe("rnn", ["corpus=card2024"])
    assert isinstance(t15.encoder, GruConfig)
    assert (t15.encoder.width, t15.encoder.kernel_bins, t15.encoder.stride_bins) == (768, 14, 4)
    assert (t15.augment.noise_std, t15.augment.random_cut) == (1.0, 3)
    t12 = build_recipe("rnn", ["corpus=willett2023"])
    assert isinstance(t12.encoder, GruConfig)
    assert (t12.encoder.width, t12.encoder.bidirectional) == (1024, True)
    assert t12.decode.blank_penalty == pytest.approx(math.log(7))
    bit = build_recipe("tfs", ["corpus=willett2023"])
    assert isinstance(bit.encoder, TransformerConfig)
    assert (bit.encoder.mask_ratio, bit.encoder.width, bit.encoder.depth) == (0.5, 384, 7)


@pytest.mark.parametrize("name", RECIPES)
def test_inner_speech_is_halved_by_seed_42_and_decoded_into_fifty_words(name: str) -> None:
    recipe = build_recipe(name, ["corpus=kunz2025"])
    rule = "blocks" if name == "attempted" else "bit"  # what is held out is imagined
    assert (recipe.splits, recipe.decode.word_set) == (rule, "50-word")
    free = build_recipe(name, ["corpus=kunz2025", "decode.word_set=null"])
    assert free.decode.word_set is None
    assert build_recipe(name, ["corpus=card2024"]).decode.word_set is None


def test_recipes_of_imagined_speech_differ_in_their_start_alone() -> None:
    made = {
        name: build_recipe(name, ["corpus=synthetic"])
        for name in ("imagined", "imagined_human", "imagined_all", "cross_task_only")
    }
    assert all(recipe.strategies == (Strategy.IMAGINED,) for recipe in made.values())
    same = {
        config.digest(recipe.model_copy(update={"name": "x", "start": None}))
        for recipe in made.values()
    }
    assert len(same) == 1
    assert made["imagined"].start is None
    assert made["imagined_human"].start.mix.species == "human"
    both = build_recipe("attempted_and_imagined", ["corpus=synthetic"]).strategies
    assert {*both} == {*build_recipe("attempted", ["corpus=synthetic"]).strategies, "imagined"}


def test_overrides_reach_the_encoder_through_its_kind() -> None:
    recipe = build_recipe("tfs", ["corpus=card2024", "encoder.width=64", "train.epochs=2"])
    assert isinstance(recipe.encoder, TransformerConfig)
    assert (recipe.encoder.width, recipe.train.epochs) == (64, 2)


@pytest.mark.parametrize(
    ("name", "overrides", "told"),
    [
        ("bit", ["corpus=card2024"], "no recipe 'bit'; recipes are: rnn, tfs, human"),
        ("tfs", [], "which corpus"),
        ("tfs", ["corpus=card2024", "encoder.kernel_bins=3"], "unknown key"),
        ("tfs", ["corpus=card2024", "train.epochs=0"], "train.epochs"),
    ],
)
def test_a_wrong_request_says_what_is_wrong(name: str, overrides: list[str], told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        build_recipe(name, overrides)
