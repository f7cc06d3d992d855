"""Masked reconstruction on the real monkey sessions in ../shared/data, beside simple baselines.

    python benchmarks/real_monkeys.py --json

One trunk learns the three sessions with bins of 45 ms together (degenhart2020, hennig2018,
golub2018); another learns the one with bins of 20 ms (mc_maze). Whole blocks are held out and
looked at once, at the end: they choose nothing. The epoch is chosen on the last tenth of each
training block. The z-score rests on training trials alone, so nothing of a held-out bin is known.

degenhart2020's blocks whose signals the experimenters disturbed are held out too and shown apart.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch

from sylvian.data import prepare
from sylvian.data.corpora import corpus_class
from sylvian.data.normalize import NormalizeConfig
from sylvian.data.store import PreparedCorpus
from sylvian.models.baselines import standard_baselines
from sylvian.models.batch import make_batch
from sylvian.models.encoder import SessionSpec, build_encoder
from sylvian.models.pretrained import load_pretrained
from sylvian.models.pretraining import PretrainingModel, ReconstructionConfig, reconstruct
from sylvian.models.reconstruction import (
    ReconstructionSums,
    add_up,
    bootstrap_r2,
    bootstrap_r2_gain,
)
from sylvian.models.smoothing import SmoothingConfig
from sylvian.models.transformer import TransformerConfig
from sylvian.train import AugmentConfig, PretrainingTask, TrainConfig, fit
from sylvian.types import Trial, TrialInfo, TrialKey

FOLDERS = {
    "degenhart2020": "monkey_bci_degenhart2020",
    "hennig2018": "monkey_bci_hennig2018",
    "golub2018": "monkey_bci_golub2018",
    "mc_maze": "monkey_mcmaze_small_test",
}
TOGETHER = (("degenhart2020", "hennig2018", "golub2018"), ("mc_maze",))
# Of the visible frames, by their width in frames; the last is the whole trial.
AVERAGES = (1.0, 3.0, 10.0, 1e6)
DRIFT = 0.1
PERTURBED = ("stabilizationPerturbation", "perturbationEvaluation")
MASK_SEED = 0
SHARES = {"hennig2018": 8.0, "golub2018": 16.0}  # a few windows each beside 800 trials


@dataclass(frozen=True)
class Division:
    """One session's trials: to learn from, to choose the epoch by, and to report by name."""

    train: list[TrialInfo]
    val: list[TrialInfo]
    report: dict[str, list[TrialInfo]]


def held_out(corpus: str, info: TrialInfo, n_trials: int, place: int) -> str | None:
    """Name the held-out set of a trial; None: it may be learnt from."""
    if corpus == "degenhart2020":
        if info.prompt_set in PERTURBED:
            return f"perturbed: {info.prompt_set}"
        return "last block, not perturbed" if info.key.block == 8 else None
    if corpus == "mc_maze":  # one block: its last fifth
        return "last fifth of the only block" if place >= 0.8 * n_trials else None
    return "last block" if info.key.block == 2 else None


def divide(corpus: str, infos: Sequence[TrialInfo]) -> Division:
    """Hold out blocks, and the last tenth of every block that is left to choose the epoch by."""
    report: dict[str, list[TrialInfo]] = {}
    blocks: dict[int, list[TrialInfo]] = {}
    for place, info in enumerate(infos):
        name = held_out(corpus, info, len(infos), place)
        if name is None:
            blocks.setdefault(info.key.block, []).append(info)
        else:
            report.setdefault(name, []).append(info)
    cuts = {block: len(own) - max(1, round(len(own) / 10)) for block, own in blocks.items()}
    return Division(
        [info for block, own in blocks.items() for info in own[: cuts[block]]],
        [info for block, own in blocks.items() for info in own[cuts[block] :]],
        dict(sorted(report.items())),
    )


@dataclass(frozen=True)
class ZScored:
    """Counts of one session, z-scored with the mean and spread of its training trials."""

    corpus: PreparedCorpus
    mean: np.ndarray
    gain: np.ndarray

    @classmethod
    def of(cls, corpus: PreparedCorpus, train: Iterable[TrialInfo]) -> ZScored:
        """Take the statistics."""
        bins = np.concatenate([corpus.read(info.key).features for info in train])
        spread = bins.std(0)
        gain = np.divide(1.0, spread, out=np.zeros_like(spread), where=spread > 0)
        return cls(corpus, bins.mean(0), gain)

    def read(self, key: TrialKey) -> Trial:
        """Read a trial."""
        trial = self.corpus.read(key)
        return Trial(trial.info, ((trial.features - self.mean) * self.gain).astype(np.float32))


@dataclass(frozen=True)
class Pool:
    """Sessions that are learnt together."""

    divisions: Mapping[str, Division]
    readers: Mapping[str, ZScored]
    sessions: tuple[SessionSpec, ...]

    def read(self, key: TrialKey) -> Trial:
        """Read a trial of any of them."""
        return self.readers[key.corpus].read(key)


def open_pool(names: Sequence[str], data: Path) -> Pool:
    """Open prepared corpora."""
    divisions, readers, sessions = {}, {}, []
    for name in names:
        corpus = PreparedCorpus.open(data, name, normalize=NormalizeConfig(kind="none"))
        divisions[name] = divide(name, corpus.infos)
        readers[name] = ZScored.of(corpus, divisions[name].train)
        sessions += [
            SessionSpec(path=path, participant=path.rpartition("/")[0], n_channels=n)
            for path, n in corpus.session_channels.items()
        ]
    return Pool(divisions, readers, tuple(sessions))


def settings(names: Sequence[str], epochs: int, seed: int) -> dict[str, Any]:
    """Sizes for an hour of recordings, not hundreds: one bin of 45 ms a frame, or two of 20 ms."""
    fine = "mc_maze" in names
    return {
        "encoder": TransformerConfig(
            width=96,
            depth=3,
            heads=4,
            head_width=24,
            feedforward=192,
            patch_bins=2 if fine else 1,
            input_dropout=0.1,
            attention_dropout=0.1,
            feedforward_dropout=0.2,
            smoothing=SmoothingConfig(std_bins=2.0) if fine else None,
        ),
        "objective": ReconstructionConfig(
            mask_max_span=3,
            noise_std=0.2,
            offset_std=0.05,
            drift_std=DRIFT,
            averages=AVERAGES,
        ),
        "train": TrainConfig(
            epochs=epochs,
            batch_size=32,
            learning_rate=1e-3,
            weight_decay=0.01,
            seed=seed,
            ema_decay=0.99,
        ),
    }


def learn(
    names: Sequence[str], pool: Pool, *, epochs: int, seed: int, run: Path
) -> tuple[PretrainingModel, float]:
    """Pretrain from one seed; returns the best epoch's model and its R² on the choosing trials."""
    chosen = settings(names, epochs, seed)
    encoder = build_encoder(chosen["encoder"], pool.sessions, seed=seed)
    model = PretrainingModel(encoder, chosen["objective"], seed=seed)
    outcome = fit(
        PretrainingTask(model, seed=seed),
        train=[info for own in pool.divisions.values() for info in own.train],
        val=[info for own in pool.divisions.values() for info in own.val],
        read=pool.read,
        config=chosen["train"],
        augment=AugmentConfig(noise_std=0, offset_std=0),
        run=run,
        share=lambda info: SHARES.get(info.key.corpus, 1.0),
    )
    return load_pretrained(run / "checkpoint" / "best"), outcome.best_value


def judge(
    model: PretrainingModel, read: Callable[[TrialKey], Trial], infos: Sequence[TrialInfo]
) -> list[ReconstructionSums]:
    """Fill in the hidden bins of held-out trials."""
    found: list[ReconstructionSums] = []
    for start in range(0, len(infos), 64):
        trials = [read(info.key) for info in infos[start : start + 64]]
        batch = make_batch(trials, session_index=model.encoder.session_index, vocabulary=None)
        found += reconstruct(model, batch, seed=MASK_SEED)
    return found


def over_seeds(seeds: Sequence[list[ReconstructionSums]]) -> list[ReconstructionSums]:
    """Average the squared errors of several seeds, trial by trial: what one of them makes."""
    return [
        ReconstructionSums(
            own[0].n_bins, own[0].total, own[0].squares, np.mean([one.sse for one in own], axis=0)
        )
        for own in zip(*seeds, strict=True)
    ]


def rows_of(corpus: str, pool: Pool, models: Sequence[PretrainingModel]) -> list[dict[str, Any]]:
    """Judge the models and the baselines on each held-out set of a session."""
    division = pool.divisions[corpus]
    masks = models[0].bin_masks(seed=MASK_SEED)
    baselines = standard_baselines()
    for baseline in baselines:
        baseline.fit((pool.read(info.key) for info in division.train), masks)
    rows = []
    for name, infos in division.report.items():
        seeds = [judge(model, pool.read, infos) for model in models]
        ours = over_seeds(seeds)
        row: dict[str, Any] = {
            "corpus": corpus,
            "monkey": infos[0].key.participant,
            "held_out": name,
            "train_trials": len(division.train),
            "trials": len(infos),
            "r2": add_up(ours).r2,
            "interval": bootstrap_r2(ours),
            "r2_of_seeds": [add_up(own).r2 for own in seeds],
            "baselines": {},
        }
        for baseline in baselines:
            theirs = list(baseline.reconstruct((pool.read(i.key) for i in infos), masks))
            row["baselines"][baseline.name] = {
                "r2": add_up(theirs).r2,
                "gain": bootstrap_r2_gain(ours, theirs),
            }
        rows.append(row)
    return rows


def run(shared: Path, *, epochs: int, seeds: int, only: str | None) -> dict[str, Any]:
    """Prepare, learn and judge."""
    started, rows, chosen = time.perf_counter(), [], {}
    with tempfile.TemporaryDirectory() as scratch:
        data = Path(scratch) / "data"
        for name, folder in FOLDERS.items():
            prepare(corpus_class(name)(shared / folder), data)
        for names in TOGETHER:
            if only is not None and only not in names:
                continue
            pool = open_pool(names, data)
            place = partial("{}-{}".format, names[0])
            learnt = [
                learn(names, pool, epochs=epochs, seed=seed, run=Path(scratch) / place(seed))
                for seed in range(seeds)
            ]
            chosen["+".join(names)] = [value for _, value in learnt]
            models = [model for model, _ in learnt]
            for name in names:
                rows += rows_of(name, pool, models)
    return {
        "seeds": seeds,
        "epochs": epochs,
        "r2_that_chose": chosen,
        "rows": rows,
        "seconds": time.perf_counter() - started,
    }


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    default = Path(__file__).parents[2] / "shared" / "data"
    parser.add_argument("--shared", type=Path, default=default)
    parser.add_argument("--epochs", type=int, default=60)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--only", help="one corpus and those it is learnt with")
    parser.add_argument("--json", action="store_true")
    chosen = parser.parse_args()
    torch.set_num_threads(1)
    found = run(chosen.shared, epochs=chosen.epochs, seeds=chosen.seeds, only=chosen.only)
    for row in found["rows"]:
        others = ", ".join(
            f"{name} {own['r2']:.3f} (gain {own['gain'][0]:+.3f} to {own['gain'][1]:+.3f})"
            for name, own in row["baselines"].items()
        )
        low, high = row["interval"]
        print(f"{row['corpus']} {row['held_out']} ({row['trials']} trials): "
              f"R² {row['r2']:.3f} ({low:.3f} to {high:.3f}); {others}")  # fmt: skip
    if chosen.json:
        print(json.dumps(found))


if __name__ == "__main__":
    main()
