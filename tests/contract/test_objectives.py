"""What every objective promises (house §4), over all of them."""

from dataclasses import replace

import numpy as np
import pytest
import torch

from sylvian.models.batch import Batch, make_batch
from sylvian.models.ctc import CtcModel, CtcObjective
from sylvian.models.encoder import SessionSpec, build_encoder
from sylvian.models.pretraining import (
    NextBinConfig,
    PretrainingModel,
    PretrainingObjective,
    ReconstructionConfig,
)
from sylvian.models.transformer import TransformerConfig
from sylvian.text import Vocabulary
from sylvian.types import Trial, TrialInfo, TrialKey

DAYS = ("2023-08-11", "2023-08-13")
SESSIONS = [SessionSpec(path=f"toy/T15/{day}", participant="toy/T15", n_channels=5) for day in DAYS]
VOCABULARY = Vocabulary(("BLANK", "AA", "B", "SIL"))
BIT = TransformerConfig(width=16, depth=2, heads=2, head_width=8, feedforward=24, causal=True)
LENGTHS = (61, 37, 40, 12)
OBJECTIVES = {
    "ctc": None,
    "reconstruction": ReconstructionConfig(),
    "reconstruction-per-session": ReconstructionConfig(read_out="session"),
    "reconstruction-poisson": ReconstructionConfig(loss="poisson"),
    "next-bin": NextBinConfig(),
}
every_objective = pytest.mark.parametrize("name", OBJECTIVES)


class Fixture:
    """An objective over a model in inference mode, with the masks that belong to the trials."""

    def __init__(self, name: str) -> None:
        config, encoder = OBJECTIVES[name], build_encoder(BIT, SESSIONS, seed=1)
        self.model = CtcModel(encoder, VOCABULARY) if config is None else None
        self.model = self.model or PretrainingModel(encoder, config, seed=2)
        kind = CtcObjective if config is None else PretrainingObjective
        self.objective = kind(self.model.eval())
        self.masked = isinstance(config, ReconstructionConfig)

    def __call__(self, batch: Batch):
        if not self.masked:
            return self.objective(batch)
        hidden = self.model.fixed_masks(batch, seed=3)
        return self.objective.score(batch, self.model(batch, hidden))

    def gradient(self, batch: Batch) -> torch.Tensor:
        self.model.zero_grad(set_to_none=True)
        self(batch).total.backward()
        return torch.cat(
            [
                torch.zeros_like(own).flatten() if own.grad is None else own.grad.flatten()
                for own in self.model.parameters()
            ]
        )


@pytest.fixture
def scored(name) -> Fixture:
    return Fixture(name)


def batch_of(*numbers: int) -> Batch:
    trials = []
    for number in numbers:
        counts = np.random.default_rng(number).poisson(1.0, (LENGTHS[number], 5))
        key = TrialKey("toy", "T15", DAYS[number % 2], 1, number)
        info = TrialInfo(key, "train", LENGTHS[number], phonemes=("AA", "SIL"))
        trials.append(Trial(info, counts.astype(np.float32)))
    index = {f"toy/T15/{day}": place for place, day in enumerate(DAYS)}
    return make_batch(trials, session_index=index, vocabulary=VOCABULARY)


@every_objective
def test_the_total_is_a_finite_float32_scalar_made_of_its_parts(scored):
    loss = scored(batch_of(0, 1, 2, 3))
    assert loss.total.shape == ()
    assert loss.total.dtype == torch.float32
    assert loss.total.isfinite()
    assert loss.total.requires_grad
    assert not any(part.requires_grad for part in loss.parts.values())
    torch.testing.assert_close(sum(loss.parts.values()), loss.total.detach())
    assert loss.n_items > 0
    assert loss.n_impossible == 0


@every_objective
def test_batches_average_to_the_data_set_by_their_items(scored):
    """However trials are batched, losses and gradients weighed by items are the same."""
    whole, parts = batch_of(0, 1, 2, 3), [batch_of(2, 0), batch_of(3), batch_of(1)]
    losses = [scored(part) for part in parts]
    n_items = sum(loss.n_items for loss in losses)
    assert n_items == scored(whole).n_items
    mean = sum(loss.total * loss.n_items for loss in losses) / n_items
    torch.testing.assert_close(mean, scored(whole).total)
    weighed = [
        scored.gradient(part) * loss.n_items / n_items
        for part, loss in zip(parts, losses, strict=True)
    ]
    torch.testing.assert_close(sum(weighed), scored.gradient(whole), atol=1e-5, rtol=1e-3)


@every_objective
def test_what_lies_in_the_padding_does_not_matter(scored):
    batch = batch_of(0, 3)
    clean, gradient = scored(batch).total, scored.gradient(batch)
    for dirt in (1e4, float("nan")):
        features = batch.features.clone()
        features[1, 12:] = dirt
        dirty = replace(batch, features=features)
        assert torch.equal(scored(dirty).total, clean)
        torch.testing.assert_close(scored.gradient(dirty), gradient, rtol=0, atol=0)


@every_objective
def test_more_padding_than_needed_does_not_matter(scored):
    batch = batch_of(0, 3)
    wider = replace(batch, features=torch.nn.functional.pad(batch.features, (0, 0, 0, 30)))
    torch.testing.assert_close(scored(wider).total, scored(batch).total)


@every_objective
def test_mixed_precision_stays_close_and_the_loss_float32(scored):
    batch = batch_of(0, 1, 2, 3)
    with torch.autocast("cpu", torch.bfloat16):
        mixed = scored(batch)
    assert mixed.total.dtype == torch.float32
    torch.testing.assert_close(mixed.total, scored(batch).total, rtol=0.02, atol=0.02)


@every_objective
def test_training_follows_torchs_generator(scored):
    """Noise, masks and dropout: everything random comes from one seed."""
    scored.model.train()

    def draw(seed: int) -> torch.Tensor:
        torch.manual_seed(seed)
        return scored.objective(batch_of(0, 1)).total

    assert torch.equal(draw(1), draw(1))
    assert not torch.equal(draw(1), draw(2))
