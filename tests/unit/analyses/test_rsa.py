"""Representational similarity against planted truth, naive loops and SciPy."""

import math

import numpy as np
import pytest
from scipy.spatial.distance import pdist, squareform
from scipy.stats import pearsonr, spearmanr

from sylvian.analyses import RsaConfig, average_by, distances, rsa, segment_vector
from sylvian.analyses.permute import permuted_products
from sylvian.analyses.rsa import _resampled, _standard_distances
from sylvian.errors import DataError

QUICK = RsaConfig(n_permutations=500, n_resamples=300)


def spaces(shared: float, *, n: int = 80, width: int = 300, seed: int = 0):
    """Draw a space that shares part of its variance with another, and that other one."""
    rng = np.random.default_rng(seed)
    text, private = rng.normal(size=(2, n, width))
    neural = np.concatenate([math.sqrt(shared) * text, math.sqrt(1 - shared) * private], axis=1)
    return neural, text


def upper(square):
    return square[np.triu_indices(len(square), k=1)]


@pytest.mark.parametrize("shared", [0.3, 0.5, 0.8])
def test_the_planted_value_is_found(shared):
    # cosines of wide random vectors are independent and equally spread, so their mixture
    # correlates with one part as the mixture's weights say
    planted = shared / math.hypot(shared, 1 - shared)
    found = rsa(*spaces(shared), config=QUICK).estimate
    assert found.value == pytest.approx(planted, abs=0.05)
    assert found.low < planted < found.high
    assert found.p == pytest.approx(1 / 501)
    assert found.null_low < 0 < found.null_high < 0.1


def test_it_vanishes_when_sentences_are_shuffled():
    neural, text = spaces(0.8, n=40)
    rng = np.random.default_rng(5)
    found = [rsa(neural, rng.permutation(text), config=QUICK).estimate for _ in range(40)]
    assert all(abs(one.value) < 0.2 for one in found)
    assert abs(np.mean([one.value for one in found])) < 0.03
    assert sum(one.p < 0.05 for one in found) <= 5
    assert sum(one.low < 0 < one.high for one in found) >= 33


def test_intervals_hold_the_planted_value_about_as_often_as_they_say():
    planted = math.sqrt(0.5)
    held = 0
    for seed in range(40):
        one = rsa(*spaces(0.5, n=40, width=400, seed=seed), config=QUICK, seed=seed).estimate
        held += one.low <= planted <= one.high
    assert held >= 34


@pytest.mark.parametrize("metric", ["cosine", "correlation", "euclidean"])
def test_distances_are_scipys(metric):
    rows = np.random.default_rng(0).normal(size=(12, 5)) + 1
    np.testing.assert_allclose(distances(rows, metric), squareform(pdist(rows, metric)), atol=1e-12)
    centred = distances(rows, metric, centre=True)
    assert centred == pytest.approx(squareform(pdist(rows - rows.mean(0), metric)), abs=1e-12)


@pytest.mark.parametrize(("method", "reference"), [("pearson", pearsonr), ("spearman", spearmanr)])
def test_the_statistic_is_scipys(method, reference):
    neural, text = spaces(0.4, n=30, width=6)
    found = rsa(neural, text, config=QUICK.model_copy(update={"method": method})).estimate.value
    expected = reference(upper(distances(neural)), upper(distances(text))).statistic
    assert found == pytest.approx(expected, abs=1e-9)


def test_sums_over_permuted_pairs_are_those_of_a_loop():
    rng = np.random.default_rng(1)
    a, b = (one + one.T for one in rng.normal(size=(2, 9, 9)))
    found = permuted_products(a, b, n_permutations=300, seed=4)
    again = np.random.default_rng(4)
    orders = again.permuted(np.tile(np.arange(9, dtype=np.uint32), (256, 1)), axis=1)
    expected = [upper(a * b[np.ix_(order, order)]).sum() for order in orders]
    np.testing.assert_allclose(found[:256], expected, rtol=1e-4, atol=1e-4)
    assert len(found) == 300


def test_resampled_correlations_are_those_of_a_loop():
    neural, text = spaces(0.5, n=15, width=8)
    a, b = (_standard_distances(one, "", None, QUICK) for one in (neural, text))
    drawn = np.random.default_rng(3).multinomial(15, np.full(15, 1 / 15), size=4)
    for found, counts in zip(_resampled(a, b, 4, 3), drawn, strict=True):
        chosen = np.repeat(np.arange(15), counts)
        pairs = [(i, j) for i in chosen for j in chosen if i != j]
        expected = pearsonr([a[pair] for pair in pairs], [b[pair] for pair in pairs]).statistic
        assert found == pytest.approx(expected, abs=1e-9)


def long_and_short(n: int = 60):
    """Both spaces know how long a sentence is, and nothing else in common."""
    rng = np.random.default_rng(2)
    lengths = rng.integers(10, 100, size=n)
    angle = lengths / 100 * 1.5
    turned = np.stack([np.cos(angle), np.sin(angle)], axis=1) * 3
    return *(np.concatenate([turned, one], axis=1) for one in rng.normal(size=(2, n, 5))), lengths


@pytest.mark.parametrize("method", ["pearson", "spearman"])
def test_what_only_length_explains_can_be_taken_out(method):
    neural, text, lengths = long_and_short()
    plain = QUICK.model_copy(update={"method": method})
    before = rsa(neural, text, lengths=lengths, config=plain).estimate
    controlled = plain.model_copy(update={"control_length": True})
    after = rsa(neural, text, lengths=lengths, config=controlled).estimate
    assert before.value > 0.2 and before.p < 0.01
    assert abs(after.value) < 0.08 and after.p > 0.05


def test_the_partial_correlation_is_the_textbooks():
    neural, text, lengths = long_and_short(30)
    controlled = QUICK.model_copy(update={"control_length": True})
    found = rsa(neural, text, lengths=lengths, config=controlled).estimate.value
    x, y = upper(distances(neural)), upper(distances(text))
    z = upper(np.abs(lengths[:, None] - lengths).astype(float))
    xy, xz, yz = (pearsonr(*pair).statistic for pair in ((x, y), (x, z), (y, z)))
    assert found == pytest.approx((xy - xz * yz) / math.sqrt((1 - xz**2) * (1 - yz**2)))


def test_lengths_out_of_range_are_left_out_and_counted():
    neural, text, lengths = long_and_short()
    chosen = QUICK.model_copy(update={"shortest": 45, "longest": 80})
    found = rsa(neural, text, lengths=lengths, config=chosen)
    inside = (lengths >= 45) & (lengths <= 80)
    assert (found.estimate.n, found.n_left_out) == (inside.sum(), (~inside).sum())
    alone = rsa(neural[inside], text[inside], config=QUICK)
    assert found.estimate.value == alone.estimate.value
    assert found.n_pairs == inside.sum() * (inside.sum() - 1) // 2


def test_too_few_sentences_give_no_number():
    found = rsa(*spaces(0.5, n=9), config=QUICK)
    assert found.estimate.is_blank and math.isnan(found.estimate.p)
    assert "9 sentences" in found.estimate.note and "needs 10" in found.row()["note"]


def test_constant_embeddings_give_no_number():
    neural, _ = spaces(0.5, n=12)
    found = rsa(neural, np.ones((12, 4)), config=QUICK).estimate
    assert found.is_blank and found.note == "the text distances are all alike"


@pytest.mark.parametrize(
    ("break_it", "said"),
    [
        (lambda a: a.__setitem__((3, 2), np.nan), "neural vectors: row 3 holds NaN"),
        (lambda a: a.__setitem__(5, 0.0), "row 5 has no direction"),
    ],
)
def test_broken_vectors_are_named(break_it, said):
    neural, text = spaces(0.5, n=12)
    break_it(neural)
    with pytest.raises(DataError, match=said):
        rsa(neural, text, config=QUICK)


def test_other_numbers_of_sentences_and_missing_lengths_are_refused():
    neural, text = spaces(0.5, n=12)
    with pytest.raises(DataError, match="12 and 11"):
        rsa(neural, text[:11], config=QUICK)
    with pytest.raises(DataError, match="none are given"):
        rsa(neural, text, config=QUICK.model_copy(update={"control_length": True}))


def test_segments_are_means_wherever_they_divide_and_shares_elsewhere():
    frames = np.arange(12.0).reshape(6, 2)
    np.testing.assert_allclose(segment_vector(frames, 3), [1, 2, 5, 6, 9, 10])
    np.testing.assert_allclose(segment_vector(frames, 1), frames.mean(0))
    # 4 segments of 1.5 frames: the second frame is half the first's and half the second's
    np.testing.assert_allclose(segment_vector(frames, 4)[:2], (frames[0] + frames[1] / 2) / 1.5)
    np.testing.assert_allclose(segment_vector(frames[:1], 4), np.tile(frames[0], 4))
    with pytest.raises(DataError, match="without frames"):
        segment_vector(frames[:0], 2)


def test_a_segment_vector_does_not_know_the_tempo():
    slow = np.repeat(np.random.default_rng(0).normal(size=(10, 3)), 7, axis=0)
    np.testing.assert_allclose(segment_vector(slow, 10), segment_vector(slow[::7], 10), rtol=1e-5)


def test_repeated_sentences_are_averaged():
    names, means = average_by(np.array([[1.0], [5.0], [3.0]]), ["b", "a", "b"])
    assert names == ("a", "b")
    np.testing.assert_allclose(means, [[5], [2]])
