import subprocess
import sys
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from _cross_fit import CrossFit, Settings
from _t15_decodes import Heard, ValTrial
from sylvian.decode.graph import DecodingGraph, GraphConfig, build_graph
from sylvian.decode.ngram import build_ngram
from sylvian.text import Lexicon

WORDS = {
    "cat": "K AE T",
    "bat": "B AE T",
    "dog": "D AO G",
    "see": "S IY",
    "tea": "T IY",
}
LEXICON = Lexicon({word: [phones.split()] for word, phones in WORDS.items()})
MISTAKES = {"K": "P", "AO": "IH"}  # what the network of these participants tends to hear
SETTINGS = Settings(n_folds=3, l2=1.0, max_iterations=10)


def make_trials(n: int) -> list[ValTrial]:
    rng = np.random.default_rng(1)
    trials = []
    for number in range(n):
        sentence = " ".join(rng.choice(list(WORDS), size=3))
        phonemes = LEXICON.phonemes(sentence)
        heard = tuple(MISTAKES.get(p, p) if rng.random() < 0.6 else p for p in phonemes)
        heard_by = Heard((heard,))
        day = f"t15.2023.08.{10 + number % 6}"
        trials.append(ValTrial(day, sentence, phonemes, heard_by, heard_by, heard_by, {}))
    return trials


@pytest.fixture(scope="module")
def graph() -> DecodingGraph:
    rng = np.random.default_rng(0)
    text = [" ".join(rng.choice(list(WORDS), size=3)) for _ in range(300)]
    silence = GraphConfig(silence_probability=1.0, start_silence_probability=0.0)
    return build_graph(build_ngram(text, order=2), LEXICON, config=silence)


def fit(trials: list[ValTrial], graph: DecodingGraph) -> CrossFit:
    counts = Counter({LEXICON[word][0]: 50 for word in WORDS})
    return CrossFit(trials, [[trial.greedy] for trial in trials], counts, graph, SETTINGS)


def test_neither_day_nor_sentence_is_on_both_sides(graph: DecodingGraph) -> None:
    trials = make_trials(48)
    crossed = fit(trials, graph)
    for held_out in ((0,), (0, 2)):
        inside = [t for t, f in zip(trials, crossed.folds, strict=True) if f in held_out]
        learned = [trials[i] for i in crossed.training_trials(*held_out)]
        assert learned
        assert {t.session for t in learned}.isdisjoint(t.session for t in inside)
        assert {t.sentence for t in learned}.isdisjoint(t.sentence for t in inside)


def test_habitual_mistakes_are_undone(graph: DecodingGraph) -> None:
    trials = make_trials(48)
    decoded = [nbest.best.text for nbest in fit(trials, graph).decode()]
    wrong = sum(text != t.sentence for text, t in zip(decoded, trials, strict=True))
    mistaken = sum(t.greedy.hypotheses[0] != t.phonemes for t in trials)
    assert wrong < mistaken / 3


def test_a_trials_own_truth_never_touches_its_decode(graph: DecodingGraph) -> None:
    trials = make_trials(36)
    sentences = [trial.sentence for trial in trials]
    crossed = fit(trials, graph)
    before = crossed.decode()
    own = next(i for i, s in enumerate(sentences) if sentences.count(s) == 1)
    lie = "dog dog dog"
    assert lie not in sentences
    trials[own] = replace(trials[own], sentence=lie, phonemes=LEXICON.phonemes(lie))
    after = fit(trials, graph).decode()
    same_fold = [i for i, fold in enumerate(crossed.folds) if fold == crossed.folds[own]]
    assert [after[i] for i in same_fold] == [before[i] for i in same_fold]


def test_absent_data_is_one_sentence_and_exit_status_one(tmp_path: Path) -> None:
    script = Path(__file__).parents[3] / "benchmarks" / "phonemes_to_sentences.py"
    command = [sys.executable, str(script), "--data", str(tmp_path), "--json"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert done.stdout == ""
    assert len(done.stderr.splitlines()) == 1 and str(tmp_path) in done.stderr
