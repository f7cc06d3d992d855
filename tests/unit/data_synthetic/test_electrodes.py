import numpy as np
import pytest

from sylvian.data.synthetic import NeuralConfig, ParticipantConfig
from sylvian.data.synthetic.electrodes import N_ELECTRODES, first_day
from sylvian.data.synthetic.recording import speech_drive
from sylvian.data.synthetic.speech import speak
from sylvian.text import PHONES, SIL


def participant(layout="card2024", **neural):
    return ParticipantConfig(name="S1", layout=layout, neural=NeuralConfig(**neural))


def babble(config, rng, n_words=400):
    words = rng.choice(np.array(PHONES, "U3"), (n_words, 4))
    words[:, -1] = SIL
    return speak(words.ravel().tolist(), config.speech, rng).latents()


def test_depth_is_the_standard_deviation_of_the_drive_over_speech():
    config = participant(snr=2.0)
    tuning = first_day(config, np.random.default_rng(0))
    drive = speech_drive(babble(config, np.random.default_rng(9)), tuning, config.neural)
    np.testing.assert_allclose(drive.crossings.std(0), tuning.depth, rtol=0.15, atol=1e-4)
    np.testing.assert_allclose(
        drive.power.std(0), tuning.depth * config.neural.power_gain, rtol=0.15, atol=1e-4
    )
    np.testing.assert_allclose(drive.crossings.mean(0), 0, atol=0.12)


def test_the_snr_scales_depth_and_changes_nothing_else():
    low, high = (first_day(participant(snr=snr), np.random.default_rng(4)) for snr in (0.5, 2.0))
    np.testing.assert_allclose(high.depth, 4 * low.depth, rtol=1e-5)
    np.testing.assert_array_equal(high.crossings, low.crossings)
    np.testing.assert_array_equal(high.log_rate, low.log_rate)


def test_as_many_electrodes_are_dead_or_untuned_as_asked():
    tuning = first_day(participant(dead_fraction=0.2, tuned_fraction=0.4), np.random.default_rng(1))
    assert tuning.dead.mean() == pytest.approx(0.2, abs=0.08)
    assert (tuning.depth > 0).mean() == pytest.approx(0.4, abs=0.1)


def test_area_44_hardly_follows_speech():
    depth = first_day(participant("willett2023"), np.random.default_rng(2)).depth
    assert depth[128:].mean() < 0.3 * depth[:128].mean()


def test_overnight_a_share_of_electrodes_turns_and_keeps_its_depth():
    config = participant(session_turnover=0.25, session_turn=1.0)
    rng = np.random.default_rng(3)
    before = first_day(config, rng)
    after = before.next_day(config.neural, rng)
    changed = np.abs(before.crossings - after.crossings).max(0) > 1e-3
    assert changed.mean() == pytest.approx(0.25, abs=0.1)
    np.testing.assert_array_equal(changed, np.abs(before.power - after.power).max(0) > 1e-3)
    latents = babble(config, np.random.default_rng(8))
    old, new = (speech_drive(latents, t, config.neural).crossings for t in (before, after))
    np.testing.assert_allclose(new.std(0), old.std(0), rtol=0.15, atol=1e-4)
    tuned = before.depth > 0
    alike = np.array([np.corrcoef(old[:, e], new[:, e])[0, 1] for e in np.flatnonzero(tuned)])
    assert np.abs(alike[changed[tuned]]).mean() < 0.6  # an unrelated direction but for effort
    np.testing.assert_allclose(alike[~changed[tuned]], 1, atol=1e-5)


def test_without_turnover_every_day_is_the_same():
    config = participant(session_turnover=0.0)
    rng = np.random.default_rng(3)
    before = first_day(config, rng)
    after = before.next_day(config.neural, rng)
    np.testing.assert_allclose(before.crossings, after.crossings, atol=1e-4)


def test_some_electrodes_can_be_taken_out():
    tuning = first_day(participant(), np.random.default_rng(0))
    few = tuning.only(np.arange(N_ELECTRODES) < 10)
    assert few.depth.shape == (10,) and few.loadings.shape[1] == few.crossings.shape[1] == 10
