import json
from pathlib import Path

import pytest

from sylvian.errors import ConfigError
from sylvian.recipes import build_recipe
from sylvian.studies import STUDIES, LanguageModels
from sylvian.studies.choosing import only, overrides_of, possible

ASKED = ["corpus=synthetic", "start.recipe=tfs"]
EVERYONE = LanguageModels(llm="a", larger="b", other="c", audio="d", rescorer="e")


def rows(models: LanguageModels, *overrides: str) -> tuple[list[str], str]:
    study, notes = possible(STUDIES["figure3"], [*ASKED, *overrides], models, Path("nowhere"))
    return [line.label for line in study.lines], "\n".join(notes)


def resolved(label: str, *overrides: str, models: LanguageModels = EVERYONE):
    line = next(one for one in STUDIES["figure3"].lines if one.label == label)
    recipe = build_recipe(line.recipe, ["corpus=synthetic"])
    found = overrides_of(line, [*ASKED, *overrides], recipe, models)
    return build_recipe(line.recipe, found).end_to_end


@pytest.mark.parametrize("kind", ["mlp", "linear"])
def test_the_row_that_is_the_base_is_not_run_twice(kind: str) -> None:
    labels, notes = rows(EVERYONE, f"end_to_end.speech.projector.kind={kind}")
    assert f"projector {kind}" not in labels and f"projector {kind} (as base)" in notes
    assert len(labels) == len(STUDIES["figure3"].lines) - 2
    assert "projector phonemes (a reads none)" in notes


def test_rows_without_their_model_are_left_out_by_name() -> None:
    labels, notes = rows(LanguageModels(llm="a"))
    assert not {"larger LM", "other LM, mlp", "audio-LLM, neural", "audio-LLM, audio"} & {*labels}
    assert "larger LM (no --larger)" in notes and "audio-LLM, audio (no --audio)" in notes
    labels, _ = rows(LanguageModels(), "larger LM:end_to_end.llm.name=b")
    assert "larger LM" in labels


def test_a_model_whose_tokens_are_phonemes_reads_them(tmp_path: Path) -> None:
    told = {"added_tokens": [{"content": "<|AA|>"}]}
    (tmp_path / "tokenizer.json").write_text(json.dumps(told))
    labels, _ = rows(LanguageModels(llm=str(tmp_path)))
    assert "projector phonemes" in labels


def test_a_row_keeps_what_makes_it_that_row() -> None:
    everybody = ["end_to_end.speech.projector.kind=phonemes", "end_to_end.losses.contrastive=0.5"]
    assert resolved("base", *everybody).speech.projector.kind == "phonemes"
    assert resolved("projector linear", *everybody).speech.projector.kind == "linear"
    assert resolved("no contrastive", *everybody).losses.contrastive == 0
    assert resolved("no CTC", *everybody).losses.contrastive == 0.5
    assert resolved("no CTC", "no CTC:end_to_end.losses.ctc=0.2").losses.ctc == 0.2
    assert resolved("audio-LLM, audio", *everybody).speech.modality == "audio"


def test_each_row_speaks_to_its_own_model() -> None:
    names = {
        label: resolved(label).llm.name
        for label in ("base", "larger LM", "other LM, mlp", "audio-LLM, audio")
    }
    assert [*names.values()] == ["a", "b", "c", "d"]
    assert resolved("base", models=LanguageModels()).llm.name == "smollm2"


def test_a_study_of_sentences_needs_a_corpus() -> None:
    with pytest.raises(ConfigError, match="which corpus"):
        possible(STUDIES["systems"], (), LanguageModels(), Path("nowhere"))


def test_rows_may_be_run_alone_beside_the_one_compared_with() -> None:
    kept = only(STUDIES["figure3"], ["larger LM", "no LoRA"]).lines
    assert [line.label for line in kept] == ["base", "no LoRA", "larger LM"]
    assert only(STUDIES["figure3"], []) == STUDIES["figure3"]
    with pytest.raises(ConfigError, match="no row 'LoRA' in this study; rows are: base, no contr"):
        only(STUDIES["figure3"], ["LoRA"])
