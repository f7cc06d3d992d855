from sylvian.recipes import RECIPES, build_recipe
from sylvian.studies import STUDIES, Line
from sylvian.studies.choosing import overrides_of

ASKED = ["corpus=synthetic", "train.epochs=3", "encoder.width=64", "start.train.epochs=2",
         "rnn:encoder.width=8", "participant=S15"]  # fmt: skip


def test_every_line_is_a_recipe_that_can_be_built() -> None:
    for study in STUDIES.values():
        labels = [(line.group, line.label) for line in study.lines]
        assert len(set(labels)) == len(labels)
        assert all((group, study.against) in labels for group, _ in labels)
        for line in study.lines:
            assert line.recipe in RECIPES
            build_recipe(line.recipe, ["corpus=synthetic", *line.overrides])


def test_overrides_reach_the_rows_they_concern() -> None:
    def reach(name: str) -> list[str]:
        recipe = build_recipe(name, ["corpus=synthetic"])
        return overrides_of(Line(name, name), ASKED, recipe)

    assert reach("rnn") == ["corpus=synthetic", "train.epochs=3", "encoder.width=8"]
    assert reach("tfs") == ["corpus=synthetic", "train.epochs=3", "encoder.width=64"]
    assert reach("human") == [*ASKED[:4]]


def test_figure_8_adds_people_before_monkeys() -> None:
    labels = [line.label for line in STUDIES["figure8"].lines]
    assert labels[0] == "tfs"
    assert labels.index("100% human") < labels.index("human + 10% monkey")
    half = build_recipe("all", ["corpus=synthetic", *STUDIES["figure8"].lines[3].overrides]).start
    assert half.mix.human_fraction == 0.5
    assert half.mix.species == "human"
