"""One answer from many candidates: the one expected to have the fewest wrong words.

The candidates may come from one list or from several systems, such as encoders of several seeds:
their lists are pooled, each system's belief weighing the same.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64
from rapidfuzz.distance import Levenshtein

from sylvian.decode.combine import confidences
from sylvian.decode.config import DecodeConfig
from sylvian.errors import DecodeError
from sylvian.types import NBest, TrialKey

Beliefs = Mapping[str, float]


@dataclass(frozen=True, slots=True)
class Consensus:
    """The candidates of one trial, the least expected errors first.

    Attributes:
        key: The trial.
        texts: Distinct candidates.
        risks: Expected number of wrong words of each, were one of the candidates the truth.
    """

    key: TrialKey
    texts: tuple[str, ...]
    risks: tuple[float, ...]

    @property
    def best(self) -> str:
        """The chosen sentence."""
        return self.texts[0]


def beliefs(nbest: NBest, config: DecodeConfig, *, sharpness: float = 1.0) -> dict[str, float]:
    """Share out one list's belief among its texts.

    Args:
        nbest: The list.
        config: Weights of the total score.
        sharpness: Multiplies the totals before the softmax; 0 believes in all alike.
    """
    shares = confidences(nbest, config) ** sharpness
    summed: dict[str, float] = {}
    for hypothesis, share in zip(nbest.hypotheses, shares / shares.sum(), strict=True):
        summed[hypothesis.text] = summed.get(hypothesis.text, 0.0) + float(share)
    return summed


def minimum_risk(key: TrialKey, systems: Sequence[Beliefs]) -> Consensus:
    """Choose by minimum Bayes risk among all candidates of all systems.

    Equal risks keep the order in which candidates were first proposed.

    Args:
        key: The trial.
        systems: Each system's belief in its candidates, summing to 1.

    Raises:
        DecodeError: there are no candidates, or beliefs that do not sum to 1.

    Source: Goel and Byrne 2000; merging candidates of seeds as in paper.md section 5.4, where a
    language model service did the choosing.
    """
    if not systems or any(abs(sum(system.values()) - 1.0) > 1e-6 for system in systems):
        raise DecodeError(f"{key}: every system needs candidates whose beliefs sum to 1")
    texts = list(dict.fromkeys(text for system in systems for text in system))
    pooled = np.array([sum(s.get(text, 0.0) for s in systems) for text in texts]) / len(systems)
    risks = _distances(texts) @ pooled
    order = np.argsort(risks, kind="stable").tolist()
    return Consensus(key, tuple(texts[i] for i in order), tuple(risks[order].tolist()))


def _distances(texts: Sequence[str]) -> Float64[np.ndarray, "texts texts"]:
    """Word edits between all pairs."""
    words = [text.split() for text in texts]
    edits = np.zeros((len(texts), len(texts)))
    for i, one in enumerate(words):
        for j in range(i):
            edits[i, j] = edits[j, i] = Levenshtein.distance(one, words[j])
    return edits
