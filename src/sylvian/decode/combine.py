"""The total score of a hypothesis, in one place, and everything that only needs the parts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Literal

import numpy as np
from jaxtyping import Float

from sylvian.decode.config import DecodeConfig
from sylvian.errors import DecodeError
from sylvian.types import Hypothesis, NBest, Scores


def total_score(scores: Scores, config: DecodeConfig) -> float:
    """Weigh the parts of a score into the number that ranks hypotheses (nats, higher is better).

    `acoustic_scale * acoustic + lm_weight * (1 - llm_weight) * ngram + llm_weight * llm
    + end_to_end_weight * end_to_end + word_bonus * n_words`

    Args:
        scores: The parts. Where `llm` is None (nothing rescored yet) `llm_weight` counts as 0,
            so that the first pass ranks by acoustics, n-gram and word bonus alone; where
            `end_to_end` is None, so does its weight.
        config: The weights. `lm_weight` scales the n-gram in the search as well as here; with a
            rescoring model the n-gram's share is `lm_weight * (1 - llm_weight)`.

    Source: formula 6 of section 5.2 (nejm-brain-to-text), which has `lm_weight` 1 and no bonus.
    """
    llm_weight = 0.0 if scores.llm is None else config.llm_weight
    return (
        config.acoustic_scale * scores.acoustic
        + config.lm_weight * (1.0 - llm_weight) * scores.ngram
        + llm_weight * (scores.llm or 0.0)
        + config.end_to_end_weight * (scores.end_to_end or 0.0)
        + config.word_bonus * scores.n_words
    )


def rerank(nbest: NBest, config: DecodeConfig, *, generated: bool = False) -> NBest:
    """Sort the hypotheses by total score; equal totals keep their order.

    Empty texts are left out when some hypothesis has words, as the published second pass does.

    Args:
        nbest: The list.
        config: The weights.
        generated: These are sentences an end-to-end model generated, and neither acoustics nor an
            n-gram was asked. The order of its search, which also knows their lengths in tokens and
            which of them were cut short, then stands unless a weight `turns` it; and an empty text
            remains a candidate, unless a rescoring model is weighed, which knows nothing of it.

    Raises:
        DecodeError: some hypotheses have a rescoring or end-to-end score and others have none.
    """
    rescored = require_equal_parts(nbest.hypotheses, str(nbest.key))["llm"]
    llm_weight = config.llm_weight if rescored else 0.0
    if generated and not turns(llm_weight, config.word_bonus):
        return nbest
    spoken = tuple(h for h in nbest.hypotheses if h.text) or nbest.hypotheses
    spoken = nbest.hypotheses if generated and not llm_weight else spoken
    ranked = sorted(spoken, key=lambda hypothesis: -total_score(hypothesis.scores, config))
    return NBest(nbest.key, tuple(ranked))


def turns(llm_weight: float, word_bonus: float) -> bool:
    """Tell whether weights can turn the order of a list that one end-to-end model generated."""
    return llm_weight > 0 or word_bonus != 0


def confidences(nbest: NBest, config: DecodeConfig) -> Float[np.ndarray, " hypotheses"]:
    """Softmax of the total scores: how the list shares its belief among its own candidates.

    Source: section 5.2. It says nothing of sentences outside the list.
    """
    totals = np.array([total_score(h.scores, config) for h in nbest.hypotheses])
    shares = np.exp(totals - totals.max())
    return np.asarray(shares / shares.sum())


def rerank_all(nbest: NBest, config: DecodeConfig) -> NBest:
    """Sort as `rerank` does and keep the empty texts it leaves out, at the end of the list.

    Raises:
        DecodeError: as `rerank`.
    """
    ranked = rerank(nbest, config)
    kept = set(map(id, ranked.hypotheses))
    silent = tuple(h for h in nbest.hypotheses if id(h) not in kept)
    return NBest(nbest.key, ranked.hypotheses + silent)


def with_llm(nbest: NBest, llm: Mapping[str, float] | None) -> NBest:
    """Attach a rescoring model's log-probabilities (nats) by text, order unchanged; None: none.

    Raises:
        DecodeError: a hypothesis' text has no score.
    """
    return _with(nbest, "llm", llm)


def with_end_to_end(nbest: NBest, end_to_end: Mapping[str, float] | None) -> NBest:
    """Attach an end-to-end model's log-probabilities (nats) by text, order unchanged; None: none.

    Raises:
        DecodeError: a hypothesis' text has no score.
    """
    return _with(nbest, "end_to_end", end_to_end)


Part = Literal["llm", "end_to_end"]
_NAMED: dict[Part, str] = {"llm": "rescoring", "end_to_end": "end-to-end"}


def require_equal_parts(hypotheses: Sequence[Hypothesis], where: str) -> dict[Part, bool]:
    """Check that all hypotheses have a part of the score or none has it.

    Returns:
        Part -> whether the hypotheses have it.

    Raises:
        DecodeError: some have it; the message starts with `where`.
    """
    return {part: _all_or_none(hypotheses, part, where) for part in _NAMED}


def _all_or_none(hypotheses: Sequence[Hypothesis], part: Part, where: str) -> bool:
    n_with = sum(getattr(h.scores, part) is not None for h in hypotheses)
    if n_with not in (0, len(hypotheses)):
        do = "rescore" if part == "llm" else "score"
        raise DecodeError(
            f"{where}: {n_with} of {len(hypotheses)} hypotheses have {_NAMED[part]} scores; "
            f"{do} all of them or none"
        )
    return n_with > 0


def _with(nbest: NBest, part: Part, nats: Mapping[str, float] | None) -> NBest:
    missing = [h.text for h in nbest.hypotheses if nats is not None and h.text not in nats]
    if missing:
        raise DecodeError(
            f"{nbest.key}: no {_NAMED[part]} score for {missing[0]!r}; score every text"
        )
    values = [None if nats is None else nats[h.text] for h in nbest.hypotheses]
    scored = tuple(
        replace(h, scores=_scores(h.scores, part, value))
        for h, value in zip(nbest.hypotheses, values, strict=True)
    )
    return NBest(nbest.key, scored)


def _scores(scores: Scores, part: Part, value: float | None) -> Scores:
    if part == "llm":
        return replace(scores, llm=value)
    return replace(scores, end_to_end=value)
