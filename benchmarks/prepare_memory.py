"""Peak memory and speed of `prepare` on generated corpora of both published layouts.

    python benchmarks/prepare_memory.py --gigabytes 4 --json

The T15-layout corpus is `--gigabytes` large, in sessions of the release's length; the T12-layout
one is a single day of the release's largest size, because MATLAB files are read a split at a time.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import resource
import tempfile
import time
from pathlib import Path

import h5py
import numpy as np
from scipy.io import savemat

from sylvian.data import prepare
from sylvian.data.corpora import CARD2024, WILLETT2023, Card2024, Willett2023

N_BINS, TRIALS_PER_SESSION = 900, 240
T12_TRIALS, T12_BINS = 400, 600


def write_t15(raw: Path, gigabytes: float, rng: np.random.Generator) -> float:
    """Write sessions until they fill `gigabytes`; return what they fill."""
    per_trial = N_BINS * 512 * 4 / 1e9
    noise = rng.normal(size=(2 * N_BINS, 512)).astype(np.float32)
    n_trials = max(1, round(gigabytes / per_trial))
    days = sorted(CARD2024.participants["T15"].sessions)
    for first in range(0, n_trials, TRIALS_PER_SESSION):
        name = f"t15.{days[first // TRIALS_PER_SESSION].replace('-', '.')}"
        folder = raw / "hdf5_data_final" / name
        folder.mkdir(parents=True)
        with h5py.File(folder / "data_train.hdf5", "w") as file:
            for place in range(min(TRIALS_PER_SESSION, n_trials - first)):
                start = (37 * place + first) % N_BINS
                write_t15_trial(file, name, place, noise[start : start + N_BINS])
    return n_trials * per_trial


def write_t15_trial(file: h5py.File, session: str, place: int, features: np.ndarray) -> None:
    """Write one trial group of the published layout."""
    group = file.create_group(f"trial_{place:04d}")
    group["input_features"] = features
    group["seq_class_ids"] = np.pad([16, 27, 40], (0, 497))
    group["transcription"] = np.pad(np.frombuffer(b"he", np.uint8).astype(np.int32), (0, 498))
    group.attrs.update(n_time_steps=len(features), seq_len=3, sentence_label="He.", session=session)
    group.attrs.update(block_num=place // 50, trial_num=place % 50)


def write_t12(raw: Path, rng: np.random.Generator) -> float:
    """Write one large day; return its size in gigabytes of the matrices that are used."""
    folder = raw / "competitionData" / "train"
    folder.mkdir(parents=True)
    cells = {}
    for name in ("tx1", "tx2", "tx3", "tx4", "spikePow"):
        cell = np.empty((1, T12_TRIALS), object)
        for place in range(T12_TRIALS):
            cell[0, place] = rng.random((T12_BINS, 256))
        cells[name] = cell
    blocks = np.arange(T12_TRIALS)[:, None] // 40
    sentences = ["He said so."] * T12_TRIALS
    savemat(folder / "t12.2022.04.28.mat", cells | {"blockIdx": blocks, "sentenceText": sentences})
    return 2 * T12_TRIALS * T12_BINS * 256 * 8 / 1e9


def measure(layout: str, raw: Path, data: Path) -> dict[str, float]:
    """Prepare in this (fresh) process; report seconds and the peak of its resident memory."""
    start = time.perf_counter()
    corpus = Card2024(raw) if layout == CARD2024.name else Willett2023(raw)
    report = prepare(corpus, data)
    seconds = time.perf_counter() - start
    n_trials = sum(report.trials.values())
    return {
        "n_trials": n_trials,
        "seconds": round(seconds, 2),
        "trials_per_s": round(n_trials / seconds, 1),
        "peak_memory_mb": round(peak_memory_mb(), 1),
    }


def peak_memory_mb() -> float:
    """Read the high-water mark of resident memory since this process was started."""
    status = Path("/proc/self/status")
    if status.is_file():
        line = next(x for x in status.read_text().splitlines() if x.startswith("VmHWM"))
        return int(line.split()[1]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> None:
    """Generate, prepare in a fresh process each, print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--gigabytes", type=float, default=4.0)
    parser.add_argument("--json", action="store_true")
    arguments = parser.parse_args()
    rng = np.random.default_rng(0)
    rows = {}
    for layout in (CARD2024.name, WILLETT2023.name):
        with tempfile.TemporaryDirectory() as scratch:
            raw, data = Path(scratch, "raw"), Path(scratch, "data")
            t15 = layout == CARD2024.name
            size = write_t15(raw, arguments.gigabytes, rng) if t15 else write_t12(raw, rng)
            with multiprocessing.get_context("spawn").Pool(1) as fresh:
                row = fresh.apply(measure, (layout, raw, data))
        rows[layout] = {"gigabytes": round(size, 2)} | row
        if not arguments.json:
            print(layout, rows[layout])
    if arguments.json:
        print(json.dumps(rows))


if __name__ == "__main__":
    main()
