"""Choose the weights of the total score on validation n-best lists; never on a reported split."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float64, Int64
from pydantic import Field

from sylvian.config import Config, load
from sylvian.decode.combine import Part, require_equal_parts, turns
from sylvian.decode.config import WEIGHTS, DecodeConfig
from sylvian.errors import DecodeError
from sylvian.types import EditCounts, NBest, TrialKey

CountErrors = Callable[[TrialKey, str], EditCounts]
MOST_POINTS = 2000
_Place = tuple[int, ...]  # of a combination in the grid


class TuneGrid(Config):
    """Values to try in rising order; an empty list keeps the starting value.

    All combinations are tried while they are at most `MOST_POINTS`. Beyond, every other value of
    each weight is, and from the best of those combinations on neighbouring values, one step of
    every weight at a time, until no neighbour has fewer errors; the best of all may be missed.

    A common factor on all weights changes no order, so `lm_weight` matters only to a search that
    is run again; by default it is kept.
    """

    acoustic_scale: tuple[float, ...] = Field(
        (0.1, 0.15, 0.2, 0.25, 0.3, 0.325, 0.35, 0.4, 0.45, 0.5, 0.6, 0.7, 0.8, 1.0, 1.25, 1.5),
        description="Acoustic scales.",
    )
    lm_weight: tuple[float, ...] = Field((), description="Language-model weights.")
    word_bonus: tuple[float, ...] = Field(
        (-2.0, -1.5, -1.0, -0.5, 0.0, 0.5, 1.0, 1.5, 2.0, 2.5, 3.0), description="Word bonuses."
    )
    llm_weight: tuple[float, ...] = Field(
        (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1.0),
        description="Weights of a rescoring model, where the lists have its scores.",
    )
    end_to_end_weight: tuple[float, ...] = Field(
        (0.0, 0.1, 0.2, 0.35, 0.5, 0.75, 1.0, 1.5, 2.0, 4.0),
        description="Weights of an end-to-end model, where the lists have its scores.",
    )


@dataclass(frozen=True, slots=True)
class TunePoint:
    """A combination that was tried, and the errors of the hypotheses it ranks first."""

    acoustic_scale: float
    lm_weight: float
    word_bonus: float
    llm_weight: float
    end_to_end_weight: float
    blank_penalty: float
    counts: EditCounts


@dataclass(frozen=True, slots=True)
class TuneResult:
    """The chosen config, all points in the order they were tried, and the trials used."""

    config: DecodeConfig
    best: TunePoint
    points: tuple[TunePoint, ...]
    n_trials: int


def tune(
    nbests: Sequence[NBest] | Mapping[float, Sequence[NBest]],
    count_errors: CountErrors,
    *,
    config: DecodeConfig,
    grid: TuneGrid | None = None,
    generated: bool = False,
) -> TuneResult:
    """Try combinations of weights, as `TuneGrid` says, and keep the one with the fewest errors.

    Of equally good points the one nearest to the starting weights wins, then the first.

    Args:
        nbests: N-best lists of the validation trials; or such lists by the blank penalty they
            were decoded with, to choose that too.
        count_errors: Counts the errors of a text against the reference of a trial; called once
            per hypothesis.
        config: The weights to start from and to keep where the grid names none.
        grid: Values to try.
        generated: Rank as `combine.rerank` does lists that an end-to-end model generated.

    Raises:
        DecodeError: no lists, lists of different trials, or a part of the scores on some only.
        ConfigError: the grid has a value no config may have.
    """
    grid = grid or TuneGrid()
    by_penalty = nbests if isinstance(nbests, Mapping) else {config.blank_penalty: nbests}
    _require_same_trials(by_penalty)
    points: list[TunePoint] = []
    for penalty, lists in by_penalty.items():
        table = _tabulate(lists, count_errors, generated=generated)
        points += _tried(table, config, grid, float(penalty))
    best = min(points, key=lambda point: (point.counts.n_errors, _distance(point, config)))
    chosen = {name: getattr(best, name) for name in WEIGHTS}
    return TuneResult(
        load(DecodeConfig, config.model_dump() | chosen),
        best,
        tuple(points),
        len(next(iter(by_penalty.values()))),
    )


class _Weights(NamedTuple):
    scale: float
    lm: float
    bonus: float
    llm: float
    end_to_end: float


class _Table(NamedTuple):
    """All hypotheses side by side; rows of shorter lists end in `missing` ones."""

    acoustic: Float64[np.ndarray, "trials hypotheses"]
    ngram: Float64[np.ndarray, "trials hypotheses"]
    llm: Float64[np.ndarray, "trials hypotheses"]
    end_to_end: Float64[np.ndarray, "trials hypotheses"]
    n_words: Float64[np.ndarray, "trials hypotheses"]
    counts: Int64[np.ndarray, "trials hypotheses kinds"]
    missing: Bool[np.ndarray, "trials hypotheses"]
    silent: Bool[np.ndarray, "trials hypotheses"]
    has: dict[Part, bool]
    generated: bool

    def first(self, weights: _Weights) -> Int64[np.ndarray, " trials"]:
        """Give the place of the hypothesis that some weights rank first in each trial.

        The formula of `combine.total_score`, on whole tables, and the order of `combine.rerank`.
        """
        alpha = weights.llm if self.has["llm"] else 0.0
        if self.generated and not turns(alpha, weights.bonus):
            return np.zeros(len(self.missing), dtype=np.int64)
        totals = (
            weights.scale * self.acoustic
            + weights.lm * (1.0 - alpha) * self.ngram
            + weights.bonus * self.n_words
        )
        if self.has["llm"]:
            totals += alpha * self.llm
        if self.has["end_to_end"]:
            totals += weights.end_to_end * self.end_to_end
        out = self.missing if self.generated and not alpha else self.missing | self.silent
        return np.asarray(np.where(out, -np.inf, totals).argmax(axis=1))


def _require_same_trials(by_penalty: Mapping[float, Sequence[NBest]]) -> None:
    trials = {tuple(nbest.key for nbest in lists) for lists in by_penalty.values()}
    if len(trials) != 1 or () in trials:
        raise DecodeError(
            "tuning needs n-best lists of the same trials for every blank penalty; got "
            f"{[len(lists) for lists in by_penalty.values()]} lists"
        )


def _tabulate(lists: Sequence[NBest], count_errors: CountErrors, *, generated: bool) -> _Table:
    has = require_equal_parts([h for nbest in lists for h in nbest.hypotheses], "tuning")
    shape = (len(lists), max(len(nbest.hypotheses) for nbest in lists))
    acoustic, ngram, llm, end_to_end, n_words = np.zeros((5, *shape))
    counts, missing = np.zeros((*shape, 4), dtype=np.int64), np.ones(shape, dtype=bool)
    silent = np.zeros(shape, dtype=bool)
    for row, nbest in enumerate(lists):
        has_words = any(h.text for h in nbest.hypotheses)
        for column, hypothesis in enumerate(nbest.hypotheses):
            scores = hypothesis.scores
            acoustic[row, column], ngram[row, column] = scores.acoustic, scores.ngram
            llm[row, column], n_words[row, column] = scores.llm or 0.0, scores.n_words
            end_to_end[row, column] = scores.end_to_end or 0.0
            edits = count_errors(nbest.key, hypothesis.text)
            counts[row, column] = (
                edits.substitutions,
                edits.deletions,
                edits.insertions,
                edits.n_reference,
            )
            missing[row, column] = False
            silent[row, column] = has_words and not hypothesis.text
    parts = (acoustic, ngram, llm, end_to_end, n_words)
    return _Table(*parts, counts, missing, silent, has, generated)


def _tried(table: _Table, config: DecodeConfig, grid: TuneGrid, penalty: float) -> list[TunePoint]:
    axes = _axes(table, config, grid)
    whole = math.prod(map(len, axes)) <= MOST_POINTS
    known: dict[_Place, TunePoint] = {}

    def best_of(places: Iterable[_Place]) -> _Place:
        places = list(places)
        for place in places:
            if place not in known:
                weights = _Weights(*(axis[i] for axis, i in zip(axes, place, strict=True)))
                known[place] = _point(table, weights, penalty)
        ranks = {p: (known[p].counts.n_errors, _distance(known[p], config)) for p in places}
        return min(places, key=ranks.__getitem__)

    best = best_of(itertools.product(*(range(0, len(axis), 1 if whole else 2) for axis in axes)))
    while not whole and (better := best_of([best, *_neighbours(best, axes)])) != best:
        best = better
    return list(known.values())


def _axes(table: _Table, config: DecodeConfig, grid: TuneGrid) -> tuple[tuple[float, ...], ...]:
    """Values of each weight, in the order of `_Weights`; those without scores are kept."""
    return (
        grid.acoustic_scale or (config.acoustic_scale,),
        grid.lm_weight or (config.lm_weight,),
        grid.word_bonus or (config.word_bonus,),
        (grid.llm_weight if table.has["llm"] else ()) or (config.llm_weight,),
        (grid.end_to_end_weight if table.has["end_to_end"] else ()) or (config.end_to_end_weight,),
    )


def _neighbours(place: _Place, axes: Sequence[Sequence[float]]) -> Iterator[_Place]:
    """Places one step of every weight away, or none, inside the grid."""
    steps = (
        [i for i in (here - 1, here, here + 1) if 0 <= i < len(axis)]
        for here, axis in zip(place, axes, strict=True)
    )
    yield from itertools.product(*steps)


def _point(table: _Table, weights: _Weights, penalty: float) -> TunePoint:
    first = table.first(weights)
    kinds = table.counts[np.arange(len(first)), first].sum(axis=0).tolist()
    return TunePoint(*weights, penalty, EditCounts(*kinds))


def _distance(point: TunePoint, config: DecodeConfig) -> float:
    """How far a point is from the start: ratios of weights as logs, the rest in nats."""
    scale = point.acoustic_scale / max(point.lm_weight, 1e-9)
    start = config.acoustic_scale / max(config.lm_weight, 1e-9)
    return (
        abs(float(np.log(scale / start)))
        + abs(point.word_bonus - config.word_bonus)
        + abs(point.llm_weight - config.llm_weight)
        + abs(point.end_to_end_weight - config.end_to_end_weight)
        + abs(point.blank_penalty - config.blank_penalty)
    )
