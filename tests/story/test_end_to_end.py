"""End to end by the command line: phonemes, then sentences; decoded alone and with the cascade."""

import csv
import json
import re
from pathlib import Path

import pytest
from safetensors.numpy import load_file

from story.driving import Call, speaker
from sylvian.data.synthetic import SyntheticConfig, simulate
from sylvian.decode.io import read_nbest
from sylvian.jobs import labelled_trials, open_corpus
from sylvian.models.encoder import build_encoder
from sylvian.models.hub import load_causal
from sylvian.models.pretrained import save_pretrained
from sylvian.models.pretraining import PretrainingModel, ReconstructionConfig
from sylvian.models.sessions import SessionSpec
from sylvian.models.speechllm_files import load_ctc
from sylvian.models.transformer import TransformerConfig
from sylvian.pipeline import prepare_corpus
from sylvian.recipes import Checkpoint, build_recipe
from sylvian.runs import RunFolder
from sylvian.speakers import rehearse
from sylvian.starting import make_start
from sylvian.text import phoneme_vocabulary
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
TINY = TransformerConfig(width=8, depth=1, heads=2, head_width=4, feedforward=8)
PLAIN = [item for item in SMALL if "alignment" not in item]


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
    speaker = json.loads((run / "val" / "decode.json").read_text())["speaker"]
    causal, _ = load_causal(str(llm), device="cpu")
    assert speaker["weight_bytes"] == 4 * sum(p.numel() for p in causal.parameters())
    told = json.loads((run / "checkpoint" / "best" / "speechllm.json").read_text())
    assert speaker["fingerprint"] == told["backbone"]["fingerprint"]
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
    told = sylvian("errors", run, "--split", "test", "--out", home / "errors", "--json").json
    assert told["system"] == "end-to-end + cascade"
    numbers = json.loads((home / "errors" / "errors.json").read_text())
    assert list(numbers["repairs"]) == ["looked up \u2192 end-to-end + cascade"]
    _weights_stay_with_their_lists(run, sylvian)
    assert sylvian("report", run, "--out", home / "report.html").status == 0
    assert "WER" in sylvian("show", run).out


def _weights_stay_with_their_lists(run: Path, sylvian: Call) -> None:
    """What was tuned for one way of decoding ranks no other's lists, and that is said."""
    for tuned, asked in (("cascade", "ctc"), ("ctc", "alone")):
        told = ("--split", "val", "--set", f"joint={asked}", "--json")
        (note,) = sylvian("decode", run, *told).json["warnings"]
        assert f"joint={tuned}" in note and f"lists of joint={asked}" in note
        usual = json.loads((run / "recipe.json").read_text())["recipe"]["decode"]
        made = json.loads((run / "val" / "decode.json").read_text())["decode"]
        assert made == usual
        if asked == "ctc":
            assert sylvian("tune", run).status == 0
    assert note in sylvian("score", run, "--split", "val", "--json").json["notes"]


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
    short = (f"end_to_end.llm.name={home / 'llm'}", "end_to_end.speech.prompt.max_tokens=2")
    long = sylvian("train", "end_to_end", *SMALL, *short, "start.overrides=[]")
    assert long.status != 0 and "end_to_end.speech.prompt.max_tokens" in long.err
    assert re.search(r"synthetic/S15/\S+: \d+ tokens, at most 2 are allowed", long.err), long.err
    off = "end_to_end.speech.alignment=null"
    both = sylvian("train", "end_to_end", *PLAIN, short[0], off, "start.overrides=[]")
    assert "end_to_end.losses.contrastive=0" in both.err
    assert len(list((home / "runs").glob("tfs-*"))) <= 1


def test_switching_the_contrast_off_takes_what_the_error_advises(home: Path) -> None:
    named = f"end_to_end.llm.name={home / 'llm'}"
    off = ("end_to_end.speech.alignment=null", "end_to_end.losses.contrastive=0")
    recipe = build_recipe("end_to_end", [*PLAIN, named, *off, "end_to_end.losses.ctc=0"])
    data = open_corpus(recipe, home / "data")
    rehearse(recipe, *labelled_trials(recipe, data))


def test_sentences_start_from_phonemes_and_from_nothing_else(home: Path, sylvian: Call) -> None:
    named = f"end_to_end.llm.name={home / 'llm'}"
    before = set((home / "runs").iterdir())
    alike = [*(item for item in SMALL if not item.startswith("start.")), named]
    straight = sylvian("train", "end_to_end", *alike, "start.kind=pretraining")
    assert straight.status == 1 and "use start.kind=phonemes" in straight.err
    trunk = home / "trunk"
    anybody = SessionSpec(path="m/J/2020-01-01", participant="m/J", n_channels=3)
    save_pretrained(PretrainingModel(build_encoder(TINY, [anybody]), ReconstructionConfig()), trunk)
    from_it = ("start.kind=checkpoint", f"start.path={trunk}")
    refused = sylvian("train", "end_to_end", *alike, *from_it)
    assert refused.status == 1 and "knows no phonemes" in refused.err
    advised = " ".join(refused.err.split()).split("'start.overrides=")[1].split("'")[0]
    assert build_recipe("all", ["corpus=synthetic", *json.loads(advised)]).start == Checkpoint(
        path=str(trunk)
    )
    assert set((home / "runs").iterdir()) == before


def test_an_earlier_task_of_sentences_is_one_of_phonemes(home: Path) -> None:
    small = [item for item in SMALL if not item.startswith("start.")]
    encoder = json.loads(SMALL[3].partition("=")[2])
    named = f"end_to_end.llm.name={home / 'llm'}"
    recipe = build_recipe(
        "end_to_end", [*small, *encoder, named, "train.epochs=1", "start.kind=supervised"]
    )
    best = make_start(recipe, data=home / "data", runs=home / "runs")
    assert best is not None
    earlier = RunFolder(best.parent.parent)
    assert earlier.recipe.name == "tfs" and earlier.recipe.end_to_end is None
    assert earlier.training["val_wer"] is None and earlier.training["val_per"] > 0
    assert load_ctc(best).vocabulary.tokens == phoneme_vocabulary().tokens
