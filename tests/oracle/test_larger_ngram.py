"""A larger n-gram that reads a lattice, against every sentence and its exact score."""

import math

import numpy as np
import pytest

from oracle.test_beam_exhaustive import (
    KEY,
    LEXICON,
    TEXT,
    VOCABULARY,
    readings,
    viterbi_by_labels,
)
from sylvian.decode.arpa import ArpaModel
from sylvian.decode.beam import DecodeConfig, FirstPass
from sylvian.decode.graph import GraphConfig, build_graph
from sylvian.decode.larger import LargerLm
from sylvian.decode.ngram import build_ngram
from sylvian.errors import DecodeError
from sylvian.text import Lexicon
from sylvian.types import Logits, NBest

WIDE = {"beam": 1e4, "lattice_beam": 60.0, "n_best": 200, "max_active": 100_000}
NEAR = 11.9  # nats; further down the first pass itself may miss a sentence's best alignment
SETTINGS = [
    (GraphConfig(), DecodeConfig(acoustic_scale=1.0, blank_penalty=0.0, **WIDE)),
    (
        GraphConfig(silence_probability=0.6, start_silence_probability=0.2),
        DecodeConfig(
            acoustic_scale=0.8, blank_penalty=math.log(2), lm_weight=1.7, word_bonus=0.9, **WIDE
        ),
    ),
]


def exhaustive(
    logits: np.ndarray, larger: ArpaModel, graph: GraphConfig, config: DecodeConfig
) -> dict[str, tuple[float, float, float]]:
    """Best total, acoustic and graph score of every sentence, its n-gram scored word by word."""
    log_p = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
    log_p[:, 0] -= config.blank_penalty
    found: dict[str, tuple[float, float, float]] = {}
    for labels, acoustic in viterbi_by_labels(log_p).items():
        for words, silence in readings(labels, graph):
            ngram = larger.score_words(words) + silence
            total = (
                config.acoustic_scale * acoustic
                + config.lm_weight * ngram
                + config.word_bonus * len(words)
            )
            text = " ".join(words)
            if total > found.get(text, (-math.inf,))[0]:
                found[text] = (total, acoustic, ngram)
    return found


def search(
    logits: np.ndarray,
    orders: tuple[int, int],
    graph: GraphConfig,
    config: DecodeConfig,
) -> NBest:
    small, larger = (build_ngram(TEXT, order=order) for order in orders)
    built = build_graph(small, LEXICON, config=graph, vocabulary=VOCABULARY)
    first_pass = FirstPass(built, config, larger=larger)
    return first_pass.decode(Logits(KEY, logits, 0.1, VOCABULARY))


@pytest.mark.parametrize("orders", [(1, 2), (1, 3), (2, 3)])
@pytest.mark.parametrize(("graph", "config"), SETTINGS, ids=["plain", "weights"])
def test_the_list_is_that_of_a_search_with_the_larger_ngram(
    orders: tuple[int, int], graph: GraphConfig, config: DecodeConfig
) -> None:
    logits = 3.0 * np.random.default_rng([7, *orders]).normal(size=(6, 4)).astype(np.float64)
    truth = exhaustive(logits, build_ngram(TEXT, order=orders[1]), graph, config)
    found = search(logits.astype(np.float32), orders, graph, config).hypotheses
    assert len(found) > 50 and len({h.text for h in found}) == len(found)
    best = max(total for total, *_ in truth.values())
    near = [h for h in found if truth[h.text][0] > best - NEAR]
    assert len(near) > 5
    for hypothesis in near:
        _, acoustic, ngram = truth[hypothesis.text]
        assert hypothesis.scores.acoustic == pytest.approx(acoustic, abs=2e-4)
        assert hypothesis.scores.ngram == pytest.approx(ngram, abs=2e-4)
    ranked = sorted(truth.values(), reverse=True)
    totals = [truth[h.text][0] for h in found]
    np.testing.assert_allclose(totals[:50], [total for total, *_ in ranked[:50]], atol=2e-4)


def test_the_same_ngram_again_changes_nothing() -> None:
    """Kneser-Ney interpolates, so backing off never pays and the graph scores as the model does."""
    graph, config = SETTINGS[1]
    model = build_ngram(TEXT, order=2)
    logits = 3.0 * np.random.default_rng(3).normal(size=(6, 4)).astype(np.float32)
    built = build_graph(model, LEXICON, config=graph, vocabulary=VOCABULARY)
    one = Logits(KEY, logits, 0.1, VOCABULARY)
    plain = FirstPass(built, config).decode(one).hypotheses
    again = FirstPass(built, config, larger=model).decode(one).hypotheses
    assert [h.text for h in again[:20]] == [h.text for h in plain[:20]]
    np.testing.assert_allclose(
        [h.scores.ngram for h in again[:20]], [h.scores.ngram for h in plain[:20]], atol=2e-4
    )
    assert [h.tokens for h in again[:20]] == [h.tokens for h in plain[:20]]


def test_a_trial_that_cannot_end_pays_for_no_end() -> None:
    """One frame, within a word, and nothing else in the beam."""
    text = ["bab", "bab bab"]
    small, larger = build_ngram(text, order=1), build_ngram(text, order=2)
    graph = GraphConfig(silence_probability=0.6, start_silence_probability=0.2)
    lexicon = Lexicon({"bab": [["B", "AA", "B"]]})
    built = build_graph(small, lexicon, config=graph, vocabulary=VOCABULARY)
    config = DecodeConfig(acoustic_scale=1.0, blank_penalty=0.0, beam=5.0, min_active=0)
    logits = np.zeros((1, 4), np.float32)
    logits[0, 2] = 90.0
    found = FirstPass(built, config, larger=larger).decode(Logits(KEY, logits, 0.1, VOCABULARY))
    said = larger.score(larger.start(), "bab")[0] if found.best.text else 0.0
    assert found.best.scores.ngram == pytest.approx(math.log(0.8) + said, abs=2e-4)


def test_a_word_the_larger_ngram_lacks_is_unknown_to_it() -> None:
    small, fewer = build_ngram(TEXT, order=1), build_ngram(["a b", "b a"], order=2)
    built = build_graph(small, LEXICON, config=GraphConfig(), vocabulary=VOCABULARY)
    known = LargerLm.join(fewer, built.words)
    place = 1 + built.words.index("bab")
    assert known.symbol[place] == fewer.index["<unk>"]
    bare = ArpaModel(
        tuple("?" if symbol == "<unk>" else symbol for symbol in fewer.symbols),
        fewer.level_start,
        fewer.parent,
        fewer.word,
        fewer.log_p,
        fewer.log_bow,
    )
    with pytest.raises(DecodeError, match="lacks 4 of the decoding graph's words"):
        FirstPass(built, larger=bare)
