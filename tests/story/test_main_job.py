"""The whole story through the command line, on a simulated participant in a published layout."""

import json
from pathlib import Path

import pytest

from story.driving import SMALL as TINY
from story.driving import Call, speaker
from sylvian.data.synthetic import SyntheticConfig, simulate
from sylvian.decode.io import read_nbest
from tiny.text import saved

SMALL = [*TINY, "train.epochs=2"]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("story")
    simulate(SyntheticConfig(participants=(speaker(),)), folder / "raw")
    return folder


def test_recordings_become_sentences_and_rates(home: Path, sylvian: Call) -> None:
    prepared = sylvian("prepare", "synthetic", "--raw", home / "raw", "--json").json
    assert prepared["trials"] == {"train": 48, "val": 16, "test": 8, "holdout": 0}
    checked = sylvian("check", "synthetic", "--json")
    assert (checked.status, checked.json["problems"]) == (0, [])

    trained = sylvian("train", "tfs", "corpus=synthetic", "splits=bit", *SMALL, "--json").json
    run = Path(trained["run"])
    assert run.parent == home / "runs"
    assert 0 < trained["val_per"] <= 2
    assert (trained["n_train"], trained["n_val"]) == (48, 8)
    again = sylvian("train", "tfs", "corpus=synthetic", "splits=bit", *SMALL, "--json").json
    assert again == trained

    text, lm = home / "text.txt", home / "lm.arpa.gz"
    text.write_text("I am good.\nWhere is my family?\nPlease bring my glasses.\nI am not going.\n")
    built = sylvian("lm", "build", "--text", text, "--order", 2, "--out", lm, "--json").json
    assert built["n_sentences"] == 4

    decoded = sylvian("decode", run, "--split", "val", "--lm", lm, "--json").json
    assert (decoded["n_trials"], decoded["lm"]) == (8, str(lm))
    tuned = sylvian("tune", run.name, "--json").json
    assert tuned["wer_after"] <= tuned["wer_before"]
    follows = sylvian("decode", run, "--split", "test", "--json").json
    assert follows["lm"] == str(lm)

    score = sylvian("score", run, "--split", "test", "--json").json
    assert {"split", "per", "wer", "per_low", "per_high", "wer_low", "wer_high"} <= score.keys()
    assert score["n_trials"] == 8
    assert score["per_low"] <= score["per"] <= score["per_high"]
    assert not any("optimistic" in note for note in score["notes"])
    optimistic = sylvian("score", run, "--split", "val", "--json").json
    assert any("optimistic" in note for note in optimistic["notes"])

    page = home / "report.html"
    assert sylvian("report", run, "--out", page, "--json").json == {
        "report": str(page),
        "n_runs": 1,
    }
    assert run.name in page.read_text()
    kinds = {path.suffix for path in run.rglob("*") if path.is_file()}
    assert kinds <= {".json", ".jsonl", ".csv", ".safetensors", ".txt", ".gz"}  # and no pickle


def test_withheld_labels_are_decoded_but_not_scored(home: Path, sylvian: Call) -> None:
    run = next((home / "runs").glob("tfs-*"))
    assert sylvian("decode", run, "--split", "holdout", "--lm", "none").status == 0
    refused = sylvian("score", run, "--split", "holdout")
    assert refused.status == 1
    assert "no labels" in refused.err


def test_the_front_end_is_the_same_without_a_language_model(home: Path, sylvian: Call) -> None:
    run = next((home / "runs").glob("tfs-*"))
    with_lm = sylvian("score", run, "--split", "val", "--json").json
    sylvian("decode", run, "--split", "val", "--lm", "none")
    without = sylvian("score", run, "--split", "val", "--json").json
    assert without["decoder"] == "greedy"
    assert (with_lm["per"], with_lm["n_trials"]) == (without["per"], without["n_trials"])


@pytest.mark.parametrize(
    ("arguments", "status", "told"),
    [
        (["train", "tfs"], 1, "which corpus"),
        (["train", "tfs", "corpus=nowhere"], 1, "nowhere"),
        (["train", "tfs", "corpus=synthetic", "train.epoch=3"], 1, "unknown key 'train.epoch'"),
        (["train", "bit", "corpus=synthetic"], 1, "no recipe 'bit'"),
        (["train", "tfs", "corpus=synthetic", "participant=T99"], 1, "no 'T99' in synthetic"),
        (["prepare", "cards", "--raw", "."], 1, "unknown corpus 'cards'"),
        (["decode", "missing-run", "--split", "val"], 1, "missing-run"),
        (["show", "nothing"], 1, "nothing is called"),
        (["decode"], 2, "Missing argument"),
        (["score", "run"], 2, "Missing option"),
        (["lm", "build", "--text", "a", "--order", "9", "--out", "b"], 2, "--order"),
        (["lm", "build", "--text", "absent.txt", "--out", "b"], 1, "absent.txt"),
    ],
)
def test_bad_input_gets_one_sentence_and_a_status(
    sylvian: Call, arguments: list[str], status: int, told: str
) -> None:
    outcome = sylvian(*arguments)
    assert outcome.status == status
    assert told in outcome.err
    if status == 1:
        assert len(outcome.err.strip().splitlines()) == 1
        assert outcome.err.startswith("sylvian: ")


def test_a_decode_can_be_steered_and_misuse_is_named(home: Path, sylvian: Call) -> None:
    run = next((home / "runs").glob("tfs-*"))
    lm = home / "lm.arpa.gz"
    steered = ["decode", run, "--split", "val", "--lm", lm]
    assert sylvian(*steered, "--set", "acoustic_scale=0.7").status == 0
    made = json.loads((run / "val" / "decode.json").read_text())
    assert made["decode"]["acoustic_scale"] == 0.7
    assert "unknown key" in sylvian(*steered, "--set", "acoustic=1").err
    lexicon = home / "other.txt"
    lexicon.write_text("zebra Z IY B R AH\n")
    nothing = sylvian(*steered, "--lexicon", lexicon)
    assert nothing.status == 1
    assert "none of the language model" in nothing.err
    torn = home / "torn.arpa"
    torn.write_text("\\data\\\nngram 1=5\n\n\\1-grams:\n-1 <s> 0\n")
    broken = sylvian("decode", run, "--split", "val", "--lm", torn)
    assert broken.status == 1
    assert "torn.arpa" in broken.err
    assert "val" in sylvian("decode", run, "--split", "dev").err
    assert sylvian("tune", run, "--split", "test").status == 1


def test_show_explains_corpora_recipes_and_runs(home: Path, sylvian: Call) -> None:
    corpora = sylvian("show", "corpora").out
    assert "10.5061/dryad.dncjsxm85" in corpora
    assert "--raw" in corpora
    keys = sylvian("show", "tfs", "corpus=willett2023").out
    assert "train.batch_size" in keys
    assert "encoder.mask_ratio" in keys
    run = next((home / "runs").glob("tfs-*"))
    assert "trained: val PER" in sylvian("show", run.name).out


def test_a_language_model_reads_the_candidates_again(home: Path, sylvian: Call) -> None:
    run, lm = next((home / "runs").glob("tfs-*")), home / "lm.arpa.gz"
    folder = saved(home / "tiny-lm", "llama")
    val, test = ["--split", "val"], ["--split", "test"]
    sylvian("decode", run, *val, "--lm", lm)
    lists = run / "val" / "nbest.jsonl"
    first_pass = run / "val" / "first-pass.jsonl"
    first_pass.write_bytes(lists.read_bytes())
    alone = sylvian("score", run, *val, "--json").json

    told = sylvian("rescore", run, *val, "--llm", folder, "--json").json
    assert (told["llm"], told["n_known"], told["n_trials"]) == (str(folder), 0, 8)
    assert '"llm": null' not in lists.read_text()
    untuned = sylvian("score", run, *val, "--json").json
    assert untuned["decoder"] == "ngram + tiny-lm"
    assert any("tuned without rescoring" in note for note in untuned["notes"])

    tuned = sylvian("tune", run, "--json").json
    assert set(tuned["weights"]) == {"acoustic_scale", "blank_penalty", "word_bonus", "llm_weight"}
    assert tuned["wer_after"] <= alone["wer"]
    sylvian("decode", run, *test)
    unread = sylvian("score", run, *test, "--json").json
    assert unread["decoder"] == "ngram"
    assert any("test decoded without; run 'sylvian rescore" in note for note in unread["notes"])
    again = sylvian("rescore", run, *test, "--json").json
    assert again["llm"] == str(folder)
    assert not any(
        "rescoring" in note for note in sylvian("score", run, *test, "--json").json["notes"]
    )

    page = home / "rescored.html"
    assert sylvian("report", run, "--out", page).status == 0
    assert "n-gram + tiny-lm" in page.read_text()

    assert sylvian("rescore", run, *val, "--llm", folder, "--json").json["n_known"] > 0
    undone = sylvian("rescore", run, *val, "--llm", "none", "--json").json
    assert undone["llm"] is None
    assert read_texts(lists) == read_texts(first_pass)


def read_texts(path: Path) -> list[set[tuple[str, float, float | None]]]:
    return [
        {(h.text, h.scores.acoustic, h.scores.llm) for h in nbest.hypotheses}
        for nbest in read_nbest(path)
    ]


def test_misuse_of_rescoring_is_named(home: Path, sylvian: Call) -> None:
    run = next((home / "runs").glob("tfs-*"))
    (run / "decoder.json").unlink()
    assert "which language model" in sylvian("rescore", run, "--split", "val").err
    assert "no such folder" in sylvian("rescore", run, "--split", "val", "--llm", "nothing").err
    holdout = sylvian("rescore", run, "--split", "holdout", "--llm", "none")
    assert (holdout.status, "no n-bests" in holdout.err) == (1, True)
    wrong = sylvian(
        "rescore", run, "--split", "val", "--llm", home / "tiny-lm", "--set", "styl=plain"
    )
    assert "unknown key" in wrong.err
