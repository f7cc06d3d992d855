import numpy as np
import pytest

from sylvian.data.synthetic import SpeechConfig, draw_prompts
from sylvian.data.synthetic.articulation import FEATURES, SEGMENTS, gestures, segment_ids
from sylvian.data.synthetic.language import LARGE
from sylvian.data.synthetic.speech import N_LATENTS, blend, speak
from sylvian.text import PHONES, SIL, Lexicon

LABELS = ("DH", "AH", SIL, "B", "OY", SIL)


@pytest.fixture
def config():
    return SpeechConfig()


def test_no_two_phones_are_the_same_gesture_and_silence_is_none():
    table = gestures().reshape(len(SEGMENTS), -1)
    apart = np.linalg.norm(table[:, None] - table[None], axis=-1)
    assert apart[~np.eye(len(SEGMENTS), dtype=bool)].min() > 0.5
    assert not table[SEGMENTS.index(SIL)].any()
    assert np.abs(table).max() <= 1
    effort = table.reshape(len(SEGMENTS), 2, -1)[: len(PHONES), :, FEATURES.index("effort")]
    assert (effort == 1).all()


def test_only_affricates_and_diphthongs_change_on_the_way():
    moving = {
        phone
        for phone, (a, b) in zip(SEGMENTS, gestures(), strict=True)
        if not np.array_equal(a, b)
    }
    assert moving == {"CH", "JH", "AW", "AY", "EY", "OW", "OY"}


def test_an_utterance_is_silence_then_the_labels_in_order(config):
    said = speak(LABELS, config, np.random.default_rng(0))
    assert list(said.segments) == [SEGMENTS.index(SIL), *segment_ids(LABELS)]
    assert (np.diff(said.edges) >= 5).all() and said.edges[0] == 0
    assert said.posture.shape == (said.n_bins, len(FEATURES))
    assert said.latents().shape == (said.n_bins, N_LATENTS)
    effort = said.posture[:, FEATURES.index("effort")]
    assert effort[0] == pytest.approx(0, abs=1e-3) and effort[-1] == pytest.approx(0, abs=1e-3)
    assert effort[said.edges[1] : said.edges[3]].min() > 0.3


def test_patches_of_100_ms_always_have_a_frame_for_every_label():
    hasty = SpeechConfig(words_per_minute=120, duration_spread=0.5)
    rng = np.random.default_rng(3)
    for sentence in draw_prompts(LARGE, 100, rng):
        labels = Lexicon.cmudict().phonemes(sentence)
        repeats = sum(a == b for a, b in zip(labels, labels[1:], strict=False))
        assert speak(labels, hasty, rng).n_bins // 5 >= len(labels) + repeats


@pytest.mark.parametrize("rate", [30.0, 60.0])
def test_the_speaking_rate_is_the_one_asked_for(rate):
    config = SpeechConfig(words_per_minute=rate)
    rng = np.random.default_rng(4)
    n_words, n_bins = 0, 0.0
    for sentence in draw_prompts(LARGE, 150, rng):
        said = speak(Lexicon.cmudict().phonemes(sentence), config, rng)
        n_words += sentence.count(" ") + 1
        pause = config.pause_share * 3000 / rate  # the last one is merged with the silence after
        n_bins += said.edges[-2] - said.edges[1] + pause
    assert n_words / n_bins * 3000 == pytest.approx(rate, rel=0.1)


def test_nothing_is_articulated_in_a_trial_without_labels(config):
    said = speak((), config, np.random.default_rng(1))
    assert not said.posture.any() and 100 <= said.n_bins <= 300


def test_neighbours_blend_over_the_width_asked_for_and_blending_is_linear():
    step = np.zeros((60, 1), np.float32)
    step[30:] = 1
    narrow = blend(step, SpeechConfig(coarticulation_ms=20))
    wide = blend(step, SpeechConfig(coarticulation_ms=80))
    assert ((wide > 0.05) & (wide < 0.95)).sum() > 2 * ((narrow > 0.05) & (narrow < 0.95)).sum()
    config = SpeechConfig()
    both = blend(np.concatenate([step, 3 * step[::-1]], axis=1), config)
    np.testing.assert_allclose(
        both.sum(1, keepdims=True), blend(step + 3 * step[::-1], config), atol=1e-5
    )


def test_silences_must_be_in_order():
    with pytest.raises(ValueError, match="increasing"):
        SpeechConfig(silence_ms=(500, 300))
