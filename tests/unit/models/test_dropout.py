import pytest
import torch

from sylvian.models.dropout import Dice, drop


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize("rate", [0.2, 0.4, 0.9])
def test_drops_the_share_it_should_and_keeps_the_mean(rate, dtype):
    torch.manual_seed(3)
    values = torch.ones(2000, 1001, dtype=dtype)
    dropped = drop(values, rate).float()
    assert (dropped == 0).float().mean() == pytest.approx(rate, abs=0.004)
    assert dropped.mean() == pytest.approx(1, abs=0.01)
    assert len(dropped.unique()) == 2


def test_neighbours_are_independent():
    torch.manual_seed(1)
    gone = (drop(torch.ones(2**20), 0.5) == 0).float() - 0.5
    for lag in (1, 2, 4, 8, 64):
        assert abs((gone[lag:] * gone[:-lag]).mean()) < 0.002


def test_the_gradient_falls_through_the_same_holes():
    torch.manual_seed(0)
    values = torch.randn(37, 11, requires_grad=True)
    dropped = drop(values, 0.4)
    dropped.backward(torch.ones_like(dropped))
    torch.testing.assert_close(values.grad * values.detach(), dropped.detach())


def test_is_nothing_outside_training_or_at_rate_zero():
    values = torch.randn(3, 3)
    assert drop(values, 0.4, training=False) is values
    assert drop(values, 0.0) is values
    assert torch.equal(drop(values, 0.001), values)


def test_follows_the_seed():
    def draw(seed: int) -> torch.Tensor:
        torch.manual_seed(seed)
        return torch.stack([drop(torch.ones(64), 0.5), drop(torch.ones(64), 0.5)])

    assert torch.equal(draw(0), draw(0))
    assert not torch.equal(draw(0), draw(1))
    assert not torch.equal(*draw(0))


def test_dice_started_again_fall_the_same_way():
    dice = Dice(0.5)
    first, again = dice.start(), dice.start()
    for shape in ((3, 5), (7,)):
        a, b = (dice.keep(roll, out=torch.empty(shape)) for roll in (first, again))
        assert torch.equal(a, b)
