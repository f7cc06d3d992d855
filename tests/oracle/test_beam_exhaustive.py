"""The beam search against every path there is, on lexicons small enough to count them."""

import functools
import itertools
import math
from collections.abc import Iterator

import numpy as np
import pytest

from sylvian.decode.beam import DecodeConfig, FirstPass
from sylvian.decode.graph import GraphConfig, build_graph
from sylvian.decode.ngram import ArpaModel, build_ngram
from sylvian.text import Lexicon, Vocabulary
from sylvian.types import Logits, NBest, TrialKey

KEY = TrialKey("synthetic", "A", "2024-01-01", 1, 1)
VOCABULARY = Vocabulary(("BLANK", "AA", "B", "SIL"))
# Homophones (a, ah), variants (ah), a prefix of another word (b, ba), a doubled phone (aha).
LEXICON = Lexicon(
    {
        "a": [["AA"]],
        "ah": [["AA"], ["AA", "B"]],
        "b": [["B"]],
        "ba": [["B", "AA"]],
        "bab": [["B", "AA", "B"]],
        "aha": [["AA", "AA"]],
    }
)
TEXT = ["a b", "ah ba a", "ba bab", "aha", "a ba b", "b b", "bab a", "ah", "ba a b", "a b a"]


def viterbi_by_labels(log_p: np.ndarray) -> dict[tuple[int, ...], float]:
    """Best score of every label sequence, from all paths."""
    best: dict[tuple[int, ...], float] = {}
    for path in itertools.product(range(log_p.shape[1]), repeat=len(log_p)):
        score = sum(log_p[t, c] for t, c in enumerate(path))
        labels = tuple(c for c, _ in itertools.groupby(path) if c)
        best[labels] = max(best.get(labels, -math.inf), score)
    return best


def readings(
    labels: tuple[int, ...], graph: GraphConfig
) -> Iterator[tuple[tuple[str, ...], float]]:
    """Every way to read labels as words with optional silences, with its silence log-cost."""
    sil = VOCABULARY.encode(["SIL"])[0]
    spoken = {w: [VOCABULARY.encode(p) for p in LEXICON[w]] for w in LEXICON}

    def after(position: int, p: float) -> Iterator[tuple[int, float]]:
        yield position, math.log(1 - p)
        if labels[position : position + 1] == (sil,):
            yield position + 1, math.log(p)

    def read(position: int) -> Iterator[tuple[tuple[str, ...], float]]:
        if position == len(labels):
            yield (), 0.0
        for word, prons in spoken.items():
            for phones in prons:
                if labels[position : position + len(phones)] == phones:
                    for end, cost in after(position + len(phones), graph.silence_probability):
                        for words, rest in read(end):
                            yield (word, *words), cost + rest

    for begin, cost in after(0, graph.start_silence_probability):
        for words, rest in read(begin):
            yield words, cost + rest


def grammar_score(model: ArpaModel, words: tuple[str, ...]) -> float:
    """Best way through the model when backing off is always allowed, as in every such graph."""
    ways = {model.start(): 0.0}
    for word in (*words, "</s>"):
        after: dict[int, float] = {}
        for start, score in ways.items():
            state, nats = start, score
            while True:
                node = int(model.find(np.array([state]), np.array([model.index[word]]))[0])
                if node >= 0:
                    top = node >= model.level_start[model.order]
                    goal = int(model.backoff[node]) if top else node
                    after[goal] = max(after.get(goal, -math.inf), nats + float(model.log_p[node]))
                if state == 0:
                    break
                nats += float(model.log_bow[state])
                state = int(model.backoff[state])
        ways = after
    return max(ways.values())


def exhaustive(
    logits: np.ndarray, model: ArpaModel, graph: GraphConfig, config: DecodeConfig
) -> dict[str, tuple[float, float, float]]:
    """Best total, acoustic and graph score of every sentence."""
    log_p = logits - np.log(np.exp(logits).sum(axis=1, keepdims=True))
    log_p[:, 0] -= config.blank_penalty
    found: dict[str, tuple[float, float, float]] = {}
    scored = functools.cache(functools.partial(grammar_score, model))
    for labels, acoustic in viterbi_by_labels(log_p).items():
        for words, silence in readings(labels, graph):
            ngram = scored(words) + silence
            total = (
                config.acoustic_scale * acoustic
                + config.lm_weight * ngram
                + config.word_bonus * len(words)
            )
            text = " ".join(words)
            if total > found.get(text, (-math.inf,))[0]:
                found[text] = (total, acoustic, ngram)
    return found


def search(logits: np.ndarray, model: ArpaModel, graph: GraphConfig, config: DecodeConfig) -> NBest:
    built = build_graph(model, LEXICON, config=graph, vocabulary=VOCABULARY)
    return FirstPass(built, config).decode(Logits(KEY, logits, 0.1, VOCABULARY))


WIDE = {"beam": 1e4, "lattice_beam": 12.0, "n_best": 400, "max_active": 100_000}
SETTINGS = [
    (GraphConfig(), DecodeConfig(acoustic_scale=1.0, blank_penalty=0.0, **WIDE)),
    (GraphConfig(), DecodeConfig(acoustic_scale=0.325, blank_penalty=math.log(90), **WIDE)),
    (
        GraphConfig(silence_probability=0.6, start_silence_probability=0.2),
        DecodeConfig(
            acoustic_scale=0.8, blank_penalty=math.log(2), lm_weight=1.7, word_bonus=0.9, **WIDE
        ),
    ),
]


@pytest.mark.parametrize("order", [1, 2, 3])
@pytest.mark.parametrize(("graph", "config"), SETTINGS, ids=["plain", "t15", "weights"])
@pytest.mark.parametrize("seed", [0, 1])
def test_every_sentence_near_the_best_and_its_scores(
    order: int, graph: GraphConfig, config: DecodeConfig, seed: int
) -> None:
    model = build_ngram(TEXT, order=order)
    logits = 3.0 * np.random.default_rng([seed, order]).normal(size=(6, 4)).astype(np.float64)
    truth = exhaustive(logits, model, graph, config)
    found = search(logits.astype(np.float32), model, graph, config).hypotheses
    best = max(total for total, *_ in truth.values())
    expected = {text for text, (total, *_) in truth.items() if total > best - 11.9}
    assert len(expected) > 5
    assert expected <= {h.text for h in found}
    assert len({h.text for h in found}) == len(found)
    for hypothesis in found:
        total, acoustic, ngram = truth[hypothesis.text]
        assert hypothesis.scores.acoustic == pytest.approx(acoustic, abs=2e-4)
        assert hypothesis.scores.ngram == pytest.approx(ngram, abs=2e-4)
        assert hypothesis.scores.n_words == len(hypothesis.text.split())
    totals = [truth[h.text][0] for h in found]
    assert totals == sorted(totals, reverse=True) or np.diff(totals).max() < 1e-4
    assert totals[0] == pytest.approx(best, abs=2e-4)


def test_tokens_spell_the_words_with_their_frames() -> None:
    model = build_ngram(TEXT, order=2)
    path = [3, 0, 2, 1, 1, 3, 1, 0, 1, 3]
    logits = np.zeros((10, 4), dtype=np.float32)
    logits[np.arange(10), path] = 20
    found = search(logits, model, GraphConfig(), DecodeConfig(acoustic_scale=1.0, blank_penalty=0))
    assert found.best.text == "ba aha"
    assert found.best.tokens == ("SIL", "B", "AA", "SIL", "AA", "AA", "SIL")
    assert found.best.frames == (0, 2, 3, 5, 6, 8, 9)
