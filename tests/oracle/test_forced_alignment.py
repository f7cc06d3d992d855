"""Forced alignment against every path there is."""

import itertools

import numpy as np
import pytest

from sylvian.decode.alignment import align_tokens, word_spans
from sylvian.decode.greedy import greedy, log_softmax
from sylvian.errors import DataError, DecodeError
from sylvian.text import Vocabulary
from sylvian.types import Logits, TrialKey

VOCABULARY = Vocabulary(("BLANK", "A", "B", "SIL"))
KEY = TrialKey("toy", "T1", "2024-01-01", 1, 1)


def trial(n_frames: int, seed: int = 0) -> Logits:
    values = np.random.default_rng(seed).normal(size=(n_frames, 4)).astype(np.float32)
    return Logits(KEY, values * 2, 0.08, VOCABULARY)


def collapsed(path: tuple[int, ...]) -> tuple[int, ...]:
    return tuple(label for label, _ in itertools.groupby(path) if label)


def best_by_trying(logits: Logits, labels: tuple[int, ...]) -> float:
    log_p = log_softmax(logits)
    paths = itertools.product(range(4), repeat=len(log_p))
    return max(
        (sum(log_p[t, c] for t, c in enumerate(p)) for p in paths if collapsed(p) == labels),
        default=-np.inf,
    )


@pytest.mark.parametrize("seed", range(4))
@pytest.mark.parametrize("tokens", [(), ("A",), ("A", "B"), ("A", "A"), ("B", "A", "A", "SIL")])
def test_the_best_of_all_paths_is_found(tokens, seed):
    for n_frames in (1, 2, 4, 6):
        logits = trial(n_frames, seed)
        expected = best_by_trying(logits, VOCABULARY.encode(tokens))
        found = align_tokens(logits, tokens)
        if found is None:
            assert expected == -np.inf
            continue
        assert found.score == pytest.approx(expected)
        assert len(found.spans) == len(tokens)


def test_spans_say_the_path_that_was_scored():
    logits, tokens = trial(9, 3), ("A", "A", "B")
    found = align_tokens(logits, tokens)
    path = np.zeros(9, dtype=int)
    for label, (start, stop) in zip(VOCABULARY.encode(tokens), found.spans, strict=True):
        assert 0 <= start < stop
        path[start:stop] = label
    assert collapsed(tuple(path.tolist())) == VOCABULARY.encode(tokens)
    assert log_softmax(logits)[np.arange(9), path].sum() == pytest.approx(found.score)


def test_what_greedy_decoding_says_is_aligned_where_it_was_said():
    logits = trial(20, 1)
    said = greedy(logits)
    found = align_tokens(logits, said.tokens)
    assert tuple(start for start, _ in found.spans) == said.frames
    assert found.score == pytest.approx(said.scores.acoustic)


def test_too_few_frames_have_no_alignment():
    assert align_tokens(trial(3), ("A", "B", "A", "B")) is None
    assert align_tokens(trial(3), ("A", "A", "B")) is None  # a blank is needed between equals
    assert align_tokens(trial(4), ("A", "A", "B")) is not None
    assert align_tokens(trial(0), ()) is None


def test_unknown_tokens_and_broken_logits_are_refused():
    with pytest.raises(DataError, match="'ZZ'"):
        align_tokens(trial(4), ("ZZ",))
    broken = trial(4)
    broken.values[2] = np.nan
    with pytest.raises(DecodeError, match="frame 2"):
        align_tokens(broken, ("A",))


def test_words_are_the_phonemes_between_silences():
    tokens = ("A", "B", "SIL", "B", "SIL")
    spans = ((1, 2), (4, 6), (6, 8), (9, 10), (11, 12))
    assert word_spans(tokens, spans) == ((1, 6), (9, 10))
    assert word_spans((*tokens, "A"), (*spans, (13, 15))) == ((1, 6), (9, 10), (13, 15))
    assert word_spans(("SIL",), ((0, 1),)) == ()
