import numpy as np
import pytest
import torch

from sylvian.errors import ConfigError, DataError
from sylvian.models.batch import make_batch

INDEX = {"toy/T15/2023-08-11": 4, "toy/T15/2023-08-13": 7}


def test_trials_lie_side_by_side_with_zeros_behind_them(trial, vocabulary):
    trials = [
        trial(5, 0, phonemes=("AA", "B", "SIL")),
        trial(9, 1, day="2023-08-13", phonemes=None),
    ]
    batch = make_batch(trials, session_index=INDEX, vocabulary=vocabulary)
    assert batch.features.shape == (2, 9, 6)
    np.testing.assert_array_equal(batch.features[0, :5].numpy(), trials[0].features)
    assert batch.features[0, 5:].count_nonzero() == 0
    assert batch.n_bins.tolist() == [5, 9]
    assert batch.session.tolist() == [4, 7]
    assert batch.labels.tolist() == [[1, 2, 3], [0, 0, 0]]
    assert batch.n_labels.tolist() == [3, 0]
    assert batch.keys == (trials[0].key, trials[1].key)
    assert len(batch) == 2


def test_a_batch_without_any_label_still_has_a_column(trial, vocabulary):
    batch = make_batch([trial(4, phonemes=None)], session_index=INDEX, vocabulary=vocabulary)
    assert batch.labels.tolist() == [[0]]


def test_moving_keeps_everything(trial, vocabulary):
    batch = make_batch([trial(4)], session_index=INDEX, vocabulary=vocabulary)
    moved = batch.to("cpu")
    assert torch.equal(moved.features, batch.features)
    assert (moved.keys, moved.bin_s) == (batch.keys, batch.bin_s)


def test_an_unknown_session_is_named_with_the_known_ones(trial, vocabulary):
    with pytest.raises(ConfigError, match=r"toy/T15/2030-01-01.*Known: toy/T15/2023-08-11"):
        make_batch([trial(4, day="2030-01-01")], session_index=INDEX, vocabulary=vocabulary)


def test_participants_with_as_many_channels_share_a_batch(trial, vocabulary):
    trials = [trial(4), trial(4, 1, participant="T12")]
    index = {"toy/T15/2023-08-11": 0, "toy/T12/2023-08-11": 1}
    batch = make_batch(trials, session_index=index, vocabulary=vocabulary)
    assert batch.session.tolist() == [0, 1]
    assert batch.n_labels.tolist() != [0, 0]
    unlabelled = make_batch(trials, session_index=index, vocabulary=None)
    assert unlabelled.n_labels.tolist() == [0, 0]


def test_a_label_outside_the_vocabulary_names_the_trial(trial, vocabulary):
    with pytest.raises(DataError, match=r"toy/T15/2023-08-11/b01/t003.*'ZH'"):
        make_batch([trial(4, 3, phonemes=("ZH",))], session_index=INDEX, vocabulary=vocabulary)


def test_an_empty_trial_is_refused(trial, vocabulary):
    with pytest.raises(DataError, match="t002: the trial has no bins"):
        make_batch([trial(4), trial(0, 2)], session_index=INDEX, vocabulary=vocabulary)


def test_channel_counts_must_agree(trial, vocabulary):
    with pytest.raises(DataError, match="t001: 5 channels"):
        trials = [trial(4), trial(4, 1, n_channels=5)]
        make_batch(trials, session_index=INDEX, vocabulary=vocabulary)


def test_no_trials_is_an_error(vocabulary):
    with pytest.raises(DataError, match="at least one trial"):
        make_batch([], session_index=INDEX, vocabulary=vocabulary)
