"""Does transfer between attempted and imagined speech follow the tuning that they share?

Simulated participants attempt speech on two days and imagine it on one; a planted share of their
electrodes keeps its preferred direction when speech is imagined, the others turn to unrelated ones.
For each share and training seed, phoneme error rates (greedy, half of the held-out trials, `bit`):

    from scratch        40 imagined sentences
    after attempted     the same, begun with the whole model of 80 attempted sentences
    zero-shot           that model of attempted speech, asked about imagined speech
    back                a model of imagined speech, asked about attempted speech

Each is repeated with the model's electrodes shuffled before it goes on: then it knows as much of
language, phonemes and timing, and nothing of how the electrodes are tuned. What the true electrodes
gain over the shuffled ones is transfer of tuning. Intervals are over seeds and trials, paired.

    python benchmarks/planted_sharing.py [--seeds 3] [--shares 0 0.5 1] [--work DIR] [--json]

A repeated command goes on where it was interrupted.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before NumPy is imported

import numpy as np
from safetensors.numpy import load_file, save_file

from sylvian import pipeline
from sylvian.data.synthetic import (
    ImaginedConfig,
    NeuralConfig,
    ParticipantConfig,
    SpeechConfig,
    SyntheticConfig,
    simulate,
)
from sylvian.errors import SylvianError
from sylvian.evaluate import bootstrap_seeds, paired_bootstrap_seeds, seeds_rate
from sylvian.runs import RunFolder
from sylvian.studies import LanguageModels
from sylvian.studies.judging import judge
from sylvian.types import EditCounts, silent

ATTEMPTED = 'strategies=["attempted","vocalized","silent"]'
IMAGINED = 'strategies=["imagined"]'
ROWS = ("from scratch", "after attempted", "zero-shot", "back")
SHUFFLED = ", electrodes shuffled"
Counts = tuple[EditCounts, ...]


@dataclass(frozen=True)
class Bench:
    """One planted share and one training seed.

    Attributes:
        home: Folder of the share's recordings and runs.
        seed: Training seed.
        epochs: Passes over the training sentences.
    """

    home: Path
    seed: int
    epochs: int

    def train(self, recipe: str, *own: str, runs: str = "runs") -> RunFolder:
        """Train, or find what was trained."""
        asked = ["corpus=synthetic", "splits=bit", "train.batch_size=8"]
        asked += [f"train.epochs={self.epochs}", f"train.seed={self.seed}", *own]
        made = pipeline.train(recipe, asked, data=self.home / "data", runs=self.home / runs)
        return RunFolder(Path(made.run))

    def shuffled(self, run: RunFolder) -> RunFolder:
        """Copy a run with the electrodes of its read-in in another order."""
        copy = RunFolder(self.home / "shuffled" / run.path.name)
        if not copy.is_finished:
            shutil.rmtree(copy.path, ignore_errors=True)
            shutil.copytree(run.path, copy.path, ignore=shutil.ignore_patterns("test*", "val*"))
            shuffle_electrodes(copy.best / "weights.safetensors", seed=self.seed)
        return copy

    def measure(self) -> dict[str, Counts]:
        """Give every row's edits, trial by trial."""
        attempted, scratch = self.train("tfs", ATTEMPTED), self.train("tfs", IMAGINED)
        found = {"attempted": edits(attempted, "test"), ROWS[0]: edits(scratch, "test")}
        for name, runs in (("", "runs"), (SHUFFLED, "shuffled")):
            first, second = attempted, scratch
            if name:
                first, second = self.shuffled(attempted), self.shuffled(scratch)
            # the earlier task is found in `runs`: as it was trained, or with shuffled electrodes
            after = self.train("cross_task_only", "start.keep=model", runs=runs)
            found |= {
                f"after attempted{name}": edits(after, "test"),
                f"zero-shot{name}": edits(first, "test/imagined"),
                f"back{name}": edits(second, "test/attempted"),
            }
        return found


def shuffle_electrodes(path: Path, *, seed: int, n_features: int = 2) -> None:
    """Put the electrodes of a model's one read-in into a random order, all features alike."""
    weights = load_file(path)
    prefix = "encoder.read_ins.maps.0."
    n_inputs = weights[f"{prefix}scale"].size
    n_channels = n_inputs // PATCH_BINS
    order = np.random.default_rng(seed).permutation(n_channels // n_features)
    channels = np.concatenate([order + part * len(order) for part in range(n_features)])
    columns = (np.arange(PATCH_BINS)[:, None] * n_channels + channels).ravel()
    for name in ("scale", "shift", "linear.weight"):
        weights[prefix + name] = np.ascontiguousarray(weights[prefix + name][..., columns])
    save_file(weights, path)


PATCH_BINS = 5


def edits(run: RunFolder, split: str) -> Counts:
    """Count phoneme errors of greedy decoding."""
    return judge(run, "greedy", split, LanguageModels(), silent).counts


def participant(share: float) -> ParticipantConfig:
    """Plan who attempts speech on two days and imagines it on one between them."""
    return ParticipantConfig(
        name="S15",
        layout="card2024",
        sessions=3,
        train_trials=40,
        eval_trials=80,
        hidden_trials=0,
        max_words=4,
        fifty_share=1.0,
        train_only_sessions=(),
        block_trials=20,
        speech=SpeechConfig(words_per_minute=90.0),
        neural=NeuralConfig(snr=2.0),
        imagined=ImaginedConfig(sessions=(1,), depth=0.7, turnover=1.0 - share, turn=1.0),
    )


def prepared(share: float, work: Path) -> Path:
    """Simulate and prepare the participant of a share, once."""
    home = work / f"share-{share:g}"
    if not (home / "data").is_dir():
        shutil.rmtree(home, ignore_errors=True)
        simulate(SyntheticConfig(participants=(participant(share),)), home / "raw")
        pipeline.prepare_corpus("synthetic", raw=home / "raw", data=home / "data", jobs=1)
    return home


def summed(share: float, found: Sequence[dict[str, Counts]]) -> dict[str, Any]:
    """Pool the seeds of a share."""
    rows: dict[str, Any] = {"share": share, "n_trials": len(found[0][ROWS[0]])}
    for name in found[0]:
        runs = [one[name] for one in found]
        rows[name] = (seeds_rate(runs), *bootstrap_seeds(runs))
    gains = {f"{name}, tuning": (name + SHUFFLED, name) for name in ROWS[1:]}
    gains["after attempted, all"] = (ROWS[0], "after attempted")
    for name, (before, after) in gains.items():
        gain = paired_bootstrap_seeds([f[before] for f in found], [f[after] for f in found])
        rows[f"gain: {name}"] = (gain.difference, gain.low, gain.high)
    return rows


def told(rows: Sequence[dict[str, Any]]) -> str:
    """Lay the table out, one column a share."""
    names = [name for name in rows[0] if name not in ("share", "n_trials")]
    lines = [
        f"{'% (95 %)':38}" + "".join(f"{'share ' + format(r['share'], 'g'):>24}" for r in rows)
    ]
    for name in names:
        cells = (
            f"{100 * r[name][0]:.1f} ({100 * r[name][1]:.1f} to {100 * r[name][2]:.1f})"
            for r in rows
        )
        lines.append(f"{name:38}" + "".join(f"{cell:>24}" for cell in cells))
    return "\n".join([*lines, f"n {rows[0]['n_trials']} imagined trials in each seed"])


def main() -> int:
    """Run it all."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--shares", type=float, nargs="+", default=[0.0, 0.5, 1.0])
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--work", type=Path, default=None)
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    work = asked.work or Path(tempfile.mkdtemp(prefix="planted-sharing-"))
    found: dict[float, list[dict[str, Counts]]] = {share: [] for share in asked.shares}
    try:
        for seed in range(asked.seeds):
            for share, own in found.items():
                own.append(Bench(prepared(share, work), seed, asked.epochs).measure())
                print(f"seed {seed}, share {share:g}: done", file=sys.stderr, flush=True)
    except SylvianError as failure:
        print(failure, file=sys.stderr)
        return 1
    rows = [summed(share, own) for share, own in found.items()]
    print(told(rows))
    if asked.json:
        print(json.dumps({"seeds": asked.seeds, "rows": rows}))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
