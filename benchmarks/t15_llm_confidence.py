"""Whether a language model knows when a real decode of T15 is right: calibration, abstention.

    python benchmarks/phonemes_to_sentences.py --input n-best --llm smollm2 --keep DIR
    python benchmarks/t15_llm_confidence.py --data ../shared/data --keep DIR --out FIGURES --json

The lists (100 candidates of 1,342 trials) and SmolLM2's log-probabilities are those of the first
command. Two systems: sentences of the first pass, and of the second. For the same sentences of a
system, confidence is learnt from the posterior of the n-gram's list and the sentence's length, and
then with the language model: in the posterior, as log-probability a word, and as both, which is
what `sylvian calibrate` uses on a rescored split. Weights, temperatures and maps are cross-fitted
over recording days, and without the sentences of the fold; differences are paired over trials.
"""

from __future__ import annotations

import argparse
import json
import sqlite3
from collections.abc import Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from _second_pass import NO_LLM, WITH_LLM
from _t15_decodes import read_val_trials, session_folds
from sylvian.decode.combine import rerank, total_score, with_llm
from sylvian.decode.confidence import Belief, believe, fit_temperature, sentence_features
from sylvian.decode.config import DecodeConfig
from sylvian.decode.io import read_nbest
from sylvian.decode.tune import tune
from sylvian.evaluate import word_edits
from sylvian.evaluate.abstention import risk_coverage
from sylvian.evaluate.calibration import calibration, plain
from sylvian.evaluate.recalibration import cross_fitted, fit_logistic
from sylvian.evaluate.selective import compare_confidences
from sylvian.figures import canvas, panel, save
from sylvian.figures.confidence import reliability_diagram, risk_coverage_curve
from sylvian.figures.style import DOUBLE_MM
from sylvian.types import EditCounts, NBest, TrialKey

N_FOLDS = 5
LISTS = "n-best-100best.jsonl"
START = DecodeConfig(acoustic_scale=1.0, lm_weight=1.0)
SHARE, NATS, LENGTH = range(3)  # columns of `sentence_features`
WAYS = {
    "n-gram posterior": ("without", [SHARE, LENGTH]),
    "posterior with LLM": ("with", [SHARE, LENGTH]),
    "n-gram posterior, LLM a word": ("without", [SHARE, NATS, LENGTH]),
    "posterior with LLM, LLM a word": ("with", [SHARE, NATS, LENGTH]),
}
PLAIN, *OTHERS = WAYS


@dataclass(frozen=True)
class Trials:
    """Lists with the language model's scores, the truth, and the fold of each trial's day."""

    lists: Sequence[NBest]
    sentences: Sequence[str]
    folds: np.ndarray

    def outside(self, fold: int) -> list[int]:
        """Trials of other folds whose sentence does not occur in this one."""
        inside = {self.sentences[i] for i in np.flatnonzero(self.folds == fold)}
        return [i for i in np.flatnonzero(self.folds != fold) if self.sentences[i] not in inside]


def read(data: Path, keep: Path) -> Trials:
    """Lay the kept lists and scores beside the truth."""
    trials = [trial for trial in read_val_trials(data) if trial.n_best is not None]
    if not ((keep / LISTS).is_file() and (keep / "scores.sqlite").is_file()):
        raise SystemExit(
            f"{keep}: no lists; make them with 'phonemes_to_sentences.py --input n-best --llm "
            f"smollm2 --keep {keep}'"
        )
    with closing(sqlite3.connect(keep / "scores.sqlite")) as store:
        (models,) = store.execute("SELECT COUNT(DISTINCT model) FROM scores").fetchone()
        if models != 1:
            raise SystemExit(f"{keep}: scores of {models} language models; keep one")
        nats = dict(store.execute("SELECT text, nats FROM scores"))
    lists = [with_llm(nbest, nats) for nbest in read_nbest(keep / LISTS)]
    folds = session_folds([trial.session for trial in trials], N_FOLDS)
    if len(lists) != len(trials):
        raise SystemExit(f"{keep / LISTS}: {len(lists)} lists for {len(trials)} trials")
    return Trials(lists, [trial.sentence for trial in trials], np.array(folds))


def weights(trials: Trials, fold: int, grid: Any) -> DecodeConfig:
    """Tune on the other days."""
    usable = [trials.lists[i] for i in trials.outside(fold)]
    truth = {trials.lists[i].key: trials.sentences[i] for i in trials.outside(fold)}

    def count(key: TrialKey, text: str) -> EditCounts:
        return word_edits(truth[key], text)

    return tune(usable, count, config=START, grid=grid).config


def said_first(nbest: NBest, text: str) -> NBest:
    """Put one sentence at the head of its list."""
    ordered = sorted(nbest.hypotheses, key=lambda hypothesis: hypothesis.text != text)
    return NBest(nbest.key, tuple(ordered))


def beliefs(
    trials: Trials, lists: Sequence[NBest], of_fold: Sequence[DecodeConfig], right: np.ndarray
) -> list[Belief]:
    """Share out belief under each fold's weights, at a temperature fitted on the other folds."""
    found: dict[int, Belief] = {}
    for fold, config in enumerate(of_fold):
        totals = {
            i: np.array([total_score(h.scores, config) for h in lists[i].hypotheses])
            for i in trials.outside(fold)
        }
        heat = fit_temperature(list(totals.values()), right[list(totals)])
        for i in np.flatnonzero(trials.folds == fold):
            found[i] = believe(lists[i], config, temperature=heat)
    return [found[i] for i in range(len(lists))]


def of_system(
    trials: Trials, texts: Sequence[str], of_fold: dict[str, Sequence[DecodeConfig]]
) -> dict[str, Any]:
    """Learn confidence in a system's sentences in each way, and compare."""
    counts = [word_edits(t, said) for t, said in zip(trials.sentences, texts, strict=True)]
    right = np.array([count.n_errors == 0 for count in counts])
    lists = [said_first(nbest, text) for nbest, text in zip(trials.lists, texts, strict=True)]
    features = {
        name: sentence_features(beliefs(trials, lists, configs, right))
        for name, configs in of_fold.items()
    }
    sure = {
        name: cross_fitted(features[which][:, columns], right, trials.folds.tolist(), fit_logistic)
        for name, (which, columns) in WAYS.items()
    }
    return {
        "wer": sum(counts, EditCounts()).rate,
        "calibration": {name: calibration(one, right) for name, one in sure.items()},
        "risk": {name: risk_coverage(one, counts) for name, one in sure.items()},
        "against": {name: compare_confidences(sure[PLAIN], sure[name], counts) for name in OTHERS},
    }


def measure(trials: Trials) -> dict[str, Any]:
    """Compare the ways for the sentences of both passes."""
    found: dict[str, Sequence[DecodeConfig]] = {
        "without": [weights(trials, fold, NO_LLM) for fold in range(N_FOLDS)],
        "with": [weights(trials, fold, WITH_LLM) for fold in range(N_FOLDS)],
    }
    systems = {"first pass": "without", "second pass": "with"}
    return {
        name: of_system(
            trials,
            [
                rerank(nbest, found[which][fold]).best.text
                for nbest, fold in zip(trials.lists, trials.folds.tolist(), strict=True)
            ],
            found,
        )
        for name, which in systems.items()
    }


def draw(found: dict[str, Any], out: Path) -> None:
    """Draw reliability and risk of the second pass' sentences, without and with the LLM."""
    second = found["second pass"]
    both = {"without LLM": PLAIN, "with LLM": OTHERS[-1]}
    figure = canvas(DOUBLE_MM, 60)
    for place, (title, way) in enumerate(both.items()):
        axis = panel(figure, 12 + 58 * place, 7, 42, 42)
        reliability_diagram(axis, second["calibration"][way], title=title)
    axis = panel(figure, 132, 7, 47, 42)
    risk_coverage_curve(axis, {title: second["risk"][way] for title, way in both.items()})
    save(figure, out / "llm-confidence.pdf")


def main() -> None:
    """Measure, draw, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="shared data folder")
    parser.add_argument("--keep", type=Path, required=True, help="folder of lists and scores")
    parser.add_argument("--out", type=Path, required=True, help="folder for figures and numbers")
    parser.add_argument("--json", action="store_true", help="print the numbers as one JSON line")
    arguments = parser.parse_args()
    found = measure(read(arguments.data, arguments.keep))
    draw(found, arguments.out)
    numbers = {
        name: {
            "wer": one["wer"],
            "calibration": {way: plain(c) for way, c in one["calibration"].items()},
            "risk": {way: [_shown(p) for p in points] for way, points in one["risk"].items()},
            "against": {
                way: {d.measure: asdict(d) | {"difference": d.difference} for d in differences}
                for way, differences in one["against"].items()
            },
        }
        for name, one in found.items()
    }
    (arguments.out / "llm-confidence.json").write_text(json.dumps(numbers, indent=1) + "\n")
    print(json.dumps(numbers) if arguments.json else json.dumps(numbers, indent=1))


def _shown(point: Any) -> dict[str, float]:
    return {"coverage": point.coverage, "wer": point.risk.value, "high": point.risk.high}


if __name__ == "__main__":
    main()
