import numpy as np
import pytest

from sylvian.errors import ConfigError
from sylvian.models.reconstruction import (
    ReconstructionSums,
    add_up,
    bootstrap_r2,
    bootstrap_r2_gain,
    pooled_r2,
)

RNG = np.random.default_rng(0)


def pair(n_bins: int, n_channels: int = 3) -> tuple[np.ndarray, np.ndarray]:
    truth = RNG.standard_normal((n_bins, n_channels)) * [1, 5, 0.1][:n_channels] + 3
    guess = truth + 0.5 * RNG.standard_normal((n_bins, n_channels))
    return truth.astype(np.float32), guess.astype(np.float32)


def test_sums_of_trials_are_the_sums_of_the_data_set():
    trials = [pair(n_bins) for n_bins in (7, 1, 40, 12)]
    whole = ReconstructionSums.of(*(np.concatenate(part) for part in zip(*trials, strict=True)))
    added = add_up(ReconstructionSums.of(*own) for own in trials)
    assert added.n_bins == whole.n_bins == 60
    assert added.r2 == pytest.approx(whole.r2)
    np.testing.assert_allclose(added.channel_r2, whole.channel_r2)


def test_r2_is_one_minus_error_over_variance_about_the_channel_means():
    truth, guess = pair(50)
    sums = ReconstructionSums.of(truth, guess)
    error, spread = ((truth - guess) ** 2).sum(0), ((truth - truth.mean(0)) ** 2).sum(0)
    np.testing.assert_allclose(sums.sse, error, rtol=1e-5)
    np.testing.assert_allclose(sums.sst, spread, rtol=1e-5)
    assert sums.r2 == pytest.approx(1 - error.sum() / spread.sum(), rel=1e-5)
    np.testing.assert_allclose(sums.channel_r2, 1 - error / spread, rtol=1e-4)


def test_r2_is_no_mean_of_the_trials_rates():
    trials = [ReconstructionSums.of(*pair(n_bins)) for n_bins in (5, 60)]
    assert add_up(trials).r2 != pytest.approx(np.mean([own.r2 for own in trials]), rel=1e-3)


def test_knowing_everything_and_knowing_the_means():
    truth, _ = pair(30)
    assert ReconstructionSums.of(truth, truth).r2 == 1
    means = np.tile(truth.astype(float).mean(0), (30, 1))
    assert ReconstructionSums.of(truth, means).r2 == pytest.approx(0, abs=1e-9)


def test_channels_that_never_change_have_no_r2_but_count_their_errors():
    truth, guess = pair(20, 2)
    truth[:, 1] = 0.1
    sums = ReconstructionSums.of(truth, guess)
    assert np.isnan(sums.channel_r2).tolist() == [False, True]
    assert sums.r2 < sums.channel_r2[0]
    constant = ReconstructionSums.of(truth[:, 1:], truth[:, 1:])
    assert np.isnan(constant.r2)
    assert np.isnan(add_up([ReconstructionSums.of(truth[:0], guess[:0])]).r2)


def test_participants_are_pooled_about_their_own_means():
    a, b = ReconstructionSums.of(*pair(20)), ReconstructionSums.of(*pair(30, 2))
    expected = 1 - (a.sse.sum() + b.sse.sum()) / (a.sst.sum() + b.sst.sum())
    assert pooled_r2([a, b]) == pytest.approx(expected)
    with pytest.raises(ConfigError, match="3 and 2 channels.*pooled_r2"):
        _ = a + b


def test_nothing_does_not_add_up():
    with pytest.raises(ConfigError, match="split is empty"):
        add_up([])


def test_intervals_hold_the_rate_and_shrink_with_trials():
    trials = [ReconstructionSums.of(*pair(10)) for _ in range(80)]
    wide, narrow = bootstrap_r2(trials[:8]), bootstrap_r2(trials)
    assert narrow[0] < add_up(trials).r2 < narrow[1]
    assert narrow[1] - narrow[0] < wide[1] - wide[0]
    assert bootstrap_r2(trials, seed=1) == bootstrap_r2(trials, seed=1) != narrow
    with pytest.raises(ConfigError, match="split is empty"):
        bootstrap_r2([])


def test_a_gain_is_judged_pair_by_pair():
    """Trials differ far more than models do: paired, a small gain is seen all the same."""
    ours, theirs = [], []
    for scale in RNG.uniform(0.1, 3, 40):
        truth, _ = pair(10)
        noise = scale * RNG.standard_normal(truth.shape)
        ours.append(ReconstructionSums.of(truth, truth + 0.95 * noise))
        theirs.append(ReconstructionSums.of(truth, truth + noise))
    low, high = bootstrap_r2_gain(ours, theirs)
    assert 0 < low < add_up(ours).r2 - add_up(theirs).r2 < high
    assert bootstrap_r2(ours)[0] < add_up(theirs).r2  # unpaired, the intervals overlap
    assert bootstrap_r2_gain(ours, ours) == (0, 0)
    with pytest.raises(ConfigError, match="different bins"):
        bootstrap_r2_gain(ours, theirs[1:])


def test_what_never_varies_has_no_interval():
    still = [ReconstructionSums.of(np.ones((4, 2)), np.ones((4, 2)))] * 3
    assert np.isnan(bootstrap_r2(still)).all()
