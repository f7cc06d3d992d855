"""From a finished search to an n-best list: lattice, best word sequences, scores apart."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool, Float64, Int, Int32, Int64

from sylvian.decode import search
from sylvian.decode.combine import total_score
from sylvian.decode.config import DecodeConfig
from sylvian.decode.graph import DecodingGraph
from sylvian.decode.lattice import Lattice, best_sequences, costs_to_end, links_within
from sylvian.types import Hypothesis, NBest, Scores, TrialKey

_ROUNDING = 1e-6  # nats by which sums of the same terms in another order may differ


@dataclass(frozen=True, slots=True)
class Stretch:
    """What some frames added to a search: log-likelihoods, tokens of each frame, links.

    The first stretch has no frame but one step, the tokens before any frame.
    """

    log_p: Float64[np.ndarray, "frames labels"]
    sizes: Int64[np.ndarray, " steps"]
    tokens: search.Tokens
    links: search.Links


class _Moves(NamedTuple):
    """The links of a lattice with their costs taken apart (log-likelihood, negative log graph)."""

    source: Int32[np.ndarray, " links"]
    target: Int32[np.ndarray, " links"]
    frame: Int64[np.ndarray, " links"]
    label: Int32[np.ndarray, " links"]  # token that starts here, 0 for none
    word: Int32[np.ndarray, " links"]
    acoustic: Float64[np.ndarray, " links"]
    graph: Float64[np.ndarray, " links"]

    def select(self, kept: Int[np.ndarray, " kept"] | Bool[np.ndarray, " links"]) -> _Moves:
        """Some of the links."""
        return _Moves(*(column[kept] for column in self))


def read_out(
    graph: DecodingGraph, config: DecodeConfig, key: TrialKey, stretches: tuple[Stretch, ...]
) -> NBest:
    """List the best distinct word sequences of a search.

    Args:
        graph: The graph that was searched.
        config: Weights and the size of the list.
        key: The trial.
        stretches: All frames; the first stretch holds the tokens before the first frame.
    """
    tokens = search.Tokens(*_stacked([part.tokens for part in stretches]))
    sizes = np.concatenate([part.sizes for part in stretches])
    frame = np.repeat(np.arange(-1, len(sizes) - 1), sizes)
    moves = _moves(graph, tokens, frame, stretches)
    final = _end_costs(graph, tokens, int(sizes[-1]))
    moves, lattice, final = _near_the_best(moves, tokens.cost, final, config)
    limit = costs_to_end(lattice)[0] + config.lattice_beam + _ROUNDING
    found = best_sequences(lattice, config.n_best, limit)
    hypotheses = [_hypothesis(graph, moves.select(way), final) for _, way in found]
    hypotheses.sort(key=lambda hypothesis: -total_score(hypothesis.scores, config))
    return NBest(key, tuple(hypotheses))


def _stacked(parts: list[search.Tokens] | list[search.Links]) -> list[Any]:
    return [np.concatenate(columns) for columns in zip(*parts, strict=True)]


def _moves(
    graph: DecodingGraph,
    tokens: search.Tokens,
    frame: Int64[np.ndarray, " tokens"],
    stretches: tuple[Stretch, ...],
) -> _Moves:
    """Take the costs of all links apart, sorted by source."""
    source, target, arc = _stacked([part.links for part in stretches])
    order = np.argsort(source, kind="stable")
    source, target, arc = source[order], target[order], arc[order]
    log_p = np.concatenate([part.log_p for part in stretches])
    arrays, along, free = graph.arrays, arc >= 0, arc == search.FREE
    timed = np.flatnonzero(~free)
    acoustic, cost = np.zeros(len(arc)), np.zeros(len(arc))
    acoustic[timed] = log_p[frame[target[timed]], tokens.last[target[timed]]]
    cost[along] = arrays.arc_weight[arc[along]]
    cost[free] = arrays.free_weight[tokens.state[source[free]]]
    label, word = np.zeros((2, len(arc)), dtype=np.int32)
    label[along], word[along] = arrays.arc_label[arc[along]], arrays.arc_word[arc[along]]
    return _Moves(source, target, frame[target], label, word, acoustic, cost)


def _end_costs(
    graph: DecodingGraph, tokens: search.Tokens, n_last: int
) -> Float64[np.ndarray, " tokens"]:
    """Graph cost of ending at each token; nothing at all where no token can end a sentence."""
    final = np.full(len(tokens.state), np.inf)
    state = tokens.state[-n_last:]
    ends = np.full(n_last, np.inf)
    root = state < len(graph.arrays.final)
    ends[root] = graph.arrays.final[state[root]]
    final[-n_last:] = ends if np.isfinite(ends).any() else 0.0
    return final


def _near_the_best(
    moves: _Moves,
    reached: Float64[np.ndarray, " tokens"],
    final: Float64[np.ndarray, " tokens"],
    config: DecodeConfig,
) -> tuple[_Moves, Lattice, Float64[np.ndarray, " left"]]:
    """Keep the links on ways within the lattice beam, and number the tokens left from 0."""
    whole = _lattice(moves, final, config)
    limit = costs_to_end(whole)[0] + config.lattice_beam + _ROUNDING
    kept = moves.select(links_within(whole, reached, limit))
    used = np.zeros(len(final), dtype=bool)
    used[0] = used[kept.source] = used[kept.target] = True
    number = (np.cumsum(used) - 1).astype(np.int32)
    kept = kept._replace(source=number[kept.source], target=number[kept.target])
    return kept, _lattice(kept, final[used], config), final[used]


def _lattice(moves: _Moves, final: Float64[np.ndarray, " tokens"], config: DecodeConfig) -> Lattice:
    cost = (
        config.lm_weight * moves.graph
        - config.acoustic_scale * moves.acoustic
        - config.word_bonus * (moves.word > 0)
    )
    first = np.searchsorted(moves.source, np.arange(len(final) + 1))
    return Lattice(first, moves.target, moves.word, cost, config.lm_weight * final)


def _hypothesis(
    graph: DecodingGraph, way: _Moves, final: Float64[np.ndarray, " tokens"]
) -> Hypothesis:
    words = [graph.words[word - 1] for word in way.word[way.word > 0].tolist()]
    begins = way.label > 0
    end = final[way.target[-1]] if len(way.target) else final[0]
    return Hypothesis(
        text=" ".join(words),
        tokens=graph.vocabulary.decode(way.label[begins].tolist()),
        scores=Scores(
            acoustic=float(way.acoustic.sum()),
            ngram=-float(way.graph.sum() + end),
            n_words=len(words),
        ),
        frames=tuple(way.frame[begins].tolist()),
    )
