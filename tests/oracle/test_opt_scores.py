"""OPT as it is published: its own begin token, learned positions, and the score of nejm's code."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer, models, pre_tokenizers, trainers
from transformers import AutoModelForCausalLM, AutoTokenizer, OPTConfig, OPTForCausalLM

from sylvian.models.hub import open_text_lm
from sylvian.models.textlm import CausalLm, TextLmConfig
from tiny.text import CORPUS

TEXTS = ["we want to go home", "we want to go", "they", "i'm sure they went there with a red rose"]
FIRST, LAST = ("<s>", "<pad>", "</s>", "<unk>"), ("<|endoftext|>", "madeupword0000")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Write vocab.json and merges.txt of GPT-2's kind, numbered as OPT numbers them.

    OPT has RoBERTa's vocabulary: four special tokens, then all of GPT-2's, among them
    <|endoftext|>, which OPT has never read; </s> begins its texts.
    """
    folder = tmp_path_factory.mktemp("opt")
    raw: Any = Tokenizer(models.BPE())
    raw.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=320, initial_alphabet=alphabet, show_progress=False)
    raw.train_from_iterator(CORPUS, trainer)
    learned = json.loads(raw.to_str())["model"]
    tokens = [*FIRST, *sorted(learned["vocab"], key=learned["vocab"].get), *LAST]
    numbered = {token: number for number, token in enumerate(tokens)}
    (folder / "vocab.json").write_text(json.dumps(numbered))
    merges = "\n".join(" ".join(pair) for pair in learned["merges"])
    (folder / "merges.txt").write_text(f"#version: 0.2\n{merges}\n")
    settings = {
        "tokenizer_class": "GPT2Tokenizer",
        "bos_token": "</s>",
        "eos_token": "</s>",
        "unk_token": "</s>",
        "pad_token": "<pad>",
        "add_bos_token": True,
        "add_prefix_space": False,
    }
    (folder / "tokenizer_config.json").write_text(json.dumps(settings))
    shape = OPTConfig(
        vocab_size=len(tokens) + 7,  # published rows are padded, too
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=4,
        ffn_dim=64,
        word_embed_proj_dim=16,
        max_position_embeddings=64,
        init_std=0.4,  # large, so that a wrong begin or position shows
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(0)
        OPTForCausalLM(shape).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def lm(folder: Path) -> CausalLm:
    return open_text_lm(str(folder), config=TextLmConfig(style="plain", device="cpu"))


def theirs(folder: Path) -> tuple[Any, Any]:
    return AutoModelForCausalLM.from_pretrained(folder).eval(), AutoTokenizer.from_pretrained(
        folder
    )


def test_a_text_begins_as_the_tokenizer_begins_it(lm: CausalLm, folder: Path) -> None:
    _, tokenizer = theirs(folder)
    assert tokenizer("we go")["input_ids"][0] == 2
    assert lm.start == 2


def test_a_score_is_transformers_own_loss(lm: CausalLm, folder: Path) -> None:
    model, tokenizer = theirs(folder)
    for text, found in zip(TEXTS, lm.score_sentences(TEXTS), strict=True):
        ids = tokenizer(text, return_tensors="pt")["input_ids"]
        with torch.inference_mode():
            loss = model(input_ids=ids, labels=ids).loss.item()
        assert found == pytest.approx(-loss * (ids.shape[1] - 1), abs=1e-3)


def test_a_score_is_that_of_the_published_batch(lm: CausalLm, folder: Path) -> None:
    """Formula 5 (dossier §5.2): a padded batch, the begin token read and not scored."""
    model, tokenizer = theirs(folder)
    batch = tokenizer(TEXTS, return_tensors="pt", padding=True)
    with torch.inference_mode():
        log = model(**batch).logits.log_softmax(-1)
    expected = [
        float(sum(log[row, place - 1, ids[place]] for place in range(1, int(mask.sum()))))
        for row, (ids, mask) in enumerate(
            zip(batch["input_ids"], batch["attention_mask"], strict=True)
        )
    ]
    np.testing.assert_allclose(lm.score_sentences(TEXTS), expected, atol=1e-3)


def test_another_begin_would_show(lm: CausalLm) -> None:
    """The checks can fail: another token there moves every score."""
    before = lm.score_sentences(TEXTS)
    begin, lm.start = lm.start, lm.start + 1
    try:
        assert (np.abs(lm.score_sentences(TEXTS) - before) > 0.1).all()
    finally:
        lm.start = begin
