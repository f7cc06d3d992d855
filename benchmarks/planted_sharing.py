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
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from _sharing import (
    ATTEMPTED,
    IMAGINED,
    NEIGHBOURS,
    Bench,
    Counts,
    chance,
    errors,
    hear,
    prepared,
)
from sylvian.errors import SylvianError
from sylvian.evaluate import bootstrap_seeds, paired_bootstrap_seeds, seeds_rate
from sylvian.types import EditCounts

BARE = ", no silences"
GAINS = {  # name -> (rate without, rate with)
    "after attempted": ("from scratch", "after attempted"),
    "after attempted, over its trunk": ("trunk alone", "after attempted"),
    "zero-shot": ("chance, zero-shot", "zero-shot"),
    "back": ("chance, back", "back"),
    f"zero-shot{BARE}": (f"chance, zero-shot{BARE}", f"zero-shot{BARE}"),
    f"back{BARE}": (f"chance, back{BARE}", f"back{BARE}"),
}


def measure(bench: Bench) -> dict[str, Counts]:
    """Give every row's edits, trial by trial."""
    attempted, scratch = bench.train("tfs", ATTEMPTED), bench.train("tfs", IMAGINED)
    after = bench.train("cross_task_only", "start.keep=model")
    trunk = bench.train("cross_task_only", "start.keep=trunk")
    found = {
        "attempted": errors(hear(attempted, "test")),
        "from scratch": errors(hear(scratch, "test")),
        "after attempted": errors(hear(after, "test")),
        "trunk alone": errors(hear(trunk, "test")),
    }
    for name, run, split in (
        ("zero-shot", attempted, "test/imagined"),
        ("back", scratch, "test/attempted"),
    ):
        for told, silences in (("", True), (BARE, False)):
            heard = hear(run, split, silences=silences)
            found[f"{name}{told}"] = errors(heard)
            found[f"chance, {name}{told}"] = chance(heard)
    return found


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
                own.append(measure(Bench(prepared(share, work), seed, asked.epochs)))
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
