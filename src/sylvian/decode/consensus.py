"""One answer from many candidates: the one expected to have the fewest wrong words.

The candidates may come from one list or from several systems, such as encoders of several seeds:
their lists are pooled, each system's belief weighing the same.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float64
from rapidfuzz import process
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


@dataclass(frozen=True)
class Pool:
    """The candidates of all systems for one trial, in the order they were first proposed.

    Attributes:
        key: The trial.
        texts: Distinct candidates.
        shares: What the systems together believe of each; sums to 1.
        edits: Word edits between all pairs.
    """

    key: TrialKey
    texts: tuple[str, ...]
    shares: Float64[np.ndarray, " texts"]
    edits: Float64[np.ndarray, "texts texts"]

    @classmethod
    def of(cls, key: TrialKey, systems: Sequence[Beliefs]) -> Pool:
        """Pool the candidates of several systems, each system's belief weighing the same.

        Raises:
            DecodeError: there are no candidates, or beliefs that do not sum to 1.
        """
        if not systems or any(abs(sum(system.values()) - 1.0) > 1e-6 for system in systems):
            raise DecodeError(f"{key}: every system needs candidates whose beliefs sum to 1")
        texts = tuple(dict.fromkeys(text for system in systems for text in system))
        summed = [sum(system.get(text, 0.0) for system in systems) for text in texts]
        return cls(key, texts, np.array(summed) / len(systems), _distances(texts))

    def consensus(
        self, nats: Mapping[str, float] | None = None, *, weight: float = 0.0
    ) -> Consensus:
        """Choose by minimum Bayes risk; equal risks keep the order of the pool.

        Args:
            nats: A language model's log-probabilities. They change what is believed: a share is
                multiplied by the probability to the power of `weight`, and the risks are expected
                under the new shares. A text without one counts as the least probable of the others.
            weight: The power; 0 leaves the votes alone.
        """
        shares = self.shares
        if nats and weight:
            least = min(nats[text] for text in self.texts if text in nats)
            swayed = weight * np.array([nats.get(text, least) for text in self.texts])
            shares = shares * np.exp(swayed - swayed.max())
        risks = self.edits @ (shares / shares.sum())
        order = np.argsort(risks.round(9), kind="stable").tolist()  # equal but for rounding
        return Consensus(
            self.key, tuple(self.texts[i] for i in order), tuple(risks[order].tolist())
        )


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
    return Pool.of(key, systems).consensus()


def _distances(texts: Sequence[str]) -> Float64[np.ndarray, "texts texts"]:
    """Word edits between all pairs."""
    words = [text.split() for text in texts]
    return process.cdist(words, words, scorer=Levenshtein.distance, dtype=np.int32).astype(float)
