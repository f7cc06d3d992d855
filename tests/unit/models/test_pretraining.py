"""Pretraining objectives (dossier §3.2, §3.3; §11 check 3)."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from sylvian.errors import ConfigError, DataError
from sylvian.models.batch import make_batch
from sylvian.models.encoder import build_encoder
from sylvian.models.gru import GruConfig
from sylvian.models.masking import fixed_masks
from sylvian.models.pretraining import (
    NextBinConfig,
    PretrainingModel,
    PretrainingObjective,
    ReconstructionConfig,
    reconstruct,
)
from sylvian.models.reconstruction import add_up
from sylvian.models.sessions import SessionSpec
from sylvian.models.transformer import TransformerConfig
from sylvian.types import Trial

TINY = TransformerConfig(
    width=12,
    depth=2,
    heads=2,
    head_width=6,
    feedforward=16,
    input_dropout=0,
    attention_dropout=0,
    feedforward_dropout=0,
)
CAUSAL = TINY.model_copy(update={"causal": True})
CLEAN = ReconstructionConfig(noise_std=0, offset_std=0)
NEXT = NextBinConfig(noise_std=0, offset_std=0)
LENGTHS = (63, 7, 40, 5, 58)


def build(sessions, objective=CLEAN, encoder=None) -> PretrainingModel:
    default = CAUSAL if isinstance(objective, NextBinConfig) else TINY
    return PretrainingModel(build_encoder(encoder or default, sessions, seed=1), objective, seed=2)


def with_features(batch, features):
    return replace(batch, features=features)


def hidden_bins(hidden, batch, patch_bins=5):
    """Mark the hidden bins of a padded batch."""
    marks = torch.zeros(batch.features.shape[:2], dtype=torch.bool)
    frames = [-(-length // patch_bins) for length in batch.n_bins.tolist()]
    for row, own in enumerate(torch.split(hidden, frames)):
        length = int(batch.n_bins[row])
        marks[row, :length] = own.repeat_interleave(patch_bins)[:length]
    return marks


# -- masks ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("ratio", [0.3, 0.5, 0.75])
def test_the_masked_ratio_is_the_nominal_one(sessions, batch_of, ratio):
    model = build(sessions, ReconstructionConfig(mask_ratio=ratio))
    batch = batch_of(*[400, 173, 251, 90, 322] * 6)
    for seed in range(5):
        hidden = model.draw_masks(batch, generator=torch.Generator().manual_seed(seed))
        assert len(hidden) == int(model.encoder.n_frames(batch.n_bins).sum())
        assert hidden.float().mean() == pytest.approx(ratio, rel=0.05)
        bins = hidden_bins(hidden, batch).sum() / batch.n_bins.sum()
        assert bins == pytest.approx(ratio, rel=0.05)


def test_training_masks_are_fresh_and_follow_the_generator(sessions, batch_of):
    model, batch = build(sessions), batch_of(*LENGTHS)
    roll = torch.Generator().manual_seed(3)
    first, second = (model.draw_masks(batch, generator=roll) for _ in range(2))
    assert not torch.equal(first, second)
    again = model.draw_masks(batch, generator=torch.Generator().manual_seed(3))
    assert torch.equal(first, again)


def test_fixed_masks_belong_to_the_trial_not_to_its_batch(sessions, batch_of, trial, vocabulary):
    model, together = build(sessions), batch_of(*LENGTHS)
    frames = model.encoder.n_frames(together.n_bins).tolist()
    masks = torch.split(model.fixed_masks(together, seed=7), frames)
    for number, length in enumerate(LENGTHS):
        own = trial(length, number, day=str(together.keys[number].session))
        index = model.encoder.session_index
        batch = make_batch([own], session_index=index, vocabulary=vocabulary)
        assert torch.equal(model.fixed_masks(batch, seed=7), masks[number])
        bins = model.bin_masks(seed=7)(own)
        assert bins.tolist() == hidden_bins(masks[number], batch)[0].tolist()
    assert not torch.equal(model.fixed_masks(together, seed=8), torch.cat(masks))


def test_masks_of_different_trials_differ():
    masks = fixed_masks(["a", "b"], [200, 200], ratio=0.5, max_span=15, seed=0)
    assert not torch.equal(masks[:200], masks[200:])
    assert masks.float().mean() == 0.5


# -- nothing leaks -------------------------------------------------------------------------------

ENCODERS = {
    "published": TINY,
    "causal": CAUSAL,
    "no smoothing": TINY.model_copy(update={"smoothing": None}),
    "day affine": TINY.model_copy(update={"day_affine": True, "read_in": "session"}),
    "own masking": TINY.model_copy(update={"mask_ratio": 0.3}),
}


@pytest.mark.parametrize("name", ENCODERS)
@pytest.mark.parametrize("training", [True, False])
@pytest.mark.parametrize("other", [1e6, math.inf, math.nan])
def test_a_hidden_bin_changes_no_prediction(sessions, batch_of, name, training, other):
    """Exactly, not nearly: float32, every encoder, smoothing included."""
    model = build(sessions, encoder=ENCODERS[name]).train(training)
    batch = batch_of(*LENGTHS)
    hidden = model.draw_masks(batch, generator=torch.Generator().manual_seed(5))
    disturbed = batch.features.clone()
    disturbed[hidden_bins(hidden, batch)] = other
    before, after = (model(own, hidden) for own in (batch, with_features(batch, disturbed)))
    assert torch.equal(before.outputs, after.outputs)
    assert not torch.equal(before.truth.values, after.truth.values)  # the test does disturb


def test_a_hidden_bin_changes_no_prediction_in_mixed_precision(sessions, batch_of):
    model, batch = build(sessions).eval(), batch_of(*LENGTHS)
    hidden = model.fixed_masks(batch, seed=0)
    disturbed = batch.features.masked_fill(hidden_bins(hidden, batch)[..., None], math.nan)
    with torch.autocast("cpu", torch.bfloat16):
        before, after = (model(own, hidden) for own in (batch, with_features(batch, disturbed)))
    assert torch.equal(before.outputs, after.outputs)


def test_hiding_nothing_is_plain_encoding(sessions, batch_of):
    encoder, batch = build(sessions).encoder.eval(), batch_of(*LENGTHS)
    n_frames = int(encoder.n_frames(batch.n_bins).sum())
    inputs = (batch.features, batch.n_bins, batch.session)
    shown = encoder.encode_masked(*inputs, torch.zeros(n_frames, dtype=torch.bool))
    torch.testing.assert_close(shown, encoder(*inputs))


def test_every_visible_neighbourhood_still_matters(sessions, batch_of):
    model, batch = build(sessions).eval(), batch_of(60)
    hidden = model.draw_masks(batch, generator=torch.Generator().manual_seed(5))
    disturbed = torch.where(hidden_bins(hidden, batch)[..., None], batch.features, 3.0)
    changed = model(with_features(batch, disturbed), hidden).outputs
    assert not torch.equal(changed, model(batch, hidden).outputs)


def test_masking_before_smoothing_is_what_stops_the_leak(sessions, batch_of):
    """The reference's order (smooth, then mask) fails the test above."""
    model, batch = build(sessions).eval(), batch_of(60)
    hidden = model.draw_masks(batch, generator=torch.Generator().manual_seed(5))
    plain = model.encoder._front
    model.encoder._front = lambda trial, session, mask: plain(trial, session, None)
    disturbed = batch.features.clone()
    disturbed[hidden_bins(hidden, batch)] = 1e3
    leaky = model(with_features(batch, disturbed), hidden).outputs
    assert not torch.equal(leaky, model(batch, hidden).outputs)


def test_padding_and_batch_mates_change_nothing(sessions, batch_of):
    model, batch = build(sessions).eval(), batch_of(63, 22)
    hidden = model.fixed_masks(batch, seed=0)
    clean = model(batch, hidden)
    dirty = batch.features.clone()
    dirty[1, 22:] = math.nan
    again = model(with_features(batch, dirty), hidden)
    assert torch.equal(clean.outputs, again.outputs)
    assert torch.equal(clean.truth.values, again.truth.values)
    alone = model(batch_of(63), hidden[:13])
    torch.testing.assert_close(alone.outputs, clean.outputs[: clean.counts[0]])


@pytest.mark.parametrize("objective", [CLEAN, NEXT], ids=lambda own: own.kind)
def test_no_gradient_is_broken_by_what_is_hidden_or_padded(sessions, batch_of, objective):
    model, batch = build(sessions, objective), batch_of(*LENGTHS)
    batch.features[1, 7:] = math.nan
    loss = PretrainingObjective(model)(batch)
    loss.total.backward()
    assert loss.total.isfinite()
    for name, parameter in model.named_parameters():
        if parameter.grad is not None:
            assert parameter.grad.isfinite().all(), name
    assert model.read_outs.maps[0].weight.grad.abs().sum() > 0


# -- losses --------------------------------------------------------------------------------------


def entries(model, batch, hidden):
    """Collect (prediction, raw value) of every hidden recorded entry, the slow way."""
    with torch.no_grad():
        latents = model.encoder.encode_masked(batch.features, batch.n_bins, batch.session, hidden)
        patches = model.read_outs.maps[0](latents)
    pairs = []
    marks = hidden_bins(hidden, batch)
    for row, bin_ in marks.nonzero().tolist():
        guess = patches[row, bin_ // 5].view(5, -1)[bin_ % 5]
        pairs.append(torch.stack([guess, batch.features[row, bin_]]))
    return torch.stack(pairs).unbind(1)


def test_mse_is_the_mean_over_hidden_and_recorded_entries(sessions, batch_of):
    model, batch = build(sessions).eval(), batch_of(*LENGTHS)
    hidden = model.fixed_masks(batch, seed=1)
    loss = PretrainingObjective(model).score(batch, model(batch, hidden))
    guess, truth = entries(model, batch, hidden)
    torch.testing.assert_close(loss.total, ((guess - truth) ** 2).mean())
    assert loss.n_items == truth.numel()
    assert loss.parts["masked_mse"] == loss.total
    assert not loss.parts["masked_mse"].requires_grad


def test_poisson_is_the_mean_over_hidden_and_recorded_entries(sessions, batch_of):
    model = build(sessions, CLEAN.model_copy(update={"loss": "poisson"})).eval()
    batch = batch_of(*LENGTHS)
    counts = with_features(batch, batch.features.abs().round())
    hidden = model.fixed_masks(counts, seed=1)
    loss = PretrainingObjective(model).score(counts, model(counts, hidden))
    log_rate, truth = entries(model, counts, hidden)
    torch.testing.assert_close(loss.total, (log_rate.exp() - truth * log_rate).mean())
    assert set(loss.parts) == {"masked_poisson"}
    sums = add_up(reconstruct(model, counts, seed=1))
    np.testing.assert_allclose(sums.sse.sum(), ((log_rate.exp() - truth) ** 2).sum(), rtol=1e-5)


def test_poisson_refuses_what_is_no_count(sessions, batch_of):
    model = build(sessions, CLEAN.model_copy(update={"loss": "poisson"}))
    with pytest.raises(DataError, match=r"toy/T15/.*needs counts, found -.*normalize\.kind=none"):
        PretrainingObjective(model)(batch_of(60))


def test_splitting_a_batch_changes_no_average(sessions, batch_of):
    model, batch = build(sessions).eval(), batch_of(*LENGTHS)
    hidden = model.fixed_masks(batch, seed=2)
    whole = PretrainingObjective(model).score(batch, model(batch, hidden))
    frames = model.encoder.n_frames(batch.n_bins).tolist()
    parts = []
    for row, own in enumerate(torch.split(hidden, frames)):
        one = slice(row, row + 1)
        alone = replace(
            batch,
            features=batch.features[one, : LENGTHS[row]],
            n_bins=batch.n_bins[one],
            session=batch.session[one],
            labels=batch.labels[one],
            n_labels=batch.n_labels[one],
            keys=batch.keys[one],
        )
        parts.append(PretrainingObjective(model).score(alone, model(alone, own)))
    assert sum(part.n_items for part in parts) == whole.n_items
    mean = sum(part.total * part.n_items for part in parts) / whole.n_items
    torch.testing.assert_close(mean, whole.total)


def test_targets_are_the_raw_features_however_noisy_the_input(sessions, batch_of):
    model = build(sessions, ReconstructionConfig(noise_std=5.0, offset_std=5.0)).train()
    batch = batch_of(60)
    hidden = model.fixed_masks(batch, seed=0)
    torch.manual_seed(0)
    noisy = model(batch, hidden)
    clean = model.eval()(batch, hidden)
    assert torch.equal(noisy.truth.values, clean.truth.values)
    assert not torch.equal(noisy.outputs, clean.outputs)
    assert torch.equal(clean.outputs, model(batch, hidden).outputs)
    raw = batch.features[0].view(12, 5, -1)[hidden]
    assert torch.equal(clean.truth.values, raw)


def test_trials_without_anything_to_predict_are_counted(sessions, batch_of):
    model, batch = build(sessions), batch_of(40, 5)
    hidden = torch.tensor([True] * 3 + [False] * 6)
    loss = PretrainingObjective(model).score(batch, model(batch, hidden))
    assert (loss.n_items, loss.n_impossible) == (3 * 5 * 6, 1)
    nothing = PretrainingObjective(model).score(batch, model(batch, torch.zeros(9).bool()))
    assert (nothing.n_items, nothing.n_impossible, nothing.total) == (0, 2, 0)
    nothing.total.backward()


def test_a_read_out_can_say_any_scale(sessions):
    """A plain linear map: no normalisation stands between latents and patches."""
    model = build(sessions)
    assert [type(module) for module in model.read_outs.maps] == [torch.nn.Linear]
    rows = torch.randn(4, 12)
    base = model.read_outs(rows * 0, [4], [0])
    once, thrice = (model.read_outs(rows * scale, [4], [0]) - base for scale in (1, 3))
    torch.testing.assert_close(thrice, 3 * once)


@pytest.mark.parametrize("objective", [CLEAN, NEXT], ids=lambda own: own.kind)
def test_learning_works(sessions, batch_of, objective):
    """A rhythm shared by all channels is found: far better than the mean after few steps."""
    model, batch = build(sessions, objective), batch_of(120, 120, 120)
    time = torch.arange(120).float()
    wave = torch.stack([torch.sin(time / 4 + phase) for phase in (0, 1, 2)])
    batch = with_features(batch, wave[..., None] * torch.tensor([1.0, -2, 3, 1, 2, -1]))
    optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
    goal = PretrainingObjective(model, generator=torch.Generator().manual_seed(0))
    before = add_up(reconstruct(model, batch, seed=0)).r2
    for _ in range(120):
        optimizer.zero_grad()
        goal(batch).total.backward()
        optimizer.step()
    after = add_up(reconstruct(model, batch, seed=0)).r2
    assert before < 0.2
    assert after > 0.5


# -- next bin ------------------------------------------------------------------------------------


@pytest.mark.parametrize("patch_bins", [1, 5])
def test_the_next_patch_is_predicted_from_the_past_alone(sessions, batch_of, patch_bins):
    """Features at or behind patch t + 1 change nothing that is said about patch t + 1."""
    encoder = CAUSAL.model_copy(update={"patch_bins": patch_bins})
    model, batch = build(sessions, NEXT, encoder).eval(), batch_of(33)
    clean = model(batch)
    n_frames = -(-33 // patch_bins)
    assert clean.counts == (n_frames - 1,)
    for target in range(1, n_frames):
        disturbed = batch.features.clone()
        disturbed[:, target * patch_bins :] += 100 * torch.randn(33 - target * patch_bins, 6)
        other = model(with_features(batch, disturbed))
        assert torch.equal(other.outputs[:target], clean.outputs[:target])
        if target < n_frames - 1:
            assert not torch.equal(other.outputs[target], clean.outputs[target])


def test_the_last_bin_before_the_target_is_seen(sessions, batch_of):
    model, batch = build(sessions, NEXT).eval(), batch_of(30)
    disturbed = batch.features.clone()
    disturbed[:, 14] += 5
    other, clean = model(with_features(batch, disturbed)), model(batch)
    assert torch.equal(other.outputs[:2], clean.outputs[:2])
    assert (other.outputs[2] != clean.outputs[2]).any()  # patch 3: bins 15 to 19


def test_next_bin_loss_is_the_mean_bce_over_recorded_entries(sessions, batch_of):
    objective = NEXT.model_copy(update={"threshold": 0.5})
    model, batch = build(sessions, objective).eval(), batch_of(*LENGTHS)
    loss = PretrainingObjective(model)(batch)
    latents = model.encoder(batch.features, batch.n_bins, batch.session)
    logits = model.read_outs.maps[0](latents)
    losses = []
    for row, length in enumerate(LENGTHS):
        for bin_ in range(5, length):
            odds = logits[row, bin_ // 5 - 1].view(5, -1)[bin_ % 5]
            active = (batch.features[row, bin_] > 0.5).float()
            chance = odds.sigmoid()
            losses.append(-(active * chance.log() + (1 - active) * (1 - chance).log()))
    torch.testing.assert_close(loss.total, torch.stack(losses).mean())
    assert loss.n_items == len(losses) * 6
    assert loss.n_impossible == 1  # five bins are a single patch
    assert set(loss.parts) == {"next_bin"}


@pytest.mark.parametrize(
    "encoder",
    [TINY, TINY.model_copy(update={"context_forward": 0}), TINY.model_copy(update={"depth": 1})],
)
def test_next_bin_needs_an_encoder_that_sees_no_future(sessions, encoder):
    with pytest.raises(ConfigError, match=r"is no prediction; set encoder\.causal=true"):
        build(sessions, NEXT, encoder)


def test_next_bin_models_have_no_masks(sessions, batch_of):
    model = build(sessions, NEXT)
    with pytest.raises(ConfigError, match="only masked reconstruction"):
        model.draw_masks(batch_of(20))


def test_a_gru_is_refused(sessions):
    encoder = build_encoder(GruConfig(width=4, depth=1), sessions)
    with pytest.raises(ConfigError, match=r"encoder\.kind=transformer"):
        PretrainingModel(encoder, CLEAN)


# -- layers per participant, corpus, session -------------------------------------------------------


def many(widths: dict[str, int]) -> list[SessionSpec]:
    return [
        SessionSpec(path=path, participant=path.rpartition("/")[0], n_channels=size)
        for path, size in widths.items()
    ]


POOL = {"m/A/2020-01-01": 4, "m/A/2020-01-02": 4, "m/B/2020-01-01": 4, "h/T5/2020-01-01": 6}


@pytest.mark.parametrize(("per", "sizes"), [("participant", 3), ("corpus", 2), ("session", 4)])
def test_layers_are_keyed_as_configured(per, sizes):
    encoder = TINY.model_copy(update={"read_in": per})
    model = build(many(POOL), CLEAN.model_copy(update={"read_out": per}), encoder)
    assert len(model.encoder.read_ins.maps) == len(model.read_outs.maps) == sizes
    assert model.encoder.read_ins.of_session == model.read_outs.of_session
    assert model.read_outs.maps[-1].out_features == 6 * 5


def numbered(widths: dict[str, int], path: str, number: int, trial) -> Trial:
    _, participant, day = path.split("/")
    return trial(40, number, day=day, participant=participant, n_channels=widths[path])


def test_sessions_may_differ_in_channels_where_no_layer_is_shared(trial, vocabulary):
    widths = {"toy/A/2020-01-01": 4, "toy/A/2020-01-02": 7}
    with pytest.raises(ConfigError, match=r"2020-01-02: 7 channels, .*toy/A have 4.*read_in"):
        build(many(widths))
    encoder = TINY.model_copy(update={"read_in": "session"})
    with pytest.raises(ConfigError, match="7 channels"):
        build(many(widths), CLEAN, encoder)  # the read-out would be shared
    model = build(many(widths), CLEAN.model_copy(update={"read_out": "session"}), encoder)
    index = model.encoder.session_index
    for path, size in widths.items():
        own = numbered(widths, path, 0, trial)
        batch = make_batch([own], session_index=index, vocabulary=vocabulary)
        assert reconstruct(model, batch, seed=0)[0].n_channels == size
    both = [numbered(widths, path, 0, trial) for path in widths]
    with pytest.raises(DataError, match="7 channels"):
        make_batch(both, session_index=index, vocabulary=vocabulary)


def test_a_corpus_of_two_widths_cannot_share(sessions):
    widths = {"m/A/2020-01-01": 4, "m/B/2020-01-01": 5}
    with pytest.raises(ConfigError, match="m/B/2020-01-01: 5 channels, .*of m have 4"):
        build(many(widths), encoder=TINY.model_copy(update={"read_in": "corpus"}))


def test_each_trial_uses_its_own_read_out(sessions, batch_of):
    encoder = TINY.model_copy(update={"read_in": "session"})
    model = build(sessions, CLEAN.model_copy(update={"read_out": "session"}), encoder).eval()
    batch = batch_of(40, 40, 40)
    hidden = model.fixed_masks(batch, seed=0)
    clean = model(batch, hidden)
    with torch.no_grad():
        model.read_outs.maps[1].bias += 1
    shifted = (model(batch, hidden).outputs - clean.outputs).split(clean.counts)
    means = [own.mean().item() for own in shifted]
    assert means == pytest.approx([0, 1, 0], abs=1e-6)


def test_drift_moves_input_and_target_alike_and_only_in_training(sessions, batch_of):
    drifting = ReconstructionConfig(noise_std=0, offset_std=0, drift_std=2.0)
    model, batch = build(sessions, drifting), batch_of(*LENGTHS)
    hidden = model.fixed_masks(batch, seed=0)
    still = model.eval()(batch, hidden).truth.values
    torch.manual_seed(0)
    moved = model.train()(batch, hidden).truth
    shift = (moved.values - still)[moved.valid]
    rows = torch.repeat_interleave(
        torch.arange(len(batch)), torch.tensor(model.eval()(batch, hidden).counts)
    )
    trial = rows.unsqueeze(1).expand_as(moved.valid)[moved.valid]
    for own in trial.unique():
        of_trial = shift[trial == own]
        assert torch.allclose(of_trial, of_trial[:1].expand_as(of_trial), atol=1e-5)
    assert shift.std() > 1


def test_counts_do_not_drift():
    with pytest.raises(ValueError, match="counts cannot be shifted"):
        ReconstructionConfig(loss="poisson", drift_std=0.5)


AVERAGES = ReconstructionConfig(noise_std=0, offset_std=0, averages=(1.0, 4.0, 1000.0))


def with_gains(sessions):
    model = build(sessions, AVERAGES).eval()
    with torch.no_grad():
        for gains in model.averages.gains:
            gains.uniform_(0.2, 1.0, generator=torch.Generator().manual_seed(0))
    return model


def test_averages_leak_nothing_and_do_not_depend_on_the_batch(sessions, batch_of):
    model, batch = with_gains(sessions), batch_of(*LENGTHS)
    hidden = model.fixed_masks(batch, seed=0)
    before = model(batch, hidden).outputs
    marks = hidden_bins(hidden, batch).unsqueeze(2)
    changed = torch.where(marks, 100 * torch.ones_like(batch.features), batch.features)
    torch.testing.assert_close(model(with_features(batch, changed), hidden).outputs, before)
    frames = model.encoder.n_frames(batch.n_bins).tolist()
    rows = torch.split(before, list(model(batch, hidden).counts))
    for at, own in enumerate(torch.split(hidden, frames)):
        alone = replace(
            batch,
            features=batch.features[at : at + 1, : int(batch.n_bins[at])],
            n_bins=batch.n_bins[at : at + 1],
            session=batch.session[at : at + 1],
            labels=batch.labels[at : at + 1],
            n_labels=batch.n_labels[at : at + 1],
            keys=batch.keys[at : at + 1],
        )
        torch.testing.assert_close(model(alone, own).outputs, rows[at], atol=1e-4, rtol=1e-4)


def test_the_widest_average_is_the_mean_of_what_is_visible(sessions, batch_of):
    model = build(sessions, CLEAN.model_copy(update={"averages": (1e6,)})).eval()
    batch = batch_of(63)
    hidden = model.fixed_masks(batch, seed=0)
    plain = model(batch, hidden).outputs
    with torch.no_grad():
        for gains in model.averages.gains:
            gains.fill_(1.0)
    visible = batch.features[0, :63][~hidden_bins(hidden, batch)[0]]
    difference = model(batch, hidden).outputs - plain
    torch.testing.assert_close(difference, visible.mean(0).expand_as(difference))
