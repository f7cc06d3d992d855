import numpy as np
import pytest
import scipy.sparse as sp

from _confusion_network import N_GAP, N_TOKENS, STRIDE
from _phoneme_errors import fit_error_model, frame_features
from _t15_decodes import Heard

COUNTS = {("K", "AE", "T"): 5}
CAT = Heard((("K", "AE", "T", "SIL"), ("K", "AE", "SIL")), (-0.1, -2.0))
DOGS = Heard((("D", "AO", "G", "SIL", "D", "AO", "SIL"),))


def test_every_frame_is_described_in_columns_all_trials_share() -> None:
    cat, dogs = frame_features(CAT, COUNTS), frame_features(DOGS, COUNTS)
    assert cat.shape[0] == 4 * STRIDE + N_GAP
    assert dogs.shape[0] == 7 * STRIDE + N_GAP
    assert cat.shape[1] == dogs.shape[1]


def test_slots_and_gaps_share_no_column() -> None:
    used = [set(frame_features(CAT, COUNTS)[k::STRIDE].nonzero()[1]) for k in range(STRIDE)]
    assert not used[0] & used[1] and not used[0] & used[2] and not used[1] & used[2]


def test_whether_a_word_exists_is_seen() -> None:
    known, unknown = (frame_features(CAT, counts) for counts in (COUNTS, {}))
    assert (known != unknown).nnz > 0


def test_nothing_recognised_still_has_its_gap() -> None:
    assert frame_features(Heard(((),)), COUNTS).shape[0] == N_GAP


def test_a_second_decoder_adds_columns_but_no_frames() -> None:
    alone, both = frame_features(CAT, COUNTS), frame_features(CAT, COUNTS, [DOGS])
    assert alone.shape[0] == both.shape[0]
    assert alone.shape[1] < both.shape[1]


def test_the_fit_finds_how_often_each_class_is_meant() -> None:
    truth = np.array([3] * 70 + [5] * 30 + [7] * 100)
    features = sp.csr_matrix(np.repeat(np.eye(2), 100, axis=0))
    logits = fit_error_model(features, truth, l2=1e-3).logits(features)
    share = np.exp(logits) / np.exp(logits).sum(axis=1, keepdims=True)
    assert share.shape == (200, N_TOKENS)
    assert share[0, [3, 5]] == pytest.approx([0.7, 0.3], abs=0.01)
    assert share[-1, 7] == pytest.approx(1.0, abs=0.01)


def test_a_penalty_pulls_towards_ignorance() -> None:
    features, truth = sp.csr_matrix(np.ones((50, 1))), np.full(50, 4)
    weak, strong = (fit_error_model(features, truth, l2=l2).weights[0, 4] for l2 in (0.1, 100.0))
    assert strong < weak
