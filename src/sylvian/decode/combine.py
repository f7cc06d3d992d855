"""The total score of a hypothesis, in one place, and everything that only needs the parts."""

from __future__ import annotations

import numpy as np
from jaxtyping import Float

from sylvian.decode.config import DecodeConfig
from sylvian.errors import DecodeError
from sylvian.types import Hypothesis, NBest, Scores


def total_score(scores: Scores, config: DecodeConfig) -> float:
    """Weigh the parts of a score into the number that ranks hypotheses (nats, higher is better).

    `acoustic_scale * acoustic + lm_weight * (1 - llm_weight) * ngram + llm_weight * llm
    + word_bonus * n_words`

    Args:
        scores: The parts. Where `llm` is None (nothing rescored yet) `llm_weight` counts as 0,
            so that the first pass ranks by acoustics, n-gram and word bonus alone.
        config: The weights. `lm_weight` scales the n-gram in the search as well as here; with a
            rescoring model the n-gram's share is `lm_weight * (1 - llm_weight)`.

    Source: formula 6 of section 5.2 (nejm-brain-to-text), which has `lm_weight` 1 and no bonus.
    """
    llm_weight = 0.0 if scores.llm is None else config.llm_weight
    return (
        config.acoustic_scale * scores.acoustic
        + config.lm_weight * (1.0 - llm_weight) * scores.ngram
        + llm_weight * (scores.llm or 0.0)
        + config.word_bonus * scores.n_words
    )


def rerank(nbest: NBest, config: DecodeConfig) -> NBest:
    """Sort the hypotheses by total score; equal totals keep their order.

    Empty texts are left out when some hypothesis has words, as the published second pass does.

    Raises:
        DecodeError: some hypotheses have a rescoring score and others have none.
    """
    _require_equal_parts(nbest)
    spoken = tuple(h for h in nbest.hypotheses if h.text) or nbest.hypotheses
    ranked = sorted(spoken, key=lambda hypothesis: -total_score(hypothesis.scores, config))
    return NBest(nbest.key, tuple(ranked))


def confidences(nbest: NBest, config: DecodeConfig) -> Float[np.ndarray, " hypotheses"]:
    """Softmax of the total scores: how the list shares its belief among its own candidates.

    Source: section 5.2. It says nothing of sentences outside the list.
    """
    totals = np.array([total_score(h.scores, config) for h in nbest.hypotheses])
    shares = np.exp(totals - totals.max())
    return np.asarray(shares / shares.sum())


def with_llm(nbest: NBest, llm: dict[str, float] | None) -> NBest:
    """Attach a rescoring model's log-probabilities (nats) by text, order unchanged; None: none.

    Raises:
        DecodeError: a hypothesis' text has no score.
    """
    if llm is None:
        return NBest(nbest.key, tuple(_rescored(h, None) for h in nbest.hypotheses))
    missing = [h.text for h in nbest.hypotheses if h.text not in llm]
    if missing:
        raise DecodeError(f"{nbest.key}: no rescoring score for {missing[0]!r}; score every text")
    return NBest(nbest.key, tuple(_rescored(h, llm[h.text]) for h in nbest.hypotheses))


def _rescored(hypothesis: Hypothesis, llm: float | None) -> Hypothesis:
    old = hypothesis.scores
    scores = Scores(old.acoustic, old.ngram, old.n_words, llm)
    return Hypothesis(hypothesis.text, hypothesis.tokens, scores, hypothesis.frames)


def _require_equal_parts(nbest: NBest) -> None:
    rescored = sum(h.scores.llm is not None for h in nbest.hypotheses)
    if rescored not in (0, len(nbest.hypotheses)):
        raise DecodeError(
            f"{nbest.key}: {rescored} of {len(nbest.hypotheses)} hypotheses have a rescoring "
            "score; rescore all of them or none"
        )
