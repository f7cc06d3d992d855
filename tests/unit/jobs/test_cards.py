"""A card repeats data, licence, trials and seed of every training the weights went through."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

from sylvian.cards.stages import corpora_of, data_of, seeds_of
from sylvian.jobs import trainings
from sylvian.recipes import PretrainingRecipe
from sylvian.runs import RunFolder

Train = Callable[..., RunFolder]
FACTS = {
    "name": "willett2023 + perich2018",
    "title": "98.10 h for pretraining",
    "licence": "willett2023: CC0-1.0; perich2018: CC-BY-4.0",
    "citation": "Willett 2023; Perich 2018",
    "participants": ["willett2023/T12", "perich2018/M"],
    "left_out": ["perich2018/C: no spikes"],
}


def pretrained(home: Path, data: Path) -> RunFolder:
    """Leave the records of a pretraining on other people's recordings."""
    recipe = PretrainingRecipe()
    recipe = recipe.model_copy(update={"train": recipe.train.model_copy(update={"seed": 17})})
    run = RunFolder.place(recipe, "0", home / "runs")
    run.create(recipe, data=data, data_digest="feed0000", facts=FACTS)
    run.write("trained.json", {"n_train": 12345, "n_val": 77})
    return run


def test_every_training_is_laid_out_in_order(train: Train, tmp_path: Path, prepared: Path) -> None:
    first = pretrained(tmp_path, prepared)
    second = train("attempted", "train.seed=5", start=first)
    heir = train("cross_task_only", start=second)
    past = trainings(heir)
    text = "\n".join(data_of(past))
    places = [text.index(f"### {n}. {one.path.name}, ") for n, one in enumerate((first, second), 1)]
    places.append(text.index(f"### 3. {heir.path.name}, with labels"))
    assert places == sorted(places)
    alone, attempted, imagined = (
        text[a:b] for a, b in zip(places, [*places[1:], None], strict=True)
    )
    for part in (
        "without labels",
        "98.10 h for pretraining (willett2023 + perich2018), participant willett2023/T12, ",
        "Cite: Willett 2023; Perich 2018.",
        "Licence of the data: willett2023: CC0-1.0; perich2018: CC-BY-4.0.",
        "feed0000",
        "Trained on 12,345 trials",
        "Left out: perich2018/C: no spikes",
    ):
        assert part in alone
    assert "Strategies: attempted, vocalized, silent." in attempted
    assert "Strategies: imagined." in imagined
    assert attempted.count("Licence of the data: CC0.") == imagined.count("Nobody 2031") == 1
    seeds = list(seeds_of(past))
    assert [line.partition(": weights")[0] for line in seeds[:3]] == [
        f"{first.path.name}: seed 17",
        f"{second.path.name}: seed 5",
        f"{heir.path.name}: seed 0",
    ]
    assert corpora_of(past) == {"synthetic", "willett2023", "perich2018"}


def test_one_training_needs_no_heading(train: Train) -> None:
    past = trainings(train("imagined"))
    assert not any(line.startswith("#") for line in data_of(past))
    assert next(seeds_of(past)).startswith("One training, seed 0: ")


def test_a_training_that_is_gone_is_named(train: Train) -> None:
    first = train("attempted")
    heir = train("cross_task_only", start=first)
    shutil.rmtree(first.path)
    past = trainings(heir)
    text = "\n".join(data_of(past))
    assert f"### 1. {first.best}\n\nWhose recordings it was trained on" in text
    assert f"{first.best}: seed not on record here." in list(seeds_of(past))


def test_a_recipe_of_another_version_has_no_seed_to_tell(
    train: Train, tmp_path: Path, prepared: Path
) -> None:
    first = pretrained(tmp_path, prepared)
    path = first.path / "recipe.json"
    content = json.loads(path.read_text())
    content["recipe"]["mix"]["unheard_of"] = 1
    path.write_text(json.dumps(content))
    past = trainings(train("imagined", start=first))
    assert f"{first.path.name}: seed not on record here: weights" in next(seeds_of(past))
