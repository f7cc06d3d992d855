"""Graph and search against Kaldi's own tools: kaldilm, kaldifst and kaldi-decoder.

The same grammar, lexicon and topology are built the long way, T o det(L o G) with disambiguation
symbols, and searched by Kaldi's decoder; best words and both scores must agree.
"""

import math
from collections import Counter
from pathlib import Path

import numpy as np
import pytest

from sylvian.decode.beam import DecodeConfig, FirstPass
from sylvian.decode.combine import total_score
from sylvian.decode.graph import GraphConfig, build_graph
from sylvian.decode.ngram import ArpaModel, build_ngram, write_arpa
from sylvian.text import Lexicon, phoneme_vocabulary
from sylvian.types import Logits, TrialKey

kaldifst = pytest.importorskip("kaldifst")
kaldilm = pytest.importorskip("kaldilm")
kaldi_decoder = pytest.importorskip("kaldi_decoder")

VOCABULARY = phoneme_vocabulary()
N = len(VOCABULARY)
SIL = VOCABULARY.encode(["SIL"])[0]
TEXT = """we want to go home
they want to go to their home
there is a red rose in the park
read the book to them
to be or not to be
the end of the road is there
two of them want to be there too
see the sea and be in the sun
our son is one hour late
you won one
""".splitlines()


class KaldiCascade:
    """T o LG as paper.md section 5.1 and Kaldi's recipes build it; column c is label c + 1."""

    def __init__(
        self, model: ArpaModel, lexicon: Lexicon, graph: GraphConfig, folder: Path
    ) -> None:
        self.words = ["<eps>", *model.words, "#0", "<s>", "</s>"]
        self.index = {word: number for number, word in enumerate(self.words)}
        prons = [(word, p) for word in model.words for p in lexicon[word]]
        counts = Counter(p for _, p in prons)
        prefixes = {p[:k] for _, p in prons for k in range(1, len(p))}
        used: Counter[tuple[str, ...]] = Counter()
        self.n_disambig = 0
        entries = []
        for word, p in prons:
            mark = 0
            if counts[p] > 1 or p in prefixes:
                used[p] += 1
                mark = used[p]
                self.n_disambig = max(self.n_disambig, mark)
            entries.append((word, p, mark))
        lg = kaldifst.compose(self.lexicon(entries, graph), self.grammar(model, folder))
        kaldifst.determinize_star(lg)
        kaldifst.minimize_encoded(lg)
        kaldifst.arcsort(lg, "ilabel")
        self.fst = kaldifst.compose(self.topology(), lg)

    def grammar(self, model: ArpaModel, folder: Path):
        write_arpa(model, folder / "lm.arpa")
        table = "".join(f"{word} {number}\n" for word, number in self.index.items())
        (folder / "words.txt").write_text(table)
        kaldilm.arpa2fst(
            str(folder / "lm.arpa"),
            str(folder / "G.fst"),
            disambig_symbol="#0",
            read_symbol_table=str(folder / "words.txt"),
            max_arpa_warnings=0,
        )
        return kaldifst.StdVectorFst.read(str(folder / "G.fst"))

    def lexicon(self, entries: list, graph: GraphConfig):
        fst, arc = kaldifst.StdVectorFst(), kaldifst.StdArc
        start, loop, silent, after = (fst.add_state() for _ in range(4))
        fst.start = start
        fst.set_final(loop, 0.0)

        def costs(p: float) -> tuple[float, float]:
            return -math.log(1 - p), -math.log(p)

        skip, take = costs(graph.start_silence_probability)
        fst.add_arc(start, arc(0, 0, skip, loop))
        fst.add_arc(start, arc(0, 0, take, silent))
        fst.add_arc(silent, arc(SIL + 1, 0, 0.0, after))
        fst.add_arc(after, arc(N + 2 + self.n_disambig, 0, 0.0, loop))
        skip, take = costs(graph.silence_probability)
        for word, phones, mark in entries:
            labels = [c + 1 for c in VOCABULARY.encode(phones)] + [N + 1 + mark] * bool(mark)
            state, said = loop, self.index[word]
            for label in labels[:-1]:
                following = fst.add_state()
                fst.add_arc(state, arc(label, said, 0.0, following))
                state, said = following, 0
            fst.add_arc(state, arc(labels[-1], said, skip, loop))
            fst.add_arc(state, arc(labels[-1], said, take, silent))
        fst.add_arc(loop, arc(N + 1, self.index["#0"], 0.0, loop))
        kaldifst.arcsort(fst, "olabel")
        return fst

    def topology(self):
        fst, arc = kaldifst.StdVectorFst(), kaldifst.StdArc
        states = [fst.add_state() for _ in range(N)]  # 0: after a blank; c: after label c
        fst.start = 0
        for state in states:
            fst.set_final(state, 0.0)
            fst.add_arc(state, arc(1, 0, 0.0, 0))
            for label in range(1, N):
                fst.add_arc(state, arc(label + 1, label + 1 if label != state else 0, 0.0, label))
            for mark in range(N + 1, N + 3 + self.n_disambig):
                fst.add_arc(state, arc(0, mark, 0.0, state))
        kaldifst.arcsort(fst, "olabel")
        return fst

    def best(self, scaled: np.ndarray) -> tuple[str, float, float]:
        options = kaldi_decoder.FasterDecoderOptions(beam=40.0, max_active=10**9)
        decoder = kaldi_decoder.FasterDecoder(self.fst, options)
        decoder.decode(kaldi_decoder.DecodableCtc(scaled.astype(np.float32)))
        assert decoder.reached_final()
        _, lattice = decoder.get_best_path()
        _, _, said, weight = kaldifst.get_linear_symbol_sequence(lattice)
        return " ".join(self.words[i] for i in said), weight.value1, weight.value2


@pytest.mark.parametrize("order", [1, 2, 4])
def test_best_words_and_scores_are_kaldis(order: int, tmp_path: Path) -> None:
    model = build_ngram(TEXT, order=order)
    lexicon = Lexicon.cmudict().restrict(model.words)
    graph = GraphConfig(start_silence_probability=0.3)
    config = DecodeConfig(acoustic_scale=0.7, blank_penalty=math.log(7), beam=40.0, n_best=5)
    kaldi = KaldiCascade(model, lexicon, graph, tmp_path)
    search = FirstPass(build_graph(model, lexicon, config=graph), config)
    rng = np.random.default_rng(order)
    texts = set()
    for trial, sentence in enumerate(TEXT):
        labels = VOCABULARY.encode(lexicon.phonemes(sentence))
        path = [c for label in labels for c in (0, label)]
        values = rng.normal(size=(len(path), N)).astype(np.float32)
        values[np.arange(len(path)), path] += 3.0
        key = TrialKey("s", "A", "2024-01-01", 1, trial)
        found = search.decode(Logits(key, values, 0.1, VOCABULARY))
        log_p = values - np.log(np.exp(values.astype(np.float64)).sum(axis=1, keepdims=True))
        log_p[:, 0] -= config.blank_penalty
        text, graph_cost, acoustic_cost = kaldi.best(config.acoustic_scale * log_p)
        best = next(h for h in found.hypotheses if h.text == text)
        tie = total_score(best.scores, config) - total_score(found.best.scores, config)
        assert tie == pytest.approx(0, abs=1e-5), "homophones of one context score alike"
        assert -best.scores.ngram == pytest.approx(graph_cost, abs=5e-3)
        assert -config.acoustic_scale * best.scores.acoustic == pytest.approx(
            acoustic_cost, abs=5e-3
        )
        texts.add(text)
    assert len(texts) > 5
