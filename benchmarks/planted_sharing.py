"""Does transfer between attempted and imagined speech follow the tuning that they share?

Simulated participants attempt speech on two days and imagine it on one; a planted share of their
electrodes keeps its preferred direction when speech is imagined, the others turn to unrelated ones.
For each share and training seed, phoneme error rates (greedy, half of the held-out trials, `bit`):

    attempted           80 attempted sentences
    from scratch        40 imagined sentences
    after attempted     the same, begun with the whole model of attempted speech
    trunk alone         the same, begun with its trunk: read-ins and phoneme head are new
    zero-shot           the model of attempted speech, asked about imagined speech
    back                the model of imagined speech, asked about attempted speech

The read-in is where a model keeps how electrodes are tuned; the trunk knows phonemes, their order
and timing, which the simulator leaves as they are. So the gain over the trunk alone is transfer of
tuning, and the rest of the gain over a start from scratch is not. Chance is what the same zero-shot
decodes are worth against other sentences of like length; silences, every fourth token, are also
left out. Intervals are over seeds and trials, paired.

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
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before NumPy is imported

from sylvian import pipeline
from sylvian.data.synthetic import (
    ImaginedConfig,
    NeuralConfig,
    ParticipantConfig,
    SpeechConfig,
    SyntheticConfig,
    simulate,
)
from sylvian.decode.greedy import greedy
from sylvian.errors import SylvianError
from sylvian.evaluate import bootstrap_seeds, count_edits, paired_bootstrap_seeds, seeds_rate
from sylvian.jobs import Job, encode, spoken
from sylvian.runs import RunFolder
from sylvian.text import SIL
from sylvian.types import EditCounts, silent

ATTEMPTED = 'strategies=["attempted","vocalized","silent"]'
IMAGINED = 'strategies=["imagined"]'
BARE = ", no silences"
GAINS = {  # name -> (rate without, rate with)
    "after attempted": ("from scratch", "after attempted"),
    "after attempted, over its trunk": ("trunk alone", "after attempted"),
    "zero-shot": ("chance, zero-shot", "zero-shot"),
    "back": ("chance, back", "back"),
    f"zero-shot{BARE}": (f"chance, zero-shot{BARE}", f"zero-shot{BARE}"),
    f"back{BARE}": (f"chance, back{BARE}", f"back{BARE}"),
}
NEIGHBOURS = (-2, -1, 1, 2)  # in length
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

    def train(self, recipe: str, *own: str) -> RunFolder:
        """Train, or find what was trained."""
        asked = ["corpus=synthetic", "splits=bit", "train.batch_size=8"]
        asked += [f"train.epochs={self.epochs}", f"train.seed={self.seed}", *own]
        made = pipeline.train(recipe, asked, data=self.home / "data", runs=self.home / "runs")
        return RunFolder(Path(made.run))

    def measure(self) -> dict[str, Counts]:
        """Give every row's edits, trial by trial."""
        attempted, scratch = self.train("tfs", ATTEMPTED), self.train("tfs", IMAGINED)
        after = self.train("cross_task_only", "start.keep=model")
        trunk = self.train("cross_task_only", "start.keep=trunk")
        found = {
            "attempted": edits(attempted, "test"),
            "from scratch": edits(scratch, "test"),
            "after attempted": edits(after, "test"),
            "trunk alone": edits(trunk, "test"),
        }
        for name, run, split in (
            ("zero-shot", attempted, "test/imagined"),
            ("back", scratch, "test/attempted"),
        ):
            for told, heard in (("", _all), (BARE, _bare)):
                found[f"{name}{told}"] = edits(run, split, heard=heard)
                found[f"chance, {name}{told}"] = edits(run, split, chance=True, heard=heard)
        return found


def _all(tokens: Sequence[str]) -> list[str]:
    return list(tokens)


def _bare(tokens: Sequence[str]) -> list[str]:
    return [token for token in tokens if token != SIL]


def edits(
    run: RunFolder,
    split: str,
    *,
    chance: bool = False,
    heard: Callable[[Sequence[str]], list[str]] = _all,
) -> Counts:
    """Count phoneme errors of greedy decoding, or those of other trials' decodes of like length."""
    job = Job.open(run, split)
    said = {one.key: heard(greedy(one).tokens) for one in encode(job, silent)[0]}
    infos = spoken(job.infos, split)
    if not chance:
        return tuple(count_edits(heard(info.phonemes or ()), said[info.key]) for info in infos)
    ranked = sorted(infos, key=lambda info: (info.n_bins, info.key))
    found = {}
    for place, info in enumerate(ranked):
        others = [ranked[(place + step) % len(ranked)] for step in NEIGHBOURS]
        true = heard(info.phonemes or ())
        pairs = [count_edits(true, said[other.key]) for other in others]
        found[info.key] = sum(pairs, EditCounts())
    return tuple(found[info.key] for info in infos)


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
    rows: dict[str, Any] = {"share": share, "n_trials": len(found[0]["from scratch"])}
    for name in found[0]:
        runs = [one[name] for one in found]
        rows[name] = (seeds_rate(runs), *bootstrap_seeds(runs))
    for name, (before, after) in GAINS.items():
        without, own = ([one[row] for one in found] for row in (before, after))
        if before.startswith("chance"):  # every sentence was held against several decodes
            own = [tuple(sum([c] * len(NEIGHBOURS), EditCounts()) for c in run) for run in own]
        gain = paired_bootstrap_seeds(without, own)
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
