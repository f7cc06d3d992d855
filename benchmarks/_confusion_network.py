"""Confusion networks: several recognised phoneme strings of a trial laid over the first of them."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from jaxtyping import Float, Int

from _t15_decodes import Heard, Phonemes
from sylvian.text import PHONES, SIL, phoneme_vocabulary

N_GAP = 2  # insertions told apart in a gap: a missed short word is a phoneme and its SIL
STRIDE = N_GAP + 1  # frames per pivot phoneme; the trial ends with a gap
TOKENS = phoneme_vocabulary()
N_TOKENS = len(TOKENS)
_VOWELS = frozenset(phone for phone in PHONES if phone[0] in "AEIOU")


@dataclass(frozen=True, slots=True)
class Network:
    """The hypotheses of a trial aligned to the first: a confusion network.

    Attributes:
        pivot: Classes of the first hypothesis.
        slots: Share of each class at each pivot phoneme; class 0 for none.
        gaps: Share of each class as first and second insertion before each phoneme and at the end.
    """

    pivot: Int[np.ndarray, " slots"]
    slots: Float[np.ndarray, "slots tokens"]
    gaps: Float[np.ndarray, "gaps insertions tokens"]


def align_network(heard: Heard, pivot: Phonemes | None = None) -> Network:
    """Align hypotheses to `pivot`, by default the first of them."""
    pivot = heard.hypotheses[0] if pivot is None else pivot
    slots = np.zeros((len(pivot), N_TOKENS))
    gaps = np.zeros((len(pivot) + 1, N_GAP, N_TOKENS))
    for tokens, share in zip(heard.hypotheses, _shares(heard), strict=True):
        in_slots, in_gaps = place(pivot, tokens)
        slots[np.arange(len(pivot)), in_slots] += share
        for k in range(N_GAP):
            gaps[np.arange(len(pivot) + 1), k, in_gaps[:, k]] += share
    return Network(np.array(TOKENS.encode(pivot), dtype=int), slots, gaps)


def place(
    pivot: Phonemes, tokens: Phonemes
) -> tuple[Int[np.ndarray, " slots"], Int[np.ndarray, "gaps insertions"]]:
    """Say which token falls on each pivot phoneme and into each gap; 0 for none.

    Insertions beyond the second in a gap are left out.
    """
    slots = np.zeros(len(pivot), dtype=int)
    gaps = np.zeros((len(pivot) + 1, N_GAP), dtype=int)
    gap, n_in_gap = 0, 0
    for i, j in _alignment(pivot, tokens):
        token = 0 if j is None else TOKENS.encode([tokens[j]])[0]
        if i is not None:
            slots[i], gap, n_in_gap = token, i + 1, 0
        elif n_in_gap < N_GAP:
            gaps[gap, n_in_gap] = token
            n_in_gap += 1
    return slots, gaps


def interleave(
    slots: Int[np.ndarray, " slots"], gaps: Int[np.ndarray, "gaps insertions"]
) -> Int[np.ndarray, " frames"]:
    """Lay gap and slot classes in the order of the frames."""
    frames = np.zeros(len(slots) * STRIDE + N_GAP, dtype=int)
    for k in range(N_GAP):
        frames[k::STRIDE] = gaps[:, k]
    frames[N_GAP::STRIDE] = slots
    return frames


def _shares(heard: Heard) -> Float[np.ndarray, " hypotheses"]:
    if not heard.scores:
        return np.full(len(heard.hypotheses), 1 / len(heard.hypotheses))
    scores = np.array(heard.scores)
    shares = np.exp(scores - scores.max())
    return np.asarray(shares / shares.sum())


def _alignment(a: Phonemes, b: Phonemes) -> list[tuple[int | None, int | None]]:
    """Align two strings by least cost; equal beginnings and ends are never taken apart."""
    head = _n_equal(a, b)
    tail = _n_equal(a[head:][::-1], b[head:][::-1])
    n, m = len(a) - tail, len(b) - tail
    middle = _least_cost(a[head:n], b[head:m])
    return [
        *((i, i) for i in range(head)),
        *((i if i is None else i + head, j if j is None else j + head) for i, j in middle),
        *((n + i, m + i) for i in range(tail)),
    ]


def _n_equal(a: Phonemes, b: Phonemes) -> int:
    return next(
        (i for i, (x, y) in enumerate(zip(a, b, strict=False)) if x != y), min(len(a), len(b))
    )


def _least_cost(a: Phonemes, b: Phonemes) -> list[tuple[int | None, int | None]]:
    cost = [[float(i + j) for j in range(len(b) + 1)] for i in range(len(a) + 1)]
    for i, x in enumerate(a, 1):
        for j, y in enumerate(b, 1):
            cost[i][j] = min(
                cost[i - 1][j - 1] + _swap_cost(x, y), cost[i - 1][j] + 1.0, cost[i][j - 1] + 1.0
            )
    pairs: list[tuple[int | None, int | None]] = []
    i, j = len(a), len(b)
    while i or j:
        if i and j and cost[i][j] == cost[i - 1][j - 1] + _swap_cost(a[i - 1], b[j - 1]):
            i, j = i - 1, j - 1
            pairs.append((i, j))
        elif i and cost[i][j] == cost[i - 1][j] + 1.0:
            i -= 1
            pairs.append((i, None))
        else:
            j -= 1
            pairs.append((None, j))
    return pairs[::-1]


def _swap_cost(x: str, y: str) -> float:
    """Vowels stand for vowels, consonants for consonants, and word ends for nothing else."""
    if x == y:
        return 0.0
    if SIL in (x, y):
        return 2.25
    return 0.875 if (x in _VOWELS) == (y in _VOWELS) else 1.25
