"""The small language model's tokens and shape."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from sylvian.config import load, override
from sylvian.errors import ConfigError
from sylvian.models.prompts import AUDIO_TAGS, NEURAL_TAGS, Prompt, PromptConfig
from sylvian.models.smalllm import END, START, SmallLmConfig, build_small_lm, train_tokenizer

SENTENCES = ("we don't know", "they went home", "we went there with them") * 20
TOKENIZER = train_tokenizer(SENTENCES, 420)
TINY = SmallLmConfig(vocabulary=420, width=16, layers=1, heads=2)


@given(st.text(st.characters(codec="utf-8", exclude_characters=".<|>"), max_size=30))
def test_any_text_comes_back_in_lower_case(text):
    tokens = TOKENIZER(text, add_special_tokens=False)["input_ids"]
    assert TOKENIZER.decode(tokens).removeprefix(" ") == text.lower().removeprefix(" ")


@pytest.mark.parametrize("sentence", SENTENCES[:3])
def test_a_space_before_a_sentence_changes_no_token(sentence):
    bare, spaced = TOKENIZER([sentence, " " + sentence], add_special_tokens=False)["input_ids"]
    assert bare == spaced
    assert len(bare) == len(sentence.replace("'", " '").split())  # a token for each word: it fits


def test_the_mark_that_closes_prose_is_the_end_of_a_sequence():
    *_, last = TOKENIZER("We went home.", add_special_tokens=False)["input_ids"]
    assert last == TOKENIZER.eos_token_id == TOKENIZER.convert_tokens_to_ids(END)
    assert TOKENIZER.bos_token_id == TOKENIZER.convert_tokens_to_ids(START)
    assert len({TOKENIZER.bos_token_id, TOKENIZER.eos_token_id, TOKENIZER.pad_token_id}) == 3


@pytest.mark.parametrize(("modality", "tags"), [("neural", NEURAL_TAGS), ("audio", AUDIO_TAGS)])
def test_prompts_are_a_tag_and_a_token_for_each_word(modality, tags):
    prompt = Prompt(PromptConfig(), TOKENIZER, n_embeddings=len(TOKENIZER), modality=modality)
    opening, closing = TOKENIZER.convert_tokens_to_ids(list(tags))
    assert prompt.before == (opening,)
    assert prompt.after[0] == closing
    said = "decode the above neural activity into an english sentence:"
    assert prompt.decode(prompt.after) == said
    assert len(prompt.after) == 1 + 10
    assert prompt.end == TOKENIZER.eos_token_id


def test_the_same_text_gives_the_same_tokens():
    again = train_tokenizer(SENTENCES, 420)
    assert again.get_vocab() == TOKENIZER.get_vocab()


def test_the_model_fits_its_tokenizer_and_shares_the_embedding():
    model = build_small_lm(TINY, TOKENIZER)
    assert model.get_input_embeddings().num_embeddings == len(TOKENIZER)
    assert model.lm_head.weight is model.get_input_embeddings().weight
    assert model.config.eos_token_id == TOKENIZER.eos_token_id


def test_the_seed_decides_the_weights_and_nothing_else():
    before = torch.get_rng_state()
    ours, same, other = (
        build_small_lm(TINY.model_copy(update={"seed": seed}), TOKENIZER) for seed in (1, 1, 2)
    )
    assert torch.equal(torch.get_rng_state(), before)
    assert torch.equal(ours.lm_head.weight, same.lm_head.weight)
    assert not torch.equal(ours.lm_head.weight, other.lm_head.weight)


def test_sizes_that_do_not_fit_are_refused():
    with pytest.raises(ConfigError, match="width=20 cannot be shared by heads=8"):
        load(SmallLmConfig, {"width": 20, "heads": 8})
    with pytest.raises(ConfigError, match="vocabulary=100 has no room for 256 bytes"):
        override(SmallLmConfig(), ["vocabulary=100"])
