"""Every beam search: start, advance, finish; however the logits are cut, the list is the same."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sylvian.decode.beam import DecodeConfig, FirstPass
from sylvian.decode.combine import total_score
from sylvian.decode.graph import build_graph
from sylvian.decode.ngram import build_ngram
from sylvian.errors import DecodeError
from sylvian.text import Lexicon, Vocabulary, phoneme_vocabulary
from sylvian.types import Logits, TrialKey

KEY = TrialKey("synthetic", "A", "2024-01-01", 1, 1)
VOCABULARY = phoneme_vocabulary()
TEXT = ["we want to go home", "they want to go", "go home to them", "we go to them", "to be or not"]
CONFIGS = {
    "t15": DecodeConfig(),
    "narrow": DecodeConfig(acoustic_scale=0.8, beam=6.0, max_active=30, min_active=5, n_best=7),
    "one": DecodeConfig(acoustic_scale=0.5, n_best=1, lattice_beam=0.0, word_bonus=1.0),
}


@pytest.fixture(scope="module", params=CONFIGS, ids=CONFIGS)
def search(request: pytest.FixtureRequest) -> FirstPass:
    model = build_ngram(TEXT, order=3)
    graph = build_graph(model, Lexicon.cmudict().restrict(model.words))
    return FirstPass(graph, CONFIGS[request.param])


def noisy(seed: int, n_frames: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    values = rng.normal(size=(n_frames, 41)).astype(np.float32)
    phones = VOCABULARY.encode(Lexicon.cmudict().phonemes("we want to go home"))
    path = np.zeros(n_frames, dtype=np.int64)
    path[: len(phones) * 2 : 2] = phones[: (n_frames + 1) // 2]
    values[np.arange(n_frames), path] += 4
    return values


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 3), st.sets(st.integers(0, 40)))
def test_stream_equals_whole(search: FirstPass, seed: int, cuts: set[int]) -> None:
    values = noisy(seed, 40)
    whole = search.decode(Logits(KEY, values, 0.1, VOCABULARY))
    state = search.start(KEY)
    for begin, end in pairwise([0, *sorted(cuts), 40]):
        state = search.advance(state, values[begin:end])
    assert search.finish(state) == whole


def test_a_state_can_be_kept_and_continued_twice(search: FirstPass) -> None:
    values = noisy(5, 40)
    middle = search.advance(search.start(KEY), values[:20])
    first = search.finish(search.advance(middle, values[20:]))
    other = search.finish(search.advance(middle, values[:20]))
    assert search.finish(search.advance(middle, values[20:])) == first != other


def test_no_more_tokens_than_allowed_survive_a_frame(search: FirstPass) -> None:
    state, n_active = search.start(KEY), []
    for frame in noisy(3, 40):
        state = search.advance(state, frame[np.newaxis])
        n_active.append(len(state.active.state))
        assert state.active.cost.max() - state.active.cost.min() <= search.config.beam + 1e-9 or (
            n_active[-1] <= search.config.min_active + 1
        )
    assert 0 < max(n_active) <= search.config.max_active
    assert state.n_frames == 40


def test_lists_are_sorted_distinct_and_short_enough(search: FirstPass) -> None:
    found = search.decode(Logits(KEY, noisy(1, 40), 0.1, VOCABULARY)).hypotheses
    totals = [total_score(h.scores, search.config) for h in found]
    assert totals == sorted(totals, reverse=True)
    assert len({h.text for h in found}) == len(found) <= search.config.n_best
    assert totals[0] - totals[-1] <= search.config.lattice_beam + 0.01
    for hypothesis in found:
        assert len(hypothesis.tokens) == len(hypothesis.frames)
        assert list(hypothesis.frames) == sorted(set(hypothesis.frames))
        assert hypothesis.scores.n_words == len(hypothesis.text.split())


@pytest.mark.parametrize("n_frames", [0, 1, 2])
def test_a_trial_too_short_for_words_still_has_a_hypothesis(
    search: FirstPass, n_frames: int
) -> None:
    found = search.decode(Logits(KEY, noisy(1, n_frames), 0.1, VOCABULARY))
    assert np.isfinite(total_score(found.best.scores, search.config))


def test_columns_are_found_by_name(search: FirstPass) -> None:
    values = noisy(2, 40)
    order = np.random.default_rng(0).permutation(40) + 1
    shuffled = Vocabulary(("BLANK", *(VOCABULARY.tokens[i] for i in order)))
    other = Logits(KEY, values[:, [0, *order]], 0.1, shuffled)
    found = search.decode(other)
    assert found.best.text == search.decode(Logits(KEY, values, 0.1, VOCABULARY)).best.text


def test_unusable_logits_are_refused_by_name(search: FirstPass) -> None:
    values = noisy(2, 40)
    with pytest.raises(DecodeError, match="b01/t001: logits have 40 columns"):
        search.advance(search.start(KEY), values[:, :40])
    with pytest.raises(DecodeError, match="no column for 'ZH'"):
        small = Vocabulary((*VOCABULARY.tokens[:39], "SIL"))
        search.decode(Logits(KEY, values[:, [*range(39), 40]], 0.1, small))
    values[7, 3] = np.inf
    with pytest.raises(DecodeError, match="frame 7 has a NaN or infinite"):
        search.decode(Logits(KEY, values, 0.1, VOCABULARY))
    with pytest.raises(DecodeError, match="frame 7 has a NaN or infinite"):
        search.advance(search.advance(search.start(KEY), values[:5]), values[5:])


def test_no_final_state_lists_the_best_unfinished(search: FirstPass) -> None:
    """In the middle of the only possible word the sentence cannot end, and is listed as it is."""
    graph = build_graph(build_ngram(["home"], order=1), Lexicon({"home": [["HH", "OW", "M"]]}))
    strict = FirstPass(graph, DecodeConfig(acoustic_scale=5.0, blank_penalty=0.0, beam=5.0))
    values = np.zeros((2, 41), dtype=np.float32)
    values[[0, 1], VOCABULARY.encode(["HH", "OW"])] = 30
    found = strict.decode(Logits(KEY, values, 0.1, VOCABULARY))
    assert found.best.tokens[-2:] == ("HH", "OW")
