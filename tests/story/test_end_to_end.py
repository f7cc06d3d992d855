"""End to end by the command line: phonemes, then sentences; decoded alone and with the cascade."""

import csv
import json
from pathlib import Path

import pytest
from safetensors.numpy import load_file

from story.driving import Call, speaker
from sylvian.data.synthetic import SyntheticConfig, simulate
from sylvian.decode.io import read_nbest
from sylvian.pipeline import prepare_corpus
from sylvian.text.wordsets import WORD_SETS

WHO, WHAT, WHERE = (
    ("I am", "They are", "We are"),
    ("going", "not going", "good"),
    ("", " home", " now"),
)
LINES = [f"{who} {what}{where}." for who in WHO for what in WHAT for where in WHERE]
SMALL = [
    "corpus=synthetic",
    "splits=bit",
    "start.recipe=tfs",
    'start.overrides=["encoder.width=32","encoder.depth=1","encoder.heads=1",'
    '"encoder.feedforward=32","train.epochs=1","train.batch_size=16"]',
    "train.epochs=2",
    "train.batch_size=16",
    "end_to_end.n_validated=4",
    "end_to_end.speech.alignment.width=8",
    "end_to_end.speech.alignment.queue=32",
    "end_to_end.speech.lora.rank=2",
]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("speaking")
    simulate(
        SyntheticConfig(participants=(speaker(train_trials=16, hidden_trials=2),)), folder / "raw"
    )
    prepare_corpus("synthetic", raw=folder / "raw", data=folder / "data")
    (folder / "text.txt").write_text("\n".join(LINES * 2) + "\n")
    return folder


def test_phonemes_then_sentences_then_both_together(home: Path, sylvian: Call) -> None:
    llm = home / "llm"
    heard = ("width=16", "layers=1", "heads=2", "vocabulary=400", "epochs=1", "heard=0.5")
    assert sylvian("llm", home / "text.txt", "--out", llm, *heard).status == 0
    named = f"end_to_end.llm.name={llm}"
    spelled = "end_to_end.speech.projector.kind=phonemes"
    outcome = sylvian("train", "end_to_end", *SMALL, named, spelled, "--json")
    assert outcome.status == 0, outcome.err
    run = Path(outcome.json["run"])
    assert outcome.json["val_per"] is None and outcome.json["val_wer"] > 0

    phonemes = Path(outcome.json["start"]).parent.parent
    assert json.loads((phonemes / "recipe.json").read_text())["recipe"]["name"] == "tfs"
    told = json.loads((run / "start.json").read_text())
    assert "head.weight" in told["tensors"] and "encoder.mask_token" in told["tensors"]
    rows = list(csv.DictReader((run / "metrics.csv").read_text().splitlines()))
    assert float(rows[1]["train_cross_entropy"]) < float(rows[0]["train_cross_entropy"])
    assert float(rows[1]["train_ctc"]) > 0 and float(rows[1]["train_contrastive"]) > 0
    kept = load_file(run / "checkpoint" / "best" / "weights.safetensors")
    assert {"projector.spell", "aligner.log_scale", "head.weight"} <= kept.keys()
    assert not any(name.startswith("llm.") for name in kept)
    assert (run / "checkpoint" / "best" / "adapters.safetensors").is_file()
    same = sylvian("train", "end_to_end", *SMALL, named, spelled, "--json").json
    assert same == outcome.json

    alone = sylvian("decode", run, "--split", "val", "--json")
    assert alone.status == 0, alone.err
    assert alone.json["lm"] is None
    spoken = read_nbest(run / "val" / "nbest.jsonl")
    assert all(h.scores.end_to_end is not None for own in spoken for h in own.hypotheses)
    assert sylvian("score", run, "--split", "val", "--json").json["decoder"] == "end-to-end"
    pronounced = home / "words.txt"
    pronounced.write_text("GOING G OW1 IH0 NG\nHOME HH OW1 M\n")
    held = ("--lexicon", pronounced, "--set", "words=lexicon")
    assert sylvian("decode", run, "--split", "val", *held).status == 0
    assert _written(run) <= {"going", "home"}
    fifty = ("--set", "word_set=50-word")
    assert sylvian("decode", run, "--split", "val", *fifty).status == 0
    assert _written(run) <= set(WORD_SETS["50-word"])
    llm.rename(home / "moved")
    gone = sylvian("decode", run, "--split", "val")
    assert gone.status != 0 and str(llm) in gone.err
    there = ("--set", f"llm.name={home / 'moved'}", "--set", "llm.dtype=bfloat16")
    assert sylvian("decode", run, "--split", "val", *there).status == 0
    (home / "moved").rename(llm)
    refused = sylvian("decode", run, "--split", "val", "--lm", home / "x.arpa")
    assert refused.status != 0 and "joint=cascade" in refused.err

    joint = sylvian("decode", run, "--split", "val", "--set", "joint=cascade")
    assert joint.status == 0, joint.err
    together = read_nbest(run / "val" / "nbest.jsonl")
    assert all(h.scores.acoustic and h.scores.ngram for n in together for h in n.hypotheses)
    tuned = sylvian("tune", run, "--json").json
    assert "end_to_end_weight" in tuned["weights"] and tuned["wer_after"] <= tuned["wer_before"]
    follows = sylvian("decode", run, "--split", "test", "--json").json
    assert follows["lm"].endswith("training-3gram.arpa.gz")  # as it was tuned
    score = sylvian("score", run, "--split", "test", "--json").json
    assert score["decoder"] == "end-to-end + cascade"
    assert sylvian("report", run, "--out", home / "report.html").status == 0
    assert "WER" in sylvian("show", run).out


def _written(run: Path) -> set[str]:
    """Find every word of every hypothesis for val."""
    lists = read_nbest(run / "val" / "nbest.jsonl")
    return {word for one in lists for h in one.hypotheses for word in h.text.split()}


def test_what_does_not_fit_is_said_before_the_phoneme_stage(home: Path, sylvian: Call) -> None:
    failed = sylvian("train", "end_to_end", *SMALL, "end_to_end.llm.name=/nowhere/at/all")
    assert failed.status != 0 and "/nowhere/at/all" in failed.err
    text_only = ("end_to_end.speech.modality=audio", f"end_to_end.llm.name={home / 'llm'}")
    deaf = sylvian("train", "end_to_end", *SMALL, *text_only, "start.overrides=[]")
    assert deaf.status != 0 and "modality=neural" in deaf.err  # before any training
    assert len(list((home / "runs").glob("tfs-*"))) <= 1
    wrong = sylvian("train", "end_to_end", *SMALL, "start.recipe=end_to_end")
    assert wrong.status != 0 and "start.recipe=end_to_end" in wrong.err
