from itertools import product

import pytest
import torch

from sylvian.errors import DecodeError
from sylvian.models.generation import generate, score_sentences
from sylvian.models.prompts import Prompt, PromptConfig
from sylvian.models.sentence_search import BeamConfig, GreedyConfig, NucleusConfig
from sylvian.models.speechllm import SpeechLlm
from sylvian.models.word_constraint import WordConstraint
from tiny.llms import tokenizer
from tiny.speech import batch, build

WORDS = ("yes", "yesterday", "day", "you", "you're", "see", "a", "at", "tat")
ROOM = {"least_tokens": 12, "most_tokens": 12}
CONFIGS = {
    "greedy": GreedyConfig(**ROOM),
    "beam": BeamConfig(**ROOM, beams=4, n_best=4),
    "nucleus": NucleusConfig(**ROOM, samples=4, temperature=2.0, p=1.0),
}
every_config = pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS.keys())


def prompt(**changes: object) -> Prompt:
    return Prompt(PromptConfig(**changes), tokenizer(), n_embeddings=320)


@pytest.fixture(scope="module")
def speech() -> SpeechLlm:
    return build("llama")


@pytest.mark.parametrize("separator", [" ", "", "\n"])
def test_every_sentence_of_known_words_may_be_written(separator):
    own = prompt(separator=separator)
    rule = WordConstraint(own, WORDS)
    for length in (1, 2, 3):
        for words in product(WORDS, repeat=length):
            tokens = (*own.encode(" ".join(words)), own.end)
            for place, token in enumerate(tokens):
                assert token in rule.allowed(tokens[:place]).tolist()


def test_a_sentence_may_end_only_behind_a_word():
    own = prompt()
    rule = WordConstraint(own, ("yesterday",))
    tokens = own.encode("yesterday")
    assert len(tokens) > 1
    for place in range(1, len(tokens)):
        assert rule.allowed(tokens[:place]).tolist() == [tokens[place]]
    assert rule.allowed(tokens).tolist() == sorted({own.end, tokens[0]})
    assert own.end in rule.allowed(()).tolist()


def test_what_begins_no_word_goes_nowhere():
    own = prompt()
    assert WordConstraint(own, WORDS).allowed(own.encode("zzz")).tolist() == []


@every_config
def test_only_known_words_are_written(speech, config):
    rule = WordConstraint(speech.prompt, WORDS)
    free = generate(speech, batch(), config)
    assert any(set(c.text.split()) - set(WORDS) for own in free for c in own.candidates)
    held = generate(speech, batch(), config, words=rule)
    assert any(c.text for own in held for c in own.candidates)
    for own in held:
        assert own.candidates
        for candidate in own.candidates:  # finished, or cut short by the cap
            assert set(candidate.text.split()) <= set(WORDS)


@every_config
def test_a_sentence_keeps_the_number_it_has_without_the_constraint(speech, config):
    rule = WordConstraint(speech.prompt, WORDS)
    held = generate(speech, batch(), config, words=rule)
    finished = [[c for c in own.candidates if c.finished] for own in held]
    truth = score_sentences(speech, batch(), [[c.text for c in own] for own in finished])
    for own, numbers in zip(finished, truth, strict=True):
        assert [c.nats for c in own] == pytest.approx(numbers, abs=1e-3)


@pytest.mark.parametrize("room", range(1, 13))
@every_config
def test_no_word_is_left_unfinished_where_the_room_ends(speech, config, room):
    rule = WordConstraint(speech.prompt, ("yesterday", "a"))
    tight = config.model_copy(update={"least_tokens": room, "most_tokens": room})
    for own in generate(speech, batch(), tight, words=rule):
        assert own.candidates
        assert {word for c in own.candidates for word in c.text.split()} <= {"yesterday", "a"}


def test_a_word_is_begun_only_where_it_fits():
    own = prompt()
    rule = WordConstraint(own, ("yesterday", "a"))
    long, short = own.encode("yesterday"), own.encode("a")
    assert len(short) < len(long)
    fits = rule.allowed((), room=len(long)).tolist()
    assert {long[0], short[0], own.end} == set(fits)
    assert long[0] not in rule.allowed((), room=len(long) - 1).tolist()
    assert rule.allowed(long[:1], room=len(long) - 1).tolist() == [long[1]]


def test_no_words_at_all_is_an_error():
    with pytest.raises(DecodeError, match="no words"):
        WordConstraint(prompt(), ["", " "])


def test_allowed_tokens_are_sorted_and_different():
    allowed = WordConstraint(prompt(), WORDS).allowed(())
    assert torch.equal(allowed, allowed.unique())
