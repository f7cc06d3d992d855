import numpy as np
import pytest

from sylvian.data.synthetic import NeuralConfig, ParticipantConfig, ceiling
from sylvian.data.synthetic.articulation import gestures
from sylvian.data.synthetic.ceiling import _alternatives
from sylvian.data.synthetic.speech import _targets, blend, speak, with_change
from sylvian.text import PHONES


def participant(snr, layout="card2024"):
    return ParticipantConfig(name="S1", layout=layout, neural=NeuralConfig(snr=snr))


def test_the_ceiling_rises_with_the_snr_from_chance_to_nearly_one():
    found = [ceiling(participant(snr), n_trials=5).accuracy for snr in (0.0, 0.15, 0.3, 1.0)]
    assert found[0] < 0.1
    assert all(low + 0.1 < high for low, high in zip(found, found[1:], strict=False)), found
    assert found[-1] > 0.97


def test_fewer_electrodes_give_a_lower_ceiling():
    few = ceiling(participant(0.25, "willett2023"), n_trials=5)
    many = ceiling(participant(0.25), n_trials=5)
    assert few.n_phones == many.n_phones  # the same sentences
    assert few.per > many.per


def test_equal_seeds_give_equal_ceilings():
    assert ceiling(participant(0.2), n_trials=2) == ceiling(participant(0.2), n_trials=2)


@pytest.mark.parametrize("place", [1, 2, 4])
def test_alternatives_are_what_saying_another_phone_would_have_given(place):
    config = participant(1.0)
    said = speak(("DH", "AY", "SIL", "CH", "SIL"), config.speech, np.random.default_rng(0))
    window, changes = _alternatives(said, place, config)
    for phone in (0, 5, 38):
        segments = said.segments.copy()
        segments[place] = phone
        posture = blend(_targets(segments, said.edges, said.jitter, gestures()), config.speech)
        difference = with_change(posture) - said.latents()
        np.testing.assert_allclose(changes[phone], difference[window], atol=1e-5)
        outside = np.delete(difference, np.arange(said.n_bins)[window], axis=0)
        np.testing.assert_allclose(outside, 0, atol=1e-5)
    assert changes.shape[0] == len(PHONES) == len(gestures()) - 1
