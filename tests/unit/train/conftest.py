"""A corpus of a few dozen trials that a tiny encoder can learn, in memory."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest

from sylvian.decode.greedy import greedy
from sylvian.evaluate.rates import count_edits
from sylvian.models.ctc import CtcModel
from sylvian.models.encoder import SessionSpec, build_encoder
from sylvian.models.transformer import TransformerConfig
from sylvian.text import phoneme_vocabulary
from sylvian.train import AugmentConfig, CtcTask, TrainConfig, fit
from sylvian.train.metrics import read_metrics
from sylvian.types import EditCounts, Logits, Trial, TrialInfo, TrialKey

QUIET = AugmentConfig(noise_std=0.0, offset_std=0.0)
PHONES = ("AA", "B", "K", "SIL")


@dataclass
class Toy:
    """Two participants with 6 and 4 channels; a phone is a pattern over channels for 10 bins."""

    trials: dict[TrialKey, Trial]
    reads: list[TrialKey] = field(default_factory=list)

    def read(self, key: TrialKey) -> Trial:
        self.reads.append(key)
        return self.trials[key]

    def infos(self, split: str) -> list[TrialInfo]:
        return [trial.info for trial in self.trials.values() if trial.info.split == split]

    def model(self, seed: int = 0, **changes: Any) -> CtcModel:
        paths = {key.session_path: trial for key, trial in self.trials.items()}
        specs = [
            SessionSpec(
                path=path,
                participant=path.rpartition("/")[0],
                n_channels=trial.features.shape[1],
            )
            for path, trial in paths.items()
        ]
        sizes: dict[str, Any] = {
            "width": 16,
            "depth": 1,
            "heads": 2,
            "head_width": 8,
            "feedforward": 16,
            "input_dropout": 0.0,
            "attention_dropout": 0.0,
            "feedforward_dropout": 0.0,
        }
        config = TransformerConfig(**sizes | changes)
        return CtcModel(build_encoder(config, specs, seed=seed), phoneme_vocabulary(), seed=seed)


def make_trial(key: TrialKey, split: str, phonemes: tuple[str, ...], n_channels: int) -> Trial:
    rng = np.random.default_rng([key.block, key.trial, n_channels])
    patterns = np.random.default_rng(n_channels).normal(size=(len(PHONES), n_channels)) * 2
    rows = [np.zeros((5, n_channels))]
    for phone in phonemes:
        rows += [np.tile(patterns[PHONES.index(phone)], (10, 1)), np.zeros((5, n_channels))]
    clean = np.concatenate(rows)
    features = (clean + rng.normal(size=clean.shape) * 0.3).astype(np.float32)
    info = TrialInfo(key, split, len(features), phonemes=phonemes)
    return Trial(info, features)


def make_toy(n_train: tuple[int, int] = (13, 7), n_val: int = 4) -> Toy:
    rng = np.random.default_rng(1)
    trials: dict[TrialKey, Trial] = {}
    for participant, n_channels, n in (("P1", 6, n_train[0]), ("P2", 4, n_train[1])):
        for number in range(n + n_val):
            day = f"2024-01-0{1 + number % 2}"
            key = TrialKey("toy", participant, day, 1, number)
            phonemes = tuple(rng.choice(PHONES[:3], size=rng.integers(1, 6)).tolist())
            split = "train" if number < n else "val"
            trials[key] = make_trial(key, split, (*phonemes, "SIL"), n_channels)
    return Toy(trials)


@pytest.fixture
def toy() -> Toy:
    return make_toy()


@pytest.fixture
def count_errors() -> Callable[[Logits, Any], EditCounts]:
    return lambda logits, reference: count_edits(reference, greedy(logits).tokens)


@pytest.fixture
def run_of(tmp_path, toy, count_errors):
    """Train a toy model in a numbered folder; returns result, model, metrics and folder."""
    n_runs = 0

    def run(*, model=None, augment=QUIET, read=None, train=None, val=None, **changes):
        nonlocal n_runs
        n_runs += 1
        folder = tmp_path / f"run{n_runs}"
        model = model or toy.model()
        result = fit(
            CtcTask(model, count_errors),
            train=toy.infos("train") if train is None else train,
            val=toy.infos("val") if val is None else val,
            read=read or toy.read,
            config=TrainConfig(**{"epochs": 2, "batch_size": 4, "learning_rate": 1e-2, **changes}),
            augment=augment,
            run=folder,
        )
        return result, model, read_metrics(folder / "metrics.csv"), folder

    return run
