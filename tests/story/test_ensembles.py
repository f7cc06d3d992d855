"""Two seeds become one answer: by votes, by a language model, by a question, by mean logits."""

import json
import shutil
from pathlib import Path

import numpy as np
import pytest

from story.driving import SMALL as TINY
from story.driving import Call, speaker
from sylvian.data.synthetic import SyntheticConfig, simulate
from sylvian.decode.averaging import average
from sylvian.decode.io import read_logits, read_nbest
from tiny.text import saved

SMALL = [*TINY, "train.epochs=1"]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("ensembles")
    simulate(SyntheticConfig(participants=(speaker(),)), folder / "raw")
    return folder


def seeds(home: Path) -> list[Path]:
    return sorted(home.glob("runs/tfs-*"))


def test_seeds_are_merged_by_votes(home: Path, sylvian: Call) -> None:
    sylvian("prepare", "synthetic", "--raw", home / "raw")
    text, lm = home / "text.txt", home / "lm.arpa.gz"
    text.write_text("I am good.\nWhere is my family?\nPlease bring my glasses.\nI am not going.\n")
    sylvian("lm", "build", "--text", text, "--order", 2, "--out", lm)
    for seed in (0, 7):
        recipe = ["tfs", "corpus=synthetic", "splits=bit", *SMALL, f"train.seed={seed}"]
        run = sylvian("train", *recipe, "--json").json["run"]
        sylvian("decode", run, "--split", "val", "--lm", lm)
    first, second = seeds(home)
    singles = [sylvian("score", run, "--split", "val", "--json").json for run in (first, second)]
    out = home / "merged.jsonl"
    merged = sylvian("merge", first, second, "--split", "val", "--out", out, "--json").json
    rows = merged["rows"]
    assert [row["wer"] for row in rows[:2]] == [single["wer"] for single in singles]
    assert rows[2]["name"] == "merged"
    assert rows[2]["seconds"] == pytest.approx(
        rows[0]["seconds"] + rows[1]["seconds"] + rows[2]["seconds_merger"]
    )
    weights = [
        (run / "checkpoint/best/weights.safetensors").stat().st_size for run in (first, second)
    ]
    assert rows[2]["weights_mb"] == pytest.approx(sum(weights) / 1e6)
    assert rows[2]["n_models"] == 2
    best = min(rows[:2], key=lambda row: row["wer"])
    assert (merged["best"], merged["gain"]) == (
        best["name"],
        pytest.approx(rows[2]["wer"] - best["wer"]),
    )
    lines = [json.loads(line) for line in out.read_text().splitlines()]
    assert len(lines) == merged["n_trials"] == 8
    assert all(line["risks"] == sorted(line["risks"]) for line in lines)
    assert all(line["text"] == line["texts"][0] for line in lines)


def test_a_table_tells_gain_and_cost_within_eighty_characters(home: Path, sylvian: Call) -> None:
    first, second = seeds(home)
    table = sylvian("merge", first, second, "--split", "val").out
    assert second.name in table and "ngram" in table
    assert "minus the best run" in table and "times the seconds" in table
    assert max(map(len, table.splitlines())) <= 80


def test_a_language_model_sways_the_votes(home: Path, sylvian: Call) -> None:
    first, second = seeds(home)
    tiny = saved(home / "tiny-lm", "llama")
    call = ["merge", first, second, "--by", "llm", "--llm", tiny, "--json"]
    votes = sylvian("merge", first, second, "--split", "val", "--json").json
    alone = sylvian(*call, "--split", "val", "--weight", 0).json
    assert alone["rows"][2]["wer"] == votes["rows"][2]["wer"]
    crossed = sylvian(*call, "--split", "val").json
    assert len(crossed["weights"]) == 5
    assert crossed["rows"][2]["n_models"] == 3
    for run in (first, second):
        sylvian("decode", run, "--split", "test")
    found = sylvian(*call, "--split", "test").json
    assert len(found["weights"]) == 1 and "chosen on 8 trials of val" in found["notes"][0]
    assert "earlier commands" in found["notes"][1]


def test_a_language_model_is_asked(home: Path, sylvian: Call) -> None:
    first, second = seeds(home)
    out = home / "asked.jsonl"
    call = ["merge", first, second, "--split", "val", "--by", "prompt", "--llm", home / "tiny-lm"]
    found = sylvian(*call, "--out", out, "--set", "most=3", "--json").json
    assert found["notes"][0].startswith("Asked about ")
    votes = sylvian("merge", first, second, "--split", "val", "--json").json
    assert found["rows"][2]["wer"] == pytest.approx(votes["rows"][2]["wer"], abs=0.5)
    assert len(out.read_text().splitlines()) == 8
    assert "unknown key" in sylvian(*call, "--set", "mots=3").err


def test_averaged_logits_are_a_run_like_any_other(home: Path, sylvian: Call) -> None:
    first, second = seeds(home)
    call = ["merge", first, second, "--by", "logits", "--json"]
    found = sylvian(*call, "--split", "val").json
    run = Path(found["run"])
    parts = [read_logits(one / "val/logits.safetensors") for one in (first, second)]
    mixed = {one.key: one.values for one in read_logits(run / "val/logits.safetensors")}
    for members in zip(*parts, strict=True):
        np.testing.assert_allclose(mixed[members[0].key], average(members).values, atol=1e-6)
    row = found["rows"][2]
    single = [row["seconds_encoder"] for row in found["rows"][:2]]
    assert row["seconds_encoder"] >= sum(single)
    assert row["n_models"] == 2 and found["peak_memory_mb"] > 50
    swapped = sylvian("merge", second, first, "--by", "logits", "--split", "val", "--json").json
    assert swapped["run"] == str(run)
    other = sylvian(*call, "--split", "val", "--mean", "arithmetic").json
    assert other["run"] != str(run)

    tuned = sylvian("tune", run.name, "--json").json
    assert tuned["wer_after"] <= tuned["wer_before"]
    sylvian("decode", run, "--split", "test")  # a split nobody averaged yet
    score = sylvian("score", run, "--split", "test", "--json").json
    again = sylvian(*call, "--split", "test").json
    assert again["rows"][2]["wer"] == score["wer"]
    assert any(
        "best epoch" in note for note in sylvian("score", run, "--split", "val").out.split(".")
    )
    told = sylvian("rescore", run, "--split", "val", "--llm", home / "tiny-lm", "--json").json
    assert told["n_trials"] == 8
    rescored = sylvian(*call, "--split", "val").json
    assert any("Not searched alike" in note for note in rescored["notes"])
    page = home / "report.html"
    assert sylvian("report", run, "--out", page).status == 0
    assert "ensemble" in sylvian("show", run).out


def test_an_ensemble_moves_with_its_members(home: Path, sylvian: Call) -> None:
    for run in [*seeds(home), *home.glob("runs/ensemble-*")]:
        assert len(read_nbest(run / "val/nbest.jsonl")) == 8
    (home / "runs").rename(home / "moved")
    run = next(home.glob("moved/ensemble-*"))
    assert sylvian("decode", run, "--split", "val", "--runs", home / "moved").status == 0
    (home / "moved").rename(home / "runs")


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (["--by", "llm"], "which language model"),
        (["--by", "prompt"], "which language model"),
        (["--llm", "smollm2"], "--llm has no meaning"),
        (["--by", "logits", "--set", "style=plain"], "--set has no meaning"),
        (["--by", "logits", "--out", "x.jsonl"], "--out has no meaning"),
        (["--by", "prompt", "--llm", "x", "--weight", "1"], "--weight has no meaning"),
        (["--lm", "x.arpa"], "--lm has no meaning"),
        (["--mean", "arithmetic"], "--mean has no meaning"),
    ],
)
def test_options_that_do_not_belong_together(
    home: Path, sylvian: Call, options: list[str], told: str
) -> None:
    first, second = seeds(home)
    outcome = sylvian("merge", first, second, "--split", "val", *options)
    assert (outcome.status, told in outcome.err) == (1, True)


def test_a_second_pass_is_given_more_to_choose_from(home: Path, sylvian: Call) -> None:
    run, larger = seeds(home)[0], home / "larger.arpa.gz"
    sylvian("lm", "build", "--text", home / "text.txt", "--order", 3, "--out", larger)
    decode, lists = ["decode", run, "--split", "val"], run / "val/nbest.jsonl"
    assert sylvian(*decode, "--lm", home / "lm.arpa.gz").status == 0
    plain = {nbest.key: nbest for nbest in read_nbest(lists)}
    assert sylvian(*decode, "--lm", home / "lm.arpa.gz", "--set", "enlarge=20").status == 0
    more = read_nbest(lists)
    assert sum(len(n.hypotheses) for n in more) > sum(len(n.hypotheses) for n in plain.values())
    assert all(set(plain[n.key].hypotheses) <= set(n.hypotheses) for n in more)

    assert sylvian(*decode, "--lm", home / "lm.arpa.gz", "--set", f"larger={larger}").status == 0
    read = [n.best.scores.ngram for n in read_nbest(lists)]
    assert read != [nbest.best.scores.ngram for nbest in plain.values()]
    assert sylvian("tune", run, "--json").status == 0
    assert json.loads((run / "decoder.json").read_text())["larger"] == str(larger)
    assert sylvian(*decode, "--set", "larger=none").status == 0
    assert json.loads((run / "val/decode.json").read_text())["larger"] is None
    absent = sylvian(*decode, "--set", "larger=absent.arpa")
    assert (absent.status, "absent.arpa" in absent.err) == (1, True)


def test_runs_that_cannot_be_merged_are_named(home: Path, sylvian: Call) -> None:
    first, second = seeds(home)
    assert "two or more" in sylvian("merge", first, first, "--split", "val").err
    assert "not decoded" in sylvian("merge", first, second, "--split", "train").err
    made = json.loads((second / "val/decode.json").read_text())
    (second / "val/decode.json").write_text(json.dumps(made | {"lm": "other.arpa"}))
    for ensemble in home.glob("runs/ensemble-*"):
        (ensemble / "decoder.json").unlink(missing_ok=True)
        (ensemble / "val/decode.json").unlink()
    refused = sylvian("merge", first, second, "--split", "val", "--by", "logits")
    assert (refused.status, "different n-grams" in refused.err) == (1, True)


def test_runs_over_other_trials_are_refused(home: Path, sylvian: Call) -> None:
    first, other = seeds(home)[0], home / "runs/benchmark"
    shutil.copytree(first, other)
    recipe = json.loads((other / "recipe.json").read_text())
    text = json.dumps(recipe).replace('"splits": "bit"', '"splits": "benchmark"')
    (other / "recipe.json").write_text(text)
    assert sylvian("decode", other, "--split", "val", "--lm", "none").status == 0
    refused = sylvian("merge", first, other, "--split", "val")
    assert (refused.status, "not the trials of" in refused.err) == (1, True)
    assert "one corpus, participant and split rule" in refused.err
