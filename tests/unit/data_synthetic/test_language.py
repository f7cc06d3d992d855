import re

import numpy as np
import pytest

from sylvian.data.synthetic import PROMPT_SETS, draw_prompts, lm_text
from sylvian.data.synthetic.grammar import Grammar
from sylvian.data.synthetic.language import FIFTY, LARGE, prompt_grammar
from sylvian.errors import ConfigError
from sylvian.text import PHONES, Lexicon, normalize_sentence
from sylvian.text.wordsets import word_set

FIFTY_WORDS = set(word_set("50-word"))


@pytest.fixture(scope="module")
def large():
    return draw_prompts(LARGE, 8_000, np.random.default_rng(1))


@pytest.fixture(scope="module")
def fifty():
    return draw_prompts(FIFTY, 4_000, np.random.default_rng(1))


def words_of(sentences):
    return {word for sentence in sentences for word in normalize_sentence(sentence).split()}


def test_the_fifty_word_set_uses_those_fifty_words_and_no_other(fifty):
    assert len(FIFTY_WORDS) == 50
    assert words_of(fifty) == FIFTY_WORDS


def test_the_large_set_has_thousands_of_words_with_a_long_tail(large):
    counts = {}
    for sentence in large:
        for word in normalize_sentence(sentence).split():
            counts[word] = counts.get(word, 0) + 1
    assert len(counts) > 3_500
    assert sum(1 for n in counts.values() if n == 1) > 500  # rare words
    assert max(counts.values()) > 2_000  # and common ones


def test_every_word_is_in_cmudict(large, fifty):
    known = Lexicon.cmudict()
    assert {word for word in words_of(large) | words_of(fifty) if word not in known} == set()
    listed = prompt_grammar(LARGE).drawn_words
    assert {w for text in listed for w in text.lower().split() if w not in known} == set()


def test_sentences_look_like_published_prompts(large):
    assert all(sentence[0].isupper() for sentence in large)
    assert {sentence[-1] for sentence in large} >= {".", "?"}
    assert any("'" in sentence for sentence in large)
    assert any(re.search(r"[a-z]-[a-z]", sentence) for sentence in large)
    assert any(sentence[-1].isalpha() for sentence in large)  # some prompts have no full stop
    assert all(normalize_sentence(sentence).count(" ") < 12 for sentence in large)
    assert not any(re.search(r"[^A-Za-z' ,.?-]|  | [,.?]", sentence) for sentence in large)


def test_the_article_fits_the_pronunciation_of_the_next_word(large):
    known = Lexicon.cmudict()
    vowels = {phone for phone in PHONES if phone[0] in "AEIOU"}
    found = [m for s in large for m in re.finditer(r"\b(an?) ([\w'-]+)", s.lower())]
    assert len(found) > 1_000
    assert [m[0] for m in found if (m[1] == "an") != (known.pronounce(m[2])[0] in vowels)] == []


def test_large_prompts_hardly_repeat_and_fifty_word_prompts_do(large, fifty):
    assert len(set(large)) > 0.9 * len(large)
    assert 300 < len(set(fifty[:500])) < 470


def test_equal_seeds_give_equal_text_and_other_seeds_do_not():
    assert lm_text(50, 3) == lm_text(50, 3) != lm_text(50, 4)


def test_language_model_text_leaves_out_held_out_sentences_however_they_are_written():
    usual = lm_text(400, 7, shares={FIFTY: 1.0})
    banned = {normalize_sentence(text).upper() + " !" for text in usual[:100]}
    text = lm_text(400, 7, exclude=banned, shares={FIFTY: 1.0})
    assert {normalize_sentence(t) for t in text}.isdisjoint(normalize_sentence(b) for b in banned)
    assert len(text) == 400


def test_language_model_text_mixes_the_sets_as_asked():
    text = lm_text(600, 2, shares={FIFTY: 3.0, LARGE: 1.0})
    share = sum(words_of([s]) <= FIFTY_WORDS for s in text) / len(text)
    assert 0.70 < share < 0.80


@pytest.mark.parametrize("shares", [{}, {FIFTY: 0.0}, {FIFTY: 2.0, LARGE: -1.0}])
def test_shares_must_be_positive(shares):
    with pytest.raises(ConfigError, match="must be positive"):
        lm_text(3, 0, shares=shares)


def test_an_unknown_prompt_set_is_named():
    with pytest.raises(ConfigError, match="'Harvard'.*50-Word, Large"):
        draw_prompts("Harvard", 1, np.random.default_rng(0))


def test_too_much_excluded_is_said():
    everything = ["Hello.", "goodbye", "Okay!", "please", "Success."]  # all of a single word
    with pytest.raises(ConfigError, match="exclude fewer"):
        draw_prompts(FIFTY, 1, np.random.default_rng(1), exclude=everything, max_words=1)


def test_patterns_forms_and_weights_of_a_grammar():
    rules = "sentence\n  3 <did:past> a {noun.x}.\n  1 {verb.x:ing}\n\ndid:*\n  1 I {verb.x:*}\n"
    grammar = Grammar(rules, "noun.x: egg\nverb.x: stop+\n  stop+\n")
    rng = np.random.default_rng(0)
    written = [grammar.sentence(rng) for _ in range(2_000)]
    assert set(written) == {"I stopped an egg.", "Stopping"}
    assert 0.70 < written.count("I stopped an egg.") / 2_000 < 0.80
    assert grammar.drawn_words == {"egg", "stopped", "stopping"}


def test_prompt_sets_are_those_of_the_config():
    assert PROMPT_SETS == (FIFTY, LARGE)
