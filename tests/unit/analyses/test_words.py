"""Words across tasks, principal components, and results as JSON."""

import json
import math

import numpy as np
import pytest

from sylvian.analyses import WordTokens, common_words, pca, plain, word_alignment
from sylvian.errors import DataError

QUICK = {"n_permutations": 500, "n_resamples": 500}


def two_tasks(sharing: float, *, n_words: int = 40, shift: float = 0.0, seed: int = 0):
    rng = np.random.default_rng(seed)
    common, first, second = rng.normal(size=(3, n_words, 60))
    own = math.sqrt(1 - sharing)
    moved = math.sqrt(sharing) * common
    return moved + own * first, moved + own * second + shift


def test_likeness_rises_with_planted_sharing_and_vanishes_at_zero():
    found = [word_alignment(*two_tasks(s), **QUICK).estimate for s in (0.0, 0.25, 0.5, 0.75, 1.0)]
    for one, planted in zip(found, (0.0, 0.25, 0.5, 0.75, 1.0), strict=True):
        assert one.value == pytest.approx(planted, abs=0.06)
        assert one.low - 0.02 < planted < one.high + 0.03
    assert found[0].p > 0.05 and found[1].p < 0.01


def test_a_shift_between_tasks_neither_hides_nor_makes_a_likeness():
    plain_, shifted = (word_alignment(*two_tasks(0.5, shift=s), **QUICK) for s in (0.0, 9.0))
    assert shifted.estimate.value == pytest.approx(plain_.estimate.value)
    assert shifted.nearest > 0.8 and shifted.chance == pytest.approx(1 / 40)
    raw = word_alignment(*two_tasks(0.5, shift=9.0), centre=False, **QUICK)
    assert raw.same == pytest.approx(raw.other, abs=0.2)


def test_shuffled_words_are_alike_by_chance_only():
    first, second = two_tasks(0.8)
    found = word_alignment(first, np.roll(second, 1, axis=0), **QUICK)
    assert abs(found.estimate.value) < 0.06 and found.estimate.p > 0.05
    assert found.other == pytest.approx(found.same - found.estimate.value)


def tokens(**changes):
    fields = {
        "vectors": np.arange(12.0).reshape(6, 2),
        "words": ("a", "b", "a", "a", "b", "c"),
        "tasks": ("x", "x", "x", "y", "y", "y"),
        "trials": tuple("123456"),
    }
    return WordTokens(**(fields | changes))


def test_words_said_in_both_tasks_are_averaged():
    means = common_words(tokens(), "x", "y", least=1)
    assert means.words == ("a", "b") and means.n_first == (2, 1) and means.n_second == (1, 1)
    np.testing.assert_allclose(means.first, [[2, 3], [2, 3]])
    np.testing.assert_allclose(means.second, [[6, 7], [8, 9]])
    assert common_words(tokens(), "x", "y", least=2).words == ()


def test_too_few_words_are_a_blank_and_broken_ones_an_error():
    first, second = two_tasks(0.5, n_words=4)
    assert "4 words in common; needs 5" in word_alignment(first, second).estimate.note
    first, second = two_tasks(0.5, n_words=6)
    assert "alike" in word_alignment(first, np.ones((6, 60))).estimate.note
    with pytest.raises(DataError, match="6 and 5"):
        word_alignment(first, second[:5])
    second[2] = np.nan
    with pytest.raises(DataError, match="row 2"):
        word_alignment(first, second)
    with pytest.raises(DataError, match="6 and 5"):
        tokens(words=("a",) * 5)


def test_components_are_the_widest_directions_whatever_the_sign():
    rng = np.random.default_rng(0)
    axes = np.linalg.qr(rng.normal(size=(6, 6)))[0]
    rows = rng.normal(size=(500, 6)) * [5, 3, 1, 0.5, 0.2, 0.1] @ axes.T + 7
    found = pca(rows)
    for component, axis in zip(found.components, axes.T, strict=False):
        assert abs(component @ axis) > 0.99
        assert component[np.abs(component).argmax()] > 0
    variance = np.var(rows, axis=0).sum()
    np.testing.assert_allclose(found.explained, np.var(found.scores, axis=0) / variance)
    np.testing.assert_allclose(found.scores, (rows - found.mean) @ found.components.T, atol=1e-9)
    mirrored = pca(rows[::-1])
    np.testing.assert_allclose(mirrored.components, found.components, atol=1e-9)


@pytest.mark.parametrize("rows", [np.zeros((2, 4)), np.ones((5, 4)), np.full((5, 4), np.nan)])
def test_clouds_without_directions_are_refused(rows):
    with pytest.raises(DataError):
        pca(rows)


def test_results_become_json_with_null_for_nan():
    blank = word_alignment(*two_tasks(0.5, n_words=2))
    text = json.dumps(plain({"one": blank, "rows": np.eye(2)}), allow_nan=False)
    assert json.loads(text)["one"]["estimate"]["value"] is None
