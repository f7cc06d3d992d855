"""Noise has the asked strength, depends on (seed, epoch, trial) alone, and spares the original."""

import numpy as np
import pytest

from sylvian.train.augment import AugmentConfig, augment_trial
from sylvian.types import Trial, TrialInfo, TrialKey


def flat_trial(n_bins: int = 2000, n_channels: int = 40, number: int = 0) -> Trial:
    info = TrialInfo(TrialKey("toy", "P1", "2024-01-01", 1, number), "train", n_bins)
    ramp = np.arange(n_bins, dtype=np.float32)[:, None] + np.zeros(n_channels, dtype=np.float32)
    return Trial(info, ramp)


def test_white_noise_and_offset_have_the_asked_strength():
    trial = flat_trial()
    config = AugmentConfig(noise_std=0.8, offset_std=0.3)
    change = augment_trial(trial, config, seed=0, epoch=0).features - trial.features
    offset = change.mean(axis=0)
    assert offset.std() == pytest.approx(0.3, rel=0.3)
    white = change - offset
    assert white.std() == pytest.approx(0.8, rel=0.02)
    assert abs(np.corrcoef(white[:-1, 0], white[1:, 0])[0, 1]) < 0.1
    assert abs(np.corrcoef(white[:, 0], white[:, 1])[0, 1]) < 0.1


def test_the_original_is_left_alone_and_float32():
    trial = flat_trial()
    before = trial.features.copy()
    noisy = augment_trial(trial, AugmentConfig(random_cut=3), seed=0, epoch=0)
    assert np.array_equal(trial.features, before)
    assert noisy.features.dtype == np.float32
    assert not np.shares_memory(noisy.features, trial.features)


def test_a_draw_depends_on_seed_epoch_and_trial_only():
    config = AugmentConfig(noise_std=1.0, offset_std=0.2, random_cut=3)

    def draw(seed=0, epoch=0, number=0):
        return augment_trial(flat_trial(50, 3, number), config, seed=seed, epoch=epoch).features

    first = draw()
    draw(epoch=7)
    assert np.array_equal(first, draw())
    for other in (draw(seed=1), draw(epoch=1), draw(number=1)):
        assert not np.array_equal(first[-20:], other[-20:])


def test_random_cut_drops_up_to_n_minus_one_leading_bins():
    config = AugmentConfig(noise_std=0.0, offset_std=0.0, random_cut=3)
    trial = flat_trial(10, 2)
    counts = {0: 0, 1: 0, 2: 0}
    for epoch in range(300):
        cut = augment_trial(trial, config, seed=0, epoch=epoch)
        n_dropped = 10 - len(cut.features)
        assert np.array_equal(cut.features, trial.features[n_dropped:])
        assert cut.info.n_bins == len(cut.features)
        counts[n_dropped] += 1
    assert min(counts.values()) > 70


def test_a_cut_never_empties_a_trial():
    config = AugmentConfig(random_cut=50)
    sizes = {len(augment_trial(flat_trial(2), config, seed=0, epoch=e).features) for e in range(20)}
    assert sizes == {1, 2}


def test_nothing_to_do_returns_the_trial_itself():
    trial = flat_trial(5)
    config = AugmentConfig(noise_std=0, offset_std=0, random_cut=1)
    assert augment_trial(trial, config, seed=0, epoch=0) is trial
