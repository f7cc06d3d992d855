"""The loops that read the best distinct word sequences out of a search's lattice.

Token numbers rise along every link, so costs to the end come from one sweep backwards. Sequences
are then found best first: a partial sequence is the set of tokens it can have reached, which is
determinisation done only where the best lists need it, and the cost to the end is an exact guide.
"""

from __future__ import annotations

import heapq
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float32, Float64, Int32, Int64

from sylvian.decode.compiled import compiled


class Lattice(NamedTuple):
    """A lattice sorted by source token.

    Attributes:
        first: First link of each token; one entry more than there are tokens.
        target: Token each link leads to, always a higher number.
        word: Word each link says, 0 for none.
        cost: Search cost of each link.
        final: Cost of ending at each token, infinite where a sentence cannot end.
    """

    first: Int64[np.ndarray, " tokens+1"]
    target: Int32[np.ndarray, " links"]
    word: Int32[np.ndarray, " links"]
    cost: Float64[np.ndarray, " links"]
    final: Float64[np.ndarray, " tokens"]


class Trail(NamedTuple):
    """Ways found so far: token reached, way before it, link taken, cost."""

    token: Int32[np.ndarray, " ways"]
    before: Int32[np.ndarray, " ways"]
    link: Int32[np.ndarray, " ways"]
    cost: Float64[np.ndarray, " ways"]


@compiled
def costs_to_end(lattice: Lattice) -> Float64[np.ndarray, " tokens"]:
    """Cost of the best way from each token to an end, infinite where there is none."""
    ahead = lattice.final.copy()
    for token in range(len(ahead) - 1, -1, -1):
        for link in range(lattice.first[token], lattice.first[token + 1]):
            ahead[token] = min(ahead[token], lattice.cost[link] + ahead[lattice.target[link]])
    return ahead


@compiled
def links_within(
    source: Int32[np.ndarray, " links"],
    target: Int32[np.ndarray, " links"],
    cost: Float32[np.ndarray, " links"],
    reached: Float64[np.ndarray, " tokens"],
    final: Float64[np.ndarray, " tokens"],
    beam: float,
) -> Bool[np.ndarray, " links"]:
    """Tell which links lie on a way from start to end that costs little more than the best.

    Args:
        source: Token each link leaves; read backwards, links out of a token come after all links
            out of the tokens it leads to.
        target: Token each link leads to.
        cost: Cost of each link.
        reached: Cost of the best way to each token.
        final: Cost of ending at each token, infinite where a sentence cannot end.
        beam: How much more.
    """
    ahead = final.copy()
    for link in range(len(source) - 1, -1, -1):
        ahead[source[link]] = min(ahead[source[link]], cost[link] + ahead[target[link]])
    limit = ahead[0] + beam
    kept = np.zeros(len(source), np.bool_)
    for link in range(len(source)):
        kept[link] = reached[source[link]] + cost[link] + ahead[target[link]] <= limit
    return kept


@compiled
def _roomier(trail: Trail, n: int, needed: int) -> Trail:
    if n + needed <= len(trail.token):
        return trail
    size = 2 * (n + needed)
    bigger = Trail(
        np.empty(size, np.int32), np.empty(size, np.int32), np.empty(size, np.int32), np.empty(size)
    )
    bigger.token[:n] = trail.token[:n]
    bigger.before[:n] = trail.before[:n]
    bigger.link[:n] = trail.link[:n]
    bigger.cost[:n] = trail.cost[:n]
    return bigger


@compiled
def _spread(
    lattice: Lattice,
    ahead: Float64[np.ndarray, " tokens"],
    limit: float,
    trail: Trail,
    n: int,
    ways: Int32[np.ndarray, " ways"],
    here: Int32[np.ndarray, " tokens"],
) -> tuple[Trail, int, int, Int32[np.ndarray, " said"]]:
    """Follow a partial sequence through all links that say nothing.

    Args:
        lattice: The lattice.
        ahead: Cost to the end of each token.
        limit: Highest total cost.
        trail: Ways.
        n: Number of ways.
        ways: Where the sequence's last word led.
        here: Scratch, all -1 between calls: best way of this sequence to each token.

    Returns:
        The trail, its length, the way that ends best here (-1 for none), and the ways that say a
        next word.
    """
    waiting = 0
    for way in ways:
        known = here[trail.token[way]]
        waiting += known < 0
        if known < 0 or trail.cost[way] < trail.cost[known]:
            here[trail.token[way]] = way
    said = [np.int32(0) for _ in range(0)]
    best_end, best_cost = -1, limit
    token = np.min(trail.token[ways])
    while waiting:
        way, token = here[token], token + 1
        if way < 0:
            continue
        here[token - 1] = -1
        waiting -= 1
        end_cost = trail.cost[way] + lattice.final[token - 1]
        if end_cost <= best_cost:
            best_end, best_cost = way, end_cost
        first, end = lattice.first[token - 1], lattice.first[token]
        trail = _roomier(trail, n, end - first)
        for link in range(first, end):
            target, cost = lattice.target[link], trail.cost[way] + lattice.cost[link]
            if cost + ahead[target] > limit:
                continue
            if lattice.word[link] > 0:
                said.append(np.int32(n))
            else:
                known = here[target]
                if known >= 0 and trail.cost[known] <= cost:
                    continue
                waiting += known < 0
                here[target] = n
            trail.token[n], trail.before[n], trail.link[n], trail.cost[n] = target, way, link, cost
            n += 1
    return trail, n, best_end, np.array(said)


@compiled
def best_sequences(
    lattice: Lattice, n_best: int, limit: float
) -> list[tuple[float, Int32[np.ndarray, " _"]]]:
    """Find the best distinct word sequences, best first.

    Args:
        lattice: The lattice; token 0 is the start.
        n_best: How many at most.
        limit: Highest total cost.

    Returns:
        Total cost and the links of the best way of each sequence.
    """
    ahead = costs_to_end(lattice)
    here = np.full(len(ahead), -1, np.int32)
    trail = Trail(
        np.zeros(1024, np.int32),
        np.full(1024, -1, np.int32),
        np.full(1024, -1, np.int32),
        np.zeros(1024),
    )
    n = 1
    partial = [np.zeros(1, np.int32)]
    queue = [(ahead[0], 0)]  # number of a partial sequence, or -1 - way of a complete one
    found = [(0.0, np.zeros(0, np.int32)) for _ in range(0)]
    while queue and len(found) < n_best:
        total, number = heapq.heappop(queue)
        if number < 0:
            found.append((total, _links_to(trail, -1 - number)))
            continue
        trail, n, end, said = _spread(lattice, ahead, limit, trail, n, partial[number], here)
        if end >= 0:
            total = trail.cost[end] + lattice.final[trail.token[end]]
            heapq.heappush(queue, (total, -1 - end))
        words = lattice.word[trail.link[said]]
        order = np.argsort(words, kind="mergesort")
        start = 0
        for i in range(1, len(order) + 1):
            if i == len(order) or words[order[i]] != words[order[start]]:
                ways = said[order[start:i]]
                start = i
                heapq.heappush(queue, (_best_total(trail, ways, ahead), len(partial)))
                partial.append(ways)
    return found


@compiled
def _best_total(
    trail: Trail, ways: Int32[np.ndarray, " ways"], ahead: Float64[np.ndarray, " tokens"]
) -> float:
    best = np.inf
    for way in ways:
        best = min(best, trail.cost[way] + ahead[trail.token[way]])
    return best


@compiled
def _links_to(trail: Trail, way: int) -> Int32[np.ndarray, " links"]:
    n, at = 0, way
    while trail.before[at] >= 0:
        n, at = n + 1, trail.before[at]
    links, at = np.empty(n, np.int32), way
    for i in range(n - 1, -1, -1):
        links[i], at = trail.link[at], trail.before[at]
    return links
