"""Sentences as a task: what is admitted, what is kept, and that a resumed run is the same run."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import safetensors.torch
import torch

from sylvian.errors import DataError, SylvianError
from sylvian.models.endtoend import LossWeights
from sylvian.train import AugmentConfig, FitResult, TrainConfig, fit
from sylvian.train.metrics import read_metrics
from sylvian.train.sentences import SentenceTask
from unit.train.conftest import Toy, make_toy
from unit.train.distributed_runner import said, sentence_task

CONFIG = TrainConfig(epochs=3, batch_size=5, learning_rate=1e-2, ema_decay=0.9, device="cpu")


@pytest.fixture(scope="module")
def toy() -> Toy:
    return said(make_toy())


def learn(toy: Toy, run: Path, *, fails_at: int = 0, resume: bool = False) -> FitResult:
    task = sentence_task(toy)
    task.fails_at = fails_at
    return fit(
        task,
        train=toy.infos("train"),
        val=toy.infos("val"),
        read=toy.read,
        config=CONFIG,
        augment=AugmentConfig(),
        run=run,
        resume=resume,
    )


def test_a_resumed_run_is_the_run_that_was_never_stopped(toy: Toy, tmp_path: Path) -> None:
    whole = learn(toy, tmp_path / "whole")
    with pytest.raises(SylvianError, match="as arranged"):
        learn(toy, tmp_path / "broken", fails_at=5)  # in the third epoch
    again = learn(toy, tmp_path / "broken", resume=True)
    assert (again.best_epoch, again.best_value) == (whole.best_epoch, whole.best_value)
    for name in ("checkpoint/last/weights", "checkpoint/last/adapters"):
        ours, theirs = (
            safetensors.torch.load_file(tmp_path / folder / f"{name}.safetensors")
            for folder in ("broken", "whole")
        )
        assert ours.keys() == theirs.keys()
        assert all(torch.equal(ours[key], theirs[key]) for key in theirs)
    first, *_, last = read_metrics(tmp_path / "whole" / "metrics.csv")
    for part in ("train_cross_entropy", "train_contrastive", "train_ctc"):
        assert last[part] < first[part]
    weighed = last["train_cross_entropy"] + 0.5 * last["train_contrastive"]
    assert last["train_loss"] == pytest.approx(weighed + 0.25 * last["train_ctc"], rel=1e-5)


def test_a_checkpoint_holds_what_is_trained_and_nothing_of_the_base(
    toy: Toy, tmp_path: Path
) -> None:
    task = sentence_task(toy)
    trained = {name for name, own in task.model.named_parameters() if own.requires_grad}
    assert trained <= task.state().keys()
    base = {name for name, own in task.model.named_parameters() if not own.requires_grad}
    assert base and not base & task.state().keys()


def test_trials_without_words_or_phonemes_are_named(toy: Toy) -> None:
    task = sentence_task(toy)
    train, val = toy.infos("train"), toy.infos("val")
    for missing in ({"sentence": None}, {"sentence": "  "}, {"phonemes": ()}):
        with pytest.raises(DataError, match=str(val[0].key)):
            task.admit(train, [replace(val[0], **missing)])


@pytest.mark.parametrize(
    ("sentence", "told"),
    [("yes " * 200, "at most 128 are allowed"), ("... !", "the sentence is empty")],
)
def test_sentences_that_do_not_suit_the_language_model_are_named_before_training(
    toy: Toy, sentence: str, told: str
) -> None:
    task = sentence_task(toy)
    train, val = toy.infos("train"), toy.infos("val")
    for place in (0, 1):
        parts = [train, val]
        wrong = parts[place][-1]
        parts[place] = [*parts[place][:-1], replace(wrong, sentence=sentence)]
        with pytest.raises(DataError, match=f"{wrong.key}: .*{told}"):
            task.admit(*parts)


def test_the_same_trials_are_generated_for_in_every_epoch(toy: Toy) -> None:
    weights = LossWeights(ctc=0.0, contrastive=0.0)
    val = toy.infos("val")

    def chosen(n: int | None, seed: int) -> frozenset[object]:
        task = SentenceTask(
            sentence_task(toy).model, weights, lambda _, __: 1 / 0, n_generated=n, seed=seed
        )
        task.admit(toy.infos("train"), val)
        return task._generated

    assert chosen(None, 0) == {info.key for info in val}
    assert len(chosen(3, 0)) == 3
    assert chosen(3, 0) == chosen(3, 0)
    assert len({chosen(3, seed) for seed in range(5)}) > 1
