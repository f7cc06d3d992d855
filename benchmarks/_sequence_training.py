"""Teach an error model what matters beside a language model: fewest expected word errors.

The log-linear model of `_phoneme_errors` is fitted frame by frame and knows nothing of words. Here
its weights move so that, among the sentences a first pass proposes for the training trials, those
with few word errors win: minimum Bayes risk training, with the weight of the language model and the
word bonus learned alongside. Trials propose with a model that was not fitted on them.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
from jaxtyping import Float, Int
from scipy.optimize import minimize

from _confusion_network import N_TOKENS, TOKENS
from _phoneme_errors import ErrorModel
from sylvian.types import NBest

_LEAST_LM_WEIGHT = 0.1  # below 0 the search would seek what nobody says


@dataclass(frozen=True)
class Proposals:
    """The n-best lists of some trials as flat arrays, one row a sentence.

    Attributes:
        start: First sentence of each trial, and the number of sentences.
        errors: Word errors of each sentence.
        ngram: Its log-probability in the decoding graph, nats.
        n_words: Its number of words.
        cell: Cells `frame * tokens + class` that the sentences of a trial do not share.
        owner: The sentence of each cell.
    """

    start: Int[np.ndarray, " trials_and_one"]
    errors: Float[np.ndarray, " sentences"]
    ngram: Float[np.ndarray, " sentences"]
    n_words: Float[np.ndarray, " sentences"]
    cell: Int[np.ndarray, " cells"]
    owner: Int[np.ndarray, " cells"]

    @property
    def trial(self) -> Int[np.ndarray, " sentences"]:
        """Trial of each sentence."""
        return np.repeat(np.arange(len(self.start) - 1), np.diff(self.start))


@dataclass(frozen=True, slots=True)
class Weights:
    """What sequence training found.

    Attributes:
        change: To be added to the weights of the error model.
        lm_weight: Weight of the decoding graph's log-probability.
        word_bonus: Nats per word.
    """

    change: Float[np.ndarray, "features tokens"]
    lm_weight: float
    word_bonus: float

    def applied(self, model: ErrorModel) -> ErrorModel:
        """The error model with its weights moved."""
        return ErrorModel(model.weights + self.change)


def collect(
    lists: Sequence[NBest],
    first_frame: Sequence[int],
    n_frames: Sequence[int],
    *,
    count_errors: Callable[[int, str], int],
) -> Proposals:
    """Flatten n-best lists.

    Args:
        lists: One a trial.
        first_frame: Row of each trial's first frame in the stacked frames.
        n_frames: Number of frames of each trial.
        count_errors: Word errors of a text as sentence of the trial at this position.
    """
    cells, owners, n_before = [], [], 0
    for nbest, offset, n in zip(lists, first_frame, n_frames, strict=True):
        classes = np.stack([_classes(nbest, h, n) for h in range(len(nbest.hypotheses))])
        row, frame = np.nonzero(np.broadcast_to((classes != classes[0]).any(axis=0), classes.shape))
        cells.append((offset + frame) * N_TOKENS + classes[row, frame])
        owners.append(n_before + row)
        n_before += len(classes)
    every = [(trial, h) for trial, nbest in enumerate(lists) for h in nbest.hypotheses]
    return Proposals(
        start=np.cumsum([0, *(len(nbest.hypotheses) for nbest in lists)]),
        errors=np.array([count_errors(trial, h.text) for trial, h in every], dtype=float),
        ngram=np.array([h.scores.ngram for _, h in every]),
        n_words=np.array([h.scores.n_words for _, h in every], dtype=float),
        cell=np.concatenate(cells),
        owner=np.concatenate(owners),
    )


def train_on_sequences(
    features: sp.csr_matrix,
    logits: Float[np.ndarray, "frames tokens"],
    proposals: Proposals,
    *,
    l2: float,
    lm_weight: float,
    max_iterations: int = 25,
) -> Weights:
    """Lower the expected number of word errors.

    Args:
        features: Stacked frames of the training trials.
        logits: What a model not fitted on the trial says of each frame.
        proposals: The sentences to choose among.
        l2: Half of this times the squared change is added to the expected errors.
        lm_weight: Where the language model's weight begins.
        max_iterations: L-BFGS steps.

    Source: minimum word error training over n-best lists (Povey and Woodland 2002).
    """
    transposed = features.T.tocsr()
    shape = (features.shape[1], N_TOKENS)
    n_sentences = len(proposals.errors)

    def loss(flat: Float[np.ndarray, " _"]) -> tuple[float, Float[np.ndarray, " _"]]:
        change = flat[:-2]
        moved = logits + features @ change.reshape(shape)
        total = np.bincount(proposals.owner, moved.ravel()[proposals.cell], minlength=n_sentences)
        total += (lm_weight + flat[-2]) * proposals.ngram + flat[-1] * proposals.n_words
        expected, slope = _expected_errors(proposals, total)
        on_cells = np.bincount(
            proposals.cell, slope[proposals.owner], minlength=moved.size
        ).reshape(moved.shape)
        gradient = np.empty_like(flat)
        gradient[:-2] = (transposed @ on_cells).ravel() + l2 * change
        gradient[-2:] = slope @ proposals.ngram, slope @ proposals.n_words
        return expected + 0.5 * l2 * float(change @ change), gradient

    options = {"maxiter": max_iterations, "maxcor": 6}
    begin = np.zeros(shape[0] * shape[1] + 2)
    found = minimize(loss, begin, jac=True, method="L-BFGS-B", options=options).x
    learned = max(_LEAST_LM_WEIGHT, lm_weight + float(found[-2]))
    return Weights(found[:-2].reshape(shape), learned, float(found[-1]))


def _expected_errors(
    proposals: Proposals, total: Float[np.ndarray, " sentences"]
) -> tuple[float, Float[np.ndarray, " sentences"]]:
    """Expected errors when each trial's sentences share a softmax of `total`, and the slope."""
    first, trial = proposals.start[:-1], proposals.trial
    share = np.exp(total - np.maximum.reduceat(total, first)[trial])
    share /= np.add.reduceat(share, first)[trial]
    expected = np.add.reduceat(share * proposals.errors, first)
    return float(expected.sum()), share * (proposals.errors - expected[trial])


def _classes(nbest: NBest, which: int, n_frames: int) -> Int[np.ndarray, " frames"]:
    """Class of each frame on the best way of a hypothesis.

    A token held over several frames counts as blank after the first; the gaps make that rare.
    """
    hypothesis = nbest.hypotheses[which]
    classes = np.zeros(n_frames, dtype=int)
    classes[list(hypothesis.frames)] = TOKENS.encode(hypothesis.tokens)
    return classes
