"""Does zero-shot transfer vanish where no tuning is shared? Asked of several simulated people.

`planted_sharing.py` asked one participant, and its measure was chosen after others had been seen
on the same trials. So this was asked twice of new people, each time written down beforehand.

First, simulation seeds 1 to 8 (commit 70b21d2). Measure: gain of zero-shot attempted -> imagined
over chance, phoneme error rate (greedy, silences apart) of the same decodes held against those of
other sentences of like length, less that against their own. It rose with sharing (2.7, 27.3 and
58.5 points at shares 0, 0.5 and 1) and did not vanish: 1.6 to 3.8 at share 0. A second chance,
named beforehand as no part of the verdict, found -0.2 (-1.5 to 1.2) on the same people: a decode is
as long as its own sentence and only roughly as long as its neighbours', so it beats their decodes
by its length alone.

Second, simulation seeds 9 to 16, none of whom was simulated when this was written:

    Measure     as above, over the chance of equal length: the same decode held against phonemes of
                other sentences of like length, as many as its own sentence has.
    People      each with a training seed of the simulation seed's number plus 10, at planted
                shares 0, 0.5 and 1; `bit`, test split, 30 epochs, as in planted_sharing.
    Interval    the mean over people with Student's t (n - 1 degrees of freedom), 95 %.
    Rises       the gains at 0.5 less those at 0, and at 1 less those at 0.5, both exclude zero.
    Vanishes    the gain at 0 includes zero, and its upper end is below a tenth of the gain at 1.

No part of the verdict: the first measure again, the way back (imagined -> attempted), and with
`--learnt` the gain of a start from the whole model of attempted speech over one from its trunk
alone, after the same training on imagined speech.

    python benchmarks/sharing_people.py [--people 9 10 ... 16] [--work DIR] [--learnt] [--json]

A repeated command goes on where it was interrupted; two with different people may share a folder.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from scipy.stats import t as student

from _sharing import (
    ATTEMPTED,
    IMAGINED,
    Bench,
    Counts,
    chance,
    chance_same_length,
    errors,
    hear,
    prepared,
)
from sylvian.errors import SylvianError
from sylvian.evaluate import seeds_rate

SHARES = (0.0, 0.5, 1.0)
FIRST_TRAINING_SEED = 10
PRIMARY = "zero-shot, equal length"
VANISHED = 0.1  # of the gain where everything is shared
Gains = dict[str, float]


def rate(counts: Counts) -> float:
    """Pool the trials' error rate."""
    return seeds_rate([counts])


def measure(bench: Bench, *, learnt: bool) -> Gains:
    """Give a person's gains at a share, as fractions."""
    attempted, imagined = bench.train("tfs", ATTEMPTED), bench.train("tfs", IMAGINED)
    gains = {}
    for name, run, split in (
        ("zero-shot", attempted, "test/imagined"),
        ("back", imagined, "test/attempted"),
    ):
        heard = hear(run, split, silences=False)
        own = rate(errors(heard))
        gains[name] = rate(chance(heard)) - own
        gains[f"{name}, equal length"] = rate(chance_same_length(heard)) - own
    if learnt:
        whole = bench.train("cross_task_only", "start.keep=model")
        trunk = bench.train("cross_task_only", "start.keep=trunk")
        rates = [rate(errors(hear(run, "test"))) for run in (trunk, whole)]
        gains["whole model over its trunk"] = rates[0] - rates[1]
    return gains


def interval(values: Sequence[float]) -> tuple[float, float, float]:
    """Give the mean over people with its 95 % interval."""
    found = np.array(values)
    mean = float(found.mean())
    if len(found) < 2:
        return mean, float("nan"), float("nan")
    spread = float(found.std(ddof=1)) / len(found) ** 0.5
    reach = float(student.ppf(0.975, len(found) - 1)) * spread
    return mean, mean - reach, mean + reach


def verdict(gains: dict[float, list[Gains]]) -> dict[str, bool]:
    """Say whether the measure rises and vanishes, as written down above."""
    own = {share: [one[PRIMARY] for one in people] for share, people in gains.items()}
    steps = [
        interval([high - low for low, high in zip(own[a], own[b], strict=True)])
        for a, b in zip(SHARES, SHARES[1:], strict=False)
    ]
    _, low, high = interval(own[SHARES[0]])
    return {
        "rises": all(step[1] > 0 for step in steps),
        "vanishes": low <= 0 <= high < VANISHED * interval(own[SHARES[-1]])[0],
    }


def told(gains: dict[float, list[Gains]]) -> str:
    """Lay the table out, one column a share, with every person's gain below the means."""
    lines = [f"{'gain, points (95 %)':32}" + "".join(f"{f'share {s:g}':>24}" for s in gains)]
    for name in gains[SHARES[0]][0]:
        means = [interval([one[name] for one in people]) for people in gains.values()]
        cells = [f"{100 * m:.1f} ({100 * low:.1f} to {100 * high:.1f})" for m, low, high in means]
        lines.append(f"{name:32}" + "".join(f"{cell:>24}" for cell in cells))
        each = [" ".join(f"{100 * one[name]:.0f}" for one in people) for people in gains.values()]
        lines.append(f"{'  each person':32}" + "".join(f"{cell:>24}" for cell in each))
    return "\n".join(lines)


def main() -> int:
    """Run it all."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--people", type=int, nargs="+", default=list(range(9, 17)))
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--work", type=Path, default=None)
    parser.add_argument("--learnt", action="store_true")
    parser.add_argument("--json", action="store_true")
    asked = parser.parse_args()
    work = asked.work or Path(tempfile.mkdtemp(prefix="sharing-people-"))
    gains: dict[float, list[Gains]] = {share: [] for share in SHARES}
    try:
        for person in asked.people:
            for share, people in gains.items():
                home = prepared(share, work, person=person)
                bench = Bench(home, FIRST_TRAINING_SEED + person, asked.epochs)
                people.append(measure(bench, learnt=asked.learnt))
                print(f"person {person}, share {share:g}: done", file=sys.stderr, flush=True)
    except SylvianError as failure:
        print(failure, file=sys.stderr)
        return 1
    print(told(gains))
    found = verdict(gains)
    print(", ".join(f"{name}: {'yes' if so else 'no'}" for name, so in found.items()))
    if asked.json:
        print(json.dumps({"people": asked.people, "gains": gains, **found}))
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
