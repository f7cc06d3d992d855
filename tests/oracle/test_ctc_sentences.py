"""A sentence's likelihood against every alignment there is, the first pass, and torch's CTC."""

import itertools
import math
from collections.abc import Iterator

import numpy as np
import pytest
import torch

from sylvian.decode.beam import DecodeConfig, FirstPass
from sylvian.decode.ctcscore import IMPOSSIBLE_NATS, CtcScorer
from sylvian.decode.graph import GraphConfig, build_graph
from sylvian.decode.ngram import build_ngram
from sylvian.text import Lexicon, Vocabulary, phoneme_vocabulary
from sylvian.types import Logits, TrialKey

KEY = TrialKey("synthetic", "A", "2024-01-01", 1, 1)
VOCABULARY = Vocabulary(("BLANK", "AA", "B", "SIL"))
# Variants (ah), a prefix of another word (b, ba), a doubled phone (aha), doubles across words.
LEXICON = Lexicon(
    {
        "a": [["AA"]],
        "ah": [["AA"], ["AA", "B"], ["B", "B", "AA"]],
        "b": [["B"]],
        "ba": [["B", "AA"]],
        "aha": [["AA", "AA"]],
    }
)
TEXTS = ["", "a", "ah", "b b", "a ah", "ba a", "ah ah", "aha a", "b a ba", "aha aha"]


def noise(n_frames: int, seed: int, n_tokens: int = 4) -> np.ndarray:
    return (2.5 * np.random.default_rng([seed, n_frames]).normal(size=(n_frames, n_tokens))).astype(
        np.float32
    )


def readings(text: str, graph: GraphConfig) -> Iterator[tuple[tuple[int, ...], float]]:
    """Every choice of pronunciations and silences, as labels and weight."""
    words = text.split()
    chances = [graph.start_silence_probability, *[graph.silence_probability] * len(words)]
    for spoken in itertools.product(*(LEXICON[word] for word in words)):
        for pauses in itertools.product((True, False), repeat=len(chances)):
            labels: list[str] = []
            for pause, phones in zip(pauses, [*spoken, ()], strict=True):
                labels += [*(["SIL"] if pause else []), *phones]
            weight = math.prod(
                p if pause else 1 - p for pause, p in zip(pauses, chances, strict=True)
            )
            yield VOCABULARY.encode(labels), weight


def by_labels(log_p: np.ndarray) -> dict[tuple[int, ...], list[float]]:
    """Probability of every path, by the labels it spells."""
    found: dict[tuple[int, ...], list[float]] = {}
    for path in itertools.product(range(log_p.shape[1]), repeat=len(log_p)):
        labels = tuple(c for c, _ in itertools.groupby(path) if c)
        p = math.exp(sum(log_p[t, c] for t, c in enumerate(path)))
        found.setdefault(labels, []).append(p)
    return found


@pytest.mark.parametrize("n_frames", [0, 1, 3, 6])
@pytest.mark.parametrize("penalty", [0.0, math.log(7)])
@pytest.mark.parametrize("graph", [GraphConfig(), GraphConfig(silence_probability=0.3)])
def test_every_sentence_is_the_sum_or_the_best_of_its_alignments(
    n_frames: int, penalty: float, graph: GraphConfig
) -> None:
    logits = noise(n_frames, 0)
    log_p = logits - np.log(np.exp(logits.astype(np.float64)).sum(axis=1, keepdims=True))
    log_p[:, 0] -= penalty
    paths = by_labels(log_p)
    config = DecodeConfig(blank_penalty=penalty)
    for over, fold in (("sum", sum), ("best", max)):
        found = CtcScorer(LEXICON, config=config, graph=graph, over=over).score_sentences(
            Logits(KEY, logits, 0.1, VOCABULARY), TEXTS
        )
        for text, nats in zip(TEXTS, found.tolist(), strict=True):
            ways = [w * p for labels, w in readings(text, graph) for p in paths.get(labels, [])]
            truth = math.log(fold(ways)) if ways else IMPOSSIBLE_NATS
            assert nats == pytest.approx(truth, abs=1e-5), (over, text)


def test_the_best_path_is_the_first_passs() -> None:
    """Where silence costs as much as none, what the search calls acoustic is the best path's."""
    graph = GraphConfig(silence_probability=0.5, start_silence_probability=0.5)
    config = DecodeConfig(acoustic_scale=1.0, beam=1e4, lattice_beam=15.0, max_active=100_000)
    model = build_ngram(["a b", "ah ba a", "aha", "a ba b", "b b", "ba a b"], order=2)
    built = build_graph(model, LEXICON, config=graph, vocabulary=VOCABULARY)
    logits = Logits(KEY, noise(12, 3), 0.1, VOCABULARY)
    nbest = FirstPass(built, config).decode(logits)
    scorer = CtcScorer(LEXICON, config=config, graph=graph, over="best")
    ours = scorer.score_sentences(logits, [h.text for h in nbest.hypotheses])
    pauses = np.array([h.scores.n_words + 1 for h in nbest.hypotheses]) * math.log(0.5)
    theirs = [h.scores.acoustic for h in nbest.hypotheses]
    assert len(theirs) > 20
    np.testing.assert_allclose(ours - pauses, theirs, atol=1e-3)


@pytest.mark.parametrize("silence", [0.0, 1.0])
@pytest.mark.parametrize("text", ["hello", "a bee", "see ease", "the thirty three"])
def test_one_pronunciation_is_torchs_ctc(silence: float, text: str) -> None:
    vocabulary = phoneme_vocabulary()
    full = Lexicon.cmudict().restrict(text.split())
    lexicon = Lexicon({word: full[word][:1] for word in full})
    graph = GraphConfig(silence_probability=silence, start_silence_probability=0.0)
    values = noise(60, 1, len(vocabulary))
    labels = [p for w in text.split() for p in (*lexicon[w][0], *(["SIL"] if silence else []))]
    nats = torch.nn.functional.ctc_loss(
        torch.from_numpy(values).double().log_softmax(-1).unsqueeze(1),
        torch.tensor([vocabulary.encode(labels)]),
        torch.tensor([60]),
        torch.tensor([len(labels)]),
        reduction="sum",
    )
    scorer = CtcScorer(lexicon, config=DecodeConfig(blank_penalty=0.0), graph=graph)
    found = scorer.score_sentences(Logits(KEY, values, 0.1, vocabulary), [text])
    assert found.tolist() == pytest.approx([-float(nats)], rel=1e-6)
