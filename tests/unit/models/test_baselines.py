import numpy as np
import pytest

from sylvian.errors import DataError
from sylvian.models.baselines import (
    STRENGTHS,
    Baseline,
    ChannelMean,
    Interpolation,
    Linear,
    standard_baselines,
)
from sylvian.models.batch import make_batch
from sylvian.models.encoder import build_encoder
from sylvian.models.masking import BinMasks
from sylvian.models.pretraining import PretrainingModel, ReconstructionConfig, reconstruct
from sylvian.models.reconstruction import add_up
from sylvian.models.transformer import TransformerConfig
from sylvian.types import Trial

MASKS = BinMasks(ratio=0.5, max_span=3, patch_bins=5, seed=4)
every_baseline = pytest.mark.parametrize("kind", [ChannelMean, Interpolation, Linear])


def waves(trial, count: int, *, noise: float = 0.0) -> list[Trial]:
    """Give trials of two slow sources seen by six channels."""
    mixing = np.random.default_rng(9).standard_normal((2, 6))
    trials = []
    for number in range(count):
        own, rng = trial(100, number), np.random.default_rng(number)
        time = np.arange(100)[:, None] / np.array([9.0, 14.0]) + rng.uniform(0, 6, 2)
        features = np.sin(time) @ mixing + noise * rng.standard_normal((100, 6)) + 2
        trials.append(Trial(own.info, features.astype(np.float32)))
    return trials


def fitted(kind: type[Baseline], trials: list[Trial]) -> Baseline:
    baseline = kind()
    baseline.fit(trials, MASKS)
    return baseline


@every_baseline
def test_hidden_bins_are_never_read(kind, trial):
    """Neither at test nor, as an input, in training: `guess` sees NaN there."""
    trials = waves(trial, 6)
    baseline, own = fitted(kind, trials), trials[0]
    hidden = MASKS(own)
    features = np.where(hidden[:, None], np.nan, own.features)
    guess = baseline.guess(features, hidden)
    assert guess.shape == (hidden.sum(), 6)
    assert np.isfinite(guess).all()
    assert (guess == baseline.guess(own.features, hidden)).all()


@every_baseline
def test_models_and_baselines_are_judged_on_the_same_bins(kind, trial, sessions, vocabulary):
    trials = waves(trial, 6)
    config = TransformerConfig(width=8, depth=1, heads=2, head_width=4, feedforward=8)
    model = PretrainingModel(build_encoder(config, sessions), ReconstructionConfig(mask_max_span=3))
    batch = make_batch(trials, session_index=model.encoder.session_index, vocabulary=vocabulary)
    theirs = reconstruct(model, batch, seed=4)
    ours = list(fitted(kind, trials).reconstruct(trials, model.bin_masks(seed=4)))
    assert len(theirs) == len(ours) == 6
    for one, other in zip(theirs, ours, strict=True):
        assert one.n_bins == other.n_bins
        np.testing.assert_allclose(one.total, other.total)
        np.testing.assert_allclose(one.squares, other.squares)


def test_the_channel_mean_is_that_of_the_training_trials(trial):
    trials = waves(trial, 3)
    expected = np.concatenate([own.features for own in trials]).mean(0)
    baseline = fitted(ChannelMean, trials)
    hidden = MASKS(trials[0])
    guess = baseline.guess(trials[0].features, hidden)
    np.testing.assert_allclose(guess, np.tile(expected, (hidden.sum(), 1)), rtol=1e-5)


def test_interpolation_agrees_with_numpy(trial):
    own = trial(83)
    hidden = MASKS(own)
    bins = np.arange(83)
    expected = [
        np.interp(bins[hidden], bins[~hidden], channel[~hidden]) for channel in own.features.T
    ]
    guess = fitted(Interpolation, [own]).guess(own.features, hidden)
    np.testing.assert_allclose(guess.T, expected, atol=1e-6)


@every_baseline
@pytest.mark.parametrize("shown", [[], [0], [9], [4, 5]])
def test_ends_and_trials_without_visible_bins_are_served(kind, shown, trial):
    trials = waves(trial, 6)
    hidden = np.ones(10, dtype=bool)
    hidden[shown] = False
    guess = fitted(kind, trials).guess(trials[0].features[:10], hidden)
    assert np.isfinite(guess).all()
    assert np.abs(guess).max() < 30


def test_each_baseline_finds_what_it_can(trial):
    """Smooth signals: lines beat means; channels in noise: a linear model beats lines."""
    train, test = waves(trial, 40, noise=0.3)[:30], waves(trial, 40, noise=0.3)[30:]
    mean, line, linear = (
        add_up(fitted(type(kind), train).reconstruct(test, MASKS)).r2
        for kind in standard_baselines()
    )
    assert abs(mean) < 0.1
    assert line > mean + 0.3
    assert linear > line + 0.05
    assert linear > 0.6


def test_noise_is_shrunk_to_the_mean(trial):
    train = [trial(100, number) for number in range(10)]
    test = [trial(100, number) for number in range(10, 40)]
    linear = fitted(Linear, train)
    assert add_up(linear.reconstruct(test, MASKS)).r2 > -0.1
    assert linear.strength > min(STRENGTHS)


def test_a_single_trial_is_enough(trial):
    linear = fitted(Linear, waves(trial, 1))
    assert linear.strength == max(STRENGTHS)


@every_baseline
def test_nothing_to_learn_from_is_refused(kind, trial):
    with pytest.raises(DataError, match="at least one trial"):
        kind().fit([], MASKS)
    with pytest.raises(DataError, match=r"t001: 5 channels, .*6; fit one baseline per"):
        kind().fit([trial(20), trial(20, 1, n_channels=5)], MASKS)


@every_baseline
def test_dead_arrays_are_survived(kind, trial):
    dead = [Trial(own.info, np.zeros_like(own.features)) for own in waves(trial, 3)]
    sums = add_up(fitted(kind, dead).reconstruct(dead, MASKS))
    assert sums.sse.sum() == 0
    assert np.isnan(sums.r2)
