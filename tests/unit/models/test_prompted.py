from typing import Any

import pytest
import torch

from sylvian.decode.consensus import Pool
from sylvian.errors import DecodeError
from sylvian.merging.judges import ask
from sylvian.models.prompted import MergerConfig, PromptedMerger, first_sentence
from sylvian.types import TrialKey
from tiny.text import tiny

CANDIDATES = [("we go home", 0.6), ("i go home", 0.4)]
CHAT = (
    "{% for m in messages %}<{{ m['role'] }}>{{ m['content'] }}\n{% endfor %}"
    "{% if add_generation_prompt %}<assistant>{% endif %}"
)


def merger(**changed: Any) -> PromptedMerger:
    return PromptedMerger(*tiny("llama"), name="tiny", config=MergerConfig(**changed))


class Scripted(PromptedMerger):
    """Answers what it is told to; everything around the answer is real."""

    answers: list[str]

    def answer(self, candidates: Any) -> str:
        return self.answers.pop(0)


def pools(*said: list[str]) -> list[Pool]:
    keys = (TrialKey("synthetic", "A", "2024-01-01", 1, n) for n in range(len(said)))
    return [
        Pool.of(key, [{text: 1.0} for text in texts]) for key, texts in zip(keys, said, strict=True)
    ]


@pytest.mark.parametrize(
    ("written", "sentence"),
    [
        ("I would like some water.\nAnd more", "i would like some water"),
        ("\n\n2) We go home (40%)", "we go home"),
        ("Sentence: 'We go home'", "'we go home'"),
        ("  \n", ""),
        ("...", ""),
    ],
)
def test_the_sentence_is_taken_out_of_an_answer(written: str, sentence: str) -> None:
    assert first_sentence(written) == sentence


def test_a_question_shows_every_candidate_with_its_share() -> None:
    plain = merger().prompt(CANDIDATES)
    assert "1. We go home (60%)\n2. I go home (40%)" in plain
    assert plain.endswith("Sentence:") and "I would like some water." in plain
    assert "water" not in merger(example=False).prompt(CANDIDATES)
    chatty = merger()
    chatty._tokenizer.chat_template = CHAT
    asked = chatty.prompt(CANDIDATES)
    assert asked.startswith("<user>Several") and asked.endswith("<assistant>")
    assert asked.count("<user>") == 2 and asked.count("Several speech recognisers") == 1


def test_a_real_model_answers_the_same_every_time_and_stops() -> None:
    one = merger()
    first = one.answer(CANDIDATES)
    assert one.answer(CANDIDATES) == first == merger().answer(CANDIDATES)
    assert one.seconds > 0.0 and one.n_bytes > 10_000
    assert "\n" not in first
    torch.manual_seed(3)
    state = torch.get_rng_state()
    one.answer(CANDIDATES)
    assert torch.equal(state, torch.get_rng_state())


def test_a_question_that_is_too_long_is_refused() -> None:
    long = " ".join(["home"] * 3000)
    with pytest.raises(DecodeError, match="show fewer candidates"):
        merger().answer([(long, 0.5), ("we go home", 0.5)])


def test_votes_decide_where_an_answer_is_no_use() -> None:
    asked = Scripted(*tiny("llama"), name="scripted")
    asked.answers = ["", "a rose is a rose is a rose", "i go home", "we went home"]
    agreed, *others = ["we go home"] * 2, *[["we go home", "i go home", "we go home"]] * 4
    found = ask(pools(agreed, *others), asked)
    assert list(found.texts.values()) == ["we go home"] * 3 + ["i go home", "we went home"]
    assert (found.n_alike, found.n_empty, found.n_far, found.n_chosen, found.n_written) == (1,) * 5
    assert found.n_asked == 4 and "4 trials of 5" in found.note()
    assert asked.answers == []


def test_silence_is_never_asked_about() -> None:
    asked = Scripted(*tiny("llama"), name="scripted")
    asked.answers = ["we go"]
    found = ask(pools(["", ""], ["", "we go", "we go home"]), asked)
    assert list(found.texts.values()) == ["", "we go"]
    assert found.n_alike == 1
