"""The decoder without a language model: the best class of each frame, collapsed."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from sylvian.errors import DecodeError
from sylvian.types import Hypothesis, Logits, Scores


def greedy(logits: Logits) -> Hypothesis:
    """Collapse the best class of each frame by the standard rule.

    A token starts where the best class is not blank and differs from the frame before, so
    `A A blank A` gives `A A`. The acoustic score is the log-likelihood of that one path.

    Args:
        logits: One trial, unpadded; column 0 is the blank.

    Returns:
        A hypothesis without text whose `tokens` are phonemes and `SIL` and whose `frames` are the
        frames at which they start; both empty for a trial without frames.

    Raises:
        DecodeError: a logit is NaN or infinite.

    Why here: the released BIT code forgets to reset at a blank and merges true repeats.
    """
    log_p = log_softmax(logits)
    best = log_p.argmax(axis=1) if len(log_p) else np.zeros(0, dtype=np.int64)
    starts = np.flatnonzero((best != 0) & (best != np.concatenate(([0], best[:-1]))))
    return Hypothesis(
        text="",
        tokens=logits.vocabulary.decode(best[starts].tolist()),
        scores=Scores(acoustic=float(log_p.max(axis=1, initial=-np.inf).sum())),
        frames=tuple(starts.tolist()),
    )


def log_softmax(logits: Logits) -> Float[np.ndarray, "frames tokens"]:
    """Normalise each frame to log-probabilities, in double precision.

    Raises:
        DecodeError: a logit is NaN or infinite, which no decoder can rank.
    """
    values = logits.values.astype(np.float64)
    if not np.isfinite(values).all():
        frame = int(np.argwhere(~np.isfinite(values))[0, 0])
        raise DecodeError(f"{logits.key}: frame {frame} has a NaN or infinite logit; check the run")
    return normalize_frames(values)


def normalize_frames(
    values: Float[np.ndarray, "frames tokens"],
) -> Float[np.ndarray, "frames tokens"]:
    """Log-softmax along the tokens, safe against large logits."""
    shifted = values - values.max(axis=1, keepdims=True, initial=-np.inf)
    return np.asarray(shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True)))
