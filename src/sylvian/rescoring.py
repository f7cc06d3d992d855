"""The second pass: a causal language model reads the candidates that the n-gram proposed.

Every candidate keeps the parts of its score; the language model's is added to them, and the lists
are sorted anew by the one total (`decode.combine`). With weight 0 the first pass stands.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sylvian.decode.combine import rerank, with_llm
from sylvian.decode.config import DecodeConfig
from sylvian.decode.scorecache import ScoreCache
from sylvian.types import NBest, Progress, silent

if TYPE_CHECKING:
    from sylvian.models.textlm import CausalLm

CHUNK = 2000  # sentences scored between two writes of the cache


@dataclass(frozen=True, slots=True)
class Rescored:
    """Lists with the language model's scores, and what they took.

    Attributes:
        nbests: The lists, sorted by the total score.
        n_sentences: Distinct candidates.
        n_known: Those of them that the cache knew.
    """

    nbests: list[NBest]
    n_sentences: int
    n_known: int


def rescore(
    nbests: Sequence[NBest],
    lm: CausalLm,
    *,
    decode: DecodeConfig,
    cache: ScoreCache | None = None,
    progress: Progress = silent,
) -> Rescored:
    """Have a language model score every candidate, and sort the lists by the total score.

    Candidates without words stay, at the end of their lists.

    Args:
        nbests: First-pass lists, or lists that another model rescored.
        lm: The model.
        decode: The weights.
        cache: Scores of earlier calls; new ones are added, chunk by chunk.
        progress: Told how many sentences are scored.

    Raises:
        DecodeError: a sentence cannot be scored, or the cache cannot be used.

    Source: paper.md section 5.2, formulas 5 and 6.
    """
    texts = sorted({h.text for nbest in nbests for h in nbest.hypotheses})
    known = cache.find(lm.digest, texts) if cache else {}
    scores = known | score_texts([t for t in texts if t not in known], lm, cache, progress)
    rescored = [_sorted(with_llm(nbest, scores), decode) for nbest in nbests]
    return Rescored(rescored, len(texts), len(known))


def score_texts(
    texts: Sequence[str],
    lm: CausalLm,
    cache: ScoreCache | None = None,
    progress: Progress = silent,
) -> dict[str, float]:
    """Score distinct sentences; neighbours in spelling are scored together.

    Returns:
        Text -> log-probability (nats).

    Raises:
        DecodeError: a sentence cannot be scored, or the cache cannot be used.
    """
    scores: dict[str, float] = {}
    for first in range(0, len(texts), CHUNK):
        chunk = texts[first : first + CHUNK]
        found = dict(zip(chunk, lm.score_sentences(chunk).tolist(), strict=True))
        if cache:
            cache.add(lm.digest, found)
        scores |= found
        progress("rescore", len(scores), len(texts), lm.name)
    return scores


def without_llm(nbests: Iterable[NBest], *, decode: DecodeConfig) -> list[NBest]:
    """Take a language model's scores away again: the first pass as it was."""
    return [_sorted(with_llm(nbest, None), decode) for nbest in nbests]


def _sorted(nbest: NBest, decode: DecodeConfig) -> NBest:
    ranked = rerank(nbest, decode)
    kept = set(map(id, ranked.hypotheses))
    silent_ones = tuple(h for h in nbest.hypotheses if id(h) not in kept)
    return NBest(nbest.key, ranked.hypotheses + silent_ones)
