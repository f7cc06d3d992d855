from dataclasses import replace

import numpy as np
import pytest
from scipy.special import log_softmax, softmax

from sylvian.decode.averaging import Mean, average
from sylvian.decode.greedy import greedy
from sylvian.errors import DecodeError
from sylvian.text import Vocabulary, phoneme_vocabulary
from sylvian.types import Logits, TrialKey

KEY = TrialKey("synthetic", "A", "2024-01-01", 1, 1)
VOCABULARY = phoneme_vocabulary()


def logits(seed: int, *, n_frames: int = 12, scale: float = 3.0) -> Logits:
    values = scale * np.random.default_rng(seed).normal(size=(n_frames, len(VOCABULARY)))
    return Logits(KEY, values.astype(np.float32), 0.1, VOCABULARY)


def test_the_two_means_are_what_they_say() -> None:
    members = [logits(seed) for seed in range(3)]
    shares = np.stack([softmax(one.values.astype(float), axis=1) for one in members])
    mixed = average(members, mean="arithmetic")
    np.testing.assert_allclose(np.exp(mixed.values), shares.mean(axis=0), atol=1e-6)
    product = np.exp(np.log(shares).mean(axis=0))
    expected = product / product.sum(axis=1, keepdims=True)
    found = average(members)
    np.testing.assert_allclose(np.exp(found.values), expected, atol=1e-6)
    assert (found.key, found.frame_s, found.vocabulary) == (KEY, 0.1, VOCABULARY)


@pytest.mark.parametrize("mean", ["geometric", "arithmetic"])
def test_equal_members_change_nothing_and_a_shift_of_logits_does_not_count(mean: Mean) -> None:
    one = logits(4)
    moved = replace(one, values=one.values + np.float32(7.0))
    found = average([one, moved, one], mean=mean)
    np.testing.assert_allclose(found.values, log_softmax(one.values, axis=1), atol=1e-5)
    assert greedy(found).tokens == greedy(one).tokens


def test_consent_or_confidence() -> None:
    """One encoder is sure of token 1, the other rules it out and is torn between 1, 2 and 3."""
    sure, torn = np.full((1, len(VOCABULARY)), -50.0), np.full((1, len(VOCABULARY)), -50.0)
    sure[0, 1], sure[0, 2] = 0.0, -3.0
    torn[0, 2:4], torn[0, 1] = 0.0, -9.0
    both = [Logits(KEY, v.astype(np.float32), 0.1, VOCABULARY) for v in (sure, torn)]
    assert average(both).values.argmax() == 2
    assert average(both, mean="arithmetic").values.argmax() == 1


@pytest.mark.parametrize(
    ("other", "told"),
    [
        (logits(1, n_frames=11), "12 and 11 frames"),
        (replace(logits(1), frame_s=0.08), "frames of 0.1 s and of 0.08 s"),
        (replace(logits(1), key=replace(KEY, trial=2)), "another trial"),
        (
            replace(
                logits(1), vocabulary=Vocabulary(VOCABULARY.tokens[:1] + VOCABULARY.tokens[:0:-1])
            ),
            "another order",
        ),
    ],
)
def test_what_does_not_fit_is_refused(other: Logits, told: str) -> None:
    with pytest.raises(DecodeError, match=told) as raised:
        average([logits(0), other])
    assert str(raised.value).startswith("synthetic/A/2024-01-01/b01/t001: ")


def test_nothing_and_not_a_number_are_refused() -> None:
    with pytest.raises(DecodeError, match="nothing to average"):
        average([])
    broken = logits(1)
    broken.values[3, 2] = np.nan
    with pytest.raises(DecodeError, match="frame 3"):
        average([logits(0), broken])


def test_a_trial_without_frames_stays_one() -> None:
    assert average([logits(0, n_frames=0)] * 2).values.shape == (0, len(VOCABULARY))
