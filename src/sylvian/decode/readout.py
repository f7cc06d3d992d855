"""From a finished search to an n-best list: lattice, best word sequences, scores apart."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool, Float64, Int, Int32, Int64

from sylvian.decode.combine import total_score
from sylvian.decode.config import DecodeConfig
from sylvian.decode.graph import DecodingGraph
from sylvian.decode.larger import LargerLm
from sylvian.decode.lattice import Lattice, best_sequences, links_of, links_within
from sylvian.decode.tokens import FREE, Links, Tokens
from sylvian.types import Hypothesis, NBest, Scores, TrialKey

_ROUNDING = 1e-3  # nats; the search notes link costs in single precision


@dataclass(frozen=True, slots=True)
class Stretch:
    """What some frames added to a search.

    Attributes:
        log_p: Log-likelihoods; no frame for the stretch that holds the tokens before any frame.
        n_tokens: Tokens made at each step (a frame, or the opening).
        tokens: Those tokens.
        links: Links between tokens, numbered from the first token of the trial.
    """

    log_p: Float64[np.ndarray, "frames labels"]
    n_tokens: Int64[np.ndarray, " steps"]
    tokens: Tokens
    links: Links


class _Moves(NamedTuple):
    """The links of a lattice with their costs taken apart (log-likelihood, negative log graph)."""

    source: Int32[np.ndarray, " links"]
    target: Int32[np.ndarray, " links"]
    frame: Int64[np.ndarray, " links"]
    label: Int32[np.ndarray, " links"]  # token that starts here, 0 for none
    word: Int32[np.ndarray, " links"]
    acoustic: Float64[np.ndarray, " links"]
    graph: Float64[np.ndarray, " links"]
    pause: Float64[np.ndarray, " links"]  # what of the graph's cost is silence, not n-gram

    def select(self, kept: Int[np.ndarray, " kept"] | Bool[np.ndarray, " links"]) -> _Moves:
        """Some of the links."""
        return _Moves(*(column[kept] for column in self))


def read_out(
    graph: DecodingGraph,
    config: DecodeConfig,
    key: TrialKey,
    stretches: tuple[Stretch, ...],
    larger: LargerLm | None = None,
) -> NBest:
    """List the best distinct word sequences of a search.

    Args:
        graph: The graph that was searched.
        config: Weights and the size of the list.
        key: The trial.
        stretches: All frames; the first stretch holds the tokens before the first frame.
        larger: An n-gram whose costs take the place of the graph's among the ways that the search
            left.
    """
    tokens = Tokens(*_stacked([part.tokens for part in stretches]))
    links = Links(*_stacked([part.links for part in stretches]))
    sizes = np.concatenate([part.n_tokens for part in stretches])
    log_p = np.concatenate([part.log_p for part in stretches])
    final = _end_costs(graph, tokens, int(sizes[-1]))
    near = links_within(
        links.source,
        links.target,
        links.cost,
        tokens.cost,
        config.lm_weight * final,
        config.lattice_beam + _ROUNDING,
    )
    frame = np.repeat(np.arange(-1, len(sizes) - 1), sizes)
    moves = _moves(graph, tokens, frame, log_p, links, np.flatnonzero(near))
    moves, final = _renumbered(moves, final)
    if larger is not None:
        moves, final = _read_by(larger, moves, final)
    lattice = _lattice(moves, final, config)
    beam = config.lattice_beam + _ROUNDING
    trail, found = best_sequences(lattice, len(graph.words), config.n_best, beam)
    ways = (moves.select(links_of(trail, way)) for way in found.tolist())
    hypotheses = [_hypothesis(graph, way, final) for way in ways]
    hypotheses.sort(key=lambda hypothesis: -total_score(hypothesis.scores, config))
    return NBest(key, tuple(hypotheses))


def _stacked(parts: list[Tokens] | list[Links]) -> list[Any]:
    return [np.concatenate(columns) for columns in zip(*parts, strict=True)]


def _moves(
    graph: DecodingGraph,
    tokens: Tokens,
    frame: Int64[np.ndarray, " tokens"],
    log_p: Float64[np.ndarray, "frames labels"],
    links: Links,
    chosen: Int64[np.ndarray, " chosen"],
) -> _Moves:
    """Take the costs of some links apart, sorted by source."""
    chosen = chosen[np.argsort(links.source[chosen], kind="stable")]
    source, target, arc = links.source[chosen], links.target[chosen], links.arc[chosen]
    along, free = arc >= 0, arc == FREE
    timed = np.flatnonzero(~free)
    acoustic, cost = np.zeros(len(arc)), np.zeros(len(arc))
    acoustic[timed] = log_p[frame[target[timed]], tokens.last[target[timed]]]
    row = graph.arrays.arcs[arc[along]]
    cost[along] = row[:, 1].copy().view(np.float32)
    state = tokens.state[source]
    cost[free] = graph.arrays.free_cost[state[free]]
    n_roots = len(graph.arrays.final)  # then as many states before a word's optional silence
    pause = np.where((state >= n_roots) & (state <= 2 * n_roots), cost, 0.0)
    label, word = np.zeros((2, len(arc)), dtype=np.int32)
    label[along], word[along] = row[:, 0] & 255, row[:, 0] >> 8
    return _Moves(source, target, frame[target], label, word, acoustic, cost, pause)


def _end_costs(graph: DecodingGraph, tokens: Tokens, n_last: int) -> Float64[np.ndarray, " tokens"]:
    """Graph cost of ending at each token; nothing at all where no token can end a sentence."""
    final = np.full(len(tokens.state), np.inf)
    state = tokens.state[-n_last:]
    ends = np.full(n_last, np.inf)
    root = state < len(graph.arrays.final)
    ends[root] = graph.arrays.final[state[root]]
    final[-n_last:] = ends if np.isfinite(ends).any() else 0.0
    return final


def _renumbered(
    moves: _Moves, final: Float64[np.ndarray, " tokens"]
) -> tuple[_Moves, Float64[np.ndarray, " left"]]:
    """Number the tokens that are left from 0; the first stays the first."""
    used = np.zeros(len(final), dtype=bool)
    used[0] = used[moves.source] = used[moves.target] = True
    number = (np.cumsum(used) - 1).astype(np.int32)
    moved = moves._replace(source=number[moves.source], target=number[moves.target])
    return moved, final[used]


def _read_by(
    larger: LargerLm, moves: _Moves, final: Float64[np.ndarray, " tokens"]
) -> tuple[_Moves, Float64[np.ndarray, " expanded"]]:
    """Put a larger n-gram's costs in the place of the graph's; silence costs what it did.

    Source: formula 3 of paper.md section 5.2, where the pruned grammar is composed with weight -1
    and the whole one with +1.
    """
    first = np.searchsorted(moves.source, np.arange(len(final) + 1))
    found = larger.expand(first, moves.target, moves.word)
    read = moves.select(found.link)
    read = read._replace(source=found.source, target=found.target, graph=read.pause - found.nats)
    ending = final[found.token]
    if (final[np.isfinite(final)] > 0).any():  # else no sentence could end, and none pays for it
        can = np.isfinite(ending)
        ending[can] = -larger.ends(found.context[can])
    return read, ending


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
