"""How fast does masked reconstruction pretrain, against the straightforward way to write it?

Both sides take the same recordings of 192 channels through the same step at the published sizes:
noise, smoothing, masks (half of the frames, spans up to 15), read-in, trunk with dropout, read-out,
loss, backward pass, gradient clipping, AdamW. Two loads: windows of 10 s of one participant, as
continuous recordings are cut; and whole trials of 1 to 20 s of several participants. The reference
pads random batches of one participant, masks explicitly and computes in float32; ours sorts by
length whoever was recorded and runs packed in bfloat16. Steps alternate, so that whatever else the
machine does hits both alike; hours per CPU-second are the steadier number on a busy machine.
"""

import argparse
import json
import re
import subprocess
import sys
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from torch import nn

from _reference_pretraining import ReferencePretraining
from sylvian.models.batch import Batch, make_batch
from sylvian.models.encoder import SessionSpec, build_encoder
from sylvian.models.pretraining import PretrainingModel, PretrainingObjective, ReconstructionConfig
from sylvian.models.transformer import TransformerConfig
from sylvian.types import Trial, TrialInfo, TrialKey
from training_step import Clock, matmul_rate

N_CHANNELS, BIN_S, DAY = 192, 0.02, "2015-03-01"
LOADS = ("windows", "trials")
Recording = tuple[int, int]
"""Participant and length in bins."""


def draw(load: str, n_batches: int, batch: int, seed: int) -> list[list[Recording]]:
    """Draw recordings, a batch of each participant: 500 bins each, or trials of 50 to 1,000."""
    if load == "windows":
        return [[(0, 500)] * batch for _ in range(n_batches)]
    rng = np.random.default_rng(seed)
    return [
        [(who, int(n_bins)) for n_bins in 50 + 950 * rng.beta(1.0, 2.0, batch)]
        for who in range(n_batches)
    ]


def by_length(batches: list[list[Recording]]) -> list[list[Recording]]:
    """Cut the same recordings into batches of neighbours in length, whoever was recorded."""
    ordered = sorted((own for batch in batches for own in batch), key=lambda own: own[1])
    size = len(batches[0])
    return [ordered[start : start + size] for start in range(0, len(ordered), size)]


def sessions(n_participants: int) -> list[SessionSpec]:
    """One session each of some participants with as many channels."""
    names = [f"bench/P{who}" for who in range(n_participants)]
    return [
        SessionSpec(path=f"{name}/{DAY}", participant=name, n_channels=N_CHANNELS) for name in names
    ]


def batch_of(recordings: list[Recording], known: list[SessionSpec], seed: int) -> Batch:
    """Make a batch of noise."""
    rng = np.random.default_rng(seed)
    trials = []
    for number, (who, n_bins) in enumerate(recordings):
        info = TrialInfo(TrialKey("bench", f"P{who}", DAY, 1, number), "train", n_bins)
        trials.append(Trial(info, rng.standard_normal((n_bins, N_CHANNELS), dtype=np.float32)))
    index = {spec.path: at for at, spec in enumerate(known)}
    return make_batch(trials, session_index=index, vocabulary=None)


class Ours:
    """Packed trials, bfloat16 products, float32 parameters and residual stream."""

    def __init__(self, known: list[SessionSpec]) -> None:
        encoder = build_encoder(TransformerConfig(), known)
        self.model = PretrainingModel(encoder, ReconstructionConfig()).train()
        self.objective = PretrainingObjective(self.model)
        self.optimizer = torch.optim.AdamW(self.model.parameters(), lr=5e-4, fused=True)
        self.epoch = 0

    def loss(self, batch: Batch) -> torch.Tensor:
        """Loss of a batch under masks that belong to its trials and the epoch."""
        self.epoch += 1
        with torch.autocast("cpu", dtype=torch.bfloat16):
            hidden = self.model.fixed_masks(batch, seed=self.epoch)
            return self.objective.score(batch, self.model(batch, hidden)).total


class Reference:
    """Padded batches in float32 (see `_reference_pretraining.py`)."""

    def __init__(self, known: list[SessionSpec]) -> None:
        torch.manual_seed(0)
        self.model = ReferencePretraining(N_CHANNELS, len(known)).train()
        self.optimizer = torch.optim.AdamW(self.model.parameters(), lr=5e-4)

    def loss(self, batch: Batch) -> torch.Tensor:
        """Loss of a batch of one participant."""
        return self.model.loss(batch.features, batch.n_bins, int(batch.session[0]))


SIDES = {"ours": Ours, "reference": Reference}


def step(side: Ours | Reference, batch: Batch) -> None:
    """Do one optimisation step."""
    side.loss(batch).backward()
    nn.utils.clip_grad_norm_(side.model.parameters(), 1.0)
    side.optimizer.step()
    side.optimizer.zero_grad()


def race(load: str, arguments: argparse.Namespace) -> tuple[dict[str, Clock], list[Batch]]:
    """Alternate steps of both sides over all batches, after a round to warm up."""
    drawn = draw(load, arguments.n_batches, arguments.batch, arguments.seed)
    known = sessions(1 if load == "windows" else arguments.n_batches)
    made = {
        "ours": [batch_of(own, known, at) for at, own in enumerate(by_length(drawn))],
        "reference": [batch_of(own, known, at) for at, own in enumerate(drawn)],
    }
    sides, clocks = {name: SIDES[name](known) for name in SIDES}, {name: Clock() for name in SIDES}
    for number in range(arguments.rounds + 1):
        for at in range(arguments.n_batches):
            for name, batches in made.items():
                clock = clocks[name] if number else Clock()
                clock.measure(
                    lambda side=sides[name], batch=batches[at]: step(side, batch), len(batches[at])
                )
    return clocks, made["ours"]


def useful_flop(batch: Batch) -> float:
    """Floating-point operations a step cannot do without: padding and visible patches excluded.

    A product costs as much again for its weights' gradient and once more for its input's; the
    read-in's input needs none. Half of the patches are read out.
    """
    frames = (-(-batch.n_bins // 5)).double()
    per_frame = 7 * (384 * 1152 + 384 * 384 + 2 * 384 * 512) + 0.5 * 5 * N_CHANNELS * 384
    attention = 7 * 2 * 384 * frames.square().sum()
    read_in = 5 * N_CHANNELS * 384 * frames.sum()
    return float(2 * (3 * (per_frame * frames.sum() + attention) + 2 * read_in))


def peak_memory_mb(side: str, arguments: argparse.Namespace) -> float:
    """Run steps of one side in a process of its own and read its high-water mark."""
    command = [sys.executable, __file__, "--memory-of", side, "--batch", str(arguments.batch)]
    return float(subprocess.run(command, check=True, capture_output=True).stdout)


def peak_of_own_steps(side: str, batch_size: int) -> float:
    """Take two steps on windows; returns this process' peak in MB."""
    known = sessions(1)
    batch, chosen = batch_of([(0, 500)] * batch_size, known, 0), SIDES[side](known)
    for _ in range(2):
        step(chosen, batch)
    # Not ru_maxrss: a child inherits its parent's high-water mark with it.
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return float(re.search(r"VmHWM:\s+(\d+) kB", status)[1]) / 1024


@dataclass
class Report:
    """What one load measured; rates are per second of one thread."""

    load: str
    threads: int
    batch: int
    n_steps: int
    mean_bins: float
    ours_hours_per_s: float
    reference_hours_per_s: float
    ratio: float
    ours_hours_per_cpu_s: float
    reference_hours_per_cpu_s: float
    ratio_cpu: float
    mask_fraction: float
    ours_gflop_per_cpu_s: float
    fraction_of_bf16: float
    fraction_of_fp32: float
    reference_fraction_of_fp32: float


def mask_seconds(batch: Batch, repeats: int = 20) -> float:
    """CPU-seconds that drawing the masks of a batch by key and seed takes."""
    side, clock = Ours(sessions(int(batch.session.max()) + 1)), Clock()
    for seed in range(repeats):
        clock.measure(lambda seed=seed: side.model.fixed_masks(batch, seed=seed), len(batch))
    return clock.cpu_s / repeats


def compare(load: str, arguments: argparse.Namespace) -> Report:
    """Run the race on one load."""
    rates = {dtype: matmul_rate(dtype) for dtype in (torch.bfloat16, torch.float32)}
    clocks, batches = race(load, arguments)
    # Afterwards once more: the machine may have been busy the first time.
    rates = {dtype: max(rate, matmul_rate(dtype)) for dtype, rate in rates.items()}
    ours, theirs = clocks["ours"], clocks["reference"]
    n_bins = sum(int(batch.n_bins.sum()) for batch in batches)
    hours = n_bins * BIN_S / 3600 * arguments.rounds
    flop = sum(useful_flop(batch) for batch in batches) * arguments.rounds
    n_steps = arguments.rounds * arguments.n_batches
    return Report(
        load=load,
        threads=torch.get_num_threads(),
        batch=arguments.batch,
        n_steps=n_steps,
        mean_bins=n_bins / sum(map(len, batches)),
        ours_hours_per_s=hours / ours.wall_s,
        reference_hours_per_s=hours / theirs.wall_s,
        ratio=theirs.wall_s / ours.wall_s,
        ours_hours_per_cpu_s=hours / ours.cpu_s,
        reference_hours_per_cpu_s=hours / theirs.cpu_s,
        ratio_cpu=theirs.cpu_s / ours.cpu_s,
        mask_fraction=mask_seconds(batches[-1]) / (ours.cpu_s / n_steps),
        ours_gflop_per_cpu_s=flop / ours.cpu_s / 1e9,
        fraction_of_bf16=flop / ours.cpu_s / rates[torch.bfloat16],
        fraction_of_fp32=flop / ours.cpu_s / rates[torch.float32],
        reference_fraction_of_fp32=flop / theirs.cpu_s / rates[torch.float32],
    )


def main() -> None:
    """Read the command line, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--n-batches", type=int, default=3, help="also the number of participants")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", action="store_true", help="print one JSON object last")
    parser.add_argument("--memory-of", choices=tuple(SIDES), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    if arguments.memory_of:
        print(peak_of_own_steps(arguments.memory_of, arguments.batch))
        return
    measured = {load: asdict(compare(load, arguments)) for load in LOADS}
    measured["peak_memory_mb"] = {side: peak_memory_mb(side, arguments) for side in SIDES}
    for name, values in measured.items():
        print(name)
        for field, value in values.items():
            print(
                f"  {field:28s} {value:10.4f}"
                if isinstance(value, float)
                else f"  {field:28s} {value}"
            )
    if arguments.json:
        print(json.dumps(measured))


if __name__ == "__main__":
    main()
