"""Confidence and gates are for what they were learnt on; other lists and speech are refused."""

import json
from pathlib import Path
from typing import Any

import pytest

from story.driving import SMALL, Call, Outcome, speaker
from sylvian.data.synthetic import ImaginedConfig, SyntheticConfig, simulate
from sylvian.data.synthetic.keyword import KeywordConfig
from sylvian.decode.io import write_nbest
from sylvian.gating.hearing import Ears
from sylvian.jobs import Job
from sylvian.runs import RunFolder
from sylvian.text import normalize_sentence
from sylvian.types import Hypothesis, NBest, Scores

KEYWORD = "chitty chitty bang bang"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("silence")
    person = speaker(
        train_trials=8,
        eval_trials=24,
        hidden_trials=0,
        imagined=ImaginedConfig(sessions=(1,)),
        keyword=KeywordConfig(share=0.4),
    )
    simulate(SyntheticConfig(participants=(person,)), folder / "raw")
    return folder


def trained(home: Path) -> Path:
    return next((home / "runs").glob("attempted-*"))


def changed(path: Path, **fields: Any) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(path.read_text())
    path.write_text(json.dumps(content | fields))
    return content


def sure_lists(run: Path, split: str) -> None:
    """Put lists in the place of a split's: the more acoustics tell candidates apart, the surer."""
    found = []
    for place, info in enumerate(Job.open(RunFolder(run), split).infos):
        true = normalize_sentence(info.sentence or "")
        texts = [true, "zebra"] if place % 3 else ["zebra", true]
        apart = 9.0 if place % 3 else 1.0
        scored = zip(texts, (-10.0, -10.0 - apart), strict=True)
        listed = tuple(Hypothesis(t, (), Scores(a, 0.0, len(t.split()))) for t, a in scored)
        found.append(NBest(info.key, listed))
    write_nbest(run / split / "nbest.jsonl", found)


def calibrate(sylvian: Call, run: Path, *more: object) -> Outcome:
    return sylvian("calibrate", run, "--most-wrong", 0.5, *more)


def abstain(sylvian: Call, run: Path, split: str = "test") -> Outcome:
    out = run.parent / "sure.jsonl"
    out.unlink(missing_ok=True)
    ended = sylvian("abstain", run, "--split", split, "--out", out)
    assert out.exists() == (ended.status == 0)
    return ended


def test_confidence_holds_for_lists_of_its_kind(home: Path, sylvian: Call) -> None:
    sylvian("prepare", "synthetic", "--raw", home / "raw")
    recipe = ["attempted", "corpus=synthetic", "splits=bit", *SMALL, "train.epochs=1"]
    run = Path(sylvian("train", *recipe, "--json").json["run"])
    lm, text = home / "lm.arpa.gz", home / "text.txt"
    text.write_text("zebras juggle walnuts\nwalnuts juggle\nzebras\n")
    sylvian("lm", "build", "--text", text, "--order", 2, "--out", lm)
    for split in ("val", "test"):
        assert sylvian("decode", run, "--split", split, "--lm", lm).status == 0
        sure_lists(run, split)
    told = calibrate(sylvian, run, "--json").json
    assert told["notes"] == []
    assert told["wer"] < told["wer_most"] <= 0.5
    learnt = json.loads((run / "confidence.json").read_text())["confidence"]
    assert learnt["strategies"] == ["attempted"]
    shown = abstain(sylvian, run)
    assert (shown.status, len(shown.out.strip().splitlines())) == (0, 1)
    assert "at most" in calibrate(sylvian, run).out


def test_weights_tuned_since_then_are_refused(home: Path, sylvian: Call) -> None:
    run = trained(home)
    made = json.loads((run / "val" / "decode.json").read_text())
    made["decode"] |= {"acoustic_scale": 0.5, "blank_penalty": 4.0}
    made.pop("result")
    tuned = run / "decoder.json"
    tuned.write_text(json.dumps(made))
    refused = abstain(sylvian, run)
    assert refused.status == 1
    assert "(acoustic_scale 0.5 in place of 0.325); run 'sylvian calibrate" in refused.err
    assert "decoded with other settings than the run is tuned to" in calibrate(sylvian, run).out
    assert abstain(sylvian, run).status == 0
    sylvian("decode", run, "--split", "test")
    other = abstain(sylvian, run)
    assert other.status == 1
    assert "decoded with blank_penalty 4 in place of 4.5" in other.err
    assert "decode val and test alike, and run 'sylvian calibrate" in other.err
    tuned.unlink()
    sylvian("decode", run, "--split", "test", "--lm", home / "lm.arpa.gz")
    assert "acoustic_scale 0.325 in place of 0.5" in abstain(sylvian, run).err
    assert calibrate(sylvian, run, "--json").json["notes"] == []
    assert abstain(sylvian, run).status == 0


def test_another_language_model_or_encoder_is_refused(home: Path, sylvian: Call) -> None:
    run, lm = trained(home), home / "lm.arpa.gz"
    kept = lm.read_bytes()
    decode = ("decode", run, "--split", "test", "--lm", lm)
    sylvian("lm", "build", "--text", home / "text.txt", "--order", 1, "--out", lm)
    sylvian(*decode)  # the same path, other contents
    assert "(another n-gram)" in abstain(sylvian, run).err
    lm.write_bytes(kept)
    sylvian(*decode)
    stamp = run / "test" / "logits.json"
    before = changed(stamp, stamp={"checkpoint": "another"})
    assert "(other weights of the encoder)" in abstain(sylvian, run).err
    changed(stamp, **before)
    made = run / "test" / "decode.json"
    few = home / "few.txt"
    few.write_text("zebras\nwalnuts\n")
    before = json.loads(made.read_text())
    changed(made, decode=before["decode"] | {"word_set": str(few), "beam": 7.5})
    told = "(another word set, decoded with beam 7.5 in place of 15)"
    assert told in abstain(sylvian, run).err
    changed(made, **before)
    assert abstain(sylvian, run).status == 0


def test_a_file_of_an_earlier_version_is_read_and_says_so(home: Path, sylvian: Call) -> None:
    run = trained(home)
    path = run / "confidence.json"
    kept = path.read_text()
    learnt = json.loads(kept)["confidence"]
    changed(path, confidence={k: v for k, v in learnt.items() if k not in {"origin", "strategies"}})
    assert "of an earlier version" in abstain(sylvian, run).out
    sylvian("decode", run, "--split", "test/imagined", "--lm", home / "lm.arpa.gz")
    assert "imagined speech, of which confidence was learnt" in abstain_imagined(sylvian, run)
    path.write_text(kept)
    assert "(only of attempted)" in abstain_imagined(sylvian, run)


def abstain_imagined(sylvian: Call, run: Path) -> str:
    refused = abstain(sylvian, run, "test/imagined")
    assert refused.status == 1
    return " ".join(refused.err.split())


def test_inner_speech_has_a_confidence_of_its_own(home: Path, sylvian: Call) -> None:
    run = trained(home)
    told = abstain_imagined(sylvian, run)
    assert f"run 'sylvian calibrate {run} --split val/imagined'" in told
    kept = (run / "confidence.json").read_bytes()
    sylvian("decode", run, "--split", "val/imagined", "--lm", home / "lm.arpa.gz")
    sure_lists(run, "val/imagined")
    learnt = calibrate(sylvian, run, "--split", "val/imagined", "--json").json
    assert learnt["split"] == "val/imagined"
    assert abstain(sylvian, run, "test/imagined").status == 0
    assert "attempted speech, of which confidence was learnt nothing" in abstain(sylvian, run).err
    (run / "confidence.json").write_bytes(kept)
    assert "learnt on val" in calibrate(sylvian, run, "--split", "test/imagined").err


def test_a_gate_stays_shut_before_speech_it_was_not_learnt_on(
    home: Path, sylvian: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = trained(home)
    sylvian("gate", "learn", run, "--keyword", KEYWORD, "--most-false", 0.9)
    learnt = json.loads((run / "gate.json").read_text())["gate"]
    assert learnt["strategies"] == ["attempted"]
    monkeypatch.setattr(Ears, "open", None)  # whoever listens falls over
    asked = ["gate", "run", run, "--lm", home / "lm.arpa.gz", "--split"]
    old = {key: value for key, value in learnt.items() if key != "strategies"}
    for known in (learnt, old):
        changed(run / "gate.json", gate=known)
        for split in ("test/imagined", "test/attempted+imagined"):
            refused = sylvian(*asked, split)
            assert refused.status == 1
            assert "learnt on attempted speech alone" in refused.err
            assert "has imagined speech, and the gate stays shut" in refused.err
    assert not list(run.rglob("gated.jsonl"))


def test_switched_off_a_gate_leaves_nothing_behind(home: Path, sylvian: Call) -> None:
    run = trained(home)
    before = sorted(run.rglob("*"))
    off = ["gate", "run", run, "--off", "--split"]
    for split, told in (
        ("nope", "no split 'nope'; there are: train, val, test, holdout"),
        ("nope/imagined", "no split 'nope/imagined'"),
        ("test/dreamt", "after the slash goes a strategy"),
    ):
        refused = sylvian(*off, split)
        assert refused.status == 1
        assert told in refused.err
    assert sylvian(*off, "holdout").status == 0
    assert sorted(run.rglob("*")) == before
    (run / "test" / "gated.jsonl").write_text("from before\n")
    told = sylvian(*off, "test").out
    assert "switched off, nothing was heard" in told
    assert sorted(run.rglob("*")) == before
