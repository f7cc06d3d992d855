"""What is gained by holding decoding to the 50 words: WER of simulated runs, with and without.

The runs are of one recipe with different seeds, on simulated sentences of the 50-word set, such as
`planted_sharing.py` leaves below its `--work`. Their test split is decoded with three 3-grams: of
the run's training sentences; of 20,000 sentences of both simulated prompt sets; of 20,000 of the
large set alone, as general text would be. No held-out sentence is in them. `lookup` spells greedy
phonemes word by word in the words there are. Intervals are over seeds and trials, paired.

    python benchmarks/fifty_words.py RUN... [--json]

The runs are copied; what was decoded or tuned in them stays.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before NumPy is imported

from sylvian import pipeline
from sylvian.data.synthetic import lm_text
from sylvian.decoding import compare, read_decodes
from sylvian.errors import SylvianError
from sylvian.evaluate import bootstrap_seeds, paired_bootstrap_seeds, seeds_rate
from sylvian.jobs import Job
from sylvian.runs import RunFolder
from sylvian.types import EditCounts

SETS = ("none", "50-word")
Counts = tuple[EditCounts, ...]


def models(held_out: set[str], work: Path) -> dict[str, str | None]:
    """Estimate the language models."""
    found: dict[str, str | None] = {"training sentences": None}
    for name, shares in (
        ("both sets", {"50-Word": 0.5, "Large": 0.5}),
        ("large set", {"Large": 1.0}),
    ):
        text, lm = work / f"{name}.txt", work / f"{name}.arpa.gz"
        text.write_text("\n".join(lm_text(20_000, 1, exclude=held_out, shares=shares)))
        pipeline.build_lm([text], order=3, out=lm)
        found[name] = str(lm)
    return found


def decoded(run: RunFolder, lm: str | None, word_set: str) -> dict[str, Counts]:
    """Count the word errors of a run's test split."""
    pipeline.decode(run, "test", lm=lm, overrides=[f"word_set={word_set}"])
    job = Job.open(run, "test")
    found = read_decodes(job)
    ways = {"lookup": found.greedy, "3-gram": found.nbest}
    return {
        way: tuple(one.wer_counts or EditCounts() for one in compare(job, found.greedy, words))
        for way, words in ways.items()
    }


def measured(runs: Sequence[RunFolder], work: Path) -> list[dict[str, Any]]:
    """Give a row for each language model and way of decoding."""
    infos = [i for split in ("val", "test") for i in Job.open(runs[0], split).infos]
    rows = []
    for name, lm in models({i.sentence for i in infos if i.sentence}, work).items():
        found = {one: [decoded(run, lm, one) for run in runs] for one in SETS}
        for way in ("lookup", "3-gram"):
            free, held = ([counts[way] for counts in found[one]] for one in SETS)
            gain = paired_bootstrap_seeds(held, free)
            rows.append(
                {
                    "language model": name,
                    "decoded by": way,
                    "any word": (seeds_rate(free), *bootstrap_seeds(free)),
                    "50 words": (seeds_rate(held), *bootstrap_seeds(held)),
                    "change": (gain.difference, gain.low, gain.high),
                    "n_trials": len(free[0]),
                    "n_seeds": len(runs),
                }
            )
    return rows


def copied(paths: Sequence[Path], work: Path) -> list[RunFolder]:
    """Copy runs without their decodes."""
    leave = shutil.ignore_patterns("test*", "val*", "decoder.json")
    return [RunFolder(Path(shutil.copytree(p, work / p.name, ignore=leave))) for p in paths]


def main() -> int:
    """Run it all."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("runs", type=Path, nargs="+")
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        try:
            rows = measured(copied(asked.runs, Path(folder)), Path(folder))
        except SylvianError as failure:
            print(failure, file=sys.stderr)
            return 1
    print(f"{'WER % (95 %)':30}{'any word':>22}{'50 words':>22}{'change':>24}")
    for row in rows:
        cells = [row[name] for name in ("any word", "50 words", "change")]
        shown = [f"{100 * v:.1f} ({100 * low:.1f} to {100 * high:.1f})" for v, low, high in cells]
        name = f"{row['language model']}, {row['decoded by']}"
        print(f"{name:30}{shown[0]:>22}{shown[1]:>22}{shown[2]:>24}")
    print(f"n {rows[0]['n_trials']} trials, {rows[0]['n_seeds']} seeds")
    if asked.json:
        print(json.dumps(rows))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
