import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sylvian.data import NormalizeConfig, PreparedCorpus, prepare
from sylvian.data.corpora import Card2024, ParticipantFacts
from sylvian.data.moments import Moments, pooled
from sylvian.data.normalize import Rolling, TrialMoments, lookahead_bins, session_normalizer

N_CHANNELS = 4


def recording(rng, lengths=(40, 55, 30, 62), blocks=(1, 1, 2, 2)):
    """Trials of a session that drifts, with a channel that is constant and one in microvolts."""
    trials = []
    for place, n_bins in enumerate(lengths):
        features = rng.normal(place, 1 + place, (n_bins, N_CHANNELS)).astype(np.float32)
        features[:, 2] = 0.1
        features[:, 3] = 900 + 40 * features[:, 3]
        trials.append(features)
    splits = ["train", "train", "train", "val"]
    moments = [
        TrialMoments(block, split, Moments.of(features))
        for block, split, features in zip(blocks, splits, trials, strict=True)
    ]
    return trials, moments


def test_moments_pool_to_those_of_all_bins(rng):
    trials, moments = recording(rng)
    whole = pooled((trial.moments for trial in moments), N_CHANNELS)
    everything = np.concatenate(trials).astype(np.float64)
    assert whole.n == len(everything)
    np.testing.assert_allclose(whole.mean, everything.mean(0), rtol=1e-12)
    np.testing.assert_allclose(whole.m2 / whole.n, everything.var(0), rtol=1e-9, atol=1e-12)


def test_pooling_nothing_is_nothing():
    nothing = pooled([], 2)
    assert nothing.n == 0 and not nothing.mean.any()
    assert (nothing.gain(1e-8) == 0).all()


def test_none_gives_the_features_themselves(rng):
    trials, moments = recording(rng)
    apply = session_normalizer("none", NormalizeConfig(), moments)
    np.testing.assert_array_equal(apply(1, trials[1]), trials[1])


def test_block_uses_all_trials_of_the_block_and_of_no_other(rng):
    trials, moments = recording(rng)
    apply = session_normalizer("block", NormalizeConfig(), moments)
    for inside in ((0, 1), (2, 3)):
        block = np.concatenate([trials[place] for place in inside]).astype(np.float64)
        for place in inside:
            changing = [0, 1, 3]
            expected = (trials[place] - block.mean(0)) / (block.std(0) + 1e-8)
            got = apply(place, trials[place])
            assert got.dtype == np.float32
            np.testing.assert_allclose(
                got[:, changing], expected[:, changing], rtol=1e-4, atol=1e-4
            )


def test_session_uses_all_trials_of_the_day_whatever_their_split(rng):
    trials, moments = recording(rng)
    config = NormalizeConfig(epsilon=0.01)
    apply = session_normalizer("session", config, moments)
    day = np.concatenate(trials).astype(np.float64)
    changing = [0, 1, 3]
    for place, features in enumerate(trials):
        expected = (features - day.mean(0)) / (day.std(0) + 0.01)
        got = apply(place, features)
        assert got.dtype == np.float32
        np.testing.assert_allclose(got[:, changing], expected[:, changing], rtol=1e-4, atol=1e-4)
    held_out = [TrialMoments(m.block, "test", m.moments) for m in moments]
    again = session_normalizer("session", config, held_out)
    np.testing.assert_array_equal(again(3, trials[3]), apply(3, trials[3]))


@pytest.mark.parametrize("kind", ["block", "block_and_day", "session", "rolling"])
def test_a_constant_channel_gives_zeros(rng, kind):
    trials, moments = recording(rng)
    apply = session_normalizer(kind, NormalizeConfig(), moments)
    for place, features in enumerate(trials):
        got = apply(place, features)
        assert np.isfinite(got).all()
        assert not got[:, 2].any()


def test_block_and_day_is_the_two_steps_one_after_the_other(rng):
    trials, moments = recording(rng)
    config = NormalizeConfig()
    block = session_normalizer("block", config, moments)
    by_block = [block(place, features) for place, features in enumerate(trials)]
    train = np.concatenate(by_block[:3]).astype(np.float64)
    apply = session_normalizer("block_and_day", config, moments)
    changing = [0, 1, 3]
    for place, features in enumerate(trials):
        expected = (by_block[place] - train.mean(0)) / (train.std(0) + 1e-8)
        got = apply(place, features)
        np.testing.assert_allclose(got[:, changing], expected[:, changing], rtol=1e-3, atol=1e-3)


def test_a_day_without_train_trials_keeps_the_block_z_score(rng):
    trials, moments = recording(rng)
    held_out = [TrialMoments(m.block, "val", m.moments) for m in moments]
    both = session_normalizer("block_and_day", NormalizeConfig(), held_out)
    block = session_normalizer("block", NormalizeConfig(), held_out)
    np.testing.assert_array_equal(both(3, trials[3]), block(3, trials[3]))


def naive_rolling(trials, config):
    """Compare each bin with weighted statistics of all bins before it, computed from scratch."""
    past, weights, outputs = np.zeros((0, N_CHANNELS)), np.zeros(0), []
    for features in trials:
        output = np.zeros(features.shape)
        for start in range(0, len(features), config.refresh_bins):
            seen = np.concatenate([past, features[:start]]).astype(np.float64)
            if len(seen) < config.startup_bins:
                continue
            weight = np.concatenate([weights, np.ones(start)])[:, None]
            mean = (weight * seen).sum(0) / weight.sum()
            std = np.sqrt((weight * (seen - mean) ** 2).sum(0) / weight.sum())
            stop = start + config.refresh_bins
            constant = std < 1e-6 * np.abs(mean)
            output[start:stop] = np.where(constant, 0, features[start:stop] - mean)
            output[start:stop] /= np.where(constant, 1, std + config.epsilon)
        outputs.append(output)
        past = np.concatenate([past, features])
        fade = np.exp(-len(features) / config.window_bins)
        weights = np.concatenate([weights * fade, np.ones(len(features))])
    return outputs


def test_rolling_equals_the_definition(rng):
    trials, moments = recording(rng)
    config = NormalizeConfig(kind="rolling", window_bins=90.0, refresh_bins=7, startup_bins=20)
    apply = session_normalizer("rolling", config, moments)
    for place, expected in enumerate(naive_rolling(trials, config)):
        np.testing.assert_allclose(apply(place, trials[place]), expected, rtol=2e-3, atol=2e-3)


def test_rolling_starts_with_zeros_until_there_is_something_to_compare_with(rng):
    trials, moments = recording(rng)
    config = NormalizeConfig(refresh_bins=5, startup_bins=22)
    got = session_normalizer("rolling", config, moments)(0, trials[0])
    assert not got[:25].any() and got[25:, 0].all()


@pytest.mark.parametrize("changed_from", [0, 13, 39])
def test_rolling_never_sees_the_future(rng, changed_from):
    """Changing any later bin or trial changes nothing before it, bit for bit."""
    config = NormalizeConfig(kind="rolling", refresh_bins=6, startup_bins=8)
    trials, moments = recording(rng)
    before = [session_normalizer("rolling", config, moments)(n, t) for n, t in enumerate(trials)]
    other, _ = recording(np.random.default_rng(99))
    changed = [trials[0], trials[1].copy(), other[2], other[3]]
    changed[1][changed_from:] = 1e4 + other[1][changed_from:]
    moments = [
        TrialMoments(m.block, m.split, Moments.of(features))
        for m, features in zip(moments, changed, strict=True)
    ]
    after = [session_normalizer("rolling", config, moments)(n, t) for n, t in enumerate(changed)]
    np.testing.assert_array_equal(after[0], before[0])
    np.testing.assert_array_equal(after[1][:changed_from], before[1][:changed_from])
    assert (after[1][changed_from:, 0] != before[1][changed_from:, 0]).all()


def stream(trials, config, cuts):
    """Feed trials in chunks of the given sizes, over and over; give back whole trials."""
    rolling = Rolling(config, N_CHANNELS)
    state, outputs = rolling.start(), []
    for features in trials:
        parts, start, turn = [], 0, 0
        while start < len(features):
            size = cuts[turn % len(cuts)]
            part, state = rolling.step(features[start : start + size], state)
            parts.append(part)
            start, turn = start + size, turn + 1
        outputs.append(np.concatenate(parts))
        state = rolling.end_trial(state)
    return outputs


@settings(max_examples=12, deadline=None)
@given(cuts=st.lists(st.integers(1, 30), min_size=1, max_size=5), refresh=st.integers(1, 20))
def test_rolling_stream_equals_whole(cuts, refresh):
    trials, moments = recording(np.random.default_rng(3))
    config = NormalizeConfig(
        kind="rolling", refresh_bins=refresh, startup_bins=12, window_bins=80.0
    )
    whole = session_normalizer("rolling", config, moments)
    one_piece = stream(trials, config, [10_000])
    for place, streamed in enumerate(stream(trials, config, cuts)):
        np.testing.assert_array_equal(streamed, one_piece[place])  # however it is cut: every bit
        np.testing.assert_allclose(streamed, whole(place, trials[place]), rtol=1e-5, atol=1e-5)


def test_an_empty_chunk_changes_nothing(rng):
    rolling = Rolling(NormalizeConfig(), N_CHANNELS)
    state = rolling.start()
    normalised, after = rolling.step(np.zeros((0, N_CHANNELS), np.float32), state)
    assert normalised.shape == (0, N_CHANNELS) and after is state
    assert not rolling.end_trial(state).past.n


def test_each_kind_publishes_what_it_looks_at():
    assert [lookahead_bins(kind) for kind in ("none", "rolling")] == [0, 0]
    whole = ("block", "block_and_day", "session", "participant")
    assert {lookahead_bins(kind) for kind in whole} == {None}


def test_auto_leaves_alone_what_the_release_z_scored():
    auto = NormalizeConfig()
    assert auto.resolve(ParticipantFacts(n_channels=1, sees_future=True)) == "none"
    assert auto.resolve(ParticipantFacts(n_channels=1)) == "block"
    assert NormalizeConfig(kind="rolling").resolve(ParticipantFacts(n_channels=1)) == "rolling"


def test_the_store_applies_each_kind_across_splits_of_a_block(t15_raw, few_t15, tmp_path):
    prepare(Card2024(t15_raw, facts=few_t15), tmp_path)
    raw = PreparedCorpus.open(tmp_path, "card2024", normalize=NormalizeConfig(kind="none"))
    block = PreparedCorpus.open(tmp_path, "card2024", normalize=NormalizeConfig(kind="block"))
    inside = [i for i in raw.infos if (i.key.session, i.key.block) == ("2023-08-13", 4)]
    assert {info.split for info in inside} == {"val", "test"}
    pooled_bins = np.concatenate([raw.read(info.key).features for info in inside])
    z = np.concatenate([block.read(info.key).features for info in inside])
    np.testing.assert_allclose(
        z, (pooled_bins - pooled_bins.mean(0)) / pooled_bins.std(0), atol=1e-4
    )
    rolling = PreparedCorpus.open(tmp_path, "card2024", normalize=NormalizeConfig(kind="rolling"))
    assert not rolling.read(rolling.infos[0].key).features.any()  # 30 bins, all of them start-up
    assert rolling.read(rolling.infos[2].key).features[:, 0].all()
    assert (raw.lookahead_bins, block.lookahead_bins, rolling.lookahead_bins) == (0, None, 0)
