"""What `fit` tells, refuses and hands over."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from sylvian.errors import CheckpointError, ConfigError, DataError
from sylvian.text import phoneme_vocabulary
from sylvian.train import AugmentConfig, CtcTask, TrainConfig, fit
from sylvian.train.data import TrainingData
from sylvian.train.dataset import GroupDataset
from sylvian.train.sampler import Group
from sylvian.train.state import RunState
from sylvian.types import Trial, TrialKey


def test_progress_is_reported(tmp_path, toy, count_errors):
    heard = []
    fit(
        CtcTask(toy.model(), count_errors),
        train=toy.infos("train"),
        val=toy.infos("val"),
        read=toy.read,
        config=TrainConfig(epochs=2, batch_size=4),
        augment=AugmentConfig(),
        run=tmp_path,
        progress=lambda *news: heard.append(news),
    )
    train = [news for news in heard if news[0] == "train"]
    assert [(done, total) for _, done, total, _ in train] == [(i + 1, 12) for i in range(12)]
    assert train[0][3].startswith("epoch 1/2 loss ")
    assert "best PER" in train[-1][3]
    assert [news[1:3] for news in heard if news[0] == "validate"] == [(1, 2), (2, 2)] * 2


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"train": []}, ConfigError, "0 training and 8 validation"),
        ({"val": []}, ConfigError, "20 training and 0 validation"),
        ({"device": "gpu"}, ConfigError, "no GPU"),
    ],
)
def test_refused_by_name(run_of, change, error, message):
    if change.get("device") and torch.cuda.is_available():
        pytest.skip("there is a GPU")
    with pytest.raises(error, match=message):
        run_of(**change)


def test_unlabelled_repeated_and_foreign_trials_are_refused(run_of, toy):
    train, val = toy.infos("train"), toy.infos("val")
    unlabelled = replace(train[3], phonemes=None)
    with pytest.raises(DataError, match=f"{unlabelled.key}: no phonemes"):
        run_of(train=[*train[:3], unlabelled])
    with pytest.raises(DataError, match=f"{train[2].key}: given twice"):
        run_of(val=[*val, train[2]])
    foreign = replace(train[0], key=TrialKey("toy", "P9", "2024-01-01", 1, 1))
    with pytest.raises(ConfigError, match="toy/P9/2024-01-01"):
        run_of(train=[*train, foreign])


def test_an_unreadable_trial_stops_with_its_own_message(run_of, toy):
    def read(key):
        raise DataError(f"{key}: file is truncated; run 'sylvian prepare' again")

    with pytest.raises(DataError, match=r"toy/P.*: file is truncated"):
        run_of(read=read)


def test_loader_processes_give_the_same_numbers_and_errors(run_of, toy):
    # the bound method of a dict is a `read` that survives pickling
    read = toy.trials.__getitem__
    here = run_of(read=read, augment=AugmentConfig())[1].state_dict()
    there = run_of(read=read, augment=AugmentConfig(), n_workers=1)[1].state_dict()
    assert all(torch.equal(here[name], there[name]) for name in here)


def test_a_loader_process_hands_its_error_over_as_it_is(toy):
    index, vocabulary = toy.model().encoder.session_index, phoneme_vocabulary()
    infos = toy.infos("train")
    toy.trials[infos[0].key] = Trial(infos[0], np.zeros((0, 6), dtype=np.float32))
    dataset = GroupDataset(infos, toy.read, index, vocabulary)
    failure = dataset[Group(0, ((1, 0),))]
    data = TrainingData(dataset, dataset, pools=([], []), config=TrainConfig(), state=RunState())
    with pytest.raises(DataError, match=f"^{infos[0].key}: the trial has no bins"):
        data.on_before_batch_transfer(failure, 0)


def test_tensorboard_when_asked(run_of):
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    _, _, rows, folder = run_of(tensorboard=True)
    events = EventAccumulator(str(folder / "tensorboard")).Reload()
    assert [event.step for event in events.Scalars("val_per")] == [1, 2]
    assert events.Scalars("val_per")[1].value == pytest.approx(rows[1]["val_per"])


def test_an_existing_run_is_not_overwritten(tmp_path, run_of):
    folder = run_of()[3]
    folder.rename(tmp_path / "run2")
    before = (tmp_path / "run2" / "metrics.csv").read_bytes()
    with pytest.raises(CheckpointError, match="already holds a run"):
        run_of()
    assert (tmp_path / "run2" / "metrics.csv").read_bytes() == before
