"""The benchmark of the keyword spotter, on utterances whose sentences are easy or lost in noise."""

import numpy as np
import pytest

from keyword_spotting import Spoken, measure, score
from sylvian.text import Lexicon, phoneme_vocabulary
from sylvian.types import Logits, TrialKey

VOCABULARY = phoneme_vocabulary()
LEXICON = Lexicon.cmudict()
SENTENCES = [
    f"{who} {does} {what}"
    for who in ("you", "they", "we", "i")
    for does in ("bring", "want", "see")
    for what in ("water", "music", "the family", "glasses")
]


def say(text: str, *, clear: float, seed: int) -> Logits:
    rng = np.random.default_rng(seed)
    columns = [c for own in VOCABULARY.encode(LEXICON.phonemes(text)) for c in (own, own, 0)]
    values = rng.normal(0, 1, size=(len(columns), len(VOCABULARY)))
    values[np.arange(len(columns)), columns] += clear
    key = TrialKey("synthetic", "S15", "2031-01-06", 1, seed)
    return Logits(key, values.astype(np.float32), 0.1, VOCABULARY)


@pytest.fixture(scope="module")
def clear_and_lost():
    found = []
    for clear in (7.0, 1.0):
        logits = [say(text, clear=clear, seed=place) for place, text in enumerate(SENTENCES)]
        folds = [place % 5 for place in range(len(SENTENCES))]
        found.append(score(Spoken(logits, SENTENCES, folds, LEXICON)))
    return found


def test_every_sentence_is_a_keyword_once(clear_and_lost) -> None:
    clear, _ = clear_and_lost
    assert clear.own.shape == clear.alike.shape == (48,)
    assert clear.others.shape == (48, 30)
    assert (clear.own > clear.others.max(axis=1)).all()
    assert (clear.alike >= np.median(clear.others, axis=1)).all()


def test_what_is_clear_is_told_and_what_is_lost_is_not(clear_and_lost) -> None:
    clear, lost = (measure(one, 0.02) for one in clear_and_lost)
    assert clear["false_accepts"]["wilson"]["high"] < 0.02
    assert clear["misses"]["value"] < 0.15
    assert lost["misses"]["value"] > clear["misses"]["value"]
    assert clear["misses"]["n"] == 48
