from pathlib import Path

from sylvian.models.transformer import TransformerConfig
from sylvian.recipes import build_recipe
from sylvian.studies import STUDIES, LanguageModels
from sylvian.studies.cells import Cell
from sylvian.studies.lines import ATTEMPTED
from sylvian.studies.running import _Asked, _is, _recipe_of
from sylvian.types import Strategy


def chosen(study: str, label: str, seed: int, *overrides: str):
    line = next(one for one in STUDIES[study].lines if one.label == label)
    asked = _Asked(("corpus=synthetic", *overrides), Path(), Path(), "test", LanguageModels())
    return build_recipe(*_recipe_of(Cell("S15", ATTEMPTED, line), asked, seed))


def test_every_stage_has_the_seed_of_its_row() -> None:
    mine = 'start.overrides=["train.epochs=2"]'
    found = chosen("figure3", "base", 3, mine)
    assert found.train.seed == 3 and found.start.recipe == "all"
    assert found.start.overrides == ("train.epochs=2", "train.seed=3", "start.train.seed=3")
    scratch = chosen("figure3", "no LoRA", 3, mine, "start.recipe=tfs")
    assert scratch.start.overrides == ("train.epochs=2", "train.seed=3")
    assert chosen("table4", "all", 3).start.train.seed == 3


def test_rows_of_transfer_learn_one_kind_of_speech_the_other_or_both() -> None:
    attempted, imagined, both = (
        (Strategy.ATTEMPTED, Strategy.VOCALIZED, Strategy.SILENT),
        (Strategy.IMAGINED,),
        tuple(Strategy)[:4],
    )
    for own, other in ((attempted, imagined), (imagined, attempted)):
        cells = [Cell("S15", own, line, own[:1]) for line in STUDIES["transfer"].lines]
        asked = _Asked(("corpus=synthetic",), Path(), Path(), "test", LanguageModels())
        rows = {cell.line.label: build_recipe(*_recipe_of(cell, asked, 2)) for cell in cells}
        assert rows["from scratch"].strategies == rows["after SSL"].strategies == own
        assert rows["joint"].strategies == both
        assert rows["zero-shot"].strategies == rows["after the other"].start.strategies == other
        assert rows["after the other"].start.keep == "model"
        judged = {cell.line.label: cell.judged("test") for cell in cells}
        assert judged["from scratch"] == judged["after the other"] == "test"
        assert judged["zero-shot"] == judged["joint"] == f"test/{own[0]}"


def test_rows_of_a_seed_share_their_phoneme_stage() -> None:
    rows = [chosen("figure3", line.label, 1) for line in STUDIES["figure3"].lines]
    assert len({row.start.model_dump_json() for row in rows}) == 1


def test_an_interrupted_row_is_known_again_by_all_but_its_encoder() -> None:
    wanted = chosen("figure3", "base", 0)
    begun = wanted.model_copy(update={"encoder": TransformerConfig(width=8)})
    assert _is(begun, wanted)
    assert not _is(begun, chosen("figure3", "base", 1))
    phonemes = chosen("table4", "tfs", 0)
    assert not _is(phonemes.model_copy(update={"encoder": begun.encoder}), phonemes)
