import math

import pytest
import torch

from sylvian.models.smoothing import Smoother, SmoothingConfig


def by_hand(features: torch.Tensor, std: float, past: int, future: int) -> torch.Tensor:
    rows = []
    for at in range(len(features)):
        taps = range(max(0, at - past), min(len(features), at + future + 1))
        weights = [math.exp(-0.5 * ((tap - at) / std) ** 2) for tap in taps]
        total = sum(w * features[tap].double() for w, tap in zip(weights, taps, strict=True))
        rows.append(total / sum(weights))
    return torch.stack(rows).float()


@pytest.mark.parametrize("n_bins", [1, 3, 7, 12, 13, 16, 64, 65, 100])
@pytest.mark.parametrize("lookahead", [None, 0, 2])
def test_equals_the_renormalised_sum_over_bins_that_exist(n_bins, lookahead):
    features = torch.randn(n_bins, 3, generator=torch.Generator().manual_seed(n_bins))
    config = SmoothingConfig(lookahead_bins=lookahead)
    expected = by_hand(features, 2.0, 6, 6 if lookahead is None else lookahead)
    torch.testing.assert_close(Smoother(config)(features), expected, atol=2e-6, rtol=1e-5)


def test_the_published_kernel_has_thirteen_taps():
    assert len(Smoother(SmoothingConfig()).kernel) == 13


def test_a_constant_stays_constant_up_to_the_edges():
    smooth = Smoother(SmoothingConfig())(torch.full((30, 2), 3.0))
    torch.testing.assert_close(smooth, torch.full((30, 2), 3.0))


def test_without_lookahead_the_future_does_not_matter():
    smoother = Smoother(SmoothingConfig(lookahead_bins=0))
    features = torch.randn(40, 2, generator=torch.Generator().manual_seed(0))
    changed = features.clone()
    changed[25:] += 100
    torch.testing.assert_close(smoother(features)[:25], smoother(changed)[:25])


@pytest.mark.parametrize("lookahead", [None, 0, 3])
@pytest.mark.parametrize("chunk", [1, 4, 17, 200])
def test_bin_by_bin_equals_whole(lookahead, chunk):
    smoother = Smoother(SmoothingConfig(lookahead_bins=lookahead))
    features = torch.randn(70, 2, generator=torch.Generator().manual_seed(1))
    state, pieces = smoother.start(2), []
    for piece in features.split(chunk):
        ready, state = smoother.step(piece, state)
        assert len(state.recent) <= smoother.past + smoother.future + chunk
        pieces.append(ready)
    pieces.append(smoother.finish(state))
    torch.testing.assert_close(torch.cat(pieces), smoother(features), atol=1e-6, rtol=1e-5)


def test_finishing_a_trial_that_never_began_gives_nothing():
    smoother = Smoother(SmoothingConfig())
    assert smoother.finish(smoother.start(4)).shape == (0, 4)


@pytest.mark.parametrize("lookahead", [None, 0])
def test_hidden_bins_are_missing_bins(lookahead):
    """The kernel is renormalised over the visible bins, by hand; hidden NaNs are never read."""
    generator = torch.Generator().manual_seed(2)
    features = torch.randn(70, 3, generator=generator)
    hidden = torch.rand(70, generator=generator) < 0.5
    hidden[30:50] = True
    past, future = 6, 6 if lookahead is None else lookahead
    expected = torch.zeros(70, 3)
    for at in range(70):
        taps = [t for t in range(max(0, at - past), min(70, at + future + 1)) if not hidden[t]]
        weights = torch.tensor([math.exp(-0.5 * ((tap - at) / 2.0) ** 2) for tap in taps])
        if taps:
            expected[at] = (weights[:, None] * features[taps]).sum(0) / weights.sum()
    smoother = Smoother(SmoothingConfig(lookahead_bins=lookahead))
    unknown = features.masked_fill(hidden[:, None], torch.nan)
    torch.testing.assert_close(smoother.visible(unknown, hidden), expected, atol=1e-5, rtol=1e-4)


def test_with_nothing_hidden_nothing_changes():
    features = torch.randn(40, 2, generator=torch.Generator().manual_seed(3))
    smoother = Smoother(SmoothingConfig())
    seen = smoother.visible(features, torch.zeros(40, dtype=torch.bool))
    torch.testing.assert_close(seen, smoother(features))
