"""Train in forked children that are killed with SIGKILL; run by test_resume.py as a subprocess.

This process imports everything once and never trains itself, so that a child costs a fork instead
of seconds of imports. Usage: resume_runner.py FOLDER STRIDE; the last line printed is a JSON
report.
"""

from __future__ import annotations

import json
import os
import random
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

sys.path.insert(0, str(Path(__file__).parents[1] / "unit" / "train"))
from conftest import make_toy
from sylvian.decode.greedy import greedy
from sylvian.evaluate.rates import count_edits
from sylvian.train import AugmentConfig, CtcTask, TrainConfig, fit


def train(run: Path, **changes: Any) -> None:
    """Train, or continue, with everything that draws at random or keeps a running sum."""
    torch.set_num_threads(1)
    toy = make_toy()
    sizes = {"batch_size": 2, "accumulate": 2, "learning_rate": 1e-2, "ema_decay": 0.9}
    fit(
        CtcTask(
            toy.model(input_dropout=0.1, feedforward_dropout=0.2, mask_ratio=0.2),
            lambda logits, truth: count_edits(truth, greedy(logits).tokens),
        ),
        train=toy.infos("train"),
        val=toy.infos("val"),
        read=toy.read,
        config=TrainConfig(**sizes | changes),
        augment=AugmentConfig(random_cut=3),
        run=run,
        resume=True,
    )


def forked(work: Callable[[], None]) -> int:
    """Start `work` in a child; returns its process id. An exception ends the child by itself."""
    child = os.fork()
    if child == 0:
        work()
        os._exit(0)
    return child


def survived(child: int) -> bool:
    """Wait for a child; False if it was killed."""
    status = os.waitpid(child, 0)[1]
    if os.WIFSIGNALED(status) and os.WTERMSIG(status) == signal.SIGKILL:
        return False
    if os.waitstatus_to_exitcode(status) != 0:
        raise RuntimeError("a child failed; its traceback is above")
    return True


def die_before_change(number: int) -> None:
    """Kill this process just before its `number`-th change to the disk."""
    left = [number]

    def doomed(function: Callable[..., Any]) -> Callable[..., Any]:
        def call(*args: Any, **kwargs: Any) -> Any:
            left[0] -= 1
            if left[0] == 0:
                os.kill(os.getpid(), signal.SIGKILL)
            return function(*args, **kwargs)

        return call

    for name in ("fsync", "replace", "rename", "unlink", "rmdir", "mkdir"):
        setattr(os, name, doomed(getattr(os, name)))


def killed_at_random(run: Path, *, seconds: float, seed: int) -> int:
    """Kill after a random part of the `seconds` a whole run takes, six times, resuming each time.

    Five parts together are shorter than a run, however fast the machine.
    """
    rng = random.Random(seed)
    n_kills = 0
    while True:
        child = forked(lambda: train(run, epochs=4, save_every_steps=2))
        if n_kills < 6:
            time.sleep(seconds * rng.uniform(0.05, 0.2))
            os.kill(child, signal.SIGKILL)
        if survived(child):
            return n_kills
        n_kills += 1


def killed_before_changes(folder: Path, stride: int) -> int:
    """Kill two epochs before their first, (1 + stride)th, ... change to the disk; then resume.

    Returns:
        How many runs were killed: they are over after so many times `stride` changes.
    """
    number = 1
    while True:
        run = folder / f"change-{number:02d}"

        def doomed(run: Path = run, number: int = number) -> None:
            die_before_change(number)
            train(run, epochs=2)

        if survived(forked(doomed)):
            return (number - 1) // stride
        if not survived(forked(lambda run=run: train(run, epochs=2))):
            raise RuntimeError("nobody was meant to kill this child")
        number += stride


def main(folder: Path, stride: int) -> None:
    """Make the uninterrupted runs and all the interrupted ones."""
    started = time.perf_counter()
    survived(forked(lambda: train(folder / "long", epochs=4)))
    seconds = time.perf_counter() - started
    survived(forked(lambda: train(folder / "short", epochs=2)))
    report = {
        "random": killed_at_random(folder / "random", seconds=seconds, seed=1),
        "changes": killed_before_changes(folder, stride),
    }
    sys.stdout.write(json.dumps(report) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
