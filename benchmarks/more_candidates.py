"""What a larger n-gram makes of a lattice, and what swapping words adds to real lists.

Simulated trials are searched with a 2-gram, with a 4-gram, and with the 2-gram whose lattice the
4-gram then reads (paper.md section 5.2, formula 3). WER compares these rows with each other only.

`--lists` are first-pass lists of T15's validation phonemes, as `phonemes_to_sentences.py --keep`
leaves them; they are enlarged (formula 4) and the best candidate of each, chosen with the truth at
hand, is counted before and after: a bound on what a second pass can gain, not a system.

    python benchmarks/more_candidates.py [--trials 60] [--lists FILE] [--top 20] [--json]

Seconds are CPU seconds of one core, without building n-grams and graphs.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np

from _t15_decodes import read_val_trials
from first_pass import FRAME_S, N_WORDS, SILENCE, sentences, simulated
from sylvian.decode.beam import DecodeConfig, FirstPass
from sylvian.decode.enlarge import PUBLISHED_TOP, enlarge
from sylvian.decode.graph import build_graph
from sylvian.decode.io import read_nbest
from sylvian.decode.ngram import build_ngram
from sylvian.errors import SylvianError
from sylvian.evaluate.intervals import bootstrap_rate, paired_bootstrap
from sylvian.evaluate.rates import word_edits
from sylvian.text import Lexicon, phoneme_vocabulary
from sylvian.types import EditCounts, Logits, NBest, TrialKey

SHARED = Path(os.environ.get("SYLVIAN_SHARED", Path(__file__).parents[2] / "shared" / "data"))


@dataclass(frozen=True)
class Row:
    """One way to search."""

    name: str
    counts: list[EditCounts]
    oracle: list[EditCounts]
    seconds: float
    graph_mb: float

    def figures(self, base: Row) -> dict[str, Any]:
        """Rates, and the difference to another row."""
        low, high = bootstrap_rate(self.counts)
        return {
            "name": self.name,
            "wer": _rate(self.counts),
            "wer_low": low,
            "wer_high": high,
            "oracle": _rate(self.oracle),
            "seconds": self.seconds,
            "graph_mb": self.graph_mb,
            "against_first": paired_bootstrap(self.counts, base.counts)._asdict(),
        }


def lattices(text: Path | None, n_trials: int) -> list[dict[str, Any]]:
    """Search simulated trials in the three ways."""
    vocabulary, lexicon = phoneme_vocabulary(), Lexicon.cmudict()
    lines = sentences(text)
    shuffled = [lines[i] for i in np.random.default_rng(0).permutation(len(lines))]
    known = [line for line in shuffled if all(word in lexicon for word in line.split())]
    truth, train = known[:n_trials], known[n_trials:]
    counted = dict.fromkeys(word for line in train for word in line.split())
    words = [*counted, *(word for word in lexicon.words if word not in counted)][:N_WORDS]
    small, large = (build_ngram(train, order=order, vocabulary=words) for order in (2, 4))
    trials = [
        Logits(
            TrialKey("simulated", "A", "2024-01-01", 1, i),
            simulated(sentence, lexicon, vocabulary, i),
            FRAME_S,
            vocabulary,
        )
        for i, sentence in enumerate(truth)
    ]
    ways = (("2-gram", small, None), ("2-gram, 4-gram in the lattice", small, large))
    rows = []
    for name, model, larger in (*ways, ("4-gram", large, None)):
        graph = build_graph(model, lexicon.restrict(words), config=SILENCE)
        first_pass = FirstPass(graph, DecodeConfig(acoustic_scale=0.5), larger=larger)
        first_pass.decode(trials[0])
        began = time.process_time()
        lists = [first_pass.decode(trial) for trial in trials]
        seconds = time.process_time() - began
        best = [word_edits(true, n.best.text) for true, n in zip(truth, lists, strict=True)]
        rows.append(Row(name, best, oracle(truth, lists), seconds, graph.n_bytes / 1e6))
    return [row.figures(rows[0]) for row in rows]


def enlarged(data: Path, lists: Path, top: int) -> dict[str, Any]:
    """Count the best candidates of real lists before and after enlarging them."""
    truth = [trial.sentence for trial in read_val_trials(data) if trial.n_best is not None]
    before = list(read_nbest(lists))
    config = DecodeConfig(acoustic_scale=1.0, lm_weight=1.0)
    began = time.process_time()
    after = [enlarge(nbest, config, top=top) for nbest in before]
    seconds = time.process_time() - began
    one, other = oracle(truth, before), oracle(truth, after)
    return {
        "n_trials": len(truth),
        "top": top,
        "candidates_before": _mean_length(before),
        "candidates_after": _mean_length(after),
        "oracle_before": _rate(one),
        "oracle_after": _rate(other),
        "difference": paired_bootstrap(other, one)._asdict(),
        "n_other_first": sum(
            a.best.text != enlarge(b, config, top=0).best.text
            for a, b in zip(after, before, strict=True)
        ),
        "ms_per_trial": 1000 * seconds / len(truth),
    }


def oracle(truth: Sequence[str], lists: Sequence[NBest]) -> list[EditCounts]:
    """Count the errors of the best candidate of each list."""
    return [
        min((word_edits(true, h.text) for h in nbest.hypotheses), key=lambda e: e.n_errors)
        for true, nbest in zip(truth, lists, strict=True)
    ]


def _mean_length(lists: Sequence[NBest]) -> float:
    return sum(len(nbest.hypotheses) for nbest in lists) / len(lists)


def _rate(counts: Sequence[EditCounts]) -> float:
    return sum(counts, EditCounts()).rate


def main() -> int:
    """Run, print, and say in one sentence what is missing."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=SHARED, help="shared data folder")
    parser.add_argument("--text", type=Path, help="text of the n-grams, one sentence a line")
    parser.add_argument("--trials", type=int, default=60)
    parser.add_argument("--lists", type=Path, help="first-pass lists of T15's phonemes")
    parser.add_argument("--top", type=int, default=PUBLISHED_TOP, help="mix this many best")
    parser.add_argument("--json", action="store_true", help="print one JSON object last")
    args = parser.parse_args()
    try:
        report: dict[str, Any] = {"lattices": lattices(args.text, args.trials)}
        if args.lists:
            report["enlarged"] = enlarged(args.data, args.lists, args.top)
    except SylvianError as failure:
        print(failure, file=sys.stderr)
        return 1
    for row in report["lattices"]:
        print(
            f"{row['name']:30} WER {row['wer']:.4f} ({row['wer_low']:.4f}-{row['wer_high']:.4f}), "
            f"oracle {row['oracle']:.4f}, {row['seconds']:.2f} s, graph {row['graph_mb']:.0f} MB; "
            f"{row['against_first']}"
        )
    print(report.get("enlarged", ""))
    if args.json:
        print(json.dumps(report))
    return 0


if __name__ == "__main__":
    sys.exit(main())
