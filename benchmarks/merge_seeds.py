"""Real sentences of ten training seeds, merged: T15's validation recordings, three decoders.

`../shared/data/t15_decodes/val_words_10cand_*` hold the best sentence of each of ten transformers
that differ in their seed only. Each has one vote; the candidate with the fewest expected wrong
words wins (`decode.consensus`). With `--llm`, a language model's log-probability is subtracted from
those expected errors with a weight tuned on the other recording days.

    python benchmarks/merge_seeds.py [--llm smollm2] [--json]
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before NumPy is imported

from _t15_decodes import read_val_trials, session_folds
from sylvian.decode.consensus import Consensus, minimum_risk
from sylvian.decode.scorecache import ScoreCache, score_texts
from sylvian.errors import DataError, SylvianError
from sylvian.evaluate.intervals import bootstrap_rate, paired_bootstrap
from sylvian.evaluate.rates import word_edits
from sylvian.text import normalize_sentence
from sylvian.types import EditCounts, TrialKey

SHARED = Path(os.environ.get("SYLVIAN_SHARED", Path(__file__).parents[2] / "shared" / "data"))
SYSTEMS = ("causal_transformer_wfst", "causal_transformer_llm", "bidir_transformer_llm")
LLM_WEIGHTS = (0.0, 0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3)  # errors a nat
N_FOLDS = 5


@dataclass(frozen=True)
class Candidates:
    """The sentences of ten seeds for every trial of one decoder."""

    name: str
    truth: list[str]
    said: list[list[str]]
    folds: list[int]

    @classmethod
    def read(cls, data: Path, name: str) -> Candidates:
        """Read a decoder's file and lay the recording days beside it.

        Raises:
            DataError: the file cannot be read or its sentences are of other trials.
        """
        path = data / f"t15_decodes/val_words_10cand_{name}.jsonl.gz"
        try:
            with gzip.open(path, "rt", encoding="utf-8") as file:
                rows = [json.loads(line) for line in file]
        except OSError as failure:
            raise DataError(f"{path}: cannot be read ({failure})") from None
        truth = [normalize_sentence(row["ref"]) for row in rows]
        trials = read_val_trials(data)
        if truth != [trial.sentence for trial in trials]:
            raise DataError(f"{path}: its sentences are not those of the validation trials")
        said = [[normalize_sentence(text) for text in row["cands"]] for row in rows]
        folds = session_folds([trial.session for trial in trials], N_FOLDS)
        return cls(name, truth, said, folds)

    def count(self, texts: Sequence[str]) -> list[EditCounts]:
        """Count the word edits of one sentence a trial."""
        return [word_edits(true, text) for true, text in zip(self.truth, texts, strict=True)]


def merged(candidates: Candidates) -> list[Consensus]:
    """Merge the seeds of every trial, a vote each."""
    return [
        minimum_risk(TrialKey("card2024", "T15", "val", 0, number), [{t: 1.0} for t in said])
        for number, said in enumerate(candidates.said)
    ]


def with_llm(
    candidates: Candidates, found: Sequence[Consensus], nats: dict[str, float]
) -> tuple[list[str], list[float]]:
    """Choose by expected errors and the language model, its weight tuned on other days' trials.

    Trials whose sentence occurs on the days decoded tune nothing.
    """

    def choose(weight: float) -> list[str]:
        return [
            min(zip(one.texts, one.risks, strict=True), key=lambda c: c[1] - weight * nats[c[0]])[0]
            for one in found
        ]

    by_weight = {weight: choose(weight) for weight in LLM_WEIGHTS}
    counts = {weight: candidates.count(texts) for weight, texts in by_weight.items()}
    texts, weights = [""] * len(found), []
    for fold in range(N_FOLDS):
        inside = [i for i, other in enumerate(candidates.folds) if other == fold]
        known = {candidates.truth[i] for i in inside}
        usable = [
            i
            for i, other in enumerate(candidates.folds)
            if other != fold and candidates.truth[i] not in known
        ]
        errors = {w: sum(counts[w][i].n_errors for i in usable) for w in LLM_WEIGHTS}
        weights.append(min(LLM_WEIGHTS, key=lambda w: errors[w]))
        for i in inside:
            texts[i] = by_weight[weights[-1]][i]
    return texts, weights


def table(candidates: Candidates, llm: str | None, cache: Path | None) -> dict[str, Any]:
    """Hold single seeds, the merger and the oracle against the truth."""
    began = time.perf_counter()
    found = merged(candidates)
    seconds = time.perf_counter() - began
    singles = [candidates.count(texts) for texts in zip(*candidates.said, strict=True)]
    rates = [_rate(counts) for counts in singles]
    report: dict[str, Any] = {
        "decoder": candidates.name,
        "n_trials": len(found),
        "singles": rates,
        "single_mean": sum(rates) / len(rates),
        "oracle": _rate(
            [
                min((word_edits(true, text) for text in set(said)), key=lambda e: e.n_errors)
                for true, said in zip(candidates.truth, candidates.said, strict=True)
            ]
        ),
        "ms_per_trial": 1000 * seconds / len(found),
        "rows": {"minimum risk": _row(candidates.count([one.best for one in found]), singles)},
    }
    if llm is not None:
        began = time.perf_counter()
        nats = _scores(sorted({text for one in found for text in one.texts}), llm, cache)
        report["llm_seconds"] = time.perf_counter() - began
        texts, report["llm_weights"] = with_llm(candidates, found, nats)
        counts, alone = candidates.count(texts), candidates.count([one.best for one in found])
        report["rows"][f"minimum risk + {llm}"] = _row(counts, singles) | {
            "against_minimum_risk": paired_bootstrap(counts, alone)._asdict()
        }
    return report


def _scores(texts: Sequence[str], llm: str, cache: Path | None) -> dict[str, float]:
    from sylvian.models.hub import open_text_lm

    lm = open_text_lm(llm)
    return score_texts(texts, lm, cache=ScoreCache(cache) if cache else None).nats


def _row(counts: Sequence[EditCounts], singles: Sequence[Sequence[EditCounts]]) -> dict[str, Any]:
    best = min(singles, key=_rate)
    low, high = bootstrap_rate(counts)
    against = paired_bootstrap(counts, best)._asdict()
    return {"wer": _rate(counts), "wer_low": low, "wer_high": high, "against_best_seed": against}


def _rate(counts: Sequence[EditCounts]) -> float:
    return sum(counts, EditCounts()).rate


def show(report: dict[str, Any]) -> None:
    """Print one decoder's table."""
    singles = report["singles"]
    print(
        f"{report['decoder']}: ten seeds {min(singles):.4f}-{max(singles):.4f}, "
        f"mean {report['single_mean']:.4f}; oracle {report['oracle']:.4f}; "
        f"{report['n_trials']} trials, {report['ms_per_trial']:.2f} ms each"
    )
    for name, row in report["rows"].items():
        gain = row["against_best_seed"]
        print(
            f"  {name:24} {row['wer']:.4f} ({row['wer_low']:.4f}-{row['wer_high']:.4f}); against "
            f"the best seed {gain['difference']:+.4f} ({gain['low']:+.4f} to {gain['high']:+.4f})"
        )


def main() -> int:
    """Run, print, and say in one sentence what is missing."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=SHARED, help="shared data folder")
    parser.add_argument("--llm", help="language model that helps to choose, e.g. smollm2")
    parser.add_argument("--llm-cache", type=Path, help="SQLite file that keeps its scores")
    parser.add_argument("--json", action="store_true", help="print one JSON object last")
    args = parser.parse_args()
    try:
        tables = [
            table(Candidates.read(args.data, name), args.llm, args.llm_cache) for name in SYSTEMS
        ]
    except SylvianError as failure:
        print(failure, file=sys.stderr)
        return 1
    for report in tables:
        show(report)
    if args.json:
        print(json.dumps({"tables": tables}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
