"""Centred kernel alignment: its invariances, known values, and what chance gives."""

import math

import numpy as np
import pytest

from sylvian.analyses import cka, cka_layers
from sylvian.analyses.cka import centred_gram
from sylvian.errors import DataError

RNG = np.random.default_rng(0)


def rotation(width: int) -> np.ndarray:
    return np.linalg.qr(RNG.normal(size=(width, width)))[0]


@pytest.mark.parametrize("debiased", [True, False])
def test_rotating_scaling_and_shifting_change_nothing(debiased):
    x, y = RNG.normal(size=(40, 7)), RNG.normal(size=(40, 5))
    x[:, :5] += y
    before = cka(x, y, debiased=debiased).value
    after = cka(3 * x @ rotation(7) + 5, y @ rotation(5) - 2, debiased=debiased).value
    assert after == pytest.approx(before, abs=1e-9)
    assert 0.05 < before < 0.95
    alike = cka(x, -0.5 * x @ rotation(7) + 1, debiased=debiased)
    assert (alike.value, alike.low, alike.high) == pytest.approx((1, 1, 1))


@pytest.mark.parametrize(("own", "added"), [(3, 3), (2, 6)])
def test_added_directions_give_the_known_value(own, added):
    basis = np.linalg.qr(RNG.normal(size=(50, 1 + own + added)) + np.eye(50)[:, :1])[0]
    ones = np.ones((50, 1)) / math.sqrt(50)
    basis = np.linalg.qr(np.concatenate([ones, basis], axis=1))[0][:, 1 : 1 + own + added]
    found = cka(basis[:, :own], basis, debiased=False).value
    assert found == pytest.approx(math.sqrt(own / (own + added)))


def test_products_of_pairs_give_what_products_of_columns_give():
    x, y = RNG.normal(size=(30, 4)), RNG.normal(size=(30, 6))
    x, y = x - x.mean(0), y - y.mean(0)
    norms = np.linalg.norm(x.T @ x) * np.linalg.norm(y.T @ y)
    assert cka(x, y, debiased=False).value == pytest.approx(np.linalg.norm(y.T @ x) ** 2 / norms)


def test_the_debiased_sum_is_song_and_colleagues_estimator():
    n = 12
    x, y = RNG.normal(size=(n, 4)), RNG.normal(size=(n, 6))
    k, one = x @ x.T, np.ones(n)
    hollow_k, hollow_l = k - np.diag(np.diag(k)), y @ y.T - np.diag(np.diag(y @ y.T))
    expected = np.trace(hollow_k @ hollow_l)
    expected += (one @ hollow_k @ one) * (one @ hollow_l @ one) / ((n - 1) * (n - 2))
    expected -= 2 / (n - 2) * one @ hollow_k @ hollow_l @ one
    found = (centred_gram(k, debiased=True) * centred_gram(y @ y.T, debiased=True)).sum()
    assert found == pytest.approx(expected)


def test_unrelated_wide_spaces_align_only_by_bias():
    x, y = RNG.normal(size=(2, 60, 400))
    plain, found = cka(x, y, debiased=False, n_permutations=100), cka(x, y)
    assert plain.value > 0.5
    assert plain.null_low < plain.value < plain.null_high  # which its permutations say, too
    assert abs(found.value) < 0.05 and found.p > 0.02
    assert found.low < 0 < found.high


def test_a_planted_share_is_found_with_its_interval():
    shared, a, b = RNG.normal(size=(3, 200, 300))
    found = cka(np.concatenate([shared, a], axis=1), np.concatenate([shared, b], axis=1))
    # products of pairs add up: K = S + A and L = S + B, all as large, so CKA is |S|^2 / 2 |S|^2
    assert found.value == pytest.approx(0.5, abs=0.05)
    assert found.low < 0.5 < found.high and found.high - found.low < 0.2
    assert found.p < 0.01


def test_every_layer_meets_every_layer():
    layers = {"a": RNG.normal(size=(30, 5)), "b": RNG.normal(size=(30, 8))}
    layers["mix"] = np.concatenate([layers["a"], layers["b"]], axis=1)
    table = cka_layers(layers, layers)
    np.testing.assert_allclose(table.values, table.values.T)
    np.testing.assert_allclose(table.values.diagonal(), 1)
    assert table.values[0, 2] > 0.3 > table.values[0, 1]
    rows = table.table_rows()
    assert [row["layer"] for row in rows[:3]] == ["a"] * 3 and rows[1]["other"] == "b"


def test_bad_layers_are_blanks_or_errors():
    x = RNG.normal(size=(20, 3))
    assert "constant" in cka(x, np.ones((20, 3))).note
    assert "9 items; needs 10" in cka(x[:9], x[:9]).note
    with pytest.raises(DataError, match="20 and 19"):
        cka(x, x[:19])
    x[4, 1] = np.inf
    with pytest.raises(DataError, match="layer y: row 4"):
        cka(np.ones((20, 1)), x)
