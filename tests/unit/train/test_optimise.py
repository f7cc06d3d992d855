"""The learning rate, who is decayed, clipping, averaging, and moments that survive a round trip."""

import math

import pytest
import torch
from torch import nn

from sylvian.errors import CheckpointError
from sylvian.models.frontend import DayAffine
from sylvian.train.config import TrainConfig
from sylvian.train.optimise import (
    Ema,
    build_optimizer,
    clip_factor,
    gradient_norm,
    learning_rate_at,
    optimizer_tensors,
    restore_optimizer,
    scale_gradients,
)


def rates(n_steps: int, **changes):
    config = TrainConfig(**{"learning_rate": 2.0, **changes})
    return [learning_rate_at(step, n_steps=n_steps, config=config) for step in range(n_steps)]


def test_rate_warms_up_linearly_and_falls_as_half_a_cosine():
    found = rates(100, warmup_fraction=0.1, final_fraction=0.25)
    assert found[:10] == pytest.approx([2.0 * (i + 1) / 10 for i in range(10)])
    assert max(found) == pytest.approx(2.0)
    assert found[55] == pytest.approx(2.0 * (0.25 + 0.75 / 2))
    assert found[-1] == pytest.approx(0.5, abs=1e-2)
    assert all(a >= b for a, b in zip(found[10:], found[11:], strict=False))


def test_rate_without_warm_up_starts_at_the_top_and_never_stops():
    found = rates(50, warmup_fraction=0.0)
    assert found[0] == 2.0
    assert min(found) > 0
    assert rates(1) == [2.0]


def test_vectors_and_day_layers_are_not_decayed():
    model = nn.ModuleDict(
        {
            "linear": nn.Linear(3, 4),
            "norm": nn.LayerNorm(4),
            "day": DayAffine([3, 3]),
        }
    )
    model.register_parameter("token", nn.Parameter(torch.zeros(1, 1, 4)))
    optimizer = build_optimizer(model, TrainConfig(weight_decay=0.1))
    decayed, spared = sorted(optimizer.param_groups, key=lambda group: -group["weight_decay"])
    assert decayed["weight_decay"] == 0.1
    assert spared["weight_decay"] == 0.0
    assert [id(p) for p in decayed["params"]] == [id(model["linear"].weight)]
    assert len(spared["params"]) == 1 + 2 + 4 + 1
    assert optimizer.defaults["fused"]


def test_gradient_norm_clipping_and_scaling():
    model = nn.Linear(2, 1)
    model.weight.grad = torch.tensor([[3.0, 0.0]])
    model.bias.grad = torch.tensor([4.0])
    assert float(gradient_norm(model)) == pytest.approx(5.0)
    assert clip_factor(5.0, 1.0) == pytest.approx(0.2)
    assert clip_factor(0.5, 1.0) == 1.0
    assert clip_factor(5.0, None) == 1.0
    scale_gradients(model, 0.2)
    assert float(gradient_norm(model)) == pytest.approx(1.0)


def test_average_follows_the_definition_and_swaps_in_and_out():
    model = nn.Linear(1, 1, bias=False)
    model.weight.data.fill_(0.0)
    ema = Ema(model, 0.5)
    expected = 0.0
    for n, value in enumerate([1.0, 3.0, -2.0]):
        model.weight.data.fill_(value)
        ema.update(n)
        decay = min(0.5, (1 + n) / (10 + n))
        expected = decay * expected + (1 - decay) * value
    with ema.swapped():
        assert model.weight.item() == pytest.approx(expected)
    assert model.weight.item() == -2.0
    other = Ema(nn.Linear(1, 1, bias=False), 0.5)
    other.restore(ema.state())
    assert float(other.state()["weight"]) == pytest.approx(expected)
    with pytest.raises(CheckpointError, match="another model"):
        Ema(nn.Linear(1, 1), 0.5).restore(ema.state())


def trained(n_steps: int) -> tuple[nn.Module, torch.optim.AdamW]:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(3, 3), nn.Linear(3, 3))
    optimizer = build_optimizer(model, TrainConfig())
    for step in range(n_steps):
        advance(model, optimizer, step)
    return model, optimizer


def advance(model: nn.Module, optimizer: torch.optim.Optimizer, step: int) -> None:
    # the second layer is not always used, like a participant's read-in
    torch.manual_seed(100 + step)
    used = model[0] if step < 3 else model
    used(torch.randn(2, 3)).square().sum().backward()
    optimizer.step()
    optimizer.zero_grad()


@pytest.mark.parametrize("n_steps", [2, 4])
def test_moments_survive_saving_exactly(n_steps):
    model, optimizer = trained(n_steps)
    saved = {name: tensor.clone() for name, tensor in optimizer_tensors(model, optimizer).items()}
    assert any(name.startswith("1.") for name in saved) == (n_steps > 3)
    weights = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    advance(model, optimizer, 9)

    again, fresh = trained(0)
    again.load_state_dict(weights)
    restore_optimizer(again, fresh, saved)
    advance(again, fresh, 9)
    for name, tensor in model.state_dict().items():
        assert torch.equal(tensor, again.state_dict()[name])


def test_moments_of_another_model_are_refused():
    model, optimizer = trained(0)
    with pytest.raises(CheckpointError, match=r"'3\.weight'"):
        restore_optimizer(model, optimizer, {"3.weight/exp_avg": torch.zeros(1)})


def test_config_describes_every_field():
    for field in TrainConfig.model_fields.values():
        assert field.description
    assert math.isclose(TrainConfig().learning_rate, 5e-4)
