"""Sums over pairs under permutations of the items: what RSA and CKA share, and what costs time."""

from __future__ import annotations

from typing import Any

import numpy as np
from jaxtyping import Float64

from sylvian.compiled import compiled

CHUNK = 256  # permutations drawn at a time, a multiple of the four that are summed together


def permuted_products(
    a: Float64[np.ndarray, "items items"],
    b: Float64[np.ndarray, "items items"],
    *,
    n_permutations: int,
    seed: int,
) -> Float64[np.ndarray, " permutations"]:
    """Sum `a[i, j] * b[o[i], o[j]]` over pairs i > j for random orders `o`.

    Args:
        a: Symmetric; its diagonal is not read.
        b: Symmetric.
        n_permutations: Number of random orders.
        seed: Decides the orders.

    Why here: gathering a row of `b` at a time keeps it in the nearest cache; NumPy's own gathering
    of whole matrices takes ten times longer.
    """
    rng = np.random.default_rng(seed)
    first, second = (np.ascontiguousarray(matrix, dtype=np.float32) for matrix in (a, b))
    sums = np.empty(-(-n_permutations // CHUNK) * CHUNK)
    for start in range(0, len(sums), CHUNK):
        orders = np.tile(np.arange(len(a), dtype=np.uint32), (CHUNK, 1))
        _products(first, second, rng.permuted(orders, axis=1), sums[start : start + CHUNK])
    return sums[:n_permutations]


@compiled
def _products(a: Any, b: Any, orders: Any, sums: Any) -> None:
    for first in range(0, len(orders), 4):
        o0, o1, o2, o3 = orders[first], orders[first + 1], orders[first + 2], orders[first + 3]
        t0 = t1 = t2 = t3 = np.float64(0)
        for i in range(1, len(a)):
            row, b0, b1, b2, b3 = a[i], b[o0[i]], b[o1[i]], b[o2[i]], b[o3[i]]
            s0 = s1 = s2 = s3 = np.float32(0)  # a row's sum fits
            for j in range(i):
                s0 += row[j] * b0[o0[j]]
                s1 += row[j] * b1[o1[j]]
                s2 += row[j] * b2[o2[j]]
                s3 += row[j] * b3[o3[j]]
            t0 += s0
            t1 += s1
            t2 += s2
            t3 += s3
        sums[first], sums[first + 1], sums[first + 2], sums[first + 3] = t0, t1, t2, t3
