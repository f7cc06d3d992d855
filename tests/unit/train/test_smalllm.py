"""How the small language model learns."""

import copy

import numpy as np
import pytest
import torch

from sylvian.config import load
from sylvian.errors import ConfigError, DataError
from sylvian.models.prompts import phoneme_tokens
from sylvian.models.smalllm import SmallLmConfig, build_small_lm, learn_phonemes, train_tokenizer
from sylvian.models.textlm import CausalLm
from sylvian.text import phoneme_vocabulary
from sylvian.train.smalllm import fit_small_lm, sentence_nats
from tiny import llms

RNG = np.random.default_rng(0)
WHO, WHAT, WHERE = ("we", "they", "you"), ("go", "want to go", "don't go"), ("home", "there", "")
SENTENCES = [
    " ".join(f"{RNG.choice(WHO)} {RNG.choice(WHAT)} {RNG.choice(WHERE)}".split())
    for _ in range(200)
]
TOKENIZER = train_tokenizer(SENTENCES, 400)
TINY = SmallLmConfig(
    vocabulary=400, width=16, layers=1, heads=2, epochs=4, batch_tokens=64, learning_rate=0.02
)


def fitted(config=TINY):
    model = build_small_lm(config, TOKENIZER)
    steps = fit_small_lm(model, TOKENIZER, SENTENCES, config)
    return model, steps


@pytest.fixture(scope="module")
def learned():
    return fitted()[0]


def test_a_score_is_what_transformers_gives_one_sentence_at_a_time(learned):
    texts = ["they go home", "we", "home go they want to we", "they go home"]
    ours = sentence_nats(learned, TOKENIZER, texts)
    for text, nats in zip(texts, ours, strict=True):
        ids = TOKENIZER(text, add_special_tokens=False)["input_ids"]
        row = torch.tensor([[TOKENIZER.bos_token_id, *ids, TOKENIZER.eos_token_id]])
        with torch.no_grad():
            loss = learned(input_ids=row, labels=row).loss.item()
        assert nats == pytest.approx(-loss * (row.shape[1] - 1), abs=1e-3)


def test_rescoring_reads_the_same_number(learned):
    """Prose has capitals and a mark at its end: the tokenizer makes them small, and the end."""
    texts = ["they go home", "we don't go there", "you want to go"]
    read = CausalLm(learned, TOKENIZER).score_sentences(texts)
    np.testing.assert_allclose(read, sentence_nats(learned, TOKENIZER, texts), atol=0.05)


def test_what_it_read_is_likelier_than_the_same_words_in_disorder(learned):
    good = sentence_nats(learned, TOKENIZER, ["they want to go home", "we don't go there"])
    bad = sentence_nats(learned, TOKENIZER, ["to home go they want", "there go don't we"])
    assert (good > bad + 5).all()
    assert (good > -8).all()  # 27 sentences: 3.3 nats each


def test_equal_seeds_give_equal_models_and_leave_torchs_state_alone():
    before = torch.get_rng_state()
    short = TINY.model_copy(update={"max_steps": 5})
    (ours, _), (same, _), (other, _) = (
        fitted(short.model_copy(update={"seed": seed})) for seed in (0, 0, 1)
    )
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(ours.lm_head.weight, same.lm_head.weight)
    assert not torch.equal(ours.lm_head.weight, other.lm_head.weight)


def test_updates_are_counted_and_may_be_fewer():
    model = build_small_lm(TINY, TOKENIZER)
    told = []
    config = TINY.model_copy(update={"max_steps": 3})
    steps = fit_small_lm(
        model,
        TOKENIZER,
        SENTENCES,
        config,
        told=lambda step, total, nats: told.append((step, total)),
    )
    assert steps == 3
    assert told == [(1, 3), (2, 3), (3, 3)]
    assert not model.training


def test_a_loss_that_is_not_finite_is_named():
    model = build_small_lm(TINY, TOKENIZER)
    model.lm_head.weight.data.fill_(float("nan"))
    with pytest.raises(ConfigError, match="update 1 is nan; choose a smaller learning_rate"):
        fit_small_lm(model, TOKENIZER, SENTENCES, TINY)


def test_a_sentence_longer_than_the_model_reads_is_named():
    model = build_small_lm(TINY, TOKENIZER)
    with pytest.raises(DataError, match="'we go we go .* tokens, the model reads at most 1022"):
        fit_small_lm(model, TOKENIZER, [*SENTENCES, "we go " * 600], TINY)


@pytest.mark.parametrize("name", ["llama", "qwen3"])
def test_a_published_model_learns_phonemes_as_tokens_of_their_own(name):
    model, tokenizer = llms.model(name), copy.deepcopy(llms.tokenizer())
    known, before = len(tokenizer), model.get_input_embeddings().weight.detach().clone()
    learn_phonemes(model, tokenizer)
    tokens = phoneme_tokens(tokenizer, phoneme_vocabulary().tokens)
    assert len(tokenizer) == known + len(tokens) and min(tokens) == known
    table = model.get_input_embeddings().weight.detach()
    assert torch.equal(table[:known], before[:known])
    spelled = tokenizer(" aa", add_special_tokens=False)["input_ids"]
    aa = tokens[phoneme_vocabulary().tokens.index("AA")]
    torch.testing.assert_close(table[aa], before[spelled].mean(0))
    assert model.config.vocab_size >= len(tokenizer)


@pytest.mark.parametrize("precision", ["float32", "bfloat16"])
def test_a_published_model_is_taught_to_read_them(precision):
    """Behind its own phonemes a sentence must become likelier than behind another's."""
    model, tokenizer = llms.model("llama"), copy.deepcopy(llms.tokenizer())
    learn_phonemes(model, tokenizer)
    config = SmallLmConfig(
        base="x", heard=1.0, prompted=0.0, max_steps=20, batch_tokens=256, learning_rate=0.02
    ).model_copy(update={"precision": precision})
    lost = []
    fit_small_lm(
        model, tokenizer, SENTENCES, config, told=lambda step, total, nats: lost.append(nats)
    )
    assert np.mean(lost[-3:]) < 0.5 * np.mean(lost[:3])
    assert model.dtype == torch.float32
    texts = sorted(set(SENTENCES))
    behind, alone = (sentence_nats(model, tokenizer, texts, heard=seed) for seed in (0, None))
    assert behind.sum() > alone.sum() + len(texts)
    np.testing.assert_array_equal(behind, sentence_nats(model, tokenizer, texts, heard=0))


def test_sizes_of_a_base_are_its_own():
    with pytest.raises(ConfigError, match="width=96 cannot be chosen for base=smollm2"):
        load(SmallLmConfig, {"base": "smollm2", "width": 96})
    assert SmallLmConfig(base="smollm2").rate < SmallLmConfig().rate
    assert SmallLmConfig(base="smollm2", learning_rate=1e-5).rate == 1e-5
