"""What follows a decode: competition file and grade, error analyses, confidence, model card."""

import hashlib
import json
from pathlib import Path

import pytest

from story.driving import Call
from sylvian.data.synthetic import NeuralConfig, ParticipantConfig, SyntheticConfig, simulate
from sylvian.decode.io import read_nbest, write_nbest
from sylvian.jobs import Job
from sylvian.runs import RunFolder
from sylvian.text import normalize_sentence
from sylvian.types import Hypothesis, NBest, Scores

SMALL = [
    "encoder.width=16",
    "encoder.depth=1",
    "encoder.heads=1",
    "encoder.feedforward=16",
    "train.epochs=1",
]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("submissions")
    person = ParticipantConfig(
        name="S15",
        layout="card2024",
        sessions=2,
        train_trials=12,
        eval_trials=20,
        hidden_trials=3,
        max_words=3,
        fifty_share=1.0,
        train_only_sessions=(),
        neural=NeuralConfig(snr=2.0),
    )
    simulate(SyntheticConfig(participants=(person,)), folder / "raw")
    return folder


def test_the_hidden_split_becomes_a_competition_file(home: Path, sylvian: Call) -> None:
    sylvian("prepare", "synthetic", "--raw", home / "raw")
    trained = sylvian("train", "tfs", "corpus=synthetic", "splits=bit", *SMALL, "--json").json
    run, out = Path(trained["run"]), home / "b2t25.csv"
    early = sylvian("submit", run, "--format", "b2t25", "--out", out)
    assert (early.status, out.exists()) == (1, False)
    assert "not decoded" in early.err

    sylvian("decode", run, "--split", "holdout", "--lm", "none")
    told = sylvian("submit", run, "--format", "b2t25", "--out", out, "--json").json
    assert (told["split"], told["n_sentences"], told["n_openings"]) == ("holdout", 6, 1)
    assert told["n_expected"] == 6 and told["order"].startswith("order: days, each day's blocks")
    lines = out.read_text().splitlines()
    assert lines[0] == "id,text"
    assert [line.partition(",")[0] for line in lines[1:]] == list("012345")
    again = sylvian("submit", run, "--format", "b2t24", "--out", home / "b2t24.txt", "--json").json
    assert again["n_openings"] == 2
    assert (home / "b2t24.txt").read_text().splitlines() == [x.partition(",")[2] for x in lines[1:]]
    withheld = sylvian("grade", out, "--run", run, "--split", "holdout")
    assert withheld.status == 1
    assert "withheld" in withheld.err


def test_a_rehearsal_is_graded_as_it_is_scored(home: Path, sylvian: Call) -> None:
    run, out = next((home / "runs").glob("tfs-*")), home / "val.csv"
    sylvian("decode", run, "--split", "val", "--lm", "none")
    scored = sylvian("score", run, "--split", "val", "--json").json
    written = ["submit", run, "--format", "b2t25", "--split", "val", "--out", out]
    assert sylvian(*written).status == 0
    graded = sylvian("grade", out, "--run", run, "--json").json
    assert graded["wer"] == pytest.approx(scored["wer"])
    truth = home / "truth.txt"
    truth.write_text("yes\n" * 7)
    refused = sylvian("grade", out, "--truth", truth)
    assert refused.status == 1
    assert "val.csv: 20 sentences to grade, 7 true ones" in refused.err
    assert sylvian("grade", out).status == 2
    perfect = sylvian("grade", out, "--truth", out)
    assert "aggregate WER 0.00 %, no interval, 20 sentences" in perfect.out
    told = sylvian("grade", out, "--truth", out, "--json").json
    assert (told["wer"], told["low"]) == (0.0, None)


def test_errors_are_analysed_where_there_are_labels(home: Path, sylvian: Call) -> None:
    run, out = next((home / "runs").glob("tfs-*")), home / "errors"
    lm, text = home / "lm.arpa.gz", home / "text.txt"
    text.write_text("I am good.\nWhere is my family?\nPlease bring my glasses.\n")
    sylvian("lm", "build", "--text", text, "--order", 2, "--out", lm)
    sylvian("decode", run, "--split", "val", "--lm", lm)
    told = sylvian("errors", run, "--split", "val", "--out", out, "--json").json
    assert (told["system"], told["n_trials"]) == ("n-gram", 20)
    assert {"where", "repairs", "oracle", "phonemes-by-errors"} <= set(told["figures"])
    numbers = json.loads((out / "errors.json").read_text())
    assert list(numbers["repairs"]) == ["looked up \u2192 n-gram"]
    assert (out / "repairs.csv").read_text().startswith("panel,change,outcome,share")
    withheld = sylvian("errors", run, "--split", "holdout", "--out", out)
    assert withheld.status == 1
    assert "withheld" in withheld.err


def test_a_perfect_decode_has_blanks_that_say_so(home: Path, sylvian: Call) -> None:
    run, out = next((home / "runs").glob("tfs-*")), home / "perfect"
    files = [run / "val" / name for name in ("greedy.jsonl", "nbest.jsonl")]
    kept = [path.read_bytes() for path in files]
    found = [
        NBest(
            info.key, (Hypothesis(normalize_sentence(info.sentence or ""), phonemes, Scores(0.0)),)
        )
        for info in Job.open(RunFolder(run), "val").infos
        if (phonemes := info.phonemes)
    ]
    for path in files:
        write_nbest(path, found)
    told = sylvian("errors", run, "--split", "val", "--out", out)
    for path, content in zip(files, kept, strict=True):
        path.write_bytes(content)
    assert told.status == 0 and "most confused: none" in told.out
    assert "No error in" in (out / "phonemes-by-errors.csv").read_text()
    numbers = json.loads((out / "errors.json").read_text())
    assert numbers["phonemes"]["substitutions"] == numbers["words"]["n_substitutions"] == 0
    assert {row["rate"] for rows in numbers["rates"].values() for row in rows} == {0.0}
    absent = sylvian("errors", run, "--split", "devel", "--out", out)
    assert (absent.status, "no trials in split 'devel'" in absent.err) == (1, True)
    undecoded = sylvian("errors", run, "--split", "train", "--out", out)
    assert (undecoded.status, "not decoded; run 'sylvian decode" in undecoded.err) == (1, True)


def sure_lists(run: Path) -> None:
    """Put lists in the place of val's: the more acoustics tell candidates apart, the surer."""
    infos = Job.open(RunFolder(run), "val").infos
    found = []
    for place, info in enumerate(infos):
        true = normalize_sentence(info.sentence or "")
        texts = [true, "zebra"] if place % 3 else ["zebra", true]
        apart = 9.0 if place % 3 else 1.0
        scored = zip(texts, (-10.0, -10.0 - apart), strict=True)
        listed = tuple(Hypothesis(t, (), Scores(a, 0.0, len(t.split()))) for t, a in scored)
        found.append(NBest(info.key, listed))
    write_nbest(run / "val" / "nbest.jsonl", found)


def test_doubtful_sentences_are_withheld(home: Path, sylvian: Call) -> None:
    run, out = next((home / "runs").glob("tfs-*")), home / "sure.jsonl"
    unknown = sylvian("abstain", run, "--split", "val", "--out", out)
    assert unknown.status == 1
    assert "not calibrated; run 'sylvian calibrate" in unknown.err
    sure_lists(run)
    learnt = sylvian("calibrate", run, "--most-wrong", 0.3, "--json").json
    assert learnt["n_trials"] == 20
    assert learnt["sentences"]["auroc"] > 0.9
    assert learnt["wer"] == 0 < 0.1 < learnt["wer_most"] <= 0.3 < learnt["wer_all"]
    told = sylvian("abstain", run, "--split", "val", "--out", out, "--json").json
    assert 0 < told["n_shown"] < 20
    lines = [json.loads(line) for line in out.read_text().splitlines()]
    assert len(lines) == len(read_nbest(run / "val" / "nbest.jsonl")) == 20
    for line in lines:
        assert ("text" in line) == ("words" in line) == (line["confidence"] >= told["threshold"])
        assert set(line) <= {"key", "confidence", "text", "words"}
    assert all(line["text"] != "zebra" for line in lines if "text" in line)
    strict = sylvian("calibrate", run, "--most-wrong", 0.0001)  # 20 sentences cannot prove it
    assert "so 'sylvian abstain' shows nothing" in strict.out
    refused = sylvian("abstain", run, "--split", "val", "--out", out)
    assert (refused.status, "nothing can be shown" in refused.err) == (1, True)
    notes = sylvian("show", run.name).out
    assert "Chosen on val: confidence (20 trials" in notes


def test_the_card_says_what_a_user_must_know(home: Path, sylvian: Call) -> None:
    run = next((home / "runs").glob("tfs-*"))
    told = sylvian("card", run, "--out", home / "card.md", "--licence", "CC-BY-4.0", "--json").json
    text = Path(told["card"]).read_text()
    weights = (run / "checkpoint" / "best" / "weights.safetensors").read_bytes()
    environment = json.loads((run / "env.json").read_text())
    scores = json.loads((run / "val" / "scores.json").read_text())
    assert hashlib.sha256(weights).hexdigest() in text
    assert environment["data_digest"] in text
    assert f"| val | {scores['n_trials']} |" in text
    assert "seed 0" in text
    assert "Weights: CC-BY-4.0." in text
    assert "depends on the whole trial" in text
    assert "Nobody was recorded" in text or "nobody was recorded" in text
    for section in ("Choices", "Causality", "Intended use", "Consent"):
        assert f"## {section}\n\n- " in text
    assert "none granted" in Path(sylvian("card", run, "--json").json["card"]).read_text()
