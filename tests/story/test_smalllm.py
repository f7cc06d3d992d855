"""A language model from scratch by the command line, and everything that opens it."""

import json
from pathlib import Path

import numpy as np
import pytest

from story.driving import Call
from sylvian.models.adapters import LoraConfig
from sylvian.models.backbones import backbone_of
from sylvian.models.generation import generate
from sylvian.models.hub import load_causal, open_text_lm
from sylvian.models.sentence_search import GreedyConfig
from sylvian.models.speechllm import build_speech_llm
from sylvian.models.textlm import TextLmConfig
from sylvian.train.smalllm import sentence_nats
from tiny import speech

SMALL = ("epochs=2", "width=16", "layers=1", "heads=2", "vocabulary=400", "batch_tokens=128")


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("smalllm")
    rng = np.random.default_rng(0)
    who, what, where = ("We", "They", "You"), ("go", "want to go", "don't go"), ("home", "there")
    lines = [
        f"{rng.choice(who)} {rng.choice(what)} {rng.choice(where)} with {rng.choice(who)}."
        for _ in range(100)
    ]
    (folder / "text.txt").write_text("\n".join(lines) + "\n")
    return folder


def test_from_text_to_a_model_that_rescores_and_listens(sylvian: Call, home: Path) -> None:
    out = home / "llm"
    outcome = sylvian("llm", home / "text.txt", *SMALL, "--out", out, "--json")
    assert outcome.status == 0, outcome.err
    told = outcome.json
    assert told["llm"] == str(out)
    assert told["n_sentences"] < 100 and told["n_held_out"] == 2
    ours, trigram = told["rows"]
    assert (ours["name"], trigram["name"]) == ("llm", "3-gram")
    assert ours["low"] <= ours["bits"] <= ours["high"]

    kept = json.loads((out / "smalllm.json").read_text())
    assert kept["config"]["width"] == 16
    model, tokenizer = load_causal(str(out), device="cpu")
    texts = ["we go home with they", "don't go", "they want to go there"]
    own = sentence_nats(model, tokenizer, texts)
    read = open_text_lm(str(out)).score_sentences(texts)  # as prose, closed by any of three marks
    left_open = open_text_lm(str(out), config=TextLmConfig(style="plain")).score_sentences(texts)
    assert (own < read).all() and (read < left_open).all()

    settings = speech.settings(lora=LoraConfig(rank=2))
    speaks = build_speech_llm(
        speech.phoneme_model(), backbone_of(model), tokenizer, settings
    ).eval()
    (first, *_) = generate(speaks, speech.batch((40,)), GreedyConfig())
    assert first.candidates


def test_it_is_written_again_and_alike_by_the_same_seed(sylvian: Call, home: Path) -> None:
    out = home / "twice"
    made = []
    for _ in range(2):
        outcome = sylvian("llm", home / "text.txt", *SMALL, "max_steps=5", "--out", out)
        assert outcome.status == 0, outcome.err
        made.append([(out / name).read_bytes() for name in ("model.safetensors", "tokenizer.json")])
    assert made[0] == made[1]
    assert "5 updates" in outcome.out


def test_a_model_on_disk_is_taught_on_and_keeps_its_sizes(sylvian: Call, home: Path) -> None:
    first, second = home / "pupil", home / "taught"
    for out, settings in ((first, SMALL), (second, (f"base={first}", "heard=0.5", "max_steps=3"))):
        outcome = sylvian("llm", home / "text.txt", *settings, "--out", out, "--json")
        assert outcome.status == 0, outcome.err
    told = outcome.json
    assert [row["name"] for row in told["rows"]] == ["taught", "taught, heard", "3-gram"]
    before, tokenizer = load_causal(str(first), device="cpu")
    after, same = load_causal(str(second), device="cpu")
    assert same.get_vocab() == tokenizer.get_vocab()
    shift = (after.lm_head.weight - before.lm_head.weight).abs().max().item()
    assert 0 < shift < 0.01  # three small updates on from there, not from fresh weights


@pytest.mark.parametrize(
    ("text", "out", "settings", "said"),
    [
        ("text.txt", "foreign", (), "foreign: holds something that 'sylvian llm' did not write"),
        ("few.txt", "new", (), "few.txt: 2 different sentences, a language model needs at least"),
        ("none.txt", "new", (), "none.txt: cannot be read as UTF-8 text"),
        ("empty.txt", "new", (), "empty.txt: no sentence in it"),
        ("text.txt", "new", ("depth=3",), "unknown key 'depth'"),
        ("text.txt", "new", ("width=20", "heads=8"), "sylvian: width=20 cannot be shared by"),
        ("text.txt", "new", ("base=smollm2", "layers=3"), "layers=3 cannot be chosen for base="),
        ("text.txt", "new", ("base=nowhere",), "nowhere: no such folder, and no name of a model"),
        ("text.txt", "new", ("learning_rate=-1",), "learning_rate: Input should be greater than 0"),
    ],
)
def test_bad_input_is_named(
    sylvian: Call, home: Path, text: str, out: str, settings: tuple[str, ...], said: str
) -> None:
    (home / "foreign").mkdir(exist_ok=True)
    (home / "foreign" / "thesis.txt").write_text("mine\n")
    (home / "few.txt").write_text("yes\nno\nyes\n")
    (home / "empty.txt").write_text("\n123\n")
    outcome = sylvian("llm", home / text, *settings, "--out", home / out)
    assert outcome.status == 1
    assert said in outcome.err
    assert (home / "foreign" / "thesis.txt").read_text() == "mine\n"
    assert not (home / "new").exists()
