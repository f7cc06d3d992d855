"""Forced alignment: when was each token of a known sentence said?"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64, Int64

from sylvian.decode.greedy import log_softmax
from sylvian.errors import DataError
from sylvian.text import SIL
from sylvian.types import Logits

BLANK = 0


@dataclass(frozen=True, slots=True)
class Alignment:
    """The likeliest way a trial's frames say given tokens.

    Attributes:
        spans: First frame and the frame behind the last of each token; blanks belong to none.
        score: Log-likelihood of that way, in nats.
    """

    spans: tuple[tuple[int, int], ...]
    score: float


def align_tokens(logits: Logits, tokens: Sequence[str]) -> Alignment | None:
    """Find the best CTC path that says exactly `tokens` (Viterbi).

    Args:
        logits: One trial, unpadded; column 0 is the blank.
        tokens: Names of the tokens, without blanks.

    Returns:
        None where the trial has fewer frames than the tokens need: one each, and a blank between
        equal neighbours.

    Raises:
        DecodeError: a logit is NaN or infinite.
        DataError: a token is not in the vocabulary.

    Source: Graves et al. 2006, section 4.1, with the maximum in place of the sum.
    """
    try:
        labels = np.array(logits.vocabulary.encode(tokens), dtype=np.int64)
    except DataError as failure:
        raise DataError(
            f"{logits.key}: {failure}; the encoder learnt other labels than these"
        ) from None
    repeats = int((labels[1:] == labels[:-1]).sum())
    if len(logits.values) < len(labels) + repeats or not len(logits.values):
        return None
    path = np.full(2 * len(labels) + 1, BLANK)  # the tokens with a blank around each
    path[1::2] = labels
    found, came = _search(log_softmax(logits)[:, path], path)
    last = len(path) - 1
    state = last if len(path) == 1 or found[last] >= found[last - 1] else last - 1
    score, states = float(found[state]), np.empty(len(came), dtype=np.int64)
    for frame in range(len(came) - 1, -1, -1):
        states[frame] = state
        state -= int(came[frame, state])
    spans = [np.flatnonzero(states == 2 * token + 1) for token in range(len(labels))]
    return Alignment(tuple((int(own[0]), int(own[-1]) + 1) for own in spans), score)


def _search(
    emitted: Float64[np.ndarray, "frames states"], path: Int64[np.ndarray, " states"]
) -> tuple[Float64[np.ndarray, " states"], Int64[np.ndarray, "frames states"]]:
    """Give the best score of each state at the last frame, and how many states back it came from.

    A path stays, goes on by one, or skips the blank between two different tokens.
    """
    n_states = len(path)
    may_skip = np.zeros(n_states, dtype=bool)
    may_skip[3::2] = path[3::2] != path[1:-2:2]
    best = np.full(n_states, -np.inf)
    best[:2] = emitted[0, :2]
    came = np.zeros((len(emitted), n_states), dtype=np.int64)
    ways = np.full((3, n_states), -np.inf)
    for frame in range(1, len(emitted)):
        ways[0] = best
        ways[1, 1:] = best[:-1]
        ways[2, 2:] = np.where(may_skip[2:], best[:-2], -np.inf)
        came[frame] = ways.argmax(axis=0)
        best = ways.max(axis=0) + emitted[frame]
    return best, came


def word_spans(
    tokens: Sequence[str], spans: Sequence[tuple[int, int]]
) -> tuple[tuple[int, int], ...]:
    """Join the spans of each word's phonemes; `SIL` closes a word and belongs to none.

    Args:
        tokens: Phonemes and `SIL`.
        spans: When each was said.

    Returns:
        First frame of the word's first phoneme and the frame behind its last phoneme's last.
    """
    words: list[tuple[int, int]] = []
    open_at: int | None = None
    for token, (start, stop) in zip(tokens, spans, strict=True):
        if token == SIL:
            open_at = None
        elif open_at is None:
            open_at = start
            words.append((start, stop))
        else:
            words[-1] = (open_at, stop)
    return tuple(words)
