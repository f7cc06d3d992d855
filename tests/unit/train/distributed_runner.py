"""Train in two processes; a program, because Lightning starts it once more for the second.

Usage: distributed_runner.py FOLDER CASE...; every case leaves a run folder of its name.
"""

from __future__ import annotations

import os
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

if __name__ == "__main__":
    sys.path.insert(0, str(Path(__file__).parents[2]))

from sylvian.decode.greedy import greedy
from sylvian.errors import SylvianError
from sylvian.evaluate.rates import count_edits
from sylvian.models.adapters import LoraConfig
from sylvian.models.batch import Batch
from sylvian.models.ctc import LossParts
from sylvian.models.endtoend import LossWeights
from sylvian.models.speechllm import build_speech_llm
from sylvian.train import AugmentConfig, CtcTask, FitResult, PretrainingTask, TrainConfig, fit
from sylvian.train.exchange import meet
from sylvian.train.sentences import SentenceTask
from sylvian.train.tasks import Task
from tiny.llms import SENTENCES, backbone, tokenizer
from tiny.speech import settings
from unit.train.conftest import Toy, make_toy
from unit.train.test_pretraining import model_of, recordings

# A larger epsilon than the default: where a gradient is zero but for rounding (a key's bias),
# AdamW would turn the rounding into a step of full size, and another order of sums into another.
COMMON = {
    "epochs": 3,
    "learning_rate": 1e-2,
    "epsilon": 1e-3,
    "weight_decay": 1e-2,
    "ema_decay": 0.9,
    "device": "cpu",
}
ALONE = {"batch_size": 6, "accumulate": 2}
PAIR = {"batch_size": 3, "accumulate": 2, "devices": 2}
CASES: dict[str, dict[str, Any]] = {
    "ctc-ddp": {"task": "ctc"},
    "pretraining-ddp": {"task": "pretraining"},
    "resumed-ddp": {"task": "ctc", "fails_at": 3},
    "ctc-fsdp": {"task": "ctc", "strategy": "fsdp"},
    "pretraining-fsdp": {"task": "pretraining", "strategy": "fsdp"},
    "resumed-fsdp": {"task": "ctc", "strategy": "fsdp", "fails_at": 3},
    "half-fsdp": {"task": "ctc", "strategy": "fsdp", "fails_at": 3},
    "sentences-ddp": {"task": "sentences"},
    "sentences-fsdp": {"task": "sentences", "strategy": "fsdp", "fails_at": 3},
}
TROUBLE: dict[str, dict[str, Any]] = {
    "endless": {"task": "ctc", "epochs": 100_000},
    "broken": {"task": "ctc", "epochs": 100_000, "fails_in_second": True},
}


class Failing(Task):
    """Fails at one call of `validate` in every process, or at one of `loss` in the second."""

    fails_at = 0
    fails_in_second = False

    def validate(self, batch: Batch) -> None:
        self.fails_at -= 1
        if self.fails_at == 0:
            raise SylvianError("as arranged")
        super().validate(batch)

    def loss(self, batch: Batch, *, epoch: int) -> LossParts:
        if self.fails_in_second and epoch == 2 and os.environ.get("LOCAL_RANK") == "1":
            raise SylvianError("as arranged")
        return super().loss(batch, epoch=epoch)


class FailingCtc(Failing, CtcTask):
    """Phonemes."""


class FailingSentences(Failing, SentenceTask):
    """Sentences."""


def phoneme_task(toy: Toy) -> FailingCtc:
    return FailingCtc(toy.model(), lambda logits, truth: count_edits(truth, greedy(logits).tokens))


def sentence_task(toy: Toy) -> FailingSentences:
    """Let a toy encoder speak to a tiny language model, with every part of the loss."""
    llm = backbone("llama")
    llm.recompute()
    config = settings(lora=LoraConfig(dropout=0.0))
    model = build_speech_llm(toy.model(), llm, tokenizer(), config, seed=3)
    losses = LossWeights(contrastive=0.5, ctc=0.25)
    return FailingSentences(
        model,
        losses,
        lambda truth, found: count_edits(truth.split(), found.split()),
        n_generated=3,
    )


def said(toy: Toy) -> Toy:
    """Let every trial of a toy corpus say one of a few sentences."""
    for number, (key, trial) in enumerate(toy.trials.items()):
        info = replace(trial.info, sentence=SENTENCES[number % len(SENTENCES)])
        toy.trials[key] = replace(trial, info=info)
    return toy


def train(
    run: Path,
    *,
    task: str,
    fails_at: int = 0,
    fails_in_second: bool = False,
    resume: bool = False,
    **how: Any,
) -> FitResult:
    """Train one of the tasks; `how` says by how many processes."""
    torch.set_num_threads(1)
    if task != "pretraining":
        toy = said(make_toy())
        read, infos = toy.read, [trial.info for trial in toy.trials.values()]
        task_of = sentence_task(toy) if task == "sentences" else phoneme_task(toy)
        task_of.fails_at, task_of.fails_in_second = fails_at, fails_in_second
    else:
        trials = recordings()
        read, infos = trials.__getitem__, [trial.info for trial in trials.values()]
        task_of = PretrainingTask(model_of(trials), seed=1)
    return fit(
        task_of,
        train=[info for info in infos if info.split == "train"],
        val=[info for info in infos if info.split == "val"],
        read=read,
        config=TrainConfig(**COMMON | how),
        augment=AugmentConfig(random_cut=3),
        run=run,
        resume=resume,
    )


def main(folder: Path, cases: list[str]) -> None:
    """Train the cases one after the other, as pretraining and fine-tuning do."""
    for name in cases:
        case = PAIR | (CASES | TROUBLE)[name]
        if "fails_at" in case:
            try:
                train(folder / name, save_every_steps=4, **case)
            except SylvianError:
                meet()  # a new start would find everything written, too
                if name.startswith("half"):
                    continue
                case |= {"fails_at": 0, "resume": True}
        train(folder / name, **case)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
