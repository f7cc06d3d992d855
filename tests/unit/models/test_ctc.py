import dataclasses

import pytest
import torch

from sylvian.errors import DataError
from sylvian.models.ctc import CtcModel, CtcObjective, ctc_nats, frames_needed, logits_of
from sylvian.models.encoder import build_encoder
from sylvian.models.transformer import TransformerConfig

SMALL = TransformerConfig(
    width=8,
    depth=1,
    heads=2,
    head_width=4,
    feedforward=8,
    input_dropout=0,
    attention_dropout=0,
    feedforward_dropout=0,
)


@pytest.fixture
def model(sessions, vocabulary):
    return CtcModel(build_encoder(SMALL, sessions), vocabulary)


def test_frames_needed_counts_a_blank_between_equal_neighbours():
    labels = torch.tensor([[1, 1, 2, 2, 2], [1, 2, 1, 1, 1], [3, 3, 0, 0, 0], [0, 0, 0, 0, 0]])
    assert frames_needed(labels, torch.tensor([5, 2, 2, 0])).tolist() == [8, 2, 3, 0]


def test_total_is_the_mean_over_trials_whatever_the_batch(model, batch_of):
    objective, lengths = CtcObjective(model), (40, 55, 70)
    whole = objective(batch_of(*lengths))
    batch = batch_of(*lengths)
    logits, n_frames = model(batch)
    each = ctc_nats(logits, n_frames, batch.labels, batch.n_labels)
    torch.testing.assert_close(whole.total, each.mean())
    assert (whole.n_items, whole.n_impossible) == (3, 0)
    assert not whole.parts["ctc"].requires_grad


def test_impossible_trials_are_counted_and_left_out(model, batch_of):
    """Two frames cannot carry three equal labels: two of five bins, and two blanks between."""
    batch = batch_of(10, 60, phonemes=("AA", "AA", "AA"))
    parts = CtcObjective(model)(batch)
    assert (parts.n_items, parts.n_impossible) == (1, 1)
    alone = dataclasses.replace(
        batch,
        **{
            name: getattr(batch, name)[1:]
            for name in ("features", "n_bins", "session", "labels", "n_labels", "keys")
        },
    )
    torch.testing.assert_close(parts.total, CtcObjective(model)(alone).total)


def test_a_batch_of_impossible_trials_has_no_gradient(model, batch_of):
    parts = CtcObjective(model)(batch_of(3, 4, phonemes=("AA", "B")))
    parts.total.backward()
    assert (parts.n_items, parts.total.item()) == (0, 0.0)
    assert all(
        parameter.grad is None or parameter.grad.count_nonzero() == 0
        for parameter in model.parameters()
    )


def test_training_needs_labels(model, batch_of):
    with pytest.raises(DataError, match="toy/T15/2023-08-11/b01/t000: no labels"):
        CtcObjective(model)(batch_of(20, phonemes=None))


def test_loss_is_float32_even_for_bfloat16_logits(model, batch_of):
    batch = batch_of(40)
    logits, n_frames = model(batch)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        rough = ctc_nats(logits.bfloat16(), n_frames, batch.labels, batch.n_labels)
        assert model(batch)[0].dtype == torch.float32
    assert rough.dtype == torch.float32
    exact = ctc_nats(logits.bfloat16().float(), n_frames, batch.labels, batch.n_labels)
    torch.testing.assert_close(rough, exact)


def test_logits_of_gives_unpadded_numpy_and_restores_the_mode(model, batch_of, vocabulary):
    batch = batch_of(40, 23)
    model.train()
    first, second = logits_of(model, batch)
    assert model.training
    assert (first.values.shape, second.values.shape) == ((8, 4), (5, 4))
    assert first.values.dtype == "float32"
    assert first.frame_s == pytest.approx(0.1)
    assert (first.key, second.key) == batch.keys
    assert first.vocabulary == vocabulary


def test_a_small_model_learns_its_batch(model, batch_of):
    torch.manual_seed(0)
    batch, objective = batch_of(50, 40, 60), CtcObjective(model)
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-2)
    first = objective(batch).total.item()
    for _ in range(60):
        optimizer.zero_grad()
        objective(batch).total.backward()
        optimizer.step()
    assert objective(batch).total.item() < 0.05 * first
