"""How fast does the BIT encoder train, against the straightforward way to write it?

Both sides take the same trials (512 channels, 300 to 1,200 bins, about 800 on average) through the
same step: smoothing, encoder with dropout, CTC loss, backward pass, gradient clipping, AdamW. The
reference pads random batches to their longest trial, masks explicitly and computes in float32; ours
takes batches of similar lengths and runs packed in bfloat16. Steps alternate, so that whatever else
the machine does hits both alike; trials per CPU-second are the steadier number on a busy machine.

Noise augmentation is left out on both sides; it belongs to the loader's budget.
"""

import argparse
import json
import re
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import torch
from torch import nn

from _reference_encoder import ReferenceModel, reference_loss
from sylvian.models.batch import Batch, make_batch
from sylvian.models.ctc import CtcModel, CtcObjective
from sylvian.models.encoder import SessionSpec, build_encoder
from sylvian.models.frontend import round_up
from sylvian.models.transformer import TransformerConfig
from sylvian.text import phoneme_vocabulary
from sylvian.types import Trial, TrialInfo, TrialKey

N_CHANNELS = 512
VOCABULARY = phoneme_vocabulary()
SESSION = SessionSpec(path="bench/T15/2023-08-11", participant="bench/T15", n_channels=N_CHANNELS)


def draw_lengths(n_trials: int, seed: int) -> list[int]:
    """Draw lengths of 300 to 1,200 bins, 800 on average."""
    rng = np.random.default_rng(seed)
    return (300 + 900 * rng.beta(2.5, 2.0, n_trials)).astype(int).tolist()


def groups(lengths: list[int], size: int, *, bucketed: bool) -> list[list[int]]:
    """Cut lengths into batches: neighbours in length, or as they come."""
    ordered = sorted(lengths) if bucketed else lengths
    return [ordered[start : start + size] for start in range(0, len(ordered), size)]


def batch_of(lengths: list[int], seed: int) -> Batch:
    """Make a batch of noise with a label every third frame."""
    rng = np.random.default_rng(seed)
    trials = [_trial(n_bins, number, rng) for number, n_bins in enumerate(lengths)]
    return make_batch(trials, session_index={SESSION.path: 0}, vocabulary=VOCABULARY)


def _trial(n_bins: int, number: int, rng: np.random.Generator) -> Trial:
    phones = rng.choice(VOCABULARY.tokens[1:], size=n_bins // 15)
    key = TrialKey("bench", "T15", "2023-08-11", 1, number)
    info = TrialInfo(key, "train", n_bins, phonemes=tuple(str(phone) for phone in phones))
    return Trial(info, rng.standard_normal((n_bins, N_CHANNELS), dtype=np.float32))


class Ours:
    """Packed trials, bfloat16 products, float32 parameters and residual stream."""

    def __init__(self) -> None:
        encoder = build_encoder(TransformerConfig(), [SESSION])
        self.model: nn.Module = CtcModel(encoder, VOCABULARY).train()
        self.objective = CtcObjective(self.model)
        self.optimizer = torch.optim.AdamW(self.model.parameters(), lr=5e-4, fused=True)

    def loss(self, batch: Batch) -> torch.Tensor:
        """Mean CTC loss of a batch."""
        with torch.autocast("cpu", dtype=torch.bfloat16):
            return self.objective(batch).total


class Reference:
    """Padded batches in float32 (see `_reference_encoder.py`)."""

    def __init__(self) -> None:
        torch.manual_seed(0)
        self.model: nn.Module = ReferenceModel(N_CHANNELS, len(VOCABULARY)).train()
        self.optimizer = torch.optim.AdamW(self.model.parameters(), lr=5e-4)

    def loss(self, batch: Batch) -> torch.Tensor:
        """Mean CTC loss of a batch."""
        model, inputs = self.model, (batch.features, batch.n_bins, batch.labels, batch.n_labels)
        return reference_loss(model, *inputs)


def step(side: Ours | Reference, batch: Batch) -> None:
    """Do one optimisation step."""
    side.loss(batch).backward()
    nn.utils.clip_grad_norm_(side.model.parameters(), 1.0)
    side.optimizer.step()
    side.optimizer.zero_grad()


@dataclass
class Clock:
    """Time spent on trials, by the wall and on the CPU."""

    trials: int = 0
    wall_s: float = 0.0
    cpu_s: float = 0.0

    def measure(self, work: Callable[[], None], trials: int) -> None:
        """Add the time that `work` takes on so many trials."""
        wall, cpu = time.perf_counter(), time.process_time()
        work()
        self.wall_s += time.perf_counter() - wall
        self.cpu_s += time.process_time() - cpu
        self.trials += trials


def race(ours: list[Batch], theirs: list[Batch], rounds: int) -> tuple[Clock, Clock]:
    """Alternate steps of both sides over all batches, after a round to warm up."""
    sides = (Ours(), ours), (Reference(), theirs)
    clocks = Clock(), Clock()
    for number in range(rounds + 1):
        for at in range(len(ours)):
            for (side, own), clock in zip(sides, clocks, strict=True):
                work = clock if number else Clock()
                work.measure(lambda s=side, b=own[at]: step(s, b), len(own[at]))
    return clocks


def useful_flop(batch: Batch) -> float:
    """Floating-point operations a training step cannot do without, padding excluded.

    A product costs as much again for its weights' gradient and once more for its input's; the
    read-in's input needs none.
    """
    frames = ((batch.n_bins + 4) // 5).double()
    per_frame = 7 * (384 * 1152 + 384 * 384 + 2 * 384 * 512) + 384 * len(VOCABULARY)
    attention = 7 * 2 * 384 * frames.square().sum()
    read_in = 5 * N_CHANNELS * 384 * frames.sum()
    return float(2 * (3 * (per_frame * frames.sum() + attention) + 2 * read_in))


def matmul_rate(dtype: torch.dtype, size: int = 2048, repeats: int = 6) -> float:
    """Best rate of a square product, in floating-point operations per CPU-second."""
    left, right = (torch.randn(size, size).to(dtype) for _ in range(2))
    best = float("inf")
    for _ in range(repeats):
        start = time.process_time()
        torch.mm(left, right)
        best = min(best, time.process_time() - start)
    return 2 * size**3 / best


def peak_memory_mb(side: str, batch: int, seed: int) -> float:
    """Run steps of one side in a process of its own and read its high-water mark."""
    arguments = [sys.executable, __file__, "--memory-of", side, "--batch", str(batch)]
    done = subprocess.run([*arguments, "--seed", str(seed)], check=True, capture_output=True)
    return float(done.stdout)


def peak_of_own_steps(side: str, batch_size: int, seed: int) -> float:
    """Take two steps on the longest of four batches; returns this process' peak in MB."""
    made = groups(draw_lengths(4 * batch_size, seed), batch_size, bucketed=side == "ours")
    batch = batch_of(max(made, key=max), seed)
    chosen = Ours() if side == "ours" else Reference()
    for _ in range(2):
        step(chosen, batch)
    # Not ru_maxrss: a child inherits its parent's high-water mark with it.
    status = Path("/proc/self/status").read_text(encoding="ascii")
    return float(re.search(r"VmHWM:\s+(\d+) kB", status)[1]) / 1024


@dataclass
class Report:
    """What a run measured; rates are per second of one thread."""

    threads: int
    batch: int
    n_trials: int
    mean_bins: float
    ours_trials_per_s: float
    reference_trials_per_s: float
    ratio: float
    ours_trials_per_cpu_s: float
    reference_trials_per_cpu_s: float
    ratio_cpu: float
    ours_padding: float
    reference_padding: float
    ours_gflop_per_cpu_s: float
    bf16_matmul_gflop_per_cpu_s: float
    fp32_matmul_gflop_per_cpu_s: float
    fraction_of_bf16: float
    fraction_of_fp32: float
    reference_fraction_of_fp32: float
    ours_peak_memory_mb: float
    reference_peak_memory_mb: float
    memory_batch: int


def compare(arguments: argparse.Namespace) -> Report:
    """Run the race and the memory measurements."""
    lengths = draw_lengths(arguments.batch * arguments.n_batches, arguments.seed)
    cut = [groups(lengths, arguments.batch, bucketed=bucketed) for bucketed in (True, False)]
    ours, theirs = ([batch_of(own, at) for at, own in enumerate(side)] for side in cut)
    rates = {dtype: matmul_rate(dtype) for dtype in (torch.bfloat16, torch.float32)}
    mine, other = race(ours, theirs, arguments.rounds)
    # Afterwards once more: the machine may have been busy the first time.
    rates = {dtype: max(rate, matmul_rate(dtype)) for dtype, rate in rates.items()}
    flop = sum(useful_flop(batch) for batch in ours) * arguments.rounds
    achieved = flop / mine.cpu_s
    real = sum(-(-n_bins // 5) for n_bins in lengths)
    rows = sum(round_up(sum(-(-n_bins // 5) for n_bins in own)) for own in cut[0])
    padded = sum(len(own) * max(own) for own in cut[1])
    return Report(
        threads=torch.get_num_threads(),
        batch=arguments.batch,
        n_trials=mine.trials,
        mean_bins=float(np.mean(lengths)),
        ours_trials_per_s=mine.trials / mine.wall_s,
        reference_trials_per_s=other.trials / other.wall_s,
        ratio=other.wall_s / mine.wall_s,
        ours_trials_per_cpu_s=mine.trials / mine.cpu_s,
        reference_trials_per_cpu_s=other.trials / other.cpu_s,
        ratio_cpu=other.cpu_s / mine.cpu_s,
        ours_padding=1 - real / rows,
        reference_padding=1 - sum(lengths) / padded,
        ours_gflop_per_cpu_s=achieved / 1e9,
        bf16_matmul_gflop_per_cpu_s=rates[torch.bfloat16] / 1e9,
        fp32_matmul_gflop_per_cpu_s=rates[torch.float32] / 1e9,
        fraction_of_bf16=achieved / rates[torch.bfloat16],
        fraction_of_fp32=achieved / rates[torch.float32],
        reference_fraction_of_fp32=flop / other.cpu_s / rates[torch.float32],
        ours_peak_memory_mb=peak_memory_mb("ours", arguments.memory_batch, arguments.seed),
        reference_peak_memory_mb=peak_memory_mb(
            "reference", arguments.memory_batch, arguments.seed
        ),
        memory_batch=arguments.memory_batch,
    )


def main() -> None:
    """Read the command line, measure, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--n-batches", type=int, default=6)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--memory-batch", type=int, default=64)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", action="store_true", help="print one JSON object last")
    parser.add_argument("--memory-of", choices=("ours", "reference"), help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    if arguments.memory_of:
        print(peak_of_own_steps(arguments.memory_of, arguments.batch, arguments.seed))
        return
    measured = asdict(compare(arguments))
    for name, value in measured.items():
        print(f"{name:30s} {value:10.3f}" if isinstance(value, float) else f"{name:30s} {value}")
    if arguments.json:
        print(json.dumps(measured))


if __name__ == "__main__":
    main()
