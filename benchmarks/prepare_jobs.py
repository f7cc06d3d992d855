"""`prepare` with one process and with several, side by side, on a large and on a small corpus.

    python benchmarks/prepare_jobs.py --gigabytes 2 --json

The large ones are T15's layout (HDF5) and a simulated monkey's (NWB, spike times); the small one is
the simulated corpus as it is by default. `one` is a single process, `all` a process a core, `auto`
what `prepare` chooses by itself. They take turns `--repeats` times, each in a fresh process of its
own, and the least of the seconds counts: what else runs on the machine can only add to it. With
`--cold` the kernel forgets the files before each turn (Linux, root), so that reading is from disk.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import os
import shutil
import tempfile
import time
from pathlib import Path

import numpy as np

from prepare_memory import write_t15
from sylvian.data import prepare
from sylvian.data.corpora import CORPORA
from sylvian.data.synthetic import SyntheticConfig, simulate
from sylvian.data.synthetic.config import LatentConfig, MonkeyConfig

N_CORES = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
LATENT = LatentConfig(sharing=0.5)
JOBS = {"one": 1, "all": N_CORES, "auto": None}


def write_monkey(raw: Path, sessions: int) -> None:
    """Simulate sessions of a monkey, of 2,000 reaches each."""
    monkey = MonkeyConfig(name="M1", sessions=sessions, blocks=10, block_trials=200, latent=LATENT)
    simulate(SyntheticConfig(seed=1, participants=(monkey,)), raw)


def measure(corpus: str, raw: Path, data: Path, jobs: int | None) -> dict[str, float]:
    """Prepare in this (fresh) process; report wall and processor seconds."""
    start = time.perf_counter()
    report = prepare(CORPORA[corpus](raw), data, jobs=jobs)
    seconds = time.perf_counter() - start
    used = os.times()
    return {
        "n_sessions": report.n_sessions,
        "n_trials": sum(report.trials.values()),
        "seconds": seconds,
        "cpu_s": used.user + used.system + used.children_user + used.children_system,
    }


def digest(data: Path) -> dict[str, bytes]:
    """Return every prepared file, to compare."""
    return {str(p.relative_to(data)): p.read_bytes() for p in data.rglob("*.json")}


def compare(corpus: str, raw: Path, *, repeats: int, cold: bool) -> dict[str, object]:
    """Let the choices of `jobs` take turns on one corpus."""
    seen: dict[str, list[dict[str, float]]] = {name: [] for name in JOBS}
    indices = []
    for _ in range(repeats):
        for name, jobs in JOBS.items():
            data = raw.parent / f"data-{name}"
            os.sync()  # what the one before has to write is not for this one to wait for
            if cold:
                Path("/proc/sys/vm/drop_caches").write_text("3")
            with multiprocessing.get_context("spawn").Pool(1) as fresh:
                seen[name].append(fresh.apply(measure, (corpus, raw, data, jobs)))
            indices.append(digest(data))
            shutil.rmtree(data)
    assert all(index == indices[0] for index in indices), "the digests differ"
    size = sum(path.stat().st_size for path in raw.rglob("*") if path.is_file())
    rows = {
        name: {key: round(min(row[key] for row in turns), 2) for key in ("seconds", "cpu_s")}
        for name, turns in seen.items()
    }
    first = seen["one"][0]
    return {
        "gigabytes": round(size / 1e9, 2),
        "n_sessions": first["n_sessions"],
        "n_trials": first["n_trials"],
        **rows,
        "speedup": round(rows["one"]["seconds"] / rows["all"]["seconds"], 2),
        "speedup_auto": round(rows["one"]["seconds"] / rows["auto"]["seconds"], 2),
    }


def main() -> None:
    """Generate, compare, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--gigabytes", type=float, default=2.0)
    parser.add_argument("--monkey-sessions", type=int, default=8)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--cold", action="store_true")
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    makers = {
        "T15 layout": ("card2024", lambda raw: write_t15(raw, arguments.gigabytes, rng)),
        "monkey": ("synthetic", lambda raw: write_monkey(raw, arguments.monkey_sessions)),
        "simulated, default": ("synthetic", lambda raw: simulate(SyntheticConfig(), raw)),
    }
    rng = np.random.default_rng(0)
    rows: dict[str, object] = {"cores": N_CORES}
    for name, (corpus, make) in makers.items():
        with tempfile.TemporaryDirectory() as scratch:
            raw = Path(scratch, "raw")
            make(raw)
            rows[name] = compare(corpus, raw, repeats=arguments.repeats, cold=arguments.cold)
        if not arguments.json:
            print(name, rows[name])
    if arguments.json:
        print(json.dumps(rows))


if __name__ == "__main__":
    main()
