import pytest
import torch

from sylvian.models.masking import fixed_masks, span_mask


def runs(mask: torch.Tensor) -> list[int]:
    """Give the lengths of the hidden runs."""
    text = "".join("#" if hidden else "." for hidden in mask.tolist())
    return [len(run) for run in text.split(".") if run]


def draw(lengths: list[int], ratio: float, max_span: int = 15, seed: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(seed)
    return span_mask(lengths, ratio=ratio, max_span=max_span, generator=generator)


@pytest.mark.parametrize("ratio", [0.1, 0.5, 0.9])
def test_realised_ratio_is_nominal_in_every_trial(ratio):
    lengths = [60, 100, 161, 240]
    for seed in range(50):
        for own in draw(lengths, ratio, seed=seed).split(lengths):
            assert abs(own.float().mean() - ratio) <= max(0.05 * ratio, 1 / len(own))


def test_ratio_is_unbiased_for_trials_of_any_length():
    hidden = torch.cat([draw([1, 2, 3, 5, 7], 0.3, seed=seed) for seed in range(3000)])
    assert hidden.float().mean() == pytest.approx(0.3, rel=0.05)


def test_spans_are_as_long_as_asked():
    assert set(runs(draw([500], 0.2, max_span=1))) <= set(range(1, 8))
    longest = [max(runs(draw([300], 0.1, seed=seed))) for seed in range(200)]
    assert max(longest) >= 15
    mean = sum(longest) / len(longest)
    assert 7 < mean < 17


def test_every_frame_is_as_likely_to_be_hidden():
    hits = torch.stack([draw([40], 0.5, seed=seed) for seed in range(4000)]).float().mean(0)
    assert hits.min() > 0.44
    assert hits.max() < 0.56


@pytest.mark.parametrize("lengths", [[1], [0], [3, 0, 2], [2, 200]])
def test_short_and_empty_trials_are_served(lengths):
    assert len(draw(lengths, 0.5)) == sum(lengths)


def test_ratio_zero_hides_nothing():
    assert not draw([50, 60], 0.0).any()


def test_follows_the_generator():
    assert torch.equal(draw([90], 0.5, seed=3), draw([90], 0.5, seed=3))
    assert not torch.equal(draw([90], 0.5, seed=3), draw([90], 0.5, seed=4))


def test_a_seed_gives_the_same_masks_for_ever():
    """Runs resumed by a later version, and baselines judged by it, must meet the same bins."""
    mask = fixed_masks(["card2024/T15/2023-08-11/b01/t000"], [40], ratio=0.5, max_span=15, seed=7)
    text = "".join("#" if hidden else "." for hidden in mask.tolist())
    assert text == "####..####.........####........####.####"
