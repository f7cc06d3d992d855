"""From recognised phoneme strings to pseudo-logits: what may really have been said, and how surely.

The hypotheses of a trial are aligned to the first one, the pivot. Each of its phonemes becomes one
frame, and each gap between them two (a missed short word is two phonemes). A frame is described by
features: what the hypotheses hold there, its neighbours, whether the word it is in exists, how sure
the decoder was. A log-linear model turns them into log-probabilities of the 41 classes, blank for
"nothing was said here"; the gaps hold mostly blank and so keep repeats apart, as CTC wants.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
from jaxtyping import Float, Int
from scipy.optimize import minimize

from _confusion_network import N_GAP, N_TOKENS, STRIDE, TOKENS, Network, align_network
from _t15_decodes import Heard, Phonemes
from sylvian.text import SIL

_EDGE = N_TOKENS  # before the first and after the last phoneme
_FLOOR = 1e-3  # share below which a hypothesis' token counts as absent
_MANNERS = (
    "AA AE AH AO AW AY EH ER EY IH IY OW OY UH UW",
    "P T K",
    "B D G",
    "F S SH TH HH CH",
    "V Z ZH DH JH",
    "M N NG",
    "L R W Y",
    SIL,
)
N_MANNERS = len(_MANNERS) + 1
_MANNER_OF = {phone: m for m, phones in enumerate(_MANNERS) for phone in phones.split()}
_MANNER = np.array([N_MANNERS - 1, *(_MANNER_OF[t] for t in TOKENS.tokens[1:]), N_MANNERS - 1])


def frame_features(
    heard: Heard, word_counts: Mapping[Phonemes, int], others: Sequence[Heard] = ()
) -> sp.csr_matrix:
    """Describe every frame of a trial.

    Args:
        heard: The hypotheses; the first is the pivot.
        word_counts: How often the language model's text has words that sound so.
        others: What other decoders recognised in the same trial.

    Returns:
        Frames by features; slots and each place of a gap have their own columns.
    """
    network = align_network(heard)
    views = [network, *(align_network(other, heard.hypotheses[0]) for other in others)]
    codes = _Codes(network, heard, word_counts)
    blocks = [codes.gap_features(views, k) for k in range(N_GAP)] + [codes.slot_features(views)]
    order = np.argsort(
        np.concatenate([np.arange(b.shape[0]) * STRIDE + k for k, b in enumerate(blocks)])
    )
    return sp.csr_matrix(sp.block_diag(blocks, format="csr")[order])


class _Codes:
    """Categories that describe the slots and gaps of one trial."""

    def __init__(self, network: Network, heard: Heard, counts: Mapping[Phonemes, int]) -> None:
        n = len(network.pivot)
        self.n = n
        self.around = np.pad(network.pivot, 2, constant_values=_EDGE)
        self.doubt = np.searchsorted((0.01, 0.3, 0.8), _entropy(network.slots))
        self.length, self.margin = _confidence(heard, n)
        word, self.place, self.size, known = _words(heard.hypotheses[0], counts)
        self.known = known[word]
        unknown = (known == 1).sum() / max(1, (known > 0).sum())
        self.strange = int(np.searchsorted((0.01, 0.15, 0.35), unknown))

    def slot_features(self, views: Sequence[Network]) -> sp.csr_matrix:
        """Features of the pivot phonemes."""
        far_left, left, here, right, far_right = (self.around[k : k + self.n] for k in range(5))
        l_manner, r_manner = _MANNER[left], _MANNER[right]
        categories = [
            (np.zeros(self.n, int), 1),
            (here * 4 + self.doubt, 4 * N_TOKENS),
            (here * 4 + self.length, 4 * N_TOKENS),
            (here * 4 + self.margin, 4 * N_TOKENS),
            *((neighbour, N_TOKENS + 1) for neighbour in (far_left, left, right, far_right)),
            (here * N_MANNERS + l_manner, N_TOKENS * N_MANNERS),
            (here * N_MANNERS + r_manner, N_TOKENS * N_MANNERS),
            ((here * N_MANNERS + l_manner) * N_MANNERS + r_manner, N_TOKENS * N_MANNERS**2),
            (here * 5 + self.known, 5 * N_TOKENS),
            (here * 7 + self.size, 7 * N_TOKENS),
            (here * 4 + self.place, 4 * N_TOKENS),
            (here * 4 + self.strange, 4 * N_TOKENS),
        ]
        first, *others = views
        shares = [first.slots, _log_shares(first.slots)]
        shares += [first.gaps[:-1, 0, 1:], first.gaps[1:, 0, 1:]]
        for other in others:
            best = other.slots.argmax(axis=1)
            categories.append((here * N_TOKENS + best, N_TOKENS**2))
            categories.append((best * 5 + self.known, 5 * N_TOKENS))
            shares += [other.slots, other.gaps[:-1, 0, 1:], other.gaps[1:, 0, 1:]]
        return _joined(categories, shares)

    def gap_features(self, views: Sequence[Network], k: int) -> sp.csr_matrix:
        """Features of the gaps, for their insertion number `k`."""
        n = self.n + 1
        far_left, left, right = (self.around[i : i + n] for i in range(3))
        far_right = np.append(self.around, _EDGE)[3 : 3 + n]
        edge = N_TOKENS + 1
        categories = [(np.zeros(n, int), 1), (left, edge), (right, edge)]
        categories += [(np.full(n, self.strange), 4)]
        if k == 0:
            doubt = np.pad(self.doubt, 1)
            left_known, right_known = self._both(self.known)
            categories += [
                (far_left, edge),
                (far_right, edge),
                (doubt[:-1] * 4 + doubt[1:], 16),
                (np.full(n, self.length), 4),
                (np.full(n, self.margin), 4),
                (left * 4 + self.length, 4 * edge),
                (right * 4 + self.length, 4 * edge),
                (left * N_MANNERS + _MANNER[right], edge * N_MANNERS),
                (right * N_MANNERS + _MANNER[left], edge * N_MANNERS),
                (left_known * 5 + right_known, 25),
                (left * 5 + right_known, 5 * edge),
                (right * 5 + left_known, 5 * edge),
                (left * 7 + self._both(self.size)[1], 7 * edge),
            ]
        shares = [_log_shares(views[0].gaps[:, k])]
        shares += [view.gaps[:, i] for view in views for i in range(N_GAP)]
        return _joined(categories, shares)

    def _both(self, of_slot: Int[np.ndarray, " slots"]) -> list[Int[np.ndarray, " gaps"]]:
        """Values of the slots left and right of each gap; outer gaps see their one slot twice."""
        around = np.pad(of_slot, 1, mode="edge") if self.n else np.zeros(2, int)
        return [around[:-1], around[1:]]


@dataclass(frozen=True)
class ErrorModel:
    """P(class | features of the frame): a multinomial log-linear model.

    Attributes:
        weights: One column a class.
    """

    weights: Float[np.ndarray, "features tokens"]

    def logits(self, features: sp.csr_matrix) -> Float[np.ndarray, "frames tokens"]:
        """Log-probabilities of the classes, up to a constant a frame."""
        return np.asarray(features @ self.weights)


def fit_error_model(
    features: sp.csr_matrix,
    classes: Int[np.ndarray, " frames"],
    *,
    l2: float,
    start: ErrorModel | None = None,
    max_iterations: int = 60,
) -> ErrorModel:
    """Fit by penalised maximum likelihood.

    Args:
        features: Frames of all training trials.
        classes: What was truly said at each frame, 0 for nothing.
        l2: Half of this times the squared weights is added to the negative log-likelihood.
        start: Where the search begins; only ever a model of some of the same trials.
        max_iterations: L-BFGS steps; stopping early regularises a little more.
    """
    transposed = features.T.tocsr()
    shape = (features.shape[1], N_TOKENS)
    rows = np.arange(len(classes))

    def loss(flat: Float[np.ndarray, " _"]) -> tuple[float, Float[np.ndarray, " _"]]:
        weights = flat.reshape(shape)
        shares = features @ weights
        shares -= shares.max(axis=1, keepdims=True)
        log_p = -shares[rows, classes]
        np.exp(shares, out=shares)
        total = shares.sum(axis=1, keepdims=True)
        value = (log_p + np.log(total[:, 0])).sum() + 0.5 * l2 * (flat @ flat)
        shares /= total
        shares[rows, classes] -= 1.0
        return float(value), (transposed @ shares).ravel() + l2 * flat

    begin = np.zeros(shape) if start is None else start.weights
    options = {"maxiter": max_iterations, "maxcor": 8}
    found = minimize(loss, begin.ravel(), jac=True, method="L-BFGS-B", options=options)
    return ErrorModel(found.x.reshape(shape))


def _confidence(heard: Heard, n: int) -> tuple[int, int]:
    """Class of the best score per phoneme and of its lead over the second."""
    if len(heard.scores) < 2:
        return 0, 0
    best, second = heard.scores[:2]
    length = np.searchsorted((0.015, 0.05, 0.15), -best / max(n, 1))
    return int(length), int(np.searchsorted((0.3, 1.0, 3.0), best - second))


def _words(
    tokens: Phonemes, counts: Mapping[Phonemes, int]
) -> tuple[Int[np.ndarray, " slots"], ...]:
    """Word of each slot, place in it, its length; of each word, how common its sound is (0-4)."""
    words: list[tuple[str, ...]] = [()]
    word, position, size = [], [], []
    for token in tokens:
        word.append(len(words) - 1)
        position.append(min(len(words[-1]), 3))
        if token == SIL:
            words.append(())
        else:
            words[-1] = (*words[-1], token)
    size = [min(len(words[w]), 6) for w in word]
    known = [
        0 if not spoken else 1 + int(np.searchsorted((1, 10, 200), counts.get(spoken, 0), "right"))
        for spoken in words
    ]
    return tuple(np.array(column, dtype=int) for column in (word, position, size, known))


def _entropy(shares: Float[np.ndarray, "slots tokens"]) -> Float[np.ndarray, " slots"]:
    return np.asarray(-(shares * np.log(shares + 1e-9)).sum(axis=1))


def _log_shares(shares: Float[np.ndarray, "rows tokens"]) -> Float[np.ndarray, "rows tokens"]:
    """Log of the shares over the floor: 0 where there is nothing."""
    return np.asarray(np.log(np.maximum(shares, _FLOOR) / _FLOOR))


def _joined(
    categories: Sequence[tuple[Int[np.ndarray, " rows"], int]],
    numbers: Sequence[Float[np.ndarray, "rows _"]],
) -> sp.csr_matrix:
    """One-hot columns of every category, then columns of plain numbers."""
    n = len(categories[0][0])
    offsets = np.cumsum([0, *(size for _, size in categories)])
    columns = np.stack([code for code, _ in categories], axis=1) + offsets[:-1]
    starts = np.arange(n + 1) * len(categories)
    hot = sp.csr_matrix((np.ones(columns.size), columns.ravel(), starts), (n, offsets[-1]))
    return sp.csr_matrix(sp.hstack([hot, sp.csr_matrix(np.concatenate(numbers, axis=1))]))
