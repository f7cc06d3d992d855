import numpy as np
import pytest
import scipy.sparse as sp

from _confusion_network import N_TOKENS, TOKENS
from _sequence_training import Proposals, _expected_errors, collect, train_on_sequences
from sylvian.types import Hypothesis, NBest, Scores, TrialKey


def nbest(*candidates: tuple[str, tuple[str, ...], tuple[int, ...], float]) -> NBest:
    key = TrialKey("card2024", "T15", "2023-08-13", 0, 0)
    return NBest(
        key,
        tuple(
            Hypothesis(text, tokens, Scores(0.0, ngram, len(text.split())), frames)
            for text, tokens, frames, ngram in candidates
        ),
    )


LISTS = [
    nbest(("cat", ("K", "AE"), (0, 2), -1.0), ("bat", ("B", "AE"), (0, 2), -1.0)),
    nbest(("a", ("AH",), (1,), -1.0)),
    nbest(("cat", ("K", "AE"), (0, 2), -1.0), ("bat", ("B", "AE"), (0, 2), -1.0)),
]


def proposals() -> Proposals:
    truth = ["cat", "a", "cat"]
    return collect(LISTS, [0, 3, 5], [3, 2, 3], count_errors=lambda i, t: int(t != truth[i]))


def test_only_what_tells_sentences_apart_is_kept() -> None:
    found = proposals()
    assert found.start.tolist() == [0, 2, 3, 5]
    assert found.errors.tolist() == [0, 1, 0, 0, 1]
    k, b = TOKENS.encode(["K", "B"])
    assert found.cell.tolist() == [k, b, 5 * N_TOKENS + k, 5 * N_TOKENS + b]
    assert found.owner.tolist() == [0, 1, 3, 4]


def test_the_slope_is_that_of_the_expected_errors() -> None:
    found, total = proposals(), np.array([0.3, 0.1, 0.0, -1.0, 2.0])
    _, slope = _expected_errors(found, total)
    for i in range(len(total)):
        step = np.eye(len(total))[i] * 1e-6
        rise = _expected_errors(found, total + step)[0] - _expected_errors(found, total - step)[0]
        assert slope[i] == pytest.approx(rise / 2e-6, abs=1e-6)


def test_the_right_sentence_wins_after_training() -> None:
    features, logits = sp.csr_matrix(np.eye(8)), np.zeros((8, N_TOKENS))
    found = train_on_sequences(features, logits, proposals(), l2=0.01, lm_weight=1.0)
    k, b = TOKENS.encode(["K", "B"])
    moved = logits + features @ found.change
    gain = moved[0, k] - moved[0, b]
    assert gain > 0.5
    assert found.lm_weight == 1.0  # it cannot tell the sentences apart
    assert np.count_nonzero(found.change[[1, 2, 3, 4, 6, 7]]) == 0
