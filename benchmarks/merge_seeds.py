"""Real sentences of ten training seeds, merged: T15's validation recordings, three decoders.

`../shared/data/t15_decodes/val_words_10cand_*` hold the best sentence of each of ten transformers
that differ in their seed only. Each has one vote; the candidate with the fewest expected wrong
words wins (`decode.consensus`). `all thirty` pools the seeds of all three decoders.

With `--llm` a language model sways the votes: shares are multiplied by its probabilities to a power
that is tuned for each fold of recording days on the others, without trials whose sentence occurs in
the fold. With `--prompt` it is shown the candidates of a trial instead and asked to write the
sentence. That takes seconds a trial, so it is asked about some of those trials alone whose seeds
disagree; the rows of that table are of these trials.

    python benchmarks/merge_seeds.py [--llm smollm2] [--json] [--decoder ...]
    python benchmarks/merge_seeds.py --prompt smollm2 --trials 80 --decoder causal_transformer_wfst

"seen" are trials whose sentence is also a training sentence. Seconds are those of the merger alone:
what the published networks took to decode is not known. Weights are those of the language model.
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

from _t15_decodes import read_val_trials, session_folds, training_sentences
from sylvian.decode.consensus import Consensus, Pool
from sylvian.decode.scorecache import ScoreCache, Scored
from sylvian.errors import DataError, SylvianError
from sylvian.evaluate.intervals import bootstrap_rate, paired_bootstrap
from sylvian.evaluate.rates import word_edits
from sylvian.merging.judges import WEIGHTS, ask, read, swayed
from sylvian.text import normalize_sentence
from sylvian.types import EditCounts, TrialKey

SHARED = Path(os.environ.get("SYLVIAN_SHARED", Path(__file__).parents[2] / "shared" / "data"))
SYSTEMS = ("causal_transformer_wfst", "causal_transformer_llm", "bidir_transformer_llm")
TOGETHER = "all thirty"
N_FOLDS = 5


@dataclass(frozen=True)
class Candidates:
    """The sentences of ten seeds for every trial of one decoder.

    Attributes:
        name: The decoder.
        truth: The prompts.
        said: Each seed's sentence.
        folds: Fold of each trial's recording day.
        seen: Whether the prompt is also a training sentence.
    """

    name: str
    truth: list[str]
    said: list[list[str]]
    folds: list[int]
    seen: list[bool]

    @classmethod
    def read(cls, data: Path, name: str) -> Candidates:
        """Read a decoder's file and lay the recording days beside it.

        Raises:
            DataError: the file cannot be read or its sentences are of other trials.
        """
        if name == TOGETHER:
            parts = [cls.read(data, one) for one in SYSTEMS]
            said = [sum(row, []) for row in zip(*(part.said for part in parts), strict=True)]
            return cls(name, parts[0].truth, said, parts[0].folds, parts[0].seen)
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
        trained = set(training_sentences(data))
        folds = session_folds([trial.session for trial in trials], N_FOLDS)
        return cls(name, truth, said, folds, [text in trained for text in truth])

    def count(self, texts: Sequence[str]) -> list[EditCounts]:
        """Count the word edits of one sentence a trial."""
        return [word_edits(true, text) for true, text in zip(self.truth, texts, strict=True)]

    def disagreeing(self, n: int) -> Candidates:
        """Give some trials whose seeds disagree, spread over all days."""
        every = [i for i, said in enumerate(self.said) if len(set(said)) > 1]
        kept = [every[i * len(every) // n] for i in range(min(n, len(every)))] if n else every
        return Candidates(
            f"{self.name}, {len(kept)} of {len(every)} trials whose seeds disagree",
            *(
                [column[i] for i in kept]
                for column in (self.truth, self.said, self.folds, self.seen)
            ),
        )

    def pools(self) -> list[Pool]:
        """Pool the seeds of every trial, a vote each."""
        return [
            Pool.of(TrialKey("card2024", "T15", "val", 0, number), [{text: 1.0} for text in said])
            for number, said in enumerate(self.said)
        ]


def with_llm(
    candidates: Candidates, found: Sequence[Pool], nats: dict[str, float]
) -> tuple[list[str], list[float]]:
    """Choose by votes that a language model sways, its weight tuned on other days' trials.

    Trials whose sentence occurs on the days decoded tune nothing.
    """
    by_weight = {w: [swayed(pool, nats, w).best for pool in found] for w in WEIGHTS}
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
        errors = {w: sum(counts[w][i].n_errors for i in usable) for w in WEIGHTS}
        weights.append(min(WEIGHTS, key=lambda w: errors[w]))
        for i in inside:
            texts[i] = by_weight[weights[-1]][i]
    return texts, weights


@dataclass(frozen=True)
class Helpers:
    """Language models that help, if any: to sway votes, and to be asked."""

    llm: str | None = None
    prompt: str | None = None
    cache: Path | None = None


class Table:
    """One decoder's seeds, what mergers make of them, and the oracle."""

    def __init__(self, candidates: Candidates) -> None:
        self.candidates = candidates
        self.singles = [candidates.count(texts) for texts in zip(*candidates.said, strict=True)]
        self.best = min(self.singles, key=_rate)
        self.rows: dict[str, dict[str, Any]] = {}
        self.votes: list[EditCounts] = []

    def add(self, name: str, texts: Sequence[str], seconds: float, **more: Any) -> None:
        """Hold a merger's sentences against the truth, the best seed and the votes alone."""
        counts = self.candidates.count(texts)
        self.votes = self.votes or counts
        low, high = bootstrap_rate(counts)
        pairs = list(zip(counts, self.candidates.seen, strict=True))
        self.rows[name] = {
            "wer": _rate(counts),
            "wer_low": low,
            "wer_high": high,
            "wer_seen": _rate([count for count, seen in pairs if seen]),
            "wer_unseen": _rate([count for count, seen in pairs if not seen]),
            "against_best_seed": paired_bootstrap(counts, self.best)._asdict(),
            "against_votes": paired_bootstrap(counts, self.votes)._asdict(),
            "seconds": seconds,
            **more,
        }

    def figures(self) -> dict[str, Any]:
        """Everything under the names of the JSON line."""
        rates, made = [_rate(counts) for counts in self.singles], self.candidates
        oracle = [
            min((word_edits(true, text) for text in set(said)), key=lambda e: e.n_errors)
            for true, said in zip(made.truth, made.said, strict=True)
        ]
        return {
            "decoder": made.name,
            "n_trials": len(made.truth),
            "n_seen": sum(made.seen),
            "n_alike": sum(len(set(said)) == 1 for said in made.said),
            "singles": rates,
            "single_mean": sum(rates) / len(rates),
            "oracle": _rate(oracle),
            "rows": self.rows,
        }


def table(candidates: Candidates, helpers: Helpers) -> dict[str, Any]:
    """Hold single seeds, the mergers and the oracle against the truth."""
    made = Table(candidates)
    began = time.perf_counter()
    found = candidates.pools()
    ranked: list[Consensus] = [pool.consensus() for pool in found]
    made.add("votes (minimum risk)", [one.best for one in ranked], time.perf_counter() - began)
    if helpers.llm:
        scored, n_bytes = _scores(found, helpers.llm, helpers.cache)
        texts, weights = with_llm(candidates, found, scored.nats)
        cost = {"n_sentences": len(scored.nats), "weights_mb": n_bytes / 1e6}
        made.add(f"votes + {helpers.llm}", texts, scored.seconds, llm_weights=weights, **cost)
    if helpers.prompt:
        texts, seconds, told = _asked(found, helpers.prompt)
        made.add(f"{helpers.prompt} asked", texts, seconds, **told)
    return made.figures()


def _scores(found: Sequence[Pool], llm: str, cache: Path | None) -> tuple[Scored, int]:
    from sylvian.models.hub import open_text_lm

    lm = open_text_lm(llm)
    return read(found, lm, cache=ScoreCache(cache) if cache else None), lm.n_bytes


def _asked(found: Sequence[Pool], name: str) -> tuple[list[str], float, dict[str, Any]]:
    from sylvian.models.hub import load_causal
    from sylvian.models.prompted import PromptedMerger

    merger = PromptedMerger(*load_causal(name), name=name)
    answers = ask(found, merger)
    kinds = ("n_alike", "n_asked", "n_chosen", "n_written", "n_empty", "n_far")
    told = {kind: getattr(answers, kind) for kind in kinds}
    return (
        [answers.texts[pool.key] for pool in found],
        merger.seconds,
        told | {"weights_mb": merger.n_bytes / 1e6},
    )


def _rate(counts: Sequence[EditCounts]) -> float:
    return sum(counts, EditCounts()).rate


def show(report: dict[str, Any]) -> None:
    """Print one decoder's table."""
    singles = report["singles"]
    print(
        f"{report['decoder']}: {len(singles)} seeds {min(singles):.4f}-{max(singles):.4f}, mean "
        f"{report['single_mean']:.4f}; oracle {report['oracle']:.4f}; {report['n_trials']} trials, "
        f"{report['n_seen']} seen, {report['n_alike']} all alike"
    )
    for name, row in report["rows"].items():
        print(
            f"  {name:22} {row['wer']:.4f} ({row['wer_low']:.4f}-{row['wer_high']:.4f}), seen "
            f"{row['wer_seen']:.4f}, unseen {row['wer_unseen']:.4f}; {row['seconds']:.2f} s"
        )
        for other in ("best_seed", "votes"):
            gain = row[f"against_{other}"]
            print(
                f"    against the {other.replace('_', ' '):10} {gain['difference']:+.4f} "
                f"({gain['low']:+.4f} to {gain['high']:+.4f}), p {gain['p']:.4f}"
            )
        more = {k: v for k, v in row.items() if k.startswith(("n_", "llm_", "weights"))}
        if more:
            print(f"    {more}")


def main() -> int:
    """Run, print, and say in one sentence what is missing."""
    every = (*SYSTEMS, TOGETHER)
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=SHARED, help="shared data folder")
    parser.add_argument("--decoder", nargs="+", choices=every, default=list(every))
    parser.add_argument("--llm", help="language model that sways the votes, e.g. smollm2")
    parser.add_argument("--prompt", help="language model that is asked, e.g. smollm2")
    parser.add_argument("--trials", type=int, default=0, help="ask about this many; 0: all")
    parser.add_argument("--llm-cache", type=Path, help="SQLite file that keeps scores")
    parser.add_argument("--json", action="store_true", help="print one JSON object last")
    args = parser.parse_args()
    helpers = Helpers(args.llm, args.prompt, args.llm_cache)
    try:
        made = [Candidates.read(args.data, name) for name in args.decoder]
        if args.prompt:
            made = [candidates.disagreeing(args.trials) for candidates in made]
        tables = [table(candidates, helpers) for candidates in made]
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
