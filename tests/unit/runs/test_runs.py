from pathlib import Path

import pytest

from sylvian.errors import CheckpointError
from sylvian.recipes import build_recipe
from sylvian.runs import RunFolder

RECIPE = build_recipe("tfs", ["corpus=synthetic"])


@pytest.fixture
def run(tmp_path: Path) -> RunFolder:
    folder = RunFolder.place(RECIPE, "abc", tmp_path)
    folder.create(RECIPE, data=tmp_path / "data", data_digest="abc", facts={"name": "synthetic"})
    return folder


def test_a_run_is_found_by_path_and_by_name(run: RunFolder, tmp_path: Path) -> None:
    for name in (run.path, run.path.name):
        found = RunFolder.open(name, tmp_path)
        assert found.recipe == RECIPE
        assert found.environment["data_digest"] == "abc"


def test_the_name_follows_recipe_and_data(tmp_path: Path) -> None:
    other = build_recipe("tfs", ["corpus=synthetic", "train.seed=1"])
    names = {
        RunFolder.place(recipe, digest, tmp_path).path
        for recipe in (RECIPE, other)
        for digest in ("abc", "abd")
    }
    assert len(names) == 4


def test_an_unknown_run_lists_the_known_ones(run: RunFolder, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=run.path.name):
        RunFolder.open("nothing", tmp_path)


def test_another_format_is_refused_by_number(run: RunFolder, tmp_path: Path) -> None:
    path = run.path / "recipe.json"
    path.write_text(path.read_text().replace('"format": 1', '"format": 99'))
    with pytest.raises(CheckpointError, match="format 99.*reads format 1"):
        RunFolder.open(run.path, tmp_path)
    path.write_text("{ not json")
    with pytest.raises(CheckpointError, match="recipe.json"):
        RunFolder.open(run.path, tmp_path)


def test_a_recipe_of_another_version_is_named_with_its_file(run: RunFolder) -> None:
    path = run.path / "recipe.json"
    path.write_text(path.read_text().replace('"corpus"', '"corpora"'))
    with pytest.raises(CheckpointError, match=r"recipe.json: not a recipe of this .*\(commit "):
        _ = run.recipe


def test_an_unfinished_run_says_how_to_go_on(run: RunFolder) -> None:
    with pytest.raises(CheckpointError, match="--resume"):
        _ = run.training
    run.finish({"val_per": 0.1})
    assert run.training == {"val_per": 0.1}
