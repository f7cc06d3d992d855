"""A rate in words names the language models and the weights it rests on."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from sylvian.claiming import claim_rate
from sylvian.decoding import Rescorer, Searched, Setting, basis, write_decodes
from sylvian.evaluate import Protocol
from sylvian.jobs import Job
from sylvian.pipeline import score
from sylvian.recipes import EndToEnd
from sylvian.runs import RunFolder
from sylvian.types import Hypothesis, NBest, Scores

Train = Callable[..., RunFolder]


def decode(run: RunFolder, setting: Setting, split: str = "test", *, words: bool = True) -> None:
    """Leave right decodes behind, as of the setting."""
    job = Job.open(run, split)
    heard = ("Y", "EH", "S")
    lists = [
        NBest(info.key, (Hypothesis(info.sentence or "", heard, Scores(-1.0, -1.0, 3)),))
        for info in job.infos
    ]
    found = Searched(lists, lists if words else None, 0.1)
    write_decodes(job, setting, found, seconds_encoder=0.1)
    if setting.llm is not None:  # as `rescore` does
        made = run.read_optional(f"{split}/decode.json") or {}
        run.write(f"{split}/decode.json", made | {"llm": setting.to_json()["llm"]})
    score(run, split)


@pytest.fixture
def lm(tmp_path: Path) -> Path:
    path = tmp_path / "prompts.arpa"
    path.write_text("as it was")
    return path


def test_a_claim_names_n_gram_and_weights(train: Train, lm: Path) -> None:
    run = train("imagined")
    setting = Setting(run.recipe.decode, lm, None)
    decode(run, setting)
    digest = hashlib.sha256(lm.read_bytes()).hexdigest()
    said = f"offline; n-gram prompts.arpa (sha256 {digest[:8]}), default weights; test opened once"
    assert said in claim_rate(run, "test").claim
    assert "prompts.arpa" not in claim_rate(run, "test", unit="per").claim  # the encoder's alone
    lm.write_text("something else")
    assert said in claim_rate(run, "test").claim  # it rests on what it was decoded with
    found = basis(run, "test")
    assert found is not None and found.sources[0].told() == f"n-gram prompts.arpa (sha256 {digest})"
    assert found.weights["acoustic_scale"] == run.recipe.decode.acoustic_scale


def test_tuned_weights_and_second_passes_are_told(train: Train, lm: Path) -> None:
    run = train("imagined")
    rescorer = Rescorer("/models/smollm2", "0123456789ab", {})
    more = run.recipe.decode.model_copy(update={"llm_weight": 0.25, "word_set": "50-word"})
    setting = Setting(more, lm, None, llm=rescorer, larger=lm)
    decode(run, setting)
    found = basis(run, "test")
    assert found is not None and found.how == "weights set by hand"
    tuned = replace(setting, decode=more.model_copy(update={"acoustic_scale": 0.7}))
    run.write("decoder.json", tuned.to_json())
    Protocol.open(run.path).selected(
        "decoder weights", "val", (i.key for i in Job.open(run, "val").infos)
    )
    found = basis(run, "test")
    assert found is not None
    assert (found.weights["acoustic_scale"], found.weights["llm_weight"]) == (0.7, 0.25)
    digest = hashlib.sha256(lm.read_bytes()).hexdigest()[:8]
    assert found.clause() == (
        f"n-gram prompts.arpa (sha256 {digest}), second n-gram prompts.arpa (sha256 {digest}), "
        "rescored by smollm2 (digest 01234567), held to the words of 50-word, "
        "weights tuned on val (2 trials)"
    )


def test_an_end_to_end_run_names_its_language_model(train: Train) -> None:
    run = train("imagined")
    setting = Setting(run.recipe.decode, None, None, end_to_end=EndToEnd())
    decode(run, setting)
    found = basis(run, "test")
    assert found is not None
    assert (found.weights, found.how) == ({}, "")
    assert found.clause() == "language model smollm2 (digest not on record)"
    saved = {"backbone": {"fingerprint": "feedbeef00000000"}}
    run.write("checkpoint/best/speechllm.json", saved)
    found = basis(run, "test")
    assert found is not None
    assert found.clause() == "language model smollm2 (fingerprint feedbeef)"


def test_decodes_of_before_are_digested_now(train: Train, lm: Path) -> None:
    run = train("imagined")
    decode(run, Setting(run.recipe.decode, lm, None))
    path = run.path / "test" / "decode.json"
    path.write_text(path.read_text().replace('"lm_sha256"', '"of another version"'))
    lm.write_text("as it is")
    found = basis(run, "test")
    assert found is not None
    assert found.sources[0].digest == hashlib.sha256(b"as it is").hexdigest()
    lm.unlink()
    assert "n-gram prompts.arpa (digest not on record)" in claim_rate(run, "test").claim


def test_words_that_were_looked_up_rest_on_no_language_model(train: Train, lm: Path) -> None:
    run = train("imagined")
    assert basis(run, "test") is None
    decode(run, Setting(run.recipe.decode, None, None), words=False)
    assert "offline; no language model; test" in claim_rate(run, "test").claim
    spelled = lm.with_suffix(".txt")
    spelled.write_text("YES Y EH1 S\n")
    decode(run, Setting(run.recipe.decode, None, spelled), words=False)
    assert "offline; pronunciations prompts.txt (sha256 " in (said := claim_rate(run, "test").claim)
    assert "), no language model; test" in said
