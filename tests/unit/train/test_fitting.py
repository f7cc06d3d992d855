"""What a run promises: it learns, counts, averages and refuses as documented."""

from dataclasses import replace

import numpy as np
import pytest
import safetensors.torch
import torch

from sylvian.errors import SylvianError
from sylvian.models.artefact import load_model, read_extra
from sylvian.models.batch import make_batch
from sylvian.models.ctc import logits_of
from sylvian.train import AugmentConfig, TrainConfig
from sylvian.train.metrics import columns
from sylvian.train.optimise import learning_rate_at
from sylvian.types import EditCounts, Trial, TrialKey


def per_of(model, toy, count_errors) -> float:
    counts = EditCounts()
    index = model.encoder.session_index
    for info in toy.infos("val"):
        trials = [toy.trials[info.key]]
        batch = make_batch(trials, session_index=index, vocabulary=model.vocabulary)
        counts += count_errors(logits_of(model, batch)[0], info.phonemes)
    return counts.rate


def test_learns_and_keeps_the_best_model(run_of, toy, count_errors, tmp_path):
    result, _, rows, folder = run_of(epochs=18, augment=AugmentConfig(noise_std=0.1))
    assert tuple(rows[0]) == columns("val_per")
    assert [row["epoch"] for row in rows] == list(range(1, 19))
    assert rows[-1]["train_loss"] < rows[0]["train_loss"] / 5
    assert result.best_value < 0.4 < rows[0]["val_per"]
    assert result.best_value == min(row["val_per"] for row in rows)
    assert rows[result.best_epoch - 1]["val_per"] == result.best_value
    assert result.epochs == 18
    assert result.seconds == pytest.approx(sum(row["seconds"] for row in rows))

    best = load_model(folder / "checkpoint" / "best")
    assert per_of(best, toy, count_errors) == pytest.approx(result.best_value)
    assert read_extra(folder / "checkpoint" / "best")["epoch"] == result.best_epoch
    names = {path.name for path in folder.rglob("*")}
    assert names == {
        *("metrics.csv", "checkpoint", "best", "last", "resume", "state.json"),
        *("weights.safetensors", "model.json", "vocabulary.txt", "state-18-0.safetensors"),
    }


def test_a_small_corpus_is_read_once(run_of, toy):
    run_of(epochs=3)
    assert sorted(toy.reads) == sorted(toy.trials)


def test_without_cache_every_epoch_reads(run_of, toy):
    run_of(epochs=3, cache_mb=0)
    assert len(toy.reads) == 3 * len(toy.trials)


def test_the_same_seed_gives_the_same_numbers(run_of, toy):
    def weights(seed):
        model = toy.model(input_dropout=0.2, feedforward_dropout=0.3, mask_ratio=0.2)
        run_of(model=model, seed=seed, augment=AugmentConfig())
        return model.state_dict()

    one, two, other = weights(0), weights(0), weights(1)
    assert all(torch.equal(one[name], two[name]) for name in one)
    assert not torch.equal(one["head.weight"], other["head.weight"])


def test_dropout_differs_from_step_to_step(run_of, toy):
    def losses(**changes):
        rows = run_of(
            model=toy.model(**changes), batch_size=1, learning_rate=1e-20, weight_decay=0.0
        )[2]
        return [row["train_loss"] for row in rows]

    steady, shaken = losses(), losses(input_dropout=0.3)
    assert steady[0] == pytest.approx(steady[1], rel=1e-6)
    assert shaken[0] != pytest.approx(shaken[1], rel=1e-4)


def test_torch_global_stream_is_left_alone(run_of):
    torch.manual_seed(5)
    expected = torch.rand(1)
    torch.manual_seed(5)
    run_of(epochs=1)
    assert torch.equal(torch.rand(1), expected)


# -- accumulation ---------------------------------------------------------------------------------


def test_accumulated_micro_batches_equal_one_large_batch(run_of, toy):
    # 13 and 7 trials in groups of 6: both end in a short group, 13 even in a group of one
    first = toy.infos("train")[3]
    impossible = Trial(replace(first, phonemes=("AA", "B") * 40), toy.trials[first.key].features)
    toy.trials[first.key] = impossible
    _, whole, rows, _ = run_of(batch_size=6, accumulate=1, epochs=3, epsilon=1e-3)
    _, parts, rows_in_parts, _ = run_of(batch_size=2, accumulate=3, epochs=3, epsilon=1e-3)
    moved = 0.0
    start = toy.model().state_dict()
    for name, tensor in whole.state_dict().items():
        torch.testing.assert_close(parts.state_dict()[name], tensor, rtol=1e-4, atol=1e-6)
        moved = max(moved, float((tensor - start[name]).abs().max()))
    assert moved > 1e-2
    for one, many in zip(rows, rows_in_parts, strict=True):
        for name in ("step", "learning_rate", "n_impossible"):
            assert one[name] == many[name]
        for name in ("train_loss", "val_loss", "grad_norm"):
            assert many[name] == pytest.approx(one[name], rel=1e-4)
    assert [row["n_impossible"] for row in rows] == [1, 1, 1]


def test_scheduler_steps_are_optimiser_steps(run_of):
    config = {"epochs": 3, "batch_size": 2, "accumulate": 3, "learning_rate": 1e-3}
    _, _, rows, folder = run_of(**config)
    n_groups = 3 + 2
    assert [row["step"] for row in rows] == [n_groups, 2 * n_groups, 3 * n_groups]
    expected = [
        learning_rate_at(int(row["step"]) - 1, n_steps=3 * n_groups, config=TrainConfig(**config))
        for row in rows
    ]
    assert [row["learning_rate"] for row in rows] == expected
    state = safetensors.torch.load_file(
        folder / "checkpoint" / "last" / "resume" / "state-3-0.safetensors"
    )
    assert float(state["optimizer/head.weight/step"]) == 3 * n_groups


# -- numerics -------------------------------------------------------------------------------------


def test_clipping_limits_the_step(run_of, toy):
    start = toy.model().head.bias.detach()

    def moved(clip_norm):
        # with a huge epsilon AdamW moves in proportion to the (clipped) gradient
        model = run_of(epsilon=1e3, learning_rate=1.0, epochs=1, clip_norm=clip_norm)[1]
        return float((model.head.bias.detach() - start).abs().max())

    assert moved(1e-4) < 1e-3 * moved(None)


def test_gradient_norm_is_logged_before_clipping(run_of):
    free = run_of(epochs=1, learning_rate=1e-12, clip_norm=None)[2][0]["grad_norm"]
    clipped = run_of(epochs=1, learning_rate=1e-12, clip_norm=1e-3)[2][0]["grad_norm"]
    assert clipped == pytest.approx(free, rel=1e-4)
    assert free > 0.1


def test_bf16_computes_alike_in_training_and_validation(run_of, toy):
    train, twins = toy.infos("train"), {}
    for info in train:
        key = TrialKey("toy", info.key.participant, info.key.session, 99, info.key.trial)
        twins[key] = Trial(replace(info, key=key), toy.trials[info.key].features)
    toy.trials |= twins
    val = [trial.info for trial in twins.values()]

    def losses(precision):
        # a rate of nearly nothing: every step of the epoch sees the weights validation sees
        rows = run_of(
            train=train, val=val, epochs=1, batch_size=1, learning_rate=1e-20, precision=precision
        )[2]
        return rows[0]["train_loss"], rows[0]["val_loss"]

    exact, rounded = losses("fp32"), losses("bf16")
    assert rounded[0] == pytest.approx(rounded[1], rel=1e-6)
    assert exact[0] == pytest.approx(exact[1], rel=1e-6)
    assert 1e-6 < abs(rounded[0] / exact[0] - 1) < 2e-2


def test_weights_stay_fp32_under_bf16(run_of):
    model = run_of(precision="bf16")[1]
    assert {parameter.dtype for parameter in model.parameters()} == {torch.float32}


def test_average_is_what_is_validated_and_saved(run_of, toy, count_errors):
    result, model, _, folder = run_of(epochs=6, ema_decay=0.9)
    state = safetensors.torch.load_file(
        folder / "checkpoint" / "last" / "resume" / "state-6-0.safetensors"
    )
    saved = load_model(folder / "checkpoint" / "last").state_dict()
    assert torch.equal(saved["head.weight"], state["ema/head.weight"])
    assert torch.equal(model.head.weight, state["model/head.weight"])
    assert not torch.equal(saved["head.weight"], state["model/head.weight"])
    best = load_model(folder / "checkpoint" / "best")
    assert per_of(best, toy, count_errors) == pytest.approx(result.best_value)


# -- what is not finite, what cannot be aligned ---------------------------------------------------


def spoiled(toy, keys):
    def read(key):
        trial = toy.read(key)
        if key not in keys:
            return trial
        return Trial(trial.info, np.full_like(trial.features, np.nan))

    return read


def test_a_nonfinite_step_is_skipped_and_counted(run_of, toy):
    bad = toy.infos("train")[0].key
    _, model, rows, _ = run_of(read=spoiled(toy, {bad}), epochs=3)
    assert [row["n_nonfinite"] for row in rows] == [1, 1, 1]
    assert [row["step"] for row in rows] == [5, 10, 15]
    assert all(bool(torch.isfinite(p).all()) for p in model.parameters())
    assert np.isfinite(rows[-1]["train_loss"])


def test_staying_nonfinite_stops_with_the_trials_named(run_of, toy):
    bad = {info.key for info in toy.infos("train")}
    with pytest.raises(SylvianError, match=r"5 steps in a row, last with toy/P[12]/2024") as caught:
        run_of(read=spoiled(toy, bad), patience_nonfinite=5)
    assert type(caught.value) is SylvianError
    assert "learning_rate" in str(caught.value)


def test_nonfinite_steps_in_a_row_are_counted_across_epochs(run_of, toy):
    bad = {info.key for info in toy.infos("train")}
    with pytest.raises(SylvianError, match="epoch 2: .* 8 steps in a row"):
        run_of(read=spoiled(toy, bad), patience_nonfinite=8, epochs=3)


def test_impossible_trials_are_counted(run_of, toy):
    for info in toy.infos("train")[:2]:
        toy.trials[info.key] = Trial(
            replace(info, phonemes=("AA",) * 30), toy.trials[info.key].features
        )
    result, _, rows, _ = run_of(batch_size=1)
    assert result.n_impossible == 2
    assert [row["n_impossible"] for row in rows] == [2, 2]
    assert [row["step"] for row in rows] == [18, 36]
