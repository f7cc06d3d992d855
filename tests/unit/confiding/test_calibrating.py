"""Confidences that were fitted without their sentences: neither maps nor temperature saw them."""

from collections.abc import Sequence

import numpy as np

from sylvian.confiding.calibrating import FOLDS, CalibrateResult, held_out
from sylvian.decode.confidence import Belief, softmax, vote

N = 60
FOLD = np.arange(N) % FOLDS == 2


def planted() -> tuple[list[np.ndarray], np.ndarray]:
    rng = np.random.default_rng(0)
    totals = [np.array([0.0, -gap]) for gap in rng.exponential(6.0, size=N)]
    return totals, np.array([rng.random() < softmax(one / 4)[0] for one in totals])


def confidences(totals: Sequence[np.ndarray], right: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    def believed(heat: float) -> list[Belief]:
        return [vote(["good", "bad"], softmax(one / heat)) for one in totals]

    return held_out(believed, list(totals), right, (right, list(range(N))))


def test_what_a_sentence_turned_out_to_be_does_not_move_its_own_confidence() -> None:
    totals, right = planted()
    for before, after in zip(
        confidences(totals, right), confidences(totals, np.where(FOLD, ~right, right)), strict=True
    ):
        np.testing.assert_array_equal(before[FOLD], after[FOLD])
        assert np.abs(before[~FOLD] - after[~FOLD]).max() > 0.01


def test_where_no_threshold_holds_nothing_is_shown() -> None:
    numbers = {"ece": 0.1, "ece_low": 0.0, "ece_high": 0.2, "by_chance": 0.1, "auroc": None}
    kind = numbers | {"n": 43, "accuracy": 0.9}
    told = CalibrateResult(
        "runs/x", "val", 43, kind, kind, kind, 0.001, None, None, None, None, 0.2, "confidence.pdf"
    ).text()
    assert "below 0.1% with 95 % confidence (all sentences: 20.0%)" in told
    assert "so 'sylvian abstain' shows nothing" in told
