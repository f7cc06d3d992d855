"""A keyword unlocks decoding; of what was said while it was locked no trace is on disk."""

import hashlib
import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from story.driving import SMALL, Call, speaker
from sylvian.data.synthetic import SyntheticConfig, simulate
from sylvian.data.synthetic.keyword import KeywordConfig
from sylvian.decode.beam import FirstPass
from sylvian.decode.gate import KeywordSpotter
from sylvian.decode.greedy import log_softmax
from sylvian.decode.io import read_nbest
from sylvian.decode.lookup import Lookup
from sylvian.gating import ClockConfig, Moment, in_order
from sylvian.gating.hearing import Ears, encoder_digest
from sylvian.jobs import Job
from sylvian.runs import RunFolder
from sylvian.text import Lexicon, normalize_sentence
from sylvian.types import Logits

KEYWORD = "chitty chitty bang bang"
OPEN_S = 20.0


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("gating")
    who = speaker(train_trials=8, eval_trials=20, keyword=KeywordConfig(share=0.4))
    simulate(SyntheticConfig(participants=(who,)), folder / "raw")
    return folder


def trained(home: Path) -> Path:
    return next((home / "runs").glob("tfs-*"))


def lm(home: Path) -> Path:
    return home / "lm.arpa.gz"


def test_the_threshold_is_learnt_where_nothing_is_reported(home: Path, sylvian: Call) -> None:
    sylvian("prepare", "synthetic", "--raw", home / "raw")
    recipe = ["tfs", "corpus=synthetic", "splits=bit", *SMALL, "train.epochs=1"]
    run = sylvian("train", *recipe, "--json").json["run"]
    text = home / "text.txt"  # words that nobody says, so that a decode cannot repeat a prompt
    text.write_text("zebras juggle walnuts\nwalnuts juggle\nzebras\n")
    sylvian("lm", "build", "--text", text, "--order", 2, "--out", lm(home))
    sylvian("decode", run, "--split", "val", "--lm", lm(home))  # builds and keeps the graph

    asked = ["gate", "learn", run, "--keyword", KEYWORD]
    strict = sylvian(*asked, "--most-false", 0.02).out
    assert "the gate stays shut; 189 or more other utterances can prove it" in strict
    refused = sylvian("gate", "run", run, "--split", "test", "--lm", lm(home))
    assert refused.status == 1
    assert "no threshold keeps false accepts at 2.0%" in refused.err

    told = sylvian(*asked, "--most-false", 0.9, "--json").json
    assert told["n_keywords"] + told["n_others"] == 20
    assert told["n_keywords"] >= 5
    assert told["held_out"]["misses"]["high"] > told["held_out"]["misses"]["value"]
    kept = json.loads((Path(run) / "gate.json").read_text())["gate"]
    assert (kept["keyword"], kept["threshold"]) == (KEYWORD, told["threshold"])
    for kind in ("pdf", "png", "csv"):
        assert (Path(run) / "val" / f"gate.{kind}").is_file()
    assert "Chosen on val: keyword threshold (20 trials" in sylvian("show", Path(run).name).out


@pytest.mark.parametrize(
    ("keyword", "told"),
    [
        ("42", "'42': has no word that can be said"),
        ("open sesame", "'open sesame' is said 0 times in the 20 labelled utterances of val"),
    ],
)
def test_a_keyword_that_is_not_said_gives_no_threshold(
    home: Path, sylvian: Call, keyword: str, told: str
) -> None:
    before = (trained(home) / "gate.json").read_bytes()
    refused = sylvian("gate", "learn", trained(home), "--keyword", keyword)
    assert refused.status == 1
    assert told in refused.err
    assert ("said often enough: 'chitty chitty bang bang'" in refused.err) == (keyword != "42")
    assert (trained(home) / "gate.json").read_bytes() == before
    again = sylvian("gate", "learn", trained(home), "--keyword", KEYWORD, "--split", "test")
    assert "learnt on val" in again.err


def heard(job: Job) -> tuple[list[Moment], dict[str, Logits], list[float]]:
    moments = list(in_order(job.infos, job.corpus.infos, clock=ClockConfig()))
    ears, spot = Ears.open(job), KeywordSpotter(KEYWORD, Lexicon.cmudict())
    logits = {str(moment.info.key): ears(moment.info) for moment in moments}
    return moments, logits, [spot(logits[str(moment.info.key)]) for moment in moments]


def expected(moments: list[Moment], scores: list[float], threshold: float) -> set[str]:
    """Say what a gate lets through, in other words than the gate's own."""
    let: set[str] = set()
    until, day = 0.0, ""
    for moment, score in zip(moments, scores, strict=True):
        until, day = (until if moment.day == day else 0.0), moment.day
        now = moment.begins_s + 1.0  # so that 0 is long ago
        if now < until:
            let.add(str(moment.info.key))
            until = now + OPEN_S
        elif score >= threshold:
            until = now + OPEN_S
    return let


def files(home: Path) -> dict[Path, str]:
    paths = (path for path in home.rglob("*") if path.is_file())
    return {path: hashlib.sha256(path.read_bytes()).hexdigest() for path in paths}


def test_of_what_was_locked_nothing_is_on_disk(
    home: Path, sylvian: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = trained(home)
    for name in ("HOME", "TMPDIR", "XDG_CACHE_HOME"):
        monkeypatch.setenv(name, str(home / "elsewhere"))
    (home / "elsewhere").mkdir()
    moments, logits, scores = heard(Job.open(RunFolder(run), "test"))
    threshold = sorted(scores)[-3]  # the two days begin locked; three utterances can unlock
    plant(run, threshold)
    let = expected(moments, scores, threshold)
    locked = [moment.info for moment in moments if str(moment.info.key) not in let]
    assert let and len(locked) > 5

    asked: list[str] = []
    for kind, name in ((FirstPass, "decode"), (Lookup, "spell")):
        monkeypatch.setattr(kind, name, counting(getattr(kind, name), asked))
    before = files(home)
    arguments = ["gate", "run", run, "--split", "test", "--lm", lm(home), "--open-s", OPEN_S]
    told = sylvian(*arguments, "--json")
    written = [path for path, digest in files(home).items() if before.get(path) != digest]
    assert {str(path.relative_to(run)) for path in written} == {"test/gated.jsonl", "protocol.json"}
    assert [str(one.key) for one in read_nbest(run / "test" / "gated.jsonl")] == sorted(let)
    assert asked == sorted(let)
    assert (told.json["n_decoded"], told.json["n_utterances"]) == (len(let), len(moments))

    everything = b"".join(path.read_bytes() for path in written)
    shown = (told.out + told.err).encode()
    for info in locked:
        assert info.sentence is not None
        traces = [str(info.key), info.sentence, normalize_sentence(info.sentence)]
        numbers = logits[str(info.key)].values
        raw = [numbers[0].tobytes(), *(str(value).encode() for value in numbers[0, :3].tolist())]
        for trace in [*(one.encode() for one in traces), *raw]:
            assert trace not in everything
            assert trace not in shown or trace == KEYWORD.encode()  # as it was asked for
    n_unlocked = told.json["n_unlocked"]
    assert 1 <= n_unlocked <= 3
    assert told.json["n_false"] + told.json["n_missed"] <= len(locked)


def counting(real: Any, asked: list[str]) -> Any:
    def counted(self: Any, given: Any) -> Any:
        asked.append(str(given.key))
        return real(self, given)

    return counted


def plant(run: Path, threshold: float, **changes: Any) -> None:
    path = run / "gate.json"
    content = json.loads(path.read_text())
    content["gate"] |= {"threshold": threshold, **changes}
    path.write_text(json.dumps(content))


def test_runs_that_are_averaged_are_heard_together(home: Path, sylvian: Call) -> None:
    """Twice the same encoder, averaged: the logits of one, normalised, under another digest."""
    run, both = trained(home), home / "runs" / "both"
    both.mkdir()
    for name in ("recipe.json", "env.json", "trained.json"):
        shutil.copy(run / name, both / name)
    members = {"format": 1, "runs": [str(run)] * 2, "mean": "geometric"}
    (both / "members.json").write_text(json.dumps(members))
    alone, together = (Job.open(RunFolder(path), "test") for path in (run, both))
    one, same = (Ears.open(job)(alone.infos[0]) for job in (alone, together))
    np.testing.assert_allclose(same.values, log_softmax(one), atol=1e-5)
    digests = {encoder_digest(RunFolder(path)) for path in (run, both)}
    assert len(digests) == 2
    shutil.rmtree(both)


def test_switched_off_nothing_is_read_or_decoded(
    home: Path, sylvian: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = trained(home)
    monkeypatch.setattr(Ears, "open", None)  # whoever listens falls over
    monkeypatch.setattr(Job, "open", None)
    before = files(home)
    assert (run / "test" / "gated.jsonl").stat().st_size > 0
    told = sylvian("gate", "run", run, "--split", "test", "--off", "--json").json
    assert (told["n_utterances"], told["n_decoded"], told["keyword"]) == (0, 0, None)
    changed = [path for path, digest in files(home).items() if before.get(path) != digest]
    assert changed == []
    assert before.keys() - files(home).keys() == {run / "test" / "gated.jsonl"}


def test_a_shut_gate_stays_shut_and_a_lock_word_shuts_it(home: Path, sylvian: Call) -> None:
    run = trained(home)
    arguments = ["gate", "run", run, "--split", "test", "--lm", lm(home), "--json"]
    arguments += ["--open-s", 1000]
    plant(run, 0.1)  # no score is above 0
    assert sylvian(*arguments).json["n_decoded"] == 0
    plant(run, -1e9)
    every = sylvian(*arguments, "--block-pause-s", 0).json
    assert (every["n_decoded"], every["n_unlocked"]) == (every["n_utterances"] - 2, 2)
    lists = read_nbest(run / "test" / "gated.jsonl")
    often = max((one.best.text for one in lists), key=[one.best.text for one in lists].count)
    shut = sylvian(*arguments, "--block-pause-s", 0, "--lock-word", often).json
    assert shut["n_locked"] > 0
    assert shut["n_decoded"] == shut["n_utterances"] - shut["n_unlocked"] - shut["n_locked"]
    assert all(one.best.text != often for one in read_nbest(run / "test" / "gated.jsonl"))


def test_an_earlier_decode_without_a_gate_is_pointed_out(home: Path, sylvian: Call) -> None:
    told = sylvian("gate", "run", trained(home), "--split", "val", "--lm", lm(home)).out
    assert "logits.safetensors, greedy.jsonl, nbest.jsonl of an earlier decode" in told


def test_a_threshold_for_something_else_is_refused(home: Path, sylvian: Call, tmp_path) -> None:
    run = trained(home)
    arguments = ["gate", "run", run, "--split", "test", "--lm", lm(home)]
    other = sylvian(*arguments, "--keyword", "open sesame")
    assert "its threshold is for 'chitty chitty bang bang', not for 'open sesame'" in other.err
    lexicon = tmp_path / "lexicon.txt"
    lexicon.write_text("chitty CH IY T IY\nbang B AE NG\nzebras Z IY B R AH Z\n")
    assert "other pronunciations" in sylvian(*arguments, "--lexicon", lexicon).err
    learnt = json.loads((run / "gate.json").read_text())["gate"]["encoder"]
    plant(run, -1.0, encoder="0123456789abcdef")
    assert "of encoder 0123456789abcdef, this run has another" in sylvian(*arguments).err
    plant(run, -1.0, encoder=learnt)
    bad = sylvian(*arguments, "--open-s", 0)
    assert (bad.status, "open_s" in bad.err) == (1, True)
    (run / "gate.json").unlink()
    missing = sylvian(*arguments)
    assert (missing.status, "no gate.json" in missing.err) == (1, True)
