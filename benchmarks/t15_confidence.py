"""How sure real decoders may be of T15's validation sentences: calibration, abstention, a gate.

    python benchmarks/t15_confidence.py --data ../shared/data --out /tmp/t15-confidence --json

Three kinds of evidence, all real decodes of 1,426 (or 1,342) trials: votes of ten training seeds
(best sentences of a transformer, three decoders), and scored 5-best phoneme strings. Confidence is
cross-fitted over recording days. The keyword gate is measured on phoneme strings: false accepts on
all real trials, misses on keywords misheard by the error statistics of other recording days.
"""

from __future__ import annotations

import argparse
import gzip
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from rapidfuzz.distance import Levenshtein

from _t15_decodes import ValTrial, read_val_trials, session_folds
from sylvian.decode.confidence import (
    Belief,
    fit_temperature,
    sentence_features,
    softmax,
    vote,
    word_features,
)
from sylvian.evaluate import align, count_edits, word_edits
from sylvian.evaluate.abstention import Covered, risk_coverage
from sylvian.evaluate.calibration import Calibration, calibration, plain
from sylvian.evaluate.detection import choose_threshold, detection, detection_curve
from sylvian.evaluate.oracle import oracle_rates
from sylvian.evaluate.phoneme_errors import PhonemeErrors
from sylvian.evaluate.recalibration import cross_fitted, fit_isotonic, fit_logistic, log_odds
from sylvian.figures import canvas, panel, save
from sylvian.figures.confidence import gate_curve, reliability_diagram, risk_coverage_curve
from sylvian.figures.style import DOUBLE_MM, SINGLE_MM
from sylvian.text import SIL, Lexicon, normalize_sentence
from sylvian.types import EditCounts

SYSTEMS = {
    "bidirectional transformer + LLM": "val_words_10cand_bidir_transformer_llm",
    "causal transformer + LLM": "val_words_10cand_causal_transformer_llm",
    "causal transformer + 5-gram": "val_words_10cand_causal_transformer_wfst",
}
N_FOLDS = 5
KEYWORD = "chitty chitty bang bang"  # the phrase of Kunz et al. 2025, imagined to unlock
N_SIMULATED = 2000
HALF_A_VOTE = 0.05  # of ten seeds


def votes(path: Path, references: Sequence[str]) -> tuple[list[Belief], list[tuple[str, ...]]]:
    """Read ten seeds' best sentences; the first chosen is the one most seeds agree on."""
    with gzip.open(path, "rt", encoding="utf-8") as file:
        rows = [json.loads(line) for line in file]
    beliefs, lists = [], []
    for row, reference in zip(rows, references, strict=True):
        if normalize_sentence(row["ref"]) != reference:
            raise SystemExit(f"{path}: {row['ref']!r} stands beside {reference!r}")
        said = [normalize_sentence(text) for text in row["cands"]]
        lists.append(tuple(said))
        chosen = max(dict.fromkeys(said), key=said.count)
        ordered = [chosen, *(text for text in said if text != chosen)]
        shares = np.array([said.count(chosen), *([1] * (len(ordered) - 1))]) / len(said)
        beliefs.append(vote(ordered, shares))
    return beliefs, lists


def of_sentences(
    beliefs: Sequence[Belief], counts: Sequence[EditCounts], folds: Sequence[int]
) -> dict[str, Any]:
    """Calibrate sentence confidence three ways, cross-fitted."""
    right = np.array([count.n_errors == 0 for count in counts])
    features = sentence_features(beliefs, least=HALF_A_VOTE)
    raw = np.array([belief.share for belief in beliefs])
    ways = {
        "votes as they are": raw,
        "logistic": cross_fitted(features, right, folds, fit_logistic),
        "isotonic": cross_fitted(features, right, folds, fit_isotonic),
    }
    return {
        "calibration": {name: calibration(sure, right) for name, sure in ways.items()},
        "risk": {
            name: risk_coverage(ways[name], counts) for name in ("votes as they are", "logistic")
        },
    }


def of_words(
    beliefs: Sequence[Belief], references: Sequence[str], folds: Sequence[int]
) -> dict[str, Calibration]:
    """Calibrate word confidence, cross-fitted; intervals over sentences."""
    right: list[bool] = []
    owners: list[int] = []
    for place, (belief, reference) in enumerate(zip(beliefs, references, strict=True)):
        columns = align(reference.split(), belief.text.split())
        found = [edit.op == "equal" for edit in columns if edit.hypothesis is not None]
        right += found
        owners += [place] * len(found)
    outcome = np.array(right)
    raw = np.array([share for belief in beliefs for share in belief.words])
    fold = [folds[owner] for owner in owners]
    features = word_features(beliefs, least=HALF_A_VOTE)
    ways = {
        "votes as they are": raw,
        "logistic": cross_fitted(features, outcome, fold, fit_logistic),
        "isotonic": cross_fitted(features, outcome, fold, fit_isotonic),
    }
    return {name: calibration(sure, outcome, trials=owners) for name, sure in ways.items()}


def of_phoneme_lists(trials: Sequence[ValTrial]) -> dict[str, Calibration]:
    """Calibrate the best of five scored phoneme strings: is it right in every phoneme?"""
    kept = [trial for trial in trials if trial.n_best is not None]
    folds = np.array(session_folds([trial.session for trial in kept], N_FOLDS))
    heard = [trial.n_best for trial in kept if trial.n_best is not None]
    totals = [np.array(one.scores) for one in heard]
    errors = [count_edits(t.phonemes, h.hypotheses[0]) for t, h in zip(kept, heard, strict=True)]
    right = np.array([count.n_errors == 0 for count in errors])
    tempered = np.zeros(len(kept))
    for fold in range(N_FOLDS):
        learnt = [total for total, held in zip(totals, folds == fold, strict=True) if not held]
        temperature = fit_temperature(learnt, right[folds != fold])
        for place in np.flatnonzero(folds == fold):
            tempered[place] = softmax(totals[place] / temperature)[0]
    shares = np.array([softmax(total)[0] for total in totals])
    lengths = np.array([len(one.hypotheses[0]) for one in heard])
    best = np.array([total[0] for total in totals])
    features = np.column_stack([log_odds(shares), best / lengths, np.log1p(lengths)])
    ways = {
        "softmax of the scores": shares,
        "temperature": tempered,
        "logistic": cross_fitted(features, right, folds.tolist(), fit_logistic),
    }
    return {name: calibration(sure, right) for name, sure in ways.items()}


def keyword_gate(trials: Sequence[ValTrial], *, seed: int = 0) -> dict[str, Any]:
    """Unlock by a phrase: score a phoneme string by its closeness to the phrase's phonemes."""
    rng = np.random.default_rng(seed)
    folds = np.array(session_folds([trial.session for trial in trials], N_FOLDS))
    wanted = Lexicon.cmudict().phonemes(KEYWORD)
    said = [trial.greedy.hypotheses[0] for trial in trials]
    others = np.array([_closeness(one, wanted) for one in said])
    every = [(trial.phonemes, one) for trial, one in zip(trials, said, strict=True)]
    learnt = [pair for pair, fold in zip(every, folds, strict=True) if fold == 0]
    fresh = [pair for pair, fold in zip(every, folds, strict=True) if fold != 0]
    channel, later = PhonemeErrors.count(learnt), PhonemeErrors.count(fresh)
    keywords = np.array(
        [_closeness(channel.simulate(wanted, rng), wanted) for _ in range(N_SIMULATED)]
    )
    chosen = choose_threshold(keywords, others[folds == 0], most_false=0.02)
    if chosen is None:
        raise SystemExit("gate: no threshold keeps false accepts below 2 %")
    new = np.array([_closeness(later.simulate(wanted, rng), wanted) for _ in range(N_SIMULATED)])
    return {
        "keyword": KEYWORD,
        "threshold": chosen.threshold,
        "n_days_for_choice": len({t.session for t, f in zip(trials, folds, strict=True) if f == 0}),
        "found": detection(new, others[folds != 0], threshold=chosen.threshold),
        "curve": detection_curve(new, others[folds != 0]),
    }


def _closeness(said: Sequence[str], wanted: Sequence[str]) -> float:
    one, other = ([token for token in tokens if token != SIL] for tokens in (said, wanted))
    return -Levenshtein.distance(one, other) / len(other)


def draw(found: dict[str, Any], out: Path) -> None:
    """Draw reliability before and after, risk against coverage, and the gate."""
    name = next(iter(SYSTEMS))
    figure = canvas(DOUBLE_MM, 136)
    shown = {
        "Sentences, votes": found["sentences"][name]["calibration"]["votes as they are"],
        "Sentences, isotonic, cross-fitted": found["sentences"][name]["calibration"]["isotonic"],
        "5-best phonemes, softmax": found["phonemes"]["softmax of the scores"],
        "5-best phonemes, cross-fitted": found["phonemes"]["logistic"],
        "Words, votes": found["words"][name]["votes as they are"],
        "Words, isotonic, cross-fitted": found["words"][name]["isotonic"],
    }
    for place, (title, one) in enumerate(shown.items()):
        row, column = place % 2, place // 2
        axis = panel(figure, 12 + 60 * column, 7 + 68 * row, 44, 44)
        reliability_diagram(axis, one, title=title)
    save(figure, out / "reliability.pdf")
    curves: dict[str, Sequence[Covered]] = {
        name: each["risk"]["votes as they are"] for name, each in found["sentences"].items()
    }
    figure = canvas(SINGLE_MM, 58)
    risk_coverage_curve(panel(figure, 12, 5, 73, 42), curves)
    save(figure, out / "risk-coverage.pdf")
    figure = canvas(SINGLE_MM, 58)
    gate = found["gate"]
    gate_curve(panel(figure, 12, 7, 73, 40), gate["curve"], chosen=gate["found"])
    save(figure, out / "keyword-gate.pdf")


def main() -> None:
    """Measure, print, draw."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, required=True, help="shared data folder")
    parser.add_argument("--out", type=Path, required=True, help="folder for figures and numbers")
    parser.add_argument("--json", action="store_true", help="print the numbers as one JSON line")
    arguments = parser.parse_args()
    trials = read_val_trials(arguments.data)
    references = [trial.sentence for trial in trials]
    folds = session_folds([trial.session for trial in trials], N_FOLDS)
    found: dict[str, Any] = {"sentences": {}, "words": {}, "oracle": {}}
    for name, file in SYSTEMS.items():
        path = arguments.data / "t15_decodes" / f"{file}.jsonl.gz"
        beliefs, lists = votes(path, references)
        counts = [word_edits(r, b.text) for r, b in zip(references, beliefs, strict=True)]
        found["sentences"][name] = of_sentences(beliefs, counts, folds)
        found["words"][name] = of_words(beliefs, references, folds)
        found["oracle"][name] = oracle_rates(references, lists)
    found["phonemes"] = of_phoneme_lists(trials)
    found["gate"] = keyword_gate(trials)
    draw(found, arguments.out)
    numbers = _plain(found)
    (arguments.out / "confidence.json").write_text(json.dumps(numbers, indent=1) + "\n")
    print(json.dumps(numbers) if arguments.json else json.dumps(numbers, indent=1))


def _plain(found: dict[str, Any]) -> dict[str, Any]:
    gate = found["gate"]
    return {
        "sentences": {
            name: {
                "calibration": {way: plain(one) for way, one in each["calibration"].items()},
                "risk": {way: [_shown(p) for p in points] for way, points in each["risk"].items()},
            }
            for name, each in found["sentences"].items()
        },
        "words": {
            name: {way: plain(one) for way, one in each.items()}
            for name, each in found["words"].items()
        },
        "phonemes": {way: plain(one) for way, one in found["phonemes"].items()},
        "oracle": {
            name: [
                {"depth": o.depth, "wer": o.score.rate, "low": o.score.low, "high": o.score.high}
                for o in each
            ]
            for name, each in found["oracle"].items()
        },
        "gate": {
            "keyword": gate["keyword"],
            "threshold": gate["threshold"],
            "n_days_for_choice": gate["n_days_for_choice"],
            "false_accepts": gate["found"].false_accepts._asdict() | {"n": gate["found"].n_others},
            "misses": gate["found"].misses._asdict() | {"n": gate["found"].n_keywords},
        },
    }


def _shown(point: Covered) -> dict[str, Any]:
    return {
        "threshold": point.threshold,
        "coverage": point.coverage,
        "wer": point.risk.value,
        "low": point.risk.low,
        "high": point.risk.high,
        "n_shown": point.n_shown,
    }


if __name__ == "__main__":
    main()
