"""Does the loader outrun training? Trials per second of each, on one core, in one run.

Writes a prepared corpus of Brain-to-Text '25 shapes (300-1,200 bins of 512 channels, one float32
HDF5 file a session) with `sylvian.data.prepare`, then measures

* the loader: read, z-score by block, augment, pad (the very `TrainingData` that `fit` uses),
  without its cache and, as from a second epoch on, with it;
* training: forward, backward and AdamW of the published BIT encoder on batches already in memory.

Both per second of wall clock and of processor time, which other work on the machine does not touch.
Target: ratio >= 10 (issue 2). Usage: python benchmarks/loader.py [--json] [--precision bf16]
"""

from __future__ import annotations

import argparse
import json
import resource
import tempfile
import time
from collections import deque
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from sylvian.data.corpora.base import CorpusFacts, ParticipantFacts, SessionRef
from sylvian.data.normalize import NormalizeConfig
from sylvian.data.prepare import prepare
from sylvian.data.store import PreparedCorpus
from sylvian.models.batch import Batch
from sylvian.models.ctc import CtcModel, CtcObjective
from sylvian.models.encoder import SessionSpec, build_encoder
from sylvian.models.transformer import TransformerConfig
from sylvian.text import PHONES, SIL, phoneme_vocabulary
from sylvian.train import AugmentConfig, TrainConfig
from sylvian.train.data import TrainingData, training_data
from sylvian.train.optimise import build_optimizer, clip_factor, gradient_norm, scale_gradients
from sylvian.train.state import RunState
from sylvian.types import Trial, TrialInfo, TrialKey

N_CHANNELS = 512
SESSIONS = ("2024-01-01", "2024-01-02", "2024-01-03", "2024-01-04")


class Noise:
    """A corpus of random features with the lengths and labels of T15."""

    facts = CorpusFacts(
        name="noise",
        title="Random features of T15's shapes",
        participants={"T15": ParticipantFacts(n_channels=N_CHANNELS)},
        splits=("train",),
    )

    def __init__(self, folder: Path, n_trials: int) -> None:
        self._folder, self._n_trials = folder, n_trials

    def sessions(self) -> tuple[SessionRef, ...]:
        """Name the sessions; their raw files are empty, the features are drawn."""
        for session in SESSIONS:
            (self._folder / session).touch()
        return tuple(SessionRef("T15", s, {"train": self._folder / s}) for s in SESSIONS)

    def trials(self, session: SessionRef) -> Iterator[Trial]:
        """Draw a session's trials."""
        rng = np.random.default_rng(SESSIONS.index(session.session))
        for number in range(self._n_trials // len(SESSIONS)):
            n_bins = int(rng.integers(300, 1201))
            # ten phones a second are what people say; half as many are easy to align
            phonemes = (*rng.choice(PHONES, size=n_bins // 20).tolist(), SIL)
            key = TrialKey("noise", "T15", session.session, 1, number)
            info = TrialInfo(key, "train", n_bins, phonemes=phonemes)
            yield Trial(info, rng.standard_normal((n_bins, N_CHANNELS), dtype=np.float32))


def bit_model(corpus: PreparedCorpus) -> CtcModel:
    """Build the published encoder for the corpus."""
    paths = sorted({info.key.session_path for info in corpus.infos})
    specs = [SessionSpec(path=p, participant="noise/T15", n_channels=N_CHANNELS) for p in paths]
    return CtcModel(build_encoder(TransformerConfig(), specs), phoneme_vocabulary())


@dataclass
class Pace:
    """Trials handled, and how long that took."""

    n_trials: int = 0
    wall_s: float = 0.0
    cpu_s: float = 0.0

    @contextmanager
    def of(self, n_trials: int) -> Iterator[None]:
        """Time the block as the handling of `n_trials`."""
        wall, cpu = time.perf_counter(), time.process_time()
        yield
        self.wall_s += time.perf_counter() - wall
        self.cpu_s += time.process_time() - cpu
        self.n_trials += n_trials

    @property
    def per_s(self) -> float:
        """Trials per second of wall clock."""
        return self.n_trials / self.wall_s

    @property
    def per_cpu_s(self) -> float:
        """Trials per second of processor time."""
        return self.n_trials / self.cpu_s


def loading(data: TrainingData, *, n_trials: int, n_epochs: int = 3) -> Pace:
    """Load whole epochs of `n_trials`."""
    pace, loader = Pace(), data.train_dataloader()
    for _ in range(n_epochs):
        with pace.of(n_trials):
            deque(loader, maxlen=0)
    return pace


def training(model: CtcModel, batches: Sequence[Batch], config: TrainConfig) -> Pace:
    """Take optimiser steps; the first one only warms up."""
    model.train()
    objective, optimizer = CtcObjective(model), build_optimizer(model, config)
    pace = Pace()

    def step(batch: Batch) -> None:
        with torch.autocast("cpu", torch.bfloat16, enabled=config.precision == "bf16"):
            objective(batch).total.backward()
        scale_gradients(model, clip_factor(float(gradient_norm(model)), config.clip_norm))
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)

    step(batches[0])
    for batch in batches[1:]:
        with pace.of(len(batch)):
            step(batch)
    return pace


def padding(batches: Iterable[Batch]) -> float:
    """Share of the batches' bins that is padding."""
    used = padded = 0
    for batch in batches:
        used += int(batch.n_bins.sum())
        padded += batch.features.shape[0] * batch.features.shape[1]
    return 1 - used / padded


def measure(folder: Path, *, n_trials: int, precision: str, n_steps: int) -> dict[str, float]:
    """Prepare, load, train; return the numbers."""
    prepare(Noise(folder, n_trials), folder / "data")
    corpus = PreparedCorpus.open(folder / "data", "noise", normalize=NormalizeConfig(kind="block"))
    model = bit_model(corpus)

    def data(cache_mb: int) -> TrainingData:
        config = TrainConfig(cache_mb=cache_mb)
        return training_data(
            corpus.infos,
            corpus.infos[:1],
            read=corpus.read,
            model=model,
            config=config,
            augment=AugmentConfig(),
            state=RunState(),
        )

    n_loaded = len(corpus.infos)
    from_disk = loading(data(0), n_trials=n_loaded)
    warm = data(4096)
    loading(warm, n_trials=n_loaded, n_epochs=1)
    from_memory = loading(warm, n_trials=n_loaded)
    batches = [batch for group in data(0).train_dataloader() for batch in group]
    trained = training(model, batches[: n_steps + 1], TrainConfig(precision=precision))
    return {
        "loader_trials_per_s": from_disk.per_s,
        "loader_cached_trials_per_s": from_memory.per_s,
        "training_trials_per_s": trained.per_s,
        "ratio": from_disk.per_s / trained.per_s,
        "loader_trials_per_cpu_s": from_disk.per_cpu_s,
        "training_trials_per_cpu_s": trained.per_cpu_s,
        "ratio_cpu": from_disk.per_cpu_s / trained.per_cpu_s,
        "padding": padding(batches),
        "n_trials": n_loaded,
        "n_threads": torch.get_num_threads(),
        "peak_memory_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }


def main() -> None:
    """Measure in a temporary folder and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.add_argument("--precision", choices=("fp32", "bf16"), default="bf16")
    parser.add_argument("--trials", type=int, default=256)
    parser.add_argument("--steps", type=int, default=6, help="training steps that are timed")
    parser.add_argument("--threads", type=int, default=1)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    start = time.perf_counter()
    with tempfile.TemporaryDirectory() as folder:
        numbers = measure(
            Path(folder),
            n_trials=arguments.trials,
            precision=arguments.precision,
            n_steps=arguments.steps,
        )
    numbers["seconds"] = time.perf_counter() - start
    if arguments.json:
        print(json.dumps({name: round(value, 4) for name, value in numbers.items()}))
    else:
        for name, value in numbers.items():
            print(f"{name:30} {value:10.3f}")


if __name__ == "__main__":
    main()
