"""Who chooses among the pooled candidates: a language model's odds, or its answer to a question."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from rapidfuzz.distance import Levenshtein

from sylvian.decode.consensus import Consensus, Pool
from sylvian.decode.scorecache import ScoreCache, Scored, SentenceScorer, score_texts
from sylvian.types import EditCounts, Progress, TrialKey, silent

if TYPE_CHECKING:
    from sylvian.models.prompted import PromptedMerger

CountErrors = Callable[[TrialKey, str], EditCounts]

WEIGHTS = (0.0, 0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5)
READ = 20  # candidates of a trial that a language model reads, the least expected errors first
N_FOLDS = 5


# ----------------------------------------------------------------------- odds


def read(
    pools: Sequence[Pool],
    lm: SentenceScorer,
    *,
    cache: ScoreCache | None = None,
    progress: Progress = silent,
) -> Scored:
    """Score the candidates among which there is a choice; see `decode.scorecache.score_texts`."""
    texts = {
        text
        for pool in pools
        if len(pool.texts) > 1
        for text in pool.consensus().texts[:READ]
        if text  # the empty sentence has no probability a model could give
    }
    return score_texts(texts, lm, cache=cache, progress=progress)


def swayed(pool: Pool, nats: dict[str, float], weight: float) -> Consensus:
    """Choose among a pool's candidates by votes and a language model's odds."""
    known = {text: nats[text] for text in pool.texts if text in nats}
    return pool.consensus(known, weight=weight) if len(pool.texts) > 1 else pool.consensus()


def best_weight(pools: Sequence[Pool], nats: dict[str, float], count: CountErrors) -> float:
    """Find the weight of the language model with the fewest wrong words, the smallest of equals."""
    return min(WEIGHTS, key=lambda weight: (_errors(pools, nats, weight, count), weight))


def cross_fitted(
    pools: Sequence[Pool], nats: dict[str, float], count: CountErrors, folds: Sequence[int]
) -> tuple[list[Consensus], list[float]]:
    """Choose in every fold with the weight that is best in the others.

    Returns:
        A choice for each pool, and the weight of each fold.
    """
    chosen: dict[int, Consensus] = {}
    weights = []
    for fold in sorted(set(folds)):
        others = [pool for pool, other in zip(pools, folds, strict=True) if other != fold]
        weights.append(best_weight(others, nats, count))
        for i in (i for i, other in enumerate(folds) if other == fold):
            chosen[i] = swayed(pools[i], nats, weights[-1])
    return [chosen[i] for i in range(len(pools))], weights


def sentence_folds(sentences: Sequence[str], *, seed: int = 0) -> list[int]:
    """Deal distinct sentences into folds at random; a sentence is in one fold only."""
    distinct = sorted(set(sentences))
    order = np.random.default_rng(seed).permutation(len(distinct))
    fold = {distinct[place]: rank % N_FOLDS for rank, place in enumerate(order)}
    return [fold[sentence] for sentence in sentences]


def _errors(
    pools: Sequence[Pool], nats: dict[str, float], weight: float, count: CountErrors
) -> int:
    return sum(count(pool.key, swayed(pool, nats, weight).best).n_errors for pool in pools)


# ------------------------------------------------------------------- question


@dataclass(frozen=True, slots=True)
class Answers:
    """What a language model answered, and what became of it.

    Attributes:
        texts: The sentence of each trial.
        n_alike: Trials whose systems all agreed; nothing was asked.
        n_chosen: Answers that were one of the candidates.
        n_written: Answers that were a sentence of the model's own and near enough.
        n_empty: Answers without words; minimum risk chose instead.
        n_far: Answers too far from every candidate; minimum risk chose instead.
    """

    texts: dict[TrialKey, str]
    n_alike: int = 0
    n_chosen: int = 0
    n_written: int = 0
    n_empty: int = 0
    n_far: int = 0

    @property
    def n_asked(self) -> int:
        """Questions."""
        return self.n_chosen + self.n_written + self.n_empty + self.n_far

    def note(self) -> str:
        """Say it in one sentence."""
        return (
            f"Asked about {self.n_asked} trials of {self.n_asked + self.n_alike}: {self.n_chosen} "
            f"answers were a candidate, {self.n_written} a new sentence; {self.n_far} too far from "
            f"every candidate and {self.n_empty} empty, where votes decided."
        )


def ask(pools: Sequence[Pool], merger: PromptedMerger, progress: Progress = silent) -> Answers:
    """Ask about every trial whose systems disagree.

    Raises:
        DecodeError: a question is longer than the model can read.
    """
    texts, tally = {}, dict.fromkeys(("n_alike", "n_chosen", "n_written", "n_empty", "n_far"), 0)
    for done, pool in enumerate(pools, start=1):
        texts[pool.key], what = _asked(pool, merger)
        tally[what] += 1
        progress("ask", done, len(pools), merger.name)
    return Answers(texts, **tally)


def _asked(pool: Pool, merger: PromptedMerger) -> tuple[str, str]:
    share = dict(zip(pool.texts, pool.shares.tolist(), strict=True))
    votes = pool.consensus()
    spoken = [text for text in votes.texts if text]
    if len(pool.texts) == 1 or not spoken:
        return votes.best, "n_alike"
    answer = merger.answer([(text, share[text]) for text in spoken])
    if not answer:
        return votes.best, "n_empty"
    words = answer.split()
    edits, length = min((Levenshtein.distance(words, t.split()), len(t.split())) for t in spoken)
    if edits > merger.config.furthest * length:
        return votes.best, "n_far"
    return answer, "n_written" if edits else "n_chosen"
