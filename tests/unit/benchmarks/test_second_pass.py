from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from _cross_fit import CrossFit, Settings
from _second_pass import oracle, second_pass
from _t15_decodes import Heard, ValTrial
from sylvian.decode.graph import DecodingGraph, GraphConfig, build_graph
from sylvian.decode.ngram import build_ngram
from sylvian.text import Lexicon
from sylvian.types import NBest
from tiny.text import saved

WORDS = {"cat": "K AE T", "bat": "B AE T", "dog": "D AO G", "see": "S IY", "tea": "T IY"}
LEXICON = Lexicon({word: [phones.split()] for word, phones in WORDS.items()})


def make_trials(n: int) -> list[ValTrial]:
    rng = np.random.default_rng(1)
    trials = []
    for number in range(n):
        sentence = " ".join(rng.choice(list(WORDS), size=3))
        phonemes = LEXICON.phonemes(sentence)
        mistaken = {"K": "B", "S": "T"}
        heard = Heard((tuple(mistaken.get(p, p) if rng.random() < 0.5 else p for p in phonemes),))
        day = f"t15.2023.08.{10 + number % 6}"
        trials.append(ValTrial(day, sentence, phonemes, heard, heard, heard, {}))
    return trials


@pytest.fixture(scope="module")
def graph() -> DecodingGraph:
    rng = np.random.default_rng(0)
    text = [" ".join(rng.choice(list(WORDS), size=3)) for _ in range(300)]
    silence = GraphConfig(silence_probability=1.0, start_silence_probability=0.0)
    return build_graph(build_ngram(text, order=2), LEXICON, config=silence)


def fit(trials: list[ValTrial], graph: DecodingGraph) -> CrossFit:
    counts = Counter({LEXICON[word][0]: 50 for word in WORDS})
    settings = Settings(n_folds=3, l2=1.0, max_iterations=5)
    return CrossFit(trials, [[trial.greedy] for trial in trials], counts, graph, settings)


def test_candidates_are_chosen_by_weights_of_other_folds(
    graph: DecodingGraph, tmp_path: Path
) -> None:
    trials = make_trials(30)
    crossed = fit(trials, graph)
    lists: list[NBest] = crossed.decode(n_best=10)
    assert [n.best.text for n in lists] == [n.best.text for n in crossed.decode()]
    folder = str(saved(tmp_path / "lm", "llama"))
    found = second_pass(crossed, lists, folder, {}, tmp_path)
    assert all(
        text in {h.text for h in nbest.hypotheses}
        for text, nbest in zip(found.texts, lists, strict=True)
    )
    assert len(found.weights) == 3 and found.n_known == 0
    own = next(
        i for i, t in enumerate(trials) if [x.sentence for x in trials].count(t.sentence) == 1
    )
    crossed.trials = [replace(t, sentence="dog") if i == own else t for i, t in enumerate(trials)]
    again = second_pass(crossed, lists, folder, {}, tmp_path)
    assert again.n_known == again.n_sentences
    fold = crossed.folds[own]
    same = [i for i, other in enumerate(crossed.folds) if other == fold]
    assert again.weights[fold] == found.weights[fold]
    assert [again.texts[i] for i in same] == [found.texts[i] for i in same]


def test_the_oracle_is_never_worse(graph: DecodingGraph) -> None:
    trials = make_trials(30)
    crossed = fit(trials, graph)
    lists = crossed.decode(n_best=10)
    best = sum(t.sentence == text for t, text in zip(trials, oracle(crossed, lists), strict=True))
    first = sum(t.sentence == n.best.text for t, n in zip(trials, lists, strict=True))
    assert first < best <= len(trials)
