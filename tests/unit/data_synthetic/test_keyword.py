"""A keyword said between the prompts: as often as asked, in every split, and nothing else moves."""

import numpy as np
import pytest

from sylvian.config import digest, dump, load
from sylvian.data.synthetic import KeywordConfig, ParticipantConfig
from sylvian.data.synthetic.schedule import CUE_SET, plan
from sylvian.errors import ConfigError
from sylvian.text import Lexicon

SHAPE = {"sessions": 2, "train_trials": 40, "eval_trials": 20, "cues_per_session": 3}
KEYWORD = KeywordConfig(share=0.2)


def who(keyword, layout="card2024"):
    return ParticipantConfig(name="S15", layout=layout, keyword=keyword, **SHAPE)


def blocks(keyword, layout="card2024"):
    days = plan(who(keyword, layout), np.random.default_rng(4))
    return [block for day in days for block in day.blocks]


@pytest.mark.parametrize("layout", ["card2024", "willett2023"])
def test_each_split_has_its_share_and_the_other_prompts_stay(layout):
    before, after = blocks(None, layout), blocks(KEYWORD, layout)
    for plain, mixed in zip(before, after, strict=True):
        pairs = list(zip(plain.trials, mixed.trials, strict=True))
        assert [(a.number, a.split) for a, _ in pairs] == [(b.number, b.split) for _, b in pairs]
        if plain.prompt_set == CUE_SET:
            assert plain == mixed
            continue
        for split in {a.split for a, _ in pairs}:
            own = [(a, b) for a, b in pairs if a.split == split]
            said = [b for _, b in own if b.sentence == KEYWORD.phrase]
            assert len(said) == round(0.2 * len(own)) > 0
        assert all(b.sentence in (a.sentence, KEYWORD.phrase) for a, b in pairs)


def test_the_default_phrase_is_in_the_dictionary_of_sounds():
    assert " ".join(Lexicon.cmudict().phonemes(KEYWORD.phrase)).endswith("B AE NG SIL B AE NG SIL")


def test_a_config_without_a_keyword_is_written_as_before():
    assert "keyword" not in dump(who(None))
    assert load(ParticipantConfig, dump(who(KEYWORD))) == who(KEYWORD)
    assert digest(who(None)) != digest(who(KEYWORD))


@pytest.mark.parametrize("phrase", ["42", "[DO NOTHING]", " ", "?!"])
def test_a_keyword_nobody_can_say_is_refused(phrase):
    with pytest.raises(ConfigError, match="no word that can be said"):
        load(KeywordConfig, {"phrase": phrase})
