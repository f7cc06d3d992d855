import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sylvian.decode.greedy import greedy
from sylvian.errors import DecodeError
from sylvian.text import Vocabulary, phoneme_vocabulary
from sylvian.types import Logits, TrialKey

KEY = TrialKey("synthetic", "A", "2024-01-01", 1, 1)
VOCABULARY = phoneme_vocabulary()


def logits_of(path: list[int], vocabulary: Vocabulary = VOCABULARY) -> Logits:
    values = np.zeros((len(path), len(vocabulary)), dtype=np.float32)
    values[np.arange(len(path)), path] = 9.0
    return Logits(KEY, values, 0.1, vocabulary)


def test_a_repeat_across_a_blank_is_kept() -> None:
    a = VOCABULARY.encode(["AA"])[0]
    hypothesis = greedy(logits_of([a, a, 0, a]))
    assert hypothesis.tokens == ("AA", "AA")
    assert hypothesis.frames == (0, 3)


def test_sil_is_a_token_and_text_stays_empty() -> None:
    hypothesis = greedy(logits_of([0, *VOCABULARY.encode(["HH", "AY", "SIL"]), 0]))
    assert hypothesis.tokens == ("HH", "AY", "SIL")
    assert hypothesis.text == ""


def test_no_frames_give_no_tokens() -> None:
    hypothesis = greedy(logits_of([]))
    assert (hypothesis.tokens, hypothesis.frames, hypothesis.scores.acoustic) == ((), (), 0.0)


def test_score_is_the_log_likelihood_of_the_best_path() -> None:
    values = np.log(np.array([[0.2, 0.7, 0.1], [0.5, 0.25, 0.25]], dtype=np.float32)) + 3
    hypothesis = greedy(Logits(KEY, values, 0.1, Vocabulary(("BLANK", "A", "SIL"))))
    assert hypothesis.scores.acoustic == pytest.approx(np.log(0.7) + np.log(0.5), abs=1e-6)


@settings(deadline=None)
@given(st.lists(st.integers(0, 3), max_size=30))
def test_collapse_equals_the_textbook(path: list[int]) -> None:
    merged = [c for i, c in enumerate(path) if i == 0 or c != path[i - 1]]
    vocabulary = Vocabulary(("BLANK", "A", "B", "SIL"))
    expected = vocabulary.decode([c for c in merged if c != 0])
    assert greedy(logits_of(path, vocabulary)).tokens == expected


def test_nan_is_refused_by_name() -> None:
    logits = logits_of([1, 2, 3])
    logits.values[1, 5] = np.nan
    with pytest.raises(DecodeError, match=r"2024-01-01/b01/t001: frame 1 has a NaN"):
        greedy(logits)
