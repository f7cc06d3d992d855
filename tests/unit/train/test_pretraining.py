"""The same loop, without labels: batches over participants, shares, masks, rates of the trunk."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import numpy as np
import pytest
import torch

from sylvian.errors import ConfigError
from sylvian.models.ctc import CtcModel
from sylvian.models.encoder import SessionSpec, build_encoder
from sylvian.models.gru import GruConfig
from sylvian.models.pretrained import load_pretrained, load_trunk
from sylvian.models.pretraining import NextBinConfig, PretrainingModel, ReconstructionConfig
from sylvian.models.transformer import TransformerConfig
from sylvian.text import phoneme_vocabulary
from sylvian.train import CtcTask, PretrainingTask, TrainConfig, fit
from sylvian.train.metrics import read_metrics
from sylvian.train.optimise import build_optimizer, rate_scales, set_learning_rate
from sylvian.train.sampler import GroupSampler, pools_of
from sylvian.types import Trial, TrialInfo, TrialKey
from unit.train.conftest import QUIET, make_toy

SIZES = {"width": 16, "depth": 2, "heads": 2, "head_width": 8, "feedforward": 16}
STILL = {"input_dropout": 0.0, "attention_dropout": 0.0, "feedforward_dropout": 0.0}


def recordings(n: int = 12) -> dict[TrialKey, Trial]:
    """Three participants, two with 6 channels and one with 4: slow waves that can be filled in."""
    found = {}
    for participant, n_channels in (("A", 6), ("B", 6), ("C", 4)):
        rng = np.random.default_rng(ord(participant))
        mixing = rng.normal(size=(2, n_channels))
        for number in range(n):
            time = np.arange(60 + 5 * (number % 3))[:, None] / 12 + rng.uniform(0, 6)
            waves = np.concatenate([np.sin(time), np.cos(time)], axis=1) @ mixing
            key = TrialKey("wave", participant, "2024-01-01", 1, number)
            split = "val" if number >= n - 3 else "train"
            noisy = waves + 0.1 * rng.normal(size=waves.shape)
            found[key] = Trial(TrialInfo(key, split, len(waves)), noisy.astype(np.float32))
    return found


def model_of(trials: dict[TrialKey, Trial], objective=None, **changes) -> PretrainingModel:
    specs = {
        key.session_path: SessionSpec(
            path=key.session_path,
            participant=key.session_path.rpartition("/")[0],
            n_channels=trial.features.shape[1],
        )
        for key, trial in trials.items()
    }
    config = TransformerConfig(**SIZES | STILL | changes)
    objective = objective or ReconstructionConfig(mask_max_span=2, noise_std=0, offset_std=0)
    return PretrainingModel(build_encoder(config, list(specs.values()), seed=0), objective, seed=0)


@pytest.fixture
def pretrain(tmp_path):
    def pretrain(run="run", objective=None, resume=False, encoder=None, progress=None, **changes):
        trials = recordings()
        model = model_of(trials, objective, **encoder or {})
        settings = {"epochs": 3, "batch_size": 4, "learning_rate": 5e-3} | changes
        infos = [trial.info for trial in trials.values()]
        result = fit(
            PretrainingTask(model, seed=1),
            train=[info for info in infos if info.split == "train"],
            val=[info for info in infos if info.split == "val"],
            read=trials.__getitem__,
            config=TrainConfig(**settings),
            augment=QUIET,
            run=tmp_path / run,
            resume=resume,
            progress=progress,
        )
        return result, model, read_metrics(tmp_path / run / "metrics.csv")

    return pretrain


def test_learns_to_fill_in_and_keeps_the_epoch_with_the_highest_r2(pretrain, tmp_path):
    result, _, rows = pretrain(epochs=40)
    curve = [row["val_r2"] for row in rows]
    assert result.best_value == max(curve) > 0.5
    assert curve[0] < 0.3
    best = load_pretrained(tmp_path / "run" / "checkpoint" / "best")
    assert best.encoder.config.width == 16


def test_next_bin_learns_through_the_same_loop(pretrain):
    objective = NextBinConfig(noise_std=0, offset_std=0)
    causal = {"causal": True, "smoothing": None}
    result, _, rows = pretrain(epochs=8, objective=objective, encoder=causal)
    assert result.best_value == max(row["val_r2"] for row in rows) > rows[0]["val_r2"]


def test_a_resumed_run_hides_the_same_bins(pretrain):
    whole = pretrain("whole", epochs=4)[2]
    with pytest.raises(KeyboardInterrupt):
        pretrain("parts", epochs=4, save_every_steps=1, progress=_interrupt_at(17))
    parts = pretrain("parts", epochs=4, resume=True)[2]
    assert [row["train_loss"] for row in parts] == [row["train_loss"] for row in whole]
    assert [row["val_r2"] for row in parts] == [row["val_r2"] for row in whole]


def _interrupt_at(step: int) -> Callable[[str, int, int, str], None]:
    def progress(stage: str, done: int, total: int, note: str) -> None:
        if stage == "train" and done == step:
            raise KeyboardInterrupt

    return progress


def test_participants_with_as_many_channels_share_batches():
    infos = [trial.info for trial in recordings().values()]
    task = PretrainingTask(model_of(recordings()), seed=0)
    pools = pools_of(infos, together=task.together)
    assert sorted(len(pool) for pool in pools) == [1, 2]
    sampler = GroupSampler(infos, batch_size=4, pools=pools, seed=3)
    mixed = 0
    for group in sampler:
        names = {infos[i].key.participant for i in group.micro_batches[0]}
        assert names <= {"A", "B"} or names == {"C"}
        mixed += names == {"A", "B"}
    assert mixed > 0


@pytest.mark.parametrize(("share", "expected"), [(0.5, 6), (1.0, 12), (2.5, 30), (0.0, 0)])
def test_an_epoch_takes_each_participant_in_its_measure(share, expected):
    infos = [trial.info for trial in recordings().values()]
    shares = {"A": share, "B": 1.0, "C": 1.0}
    pools = pools_of(
        infos, together=lambda info: 0, share=lambda info: shares[info.key.participant]
    )
    sampler = GroupSampler(infos, batch_size=5, pools=pools, seed=3)
    seen: list[frozenset[int]] = []
    for epoch in range(3):
        sampler.set_epoch(epoch)
        groups = list(sampler)
        assert len(groups) == len(sampler)
        counts = Counter(i for group in groups for i in group.micro_batches[0])
        own = {i: n for i, n in counts.items() if infos[i].key.participant == "A"}
        assert sum(own.values()) == expected
        assert max(own.values(), default=0) - min(own.values(), default=0) <= 1
        assert sum(counts.values()) == expected + 24
        seen.append(frozenset(i for i in own if own[i] == max(own.values())))
    if expected in (6, 30):
        assert len(set(seen)) > 1  # another part every epoch


def test_an_epoch_of_nothing_is_refused():
    infos = [trial.info for trial in recordings().values()]
    with pytest.raises(ConfigError, match="no trial at all"):
        pools_of(infos, share=lambda info: 0.0)


def test_the_trunk_learns_at_its_own_rates():
    model = make_toy().model(depth=3)
    config = TrainConfig(learning_rate=1e-3, trunk_rate=0.5, layer_decay=0.1)
    optimizer = build_optimizer(model, config)
    set_learning_rate(optimizer, 1e-3)
    rates = {id(p): group["lr"] for group in optimizer.param_groups for p in group["params"]}
    encoder = model.encoder
    expected = [5e-6, 5e-5, 5e-4]
    for block, rate in zip(encoder.blocks, expected, strict=True):
        assert all(rates[id(p)] == pytest.approx(rate) for p in block.parameters())
    assert rates[id(encoder.mask_token)] == pytest.approx(5e-6)
    assert rates[id(encoder.norm.weight)] == pytest.approx(5e-4)
    assert rates[id(model.head.weight)] == pytest.approx(1e-3)
    assert len(rates) == len(list(model.parameters()))


def test_a_frozen_trunk_stays_as_it_was_pretrained(tmp_path, pretrain, count_errors):
    pretrain(epochs=1)
    toy = make_toy()
    model = toy.model(depth=2)
    loaded = load_trunk(model.encoder, tmp_path / "run" / "checkpoint" / "best")
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    fit(
        CtcTask(model, count_errors),
        train=toy.infos("train"),
        val=toy.infos("val"),
        read=toy.read,
        config=TrainConfig(epochs=2, batch_size=4, learning_rate=1e-2, trunk_rate=0.0),
        augment=QUIET,
        run=tmp_path / "tuned",
    )
    after = model.state_dict()
    trunk = {f"encoder.{name}" for name in loaded}
    for name in before:
        assert torch.equal(before[name], after[name]) == (name in trunk), name


def test_rates_for_a_trunk_need_one():
    toy = make_toy()
    spec = SessionSpec(path="toy/P1/2024-01-01", participant="toy/P1", n_channels=6)
    gru = build_encoder(GruConfig(width=8, depth=1, kernel_bins=5, stride_bins=5), [spec])
    holder = torch.nn.Module()
    holder.encoder = gru
    with pytest.raises(ConfigError, match="Transformer's trunk"):
        rate_scales(holder, TrainConfig(trunk_rate=0.0))
    assert rate_scales(toy.model(), TrainConfig()) == {}


def test_only_a_trunk_is_compiled(tmp_path, count_errors):
    toy = make_toy(n_train=(4, 0), n_val=2)
    paths = sorted({key.session_path for key in toy.trials if key.participant == "P1"})
    specs = [SessionSpec(path=p, participant="toy/P1", n_channels=6) for p in paths]
    gru = GruConfig(width=8, depth=1, kernel_bins=5, stride_bins=5)
    model = CtcModel(build_encoder(gru, specs), phoneme_vocabulary())
    own = [info for info in toy.infos("train") if info.key.participant == "P1"]
    with pytest.raises(ConfigError, match=r"train\.compile is for a Transformer"):
        fit(
            CtcTask(model, count_errors),
            train=own,
            val=[info for info in toy.infos("val") if info.key.participant == "P1"],
            read=toy.read,
            config=TrainConfig(epochs=1, compile=True),
            augment=QUIET,
            run=tmp_path,
        )
