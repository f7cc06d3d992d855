"""Telling two tasks apart: chance where nothing is planted, and no help from a block's drift."""

import numpy as np
import pytest
from scipy.stats import norm

from sylvian.analyses import separability
from sylvian.analyses.separability import _fold, _relabelled, ledoit_wolf
from sylvian.errors import DataError

QUICK = {"n_permutations": 200}


def trials(shift: float, *, drift: float = 0.0, n_blocks: int = 12, per_block: int = 10, seed=0):
    """Blocks of two tasks in turn, with a shift between the tasks and drifts between blocks."""
    rng = np.random.default_rng(seed)
    block = np.repeat(np.arange(n_blocks), per_block)
    is_second = block % 2 == 1
    vectors = rng.normal(size=(len(block), 200))
    vectors += drift * rng.normal(size=(n_blocks, 200))[block]
    vectors[:, 0] += shift * is_second
    return vectors, is_second, [f"b{one}" for one in block]


@pytest.mark.parametrize("drift", [0.0, 1.0])
def test_it_is_at_chance_where_nothing_is_planted(drift):
    found = [separability(*trials(0.0, drift=drift, seed=s), **QUICK).estimate for s in range(20)]
    assert np.mean([one.value for one in found]) == pytest.approx(0.5, abs=0.06)
    assert sum(one.low <= 0.5 <= one.high for one in found) >= 15
    assert sum(one.p < 0.05 for one in found) <= 3
    assert np.mean([one.null_low + one.null_high for one in found]) == pytest.approx(1, abs=0.05)


def test_a_planted_shift_is_found():
    weak, strong = (separability(*trials(shift), **QUICK).estimate for shift in (3.0, 8.0))
    assert 0.6 < weak.value < 0.95
    assert strong.value > 0.98
    assert strong.p < 0.02
    assert weak.low < weak.value < weak.high


@pytest.mark.parametrize("apart", [1.0, 2.0])
def test_the_share_told_apart_is_what_theory_gives(apart):
    rng = np.random.default_rng(3)
    block = np.repeat(np.arange(40), 10)
    is_second = block % 2 == 1
    vectors = rng.normal(size=(400, 2)) + apart * is_second[:, None] * np.array([0.6, 0.8])
    groups = [f"b{one}" for one in block]
    found = separability(vectors, is_second, groups, n_permutations=20).estimate
    planted = norm.cdf(apart / 2)  # two round clouds, cut half way
    assert found.value == pytest.approx(planted, abs=0.04)
    assert found.low < planted < found.high


def test_drifting_blocks_do_not_pass_for_tasks():
    vectors, is_second, blocks = trials(0.0, drift=1.0)
    honest = separability(vectors, is_second, blocks, **QUICK).estimate
    each = [str(place) for place in range(len(blocks))]
    fooled = separability(vectors, is_second, each, **QUICK).estimate
    assert fooled.value > 0.9 and fooled.p < 0.02
    assert honest.value < 0.7 and honest.p > 0.05


def test_scores_are_those_of_the_textbook():
    vectors, is_second, _ = trials(2.0, n_blocks=4)
    vectors = vectors[:, :30]
    test = np.arange(len(vectors)) % 4 == 0
    x, y = vectors[~test], is_second[~test]
    each = np.arange(len(vectors))
    fold = _fold(vectors @ vectors.T, test, each, width=vectors.shape[1])
    centred = x - x.mean(0)
    total = centred.T @ centred / len(x)
    shrunk = (1 - fold.shrinkage) * total
    shrunk += fold.shrinkage * np.trace(total) / 30 * np.eye(30)
    direction = np.linalg.solve(shrunk, x[y].mean(0) - x[~y].mean(0))
    expected = (vectors[test] - x.mean(0)) @ direction
    weights = np.where(y, 1 / y.sum(), -1 / (~y).sum())
    np.testing.assert_allclose(fold.on_test @ weights, expected, rtol=1e-8)
    within = shrunk - _between(x, y)
    other = np.linalg.solve(within, x[y].mean(0) - x[~y].mean(0))
    cosine = direction @ other / np.linalg.norm(direction) / np.linalg.norm(other)
    assert cosine == pytest.approx(1.0)


def _between(x, y):
    gap, share = x[y].mean(0) - x[~y].mean(0), y.mean()
    return share * (1 - share) * np.outer(gap, gap) * 0.5


def test_shrinkage_is_ledoit_and_wolfs():
    x = np.random.default_rng(0).normal(size=(40, 60)) * np.linspace(0.5, 3, 60)
    x -= x.mean(0)
    covariance = x.T @ x / 40
    scale = np.trace(covariance) / 60
    off = ((covariance - scale * np.eye(60)) ** 2).sum() / 60
    noise = np.mean([((np.outer(row, row) - covariance) ** 2).sum() for row in x]) / 40 / 60
    share, variance = ledoit_wolf(x @ x.T, 60)
    assert (share, variance) == pytest.approx((min(noise, off) / off, scale))


def test_labels_are_shuffled_within_blocks_where_blocks_mix_tasks():
    labels = np.array([True, False, False, True, True, False])
    places = np.array([0, 0, 0, 1, 1, 1])
    drawn = _relabelled(labels, places, 50, 0)
    assert (drawn[:3].sum(axis=0) == 1).all() and (drawn[3:].sum(axis=0) == 2).all()
    whole = _relabelled(places == 1, places, 50, 0)
    assert (whole[:3] == whole[0]).all() and (whole[0] != whole[3]).all()


def test_mixed_blocks_are_held_out_whole_too():
    vectors, is_second, _ = trials(8.0)
    blocks = [f"b{place // 20}" for place in range(len(vectors))]
    found = separability(vectors, is_second, blocks, **QUICK)
    assert found.estimate.value > 0.98 and found.n_folds == 5 and found.n_groups == 6


def test_what_cannot_be_said_is_a_blank_with_a_reason():
    vectors, is_second, blocks = trials(1.0, n_blocks=2)
    assert "one block only" in separability(vectors, is_second, blocks).estimate.note
    one_task = separability(vectors, np.ones(20, dtype=bool), blocks)
    assert "0 and 20 trials" in one_task.estimate.note and one_task.estimate.is_blank
    vectors, is_second, blocks = trials(1.0)
    alike = separability(np.ones_like(vectors), is_second, blocks)
    assert alike.row()["note"] == "all vectors are alike"


def test_broken_vectors_are_named():
    vectors, is_second, blocks = trials(1.0)
    with pytest.raises(DataError, match="120 and 119"):
        separability(vectors, is_second[:-1], blocks)
    vectors[7] = np.nan
    with pytest.raises(DataError, match="row 7 holds NaN"):
        separability(vectors, is_second, blocks)
