"""Imagined speech from training to claim: one model decodes what it learnt, and what it did not."""

import json
from pathlib import Path

import numpy as np
import pytest

from layouts.human import imagined_sentences, write_mat
from story.driving import SMALL, Call, speaker
from sylvian import pipeline
from sylvian.data.synthetic import ImaginedConfig, SyntheticConfig, simulate
from sylvian.decode.io import read_nbest
from sylvian.text.wordsets import FIFTY_WORDS

QUICK = ("corpus=synthetic", "splits=bit", *SMALL, "train.epochs=1")
PLAIN = ("--lm", "none", "--set", "word_set=50-word")  # few words: garbage is looked up quickly
ZERO_SHOT = "the model learnt no label of imagined speech"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("imagined")
    person = speaker(imagined=ImaginedConfig(sessions=(1,)), train_trials=8, hidden_trials=0)
    simulate(SyntheticConfig(participants=(person,)), folder / "raw")
    pipeline.prepare_corpus("synthetic", raw=folder / "raw", data=folder / "data", jobs=1)
    return folder


def test_a_model_of_attempted_speech_decodes_imagined_speech_zero_shot(
    home: Path, sylvian: Call
) -> None:
    run = sylvian("train", "attempted", *QUICK, "--json").json["run"]
    both = "test/attempted+imagined"
    for split in ("test", "test/imagined", both):
        assert sylvian("decode", run, "--split", split, *PLAIN).status == 0
    assert sylvian("score", run, "--split", both).status == 0
    assert sylvian("report", run, "--out", home / "report.html").status == 0
    page = (home / "report.html").read_text()
    for part in (both, ZERO_SHOT, "by strategy"):
        assert part in page
    learnt = sylvian("score", run, "--split", "test", "--json").json
    assert learnt["zero_shot"] == []
    assert learnt["per_attempted"] == learnt["per"]
    new = sylvian("score", run, "--split", "test/imagined", "--json").json
    assert new["zero_shot"] == ["imagined"]
    assert new["per_imagined"] == new["per"]
    assert any(ZERO_SHOT in note for note in new["notes"])
    assert ZERO_SHOT in " ".join(sylvian("score", run, "--split", "test/imagined").out.split())
    claim = sylvian("claim", run, "--split", "test/imagined", "--unit", "per")
    assert "imagined, zero-shot" in claim.out
    assert sylvian("card", run).status == 0
    assert "| test/imagined, zero-shot |" in (Path(run) / "card.md").read_text()


def test_a_day_without_layers_of_its_own_borrows_them_only_zero_shot(
    home: Path, sylvian: Call
) -> None:
    quick = ("corpus=synthetic", "splits=bit", "train.epochs=1", "encoder.width=8")
    run = sylvian("train", "rnn", *quick, 'strategies=["attempted"]', "--json").json["run"]
    decoded = sylvian("decode", run, "--split", "test/imagined", *PLAIN, "--json")
    assert decoded.json["n_trials"] > 0


def test_one_model_for_both_has_a_rate_for_each(home: Path, sylvian: Call) -> None:
    run = sylvian("train", "attempted_and_imagined", *QUICK, "--json").json["run"]
    assert sylvian("decode", run, "--split", "test", "--set", "word_set=50-word").status == 0
    found = sylvian("score", run, "--split", "test", "--json").json
    assert found["zero_shot"] == []
    assert {"per_attempted", "per_imagined", "wer_imagined"} <= found.keys()
    out = sylvian("score", run, "--split", "test").out
    assert "attempted" in out
    assert "imagined" in out
    claim = sylvian("claim", run, "--split", "test", "--unit", "per").out
    assert "attempted and imagined" in claim


def test_a_decode_held_to_some_words_writes_no_other(home: Path, sylvian: Call) -> None:
    run = sylvian("train", "attempted_and_imagined", *QUICK, "--json").json["run"]
    few = home / "few.txt"
    few.write_text("I am good\nthirsty zebra\n")
    held = sylvian("decode", run, "--split", "val", "--set", f"word_set={few}", "--json").json
    (told,) = held["warnings"]
    assert told.startswith("50-Word: ")
    assert f"of 8 sentences have words outside word_set={few}" in told
    lists = [one for name in ("greedy", "nbest") for one in read_nbest(Path(held[name]))]
    said = {word for one in lists for h in one.hypotheses for word in h.text.split()}
    assert said
    assert said <= {"i", "am", "good", "thirsty", "zebra"}
    assert told in sylvian("score", run, "--split", "val", "--json").json["notes"]
    free = sylvian("decode", run, "--split", "val", "--set", "word_set=none", "--json").json
    assert free["warnings"] == []
    assert Path(free["lm"]).name != Path(held["lm"]).name
    wrong = sylvian("decode", run, "--split", "val", "--set", "word_set=51-word")
    assert wrong.status == 1
    assert "no set of that name (50-word)" in wrong.err


def test_the_release_of_inner_speech_from_its_files_to_a_claim(home: Path, sylvian: Call) -> None:
    rng = np.random.default_rng(3)
    sentences = home / "kunz" / "sentenceData"
    for split, name, blocks in (
        ("train", "", (1, 2, 3)),
        ("train", "_attempted", (4, 5)),
        ("val_50words", "", (6, 7, 8)),
    ):
        variables = imagined_sentences(rng, blocks=blocks)
        write_mat(sentences / split / f"t12.2024.04.11{name}.mat", variables)
    raw = home / "kunz"
    assert sylvian("prepare", "kunz2025", "--raw", raw).status == 0
    assert "12 imagined, 4 attempted; no problems" in sylvian("check", "kunz2025").out
    quick = ("corpus=kunz2025", *SMALL, "train.epochs=1", "train.precision=fp32")
    run = sylvian("train", "imagined", *quick, "--json").json["run"]
    decoded = sylvian("decode", run, "--split", "test", "--json").json
    assert (decoded["n_trials"], decoded["warnings"]) == (3, [])
    nbests = read_nbest(Path(decoded["nbest"]))
    said = {word for one in nbests for h in one.hypotheses for word in h.text.split()}
    assert said <= set(FIFTY_WORDS)
    assert sylvian("score", run, "--split", "test").status == 0
    claim = sylvian("claim", run, "--split", "test").out
    assert "imagined on kunz2025 (all participants; imagined; ngram): WER" in claim
    back = sylvian("decode", run, "--split", "train/attempted", "--json").json
    assert back["n_trials"] == 4
    assert sylvian("score", run, "--split", "train/attempted").status == 0
    claim = sylvian("claim", run, "--split", "train/attempted").out
    assert "(all participants; attempted, zero-shot; ngram" in claim
    assert "on train/attempted (4 trials, none of them learnt; " in claim
    first = sylvian("train", "attempted", *quick, "--json").json["run"]
    asked = (first, "--split", "test/imagined")
    assert sylvian("decode", *asked, "--json").json["n_trials"] == 6
    assert sylvian("score", *asked, "--json").json["zero_shot"] == ["imagined"]
    both = sylvian("train", "cross_task_only", *quick, "--json").json
    assert both["n_val"] == 3
    learnt = (both["run"], "--split", "train/attempted")
    assert sylvian("decode", *learnt).status == sylvian("score", *learnt).status == 0
    assert "the model learnt 2 of these 4 trials" in sylvian("claim", *learnt).err


def test_labels_of_an_earlier_task_were_learnt(home: Path, sylvian: Call) -> None:
    own = (*QUICK, "start.keep=model")
    run = sylvian("train", "cross_task_only", *own, "--json").json["run"]
    kept = json.loads((Path(run) / "start.json").read_text())["tensors"]
    assert "head.weight" in kept
    assert any("read_ins" in name for name in kept)
    assert sylvian("decode", run, "--split", "test/attempted", *PLAIN).status == 0
    found = sylvian("score", run, "--split", "test/attempted", "--json").json
    assert found["zero_shot"] == []
    assert "imagined speech" in sylvian("show", run).out
    card = Path(sylvian("card", run, "--json").json["card"]).read_text()
    first, second = (f"\n### {n}. {name}-" for n, name in ((1, "tfs"), (2, "cross_task_only")))
    assert "- Strategies: attempted" in card.partition(first)[2].partition(second)[0]
    assert "- Strategies: imagined" in card.partition(second)[2]
    assert "- Words of test/attempted: held to the words of 50-word; no language model." in card


@pytest.mark.parametrize(
    ("split", "told"),
    [
        ("test/dreamt", "after the slash goes a strategy: attempted, vocalized"),
        ("test/silent", "no trial of synthetic is silent; there are: attempted, imagined"),
        ("tset/imagined", "no trials in split 'tset/imagined'"),
    ],
)
def test_a_strategy_that_is_not_there_gets_one_sentence(
    home: Path, sylvian: Call, split: str, told: str
) -> None:
    run = sylvian("train", "attempted_and_imagined", *QUICK, "--json").json["run"]
    ended = sylvian("decode", run, "--split", split)
    assert ended.status == 1
    assert told in ended.err
