"""Rescore the first pass' lists, with weights that saw neither the day nor the sentence."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from _cross_fit import CrossFit
from sylvian import config
from sylvian.decode.combine import rerank
from sylvian.decode.config import DecodeConfig
from sylvian.decode.scorecache import ScoreCache
from sylvian.decode.tune import TuneGrid, tune
from sylvian.evaluate.rates import word_edits
from sylvian.models.hub import open_text_lm
from sylvian.models.textlm import TextLmConfig
from sylvian.rescoring import rescore
from sylvian.types import EditCounts, NBest, TrialKey

NO_LLM = TuneGrid(
    acoustic_scale=(0.5, 0.6, 0.7, 0.8, 0.9, 1.0, 1.1, 1.25, 1.4, 1.6, 1.8, 2.0),
    word_bonus=(-2.0, -1.5, -1.0, -0.5, 0.0, 0.5, 1.0, 1.5, 2.0, 2.5, 3.0, 4.0, 5.0),
    llm_weight=(0.0,),
)
WITH_LLM = NO_LLM.model_copy(
    update={"llm_weight": (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0)}
)


@dataclass(frozen=True)
class SecondPass:
    """What rescoring made of the lists.

    Attributes:
        retuned: Sentences under weights tuned without the language model, for a fair comparison.
        texts: Sentences under weights tuned with it.
        weights: Those tuned with it, one set a fold.
        seconds: Scoring, without opening the model and tuning.
        n_sentences: Distinct candidates of all trials.
        n_known: Those the cache knew; the seconds are of the others.
        nbests: The lists with the language model's scores, trial by trial.
    """

    retuned: list[str]
    texts: list[str]
    weights: list[DecodeConfig]
    seconds: float
    n_sentences: int
    n_known: int
    nbests: list[NBest]


def second_pass(
    crossed: CrossFit, lists: Sequence[NBest], llm: str, reading: dict[str, Any], keep: Path | None
) -> SecondPass:
    """Score every candidate, read as `TextLmConfig` says, and choose anew, fold by fold.

    A fold's weights are tuned on the lists of the other folds' trials, those of a sentence that the
    fold has left out. Those lists come from error models that did see the fold: three weights are
    all that could carry anything over.
    """
    lm = open_text_lm(llm, config=config.load(TextLmConfig, reading))
    start = DecodeConfig(acoustic_scale=1.0, lm_weight=1.0)
    cache = ScoreCache(keep / "scores.sqlite") if keep else None
    began = time.perf_counter()
    found = rescore(lists, lm, decode=start, cache=cache)
    seconds = time.perf_counter() - began
    retuned, _ = chosen(crossed, found.nbests, start, NO_LLM)
    texts, weights = chosen(crossed, found.nbests, start, WITH_LLM)
    return SecondPass(
        retuned, texts, weights, seconds, found.n_sentences, found.n_known, found.nbests
    )


def chosen(
    crossed: CrossFit, lists: Sequence[NBest], start: DecodeConfig, grid: TuneGrid
) -> tuple[list[str], list[DecodeConfig]]:
    """Choose a sentence per trial, with weights tuned on the other folds' trials."""
    truth = {nbest.key: t.sentence for nbest, t in zip(lists, crossed.trials, strict=True)}

    def count(key: TrialKey, text: str) -> EditCounts:
        return word_edits(truth[key], text)

    texts, weights = [""] * len(lists), []
    for fold in range(crossed.settings.n_folds):
        usable = [lists[i] for i in crossed.training_trials(fold)]
        weights.append(tune(usable, count, config=start, grid=grid).config)
        for i in (i for i, other in enumerate(crossed.folds) if other == fold):
            texts[i] = rerank(lists[i], weights[-1]).best.text
    return texts, weights


def oracle(crossed: CrossFit, lists: Sequence[NBest]) -> list[str]:
    """The best candidate of each list, chosen with the truth at hand: a bound, not a system."""
    return [
        min(nbest.hypotheses, key=lambda h: word_edits(t.sentence, h.text).n_errors).text
        for t, nbest in zip(crossed.trials, lists, strict=True)
    ]
