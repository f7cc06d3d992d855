"""How long a second pass takes: 100 candidates of 12 words with a causal language model.

Two kinds of lists: `alike`, where each candidate is one sentence with one to three words changed
anywhere, as an n-best has it; `unrelated`, 100 different sentences, which share hardly a beginning.
`alone` scores the same candidates one by one.

    python benchmarks/rescoring_speed.py [--llm smollm2] [--threads 2] [--json]
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")  # before NumPy is imported

import numpy as np
import torch

from _t15_decodes import TEXT, lm_sentences
from sylvian.errors import SylvianError
from sylvian.models.hub import open_text_lm
from sylvian.models.prefixtree import PrefixTree
from sylvian.models.textlm import CausalLm, TextLmConfig

SHARED = Path(os.environ.get("SYLVIAN_SHARED", Path(__file__).parents[2] / "shared" / "data"))
N_CANDIDATES, N_WORDS = 100, 12


def alike(sentences: list[str], rng: np.random.Generator) -> list[str]:
    """Make candidates that differ from one sentence in one to three words."""
    base = next(s for s in sentences if len(s.split()) == N_WORDS).split()
    words = sorted({word for sentence in sentences[:2000] for word in sentence.split()})
    made: dict[str, None] = {}
    while len(made) < N_CANDIDATES:
        candidate = list(base)
        for place in rng.choice(N_WORDS, size=rng.integers(1, 4), replace=False):
            candidate[place] = str(rng.choice(words))
        made[" ".join(candidate)] = None
    return list(made)


def unrelated(sentences: list[str]) -> list[str]:
    """Take different sentences of the same number of words."""
    return [s for s in sentences if len(s.split()) == N_WORDS][:N_CANDIDATES]


def seconds(task: Callable[[], object], repeats: int) -> tuple[float, float, float]:
    """Time a task after a run that is not counted.

    Returns:
        Median and least of the seconds, and the least processor time, which others on the machine
        lengthen less.
    """
    task()
    took, worked = [], []
    for _ in range(repeats):
        began, used = time.perf_counter(), time.process_time()
        task()
        took.append(time.perf_counter() - began)
        worked.append(time.process_time() - used)
    return statistics.median(took), min(took), min(worked)


def measure(lm: CausalLm, lists: dict[str, list[str]], repeats: int) -> list[dict[str, Any]]:
    """Time each list together, and candidate by candidate."""
    rows = []
    for name, texts in lists.items():
        together = lm.score_sentences(texts)
        median, least, worked = seconds(lambda texts=texts: lm.score_sentences(texts), repeats)
        began, used = time.perf_counter(), time.process_time()
        alone = np.concatenate([lm.score_sentences([text]) for text in texts])
        one_by_one, one_by_one_worked = time.perf_counter() - began, time.process_time() - used
        sequences = lm._tokens(texts)
        rows.append(
            {
                "list": name,
                "n_candidates": len(texts),
                "n_tokens": sum(map(len, sequences)),
                "n_nodes": len(PrefixTree.grow(lm.start, sequences).tokens) - 1,
                "seconds": median,
                "seconds_least": least,
                "cpu_seconds": worked,
                "seconds_alone": one_by_one,
                "cpu_seconds_alone": one_by_one_worked,
                "largest_difference": float(np.abs(together - alone).max()),
            }
        )
    return rows


def main() -> int:
    """Measure, print, and say in one sentence what is missing."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", type=Path, default=SHARED, help="shared data folder")
    parser.add_argument("--llm", default="smollm2")
    parser.add_argument("--dtype", default="auto", help="auto, float32 or bfloat16")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--json", action="store_true", help="print one JSON object last")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    try:
        sentences = lm_sentences(args.data, set())
        began = time.perf_counter()
        lm = open_text_lm(args.llm, config=TextLmConfig(dtype=args.dtype))
        opened = time.perf_counter() - began
    except SylvianError as failure:
        print(failure, file=sys.stderr)
        return 1
    lists = {
        "alike": alike(sentences, np.random.default_rng(0)),
        "unrelated": unrelated(sentences),
    }
    report = {
        "llm": args.llm,
        "dtype": str(lm._model.dtype).removeprefix("torch."),
        "threads": args.threads,
        "n_parameters": lm.n_parameters,
        "seconds_to_open": opened,
        "text": TEXT,
        "rows": measure(lm, lists, args.repeats),
    }
    print(f"{args.llm}, {report['dtype']}, {args.threads} threads; opened in {opened:.1f} s")
    for row in report["rows"]:
        print(
            f"  {row['list']:10} {row['n_candidates']} candidates, {row['n_tokens']} tokens in "
            f"{row['n_nodes']} nodes: {row['seconds']:.2f} s (least {row['seconds_least']:.2f}, "
            f"processor {row['cpu_seconds']:.2f}); one by one {row['seconds_alone']:.2f} s "
            f"(processor {row['cpu_seconds_alone']:.2f}), "
            f"differs by {row['largest_difference']:.1e}"
        )
    if args.json:
        print(json.dumps(report))
    return 0


if __name__ == "__main__":
    sys.exit(main())
