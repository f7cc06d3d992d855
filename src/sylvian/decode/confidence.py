"""What a list of candidates says about itself, before calibration: shares of sentences and words.

These are raw materials. That a share of 0.8 is right in four cases of five has to be learnt from
trials whose truth is known (`evaluate.recalibration`).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float
from rapidfuzz.distance import Levenshtein
from scipy.optimize import minimize_scalar

from sylvian.decode.combine import total_score
from sylvian.decode.config import DecodeConfig
from sylvian.errors import DecodeError
from sylvian.types import NBest

SENTENCE_FEATURES = ("share", "llm per word", "words")
WORD_FEATURES = ("share", "sentence share", "words")
_SHARPEST, _BLUNTEST = -5.0, 3.0  # log of the temperatures looked at
_FLOOR = 1e-6
_LEAST = 1e-3  # share from which nearer to 0 or 1 says nothing more


@dataclass(frozen=True, slots=True)
class Belief:
    """How a list shares out its belief.

    Attributes:
        text: The best candidate.
        share: Belief in it, 0 to 1; candidates of equal text are one.
        words: Belief in each of its words: of all candidates that have the word in that place.
        llm_per_word: Mean log-probability of its words under the rescoring model, nats; 0 where
            there is none.
    """

    text: str
    share: float
    words: tuple[float, ...]
    llm_per_word: float = 0.0


def believe(nbest: NBest, config: DecodeConfig, *, temperature: float = 1.0) -> Belief:
    """Share out belief among the candidates of one trial.

    Args:
        nbest: The list, best first.
        config: Weights of the total score.
        temperature: Divides the totals before the softmax; above 1 makes the list less sure.
    """
    totals = np.array([total_score(h.scores, config) for h in nbest.hypotheses])
    best = nbest.best
    n = max(len(best.text.split()), 1)
    llm = 0.0 if best.scores.llm is None else best.scores.llm / n
    return vote([h.text for h in nbest.hypotheses], softmax(totals / temperature), llm=llm)


def vote(
    texts: Sequence[str], shares: Float[np.ndarray, " candidates"], *, llm: float = 0.0
) -> Belief:
    """Share out belief among candidates whose shares are known, such as one vote a system.

    Args:
        texts: Candidates, the chosen one first; equal ones are added up.
        shares: Belief in each, summing to 1.
        llm: Log-probability per word of the first candidate under a language model.

    Raises:
        DecodeError: there are no candidates, or their shares do not sum to 1.
    """
    if not len(texts) or len(texts) != len(shares) or abs(float(shares.sum()) - 1.0) > 1e-6:
        raise DecodeError(f"confidence: {len(texts)} candidates whose shares do not sum to 1")
    summed: dict[str, float] = {}
    for text, share in zip(texts, shares.tolist(), strict=True):
        summed[text] = summed.get(text, 0.0) + share
    words = texts[0].split()
    belief = np.zeros(len(words))
    for text, share in summed.items():
        for block in Levenshtein.opcodes(words, text.split()):
            if block.tag == "equal":
                belief[block.src_start : block.src_end] += share
    certain = np.minimum([summed[texts[0]], *belief.tolist()], 1.0)  # sums of shares round up
    return Belief(texts[0], float(certain[0]), tuple(certain[1:].tolist()), llm)


def sentence_features(
    beliefs: Sequence[Belief], *, least: float = _LEAST
) -> Float[np.ndarray, "sentences features"]:
    """Lay out what is known of each sentence: log-odds of its share, LLM nats a word, length.

    Args:
        beliefs: One a sentence.
        least: Share nearer than this to 0 or 1 counts as this, so that a list of one candidate is
            not infinitely sure; of ten votes, half a vote.
    """
    rows = [
        (_log_odds(one.share, least), one.llm_per_word, float(np.log1p(len(one.words))))
        for one in beliefs
    ]
    return np.array(rows, np.float64).reshape(-1, len(SENTENCE_FEATURES))


def word_features(
    beliefs: Sequence[Belief], *, least: float = _LEAST
) -> Float[np.ndarray, "words features"]:
    """Lay out what is known of each word: log-odds of its share and its sentence's, length.

    Args:
        beliefs: One a sentence.
        least: As for `sentence_features`.
    """
    rows = [
        (_log_odds(word, least), _log_odds(one.share, least), float(np.log1p(len(one.words))))
        for one in beliefs
        for word in one.words
    ]
    return np.array(rows, np.float64).reshape(-1, len(WORD_FEATURES))


def fit_temperature(
    totals: Sequence[Float[np.ndarray, " candidates"]], right: Bool[np.ndarray, " trials"]
) -> float:
    """Find the temperature at which the share of the best candidate is likeliest right so often.

    Args:
        totals: Total scores of each trial's candidates, best first.
        right: Whether the best one was right.

    Returns:
        A temperature between 0.007 and 20, by which totals are to be divided.

    Raises:
        DecodeError: there is no trial, or more or fewer outcomes than lists.

    Source: temperature scaling, Guo et al. 2017, here of lists: trials whose truth is in no list
    count as well.
    """
    if not len(totals) or len(totals) != len(right):
        raise DecodeError(f"temperature: {len(totals)} lists, {len(right)} outcomes; give the same")

    behind = np.full((len(totals), max(len(one) for one in totals)), -np.inf)
    for row, one in enumerate(totals):
        behind[row, : len(one)] = one - one[0]

    def loss(log_temperature: float) -> float:
        with np.errstate(over="ignore"):  # a list that begins with another than its best
            shares = 1.0 / np.exp(behind * np.exp(-log_temperature)).sum(axis=1)
        kept = np.clip(shares, _FLOOR, 1 - _FLOOR)
        return float(-np.log(np.where(right, kept, 1 - kept)).mean())

    found = _least(loss)
    return float(np.exp(found))


def softmax(values: Float[np.ndarray, " candidates"]) -> Float[np.ndarray, " candidates"]:
    """Turn log scores into shares that sum to 1."""
    raised = np.exp(values - values.max())
    return np.asarray(raised / raised.sum())


def _least(loss: Callable[[float], float]) -> float:
    """Search a function of one variable that may have two valleys: a grid, then its best cell."""
    grid = np.linspace(_SHARPEST, _BLUNTEST, 17)
    best = int(np.argmin([loss(float(x)) for x in grid]))
    ends = (float(grid[max(best - 1, 0)]), float(grid[min(best + 1, len(grid) - 1)]))
    return float(minimize_scalar(loss, bounds=ends, method="bounded", options={"xatol": 1e-3}).x)


def _log_odds(share: float, least: float) -> float:
    kept = min(max(share, least), 1 - least)
    return float(np.log(kept) - np.log1p(-kept))
