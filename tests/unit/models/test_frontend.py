import pytest
import torch
from torch import nn

from sylvian.models.frontend import (
    DayAffine,
    ReadIn,
    ReadIns,
    pad_rows,
    patches_together,
    round_up,
    standard_patches,
)
from sylvian.models.smoothing import Smoother, SmoothingConfig


def noise(*shape: int, seed: int = 0) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed))


def test_patches_keep_time_order_with_channels_fastest():
    trial = torch.arange(12.0).view(6, 2)
    rows = torch.cat(standard_patches(trial, 3))
    expected = nn.functional.layer_norm(torch.arange(12.0).view(2, 6), (6,))
    torch.testing.assert_close(rows, expected)


def test_the_last_patch_is_completed_with_zeros():
    trial = noise(7, 2)
    rows = torch.cat(standard_patches(trial, 5))
    padded = torch.cat([trial, torch.zeros(3, 2)]).view(2, 10)
    torch.testing.assert_close(rows, nn.functional.layer_norm(padded, (10,)))


def test_patches_come_in_the_precision_of_the_products():
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert standard_patches(noise(10, 2), 5)[0].dtype == torch.bfloat16
    assert standard_patches(noise(10, 2), 5)[0].dtype == torch.float32


@pytest.mark.parametrize("smoothing", [None, SmoothingConfig(), SmoothingConfig(lookahead_bins=0)])
@pytest.mark.parametrize("hiding", [False, True])
@pytest.mark.parametrize("lengths", [[13, 5, 41, 1], [20, 20]])
def test_patches_made_together_are_those_made_trial_by_trial(smoothing, hiding, lengths):
    smoother = None if smoothing is None else Smoother(smoothing)
    features = noise(len(lengths), 50, 3)
    for row, n_bins in enumerate(lengths):
        features[row, n_bins:] = torch.nan
    counts = [-(-n_bins // 5) for n_bins in lengths]
    hidden = noise(sum(counts)) > 0
    together = patches_together(
        features, lengths, patch_bins=5, smoother=smoother, hidden=hidden if hiding else None
    )
    for trial, n_bins, mask, own in zip(
        features, lengths, hidden.split(counts), together, strict=True
    ):
        shut = mask.repeat_interleave(5)[:n_bins] & hiding
        if smoother is None:
            alone = trial[:n_bins].masked_fill(shut.unsqueeze(1), 0.0)
        else:
            alone = smoother.visible(trial[:n_bins], shut) if hiding else smoother(trial[:n_bins])
        expected = torch.cat(standard_patches(alone, 5))
        torch.testing.assert_close(torch.cat(own), expected, atol=1e-4, rtol=1e-4)


def test_participants_may_alternate_within_a_batch():
    """Values and gradients of read-ins do not depend on who stands beside whom."""
    torch.manual_seed(0)
    read_ins = ReadIns([6, 6], width=4, of_session=[0, 1])
    patches = [[noise(2, 6, seed=at), noise(1, 6, seed=9)] for at in range(4)]
    slope = noise(12, 4)
    results = []
    for order in ([0, 1, 2, 3], [0, 2, 1, 3]):
        read_ins.zero_grad()
        rows = read_ins([patches[at] for at in order], [at % 2 for at in order]).split(3)
        laid = torch.cat([rows[order.index(at)] for at in range(4)])
        (laid * slope).sum().backward()
        results.append([laid, *(parameter.grad.clone() for parameter in read_ins.parameters())])
    for one, other in zip(*results, strict=True):
        torch.testing.assert_close(one, other)


def test_read_in_is_norm_linear_norm():
    """Folding scale and shift into the linear map changes neither values nor gradients."""
    torch.manual_seed(0)
    read_in, patches = ReadIn(20, 8), noise(4, 20)
    nn.init.normal_(read_in.scale)
    nn.init.normal_(read_in.shift)
    plain = nn.Sequential(nn.LayerNorm(20), nn.Linear(20, 8), nn.LayerNorm(8))
    plain[0].load_state_dict({"weight": read_in.scale, "bias": read_in.shift})
    plain[1].load_state_dict(read_in.linear.state_dict())
    ours = read_in(torch.cat(standard_patches(patches.view(20, 4), 5)))
    theirs = plain(patches)
    torch.testing.assert_close(ours, theirs, atol=1e-5, rtol=1e-4)
    for loss in (ours, theirs):
        (loss * noise(4, 8, seed=1)).sum().backward()
    pairs = zip(
        (read_in.scale, read_in.shift, read_in.linear.weight, read_in.linear.bias),
        (plain[0].weight, plain[0].bias, plain[1].weight, plain[1].bias),
        strict=True,
    )
    for mine, other in pairs:
        torch.testing.assert_close(mine.grad, other.grad, atol=1e-4, rtol=1e-4)


def test_each_trial_gets_its_own_read_in():
    torch.manual_seed(0)
    read_ins = ReadIns([6, 6], width=4, of_session=[0, 1, 0])
    patches = [[noise(2, 6, seed=1)], [noise(3, 6, seed=2)], [noise(1, 6, seed=3)]]
    rows = read_ins(patches, [0, 1, 2])
    alone = [read_ins.maps[at](own[0]) for at, own in zip((0, 1, 0), patches, strict=True)]
    torch.testing.assert_close(rows, torch.cat(alone))


def test_a_day_layer_begins_as_the_identity():
    day = DayAffine([3, 3])
    torch.testing.assert_close(day(noise(5, 3), 1), noise(5, 3))


def test_only_the_days_in_a_batch_get_gradients():
    day = DayAffine([3, 3])
    day(noise(5, 3), 1).sum().backward()
    assert day.weight[0].grad is None
    assert day.weight[1].grad is not None


def test_rows_are_laid_out_with_zeros_behind():
    rows = noise(7, 2)
    padded = pad_rows(rows, [2, 4])
    assert padded.shape == (2, 4, 2)
    torch.testing.assert_close(padded[0, :2], rows[:2])
    torch.testing.assert_close(padded[1], rows[2:6])
    assert padded[0, 2:].count_nonzero() == 0


@pytest.mark.parametrize("octave", range(9, 15))
def test_rounding_leaves_few_sizes_and_little_waste(octave):
    counts = range(1 << octave, 1 << (octave + 1))
    rounded = [round_up(count) for count in counts]
    assert len(set(rounded)) <= 18
    assert all(count <= up <= 1.0625 * count for count, up in zip(counts, rounded, strict=True))
