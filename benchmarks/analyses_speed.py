"""How long the representation analyses take: RSA of 1,000 sentences with 10,000 permutations.

Vectors are random, as wide as they are in earnest (10 segments of 384 latents; 576 of SmolLM2).
Processor seconds are given beside the clock's, because others may be on the machine.

    python benchmarks/analyses_speed.py [--sentences 1000] [--permutations 10000] [--json]
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable

import numpy as np

from sylvian.analyses import RsaConfig, cka, rsa, separability, word_alignment


def timed(task: Callable[[], object]) -> dict[str, float]:
    """Run a task once."""
    clock, processor = time.perf_counter(), time.process_time()
    task()
    spent = {"seconds": time.perf_counter() - clock, "cpu_seconds": time.process_time() - processor}
    return {name: round(value, 3) for name, value in spent.items()}


def main() -> None:
    """Time each analysis after a run that compiles what is compiled."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sentences", type=int, default=1000)
    parser.add_argument("--permutations", type=int, default=10_000)
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    rng, n = np.random.default_rng(0), asked.sentences
    neural = rng.normal(size=(n, 3840)).astype(np.float32)
    text = rng.normal(size=(n, 576)).astype(np.float32)
    config = RsaConfig(n_permutations=asked.permutations)
    ranks = config.model_copy(update={"method": "spearman"})
    blocks = [f"b{place // 20}" for place in range(n)]
    second = (np.arange(n) // 20) % 2 == 1
    rsa(neural[:20], text[:20], config=RsaConfig(n_permutations=100, n_resamples=100))
    tasks: dict[str, Callable[[], object]] = {
        "rsa": lambda: rsa(neural, text, config=config),
        "rsa, ranks": lambda: rsa(neural, text, config=ranks),
        "cka, 1,000 permutations": lambda: cka(neural, text),
        "lda, 5 folds, 1,000 permutations": lambda: separability(neural, second, blocks),
        "words, 50": lambda: word_alignment(neural[:50], neural[50:100]),
    }
    found = {name: timed(task) for name, task in tasks.items()}
    if asked.json:
        print(json.dumps({"sentences": n, "permutations": asked.permutations, "tasks": found}))
        return
    print(f"{n:,} sentences, {asked.permutations:,} permutations")
    for name, spent in found.items():
        print(f"{name:34s} {spent['seconds']:7.2f} s   {spent['cpu_seconds']:7.2f} s of processor")


if __name__ == "__main__":
    main()
