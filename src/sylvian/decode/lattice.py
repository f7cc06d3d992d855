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

from sylvian.decode.compiled import compiled, longer


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
    """Ways through a lattice, and the partial sequences they belong to.

    Attributes:
        token: Token each way has reached.
        before: Way it continues, -1 for none.
        link: Link it took.
        next: Another way of the same partial sequence to another token, -1 for none.
        cost: Cost so far.
        head: First way of each partial sequence.
        total: Lowest total cost of each partial sequence.
    """

    token: Int32[np.ndarray, " ways"]
    before: Int32[np.ndarray, " ways"]
    link: Int32[np.ndarray, " ways"]
    next: Int32[np.ndarray, " ways"]
    cost: Float64[np.ndarray, " ways"]
    head: Int32[np.ndarray, " partial"]
    total: Float64[np.ndarray, " partial"]


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
def _roomier(trail: Trail, ways: int, partial: int) -> Trail:
    if ways > len(trail.token):
        trail = Trail(
            longer(trail.token, 2 * ways),
            longer(trail.before, 2 * ways),
            longer(trail.link, 2 * ways),
            longer(trail.next, 2 * ways),
            longer(trail.cost, 2 * ways),
            trail.head,
            trail.total,
        )
    if partial > len(trail.head):
        trail = Trail(
            trail.token,
            trail.before,
            trail.link,
            trail.next,
            trail.cost,
            longer(trail.head, 2 * partial),
            longer(trail.total, 2 * partial),
        )
    return trail


@compiled
def _wait(after: Int32[np.ndarray, " chain"], position: int, token: int) -> None:
    """Put a token into the sorted chain of those still to visit, behind a position."""
    while after[position] >= 0 and after[position] < token:
        position = after[position]
    if after[position] != token:
        after[token], after[position] = after[position], token


@compiled
def _spread(
    lattice: Lattice,
    ahead: Float64[np.ndarray, " tokens"],
    limit: float,
    trail: Trail,
    counts: tuple[int, int],
    head: int,
    here: Int32[np.ndarray, " tokens"],
    after: Int32[np.ndarray, " chain"],
    following: Int32[np.ndarray, " words"],
) -> tuple[Trail, tuple[int, int], int]:
    """Follow a partial sequence through all links that say nothing, and note the next words.

    Args:
        lattice: The lattice.
        ahead: Cost to the end of each token.
        limit: Highest total cost.
        trail: Ways.
        counts: Number of ways and of partial sequences.
        head: First way of the sequence to follow.
        here: Scratch, all -1 between calls: best way of this sequence to each token.
        after: Scratch, all -1 between calls: next token to visit; the last entry starts the chain.
        following: Scratch, all -1 between calls: the sequence with each word added.

    Returns:
        The trail, the numbers of ways and of partial sequences (the new ones at the end), and the
        way that ends best here (-1 for none).
    """
    n, n_partial = counts
    way, nowhere = head, len(ahead)
    while way >= 0:
        token = trail.token[way]
        if here[token] < 0 or trail.cost[way] < trail.cost[here[token]]:
            here[token] = way
        _wait(after, nowhere, token)
        way = trail.next[way]
    best_end, best_cost = -1, limit
    while after[nowhere] >= 0:
        token = int(after[nowhere])
        way = int(here[token])
        if trail.cost[way] + lattice.final[token] <= best_cost:
            best_end, best_cost = way, trail.cost[way] + lattice.final[token]
        first, end = lattice.first[token], lattice.first[token + 1]
        trail = _roomier(trail, n + end - first, n_partial + end - first)
        for link in range(first, end):
            target, word = lattice.target[link], lattice.word[link]
            cost = trail.cost[way] + lattice.cost[link]
            if cost + ahead[target] > limit:
                continue
            if word == 0:
                if here[target] >= 0 and trail.cost[here[target]] <= cost:
                    continue
                here[target] = n
                _wait(after, token, target)
            else:
                if following[word] < 0:
                    following[word] = n_partial
                    trail.head[n_partial], trail.total[n_partial] = -1, np.inf
                    n_partial += 1
                longest = following[word]
                trail.next[n], trail.head[longest] = trail.head[longest], n
                trail.total[longest] = min(trail.total[longest], cost + ahead[target])
            trail.token[n], trail.before[n], trail.link[n], trail.cost[n] = target, way, link, cost
            n += 1
        here[token], after[nowhere], after[token] = -1, after[token], -1
    for sequence in range(counts[1], n_partial):
        following[lattice.word[trail.link[trail.head[sequence]]]] = -1
    return trail, (n, n_partial), best_end


@compiled
def best_sequences(
    lattice: Lattice, n_words: int, n_best: int, beam: float
) -> tuple[Trail, Int32[np.ndarray, " found"]]:
    """Find the best distinct word sequences, best first.

    Args:
        lattice: The lattice; token 0 is the start.
        n_words: Number of words, as links number them from 1 on.
        n_best: How many sequences at most.
        beam: How much more than the best a sequence may cost.

    Returns:
        The trail and the way of each sequence; `links_of` gives its links.
    """
    ahead = costs_to_end(lattice)
    limit = ahead[0] + beam
    here, after = np.full(len(ahead), -1, np.int32), np.full(len(ahead) + 1, -1, np.int32)
    following = np.full(n_words + 1, -1, np.int32)
    nowhere = np.full(1, -1, np.int32)
    start = np.zeros(1, np.int32)
    trail = Trail(start, nowhere, nowhere, nowhere, np.zeros(1), start, np.zeros(1))
    counts = (len(trail.token), len(trail.head))
    queue = [(ahead[0], 0)]  # number of a partial sequence, or -1 - way of a complete one
    found, n_found = np.empty(n_best, np.int32), 0
    while len(queue) > 0 and n_found < n_best:
        _, number = heapq.heappop(queue)
        if number < 0:
            found[n_found] = -1 - number
            n_found += 1
            continue
        first_new = counts[1]
        trail, counts, end = _spread(
            lattice, ahead, limit, trail, counts, trail.head[number], here, after, following
        )
        if end >= 0:
            heapq.heappush(queue, (trail.cost[end] + lattice.final[trail.token[end]], -1 - end))
        for sequence in range(first_new, counts[1]):
            heapq.heappush(queue, (trail.total[sequence], sequence))
    return trail, found[:n_found]


@compiled
def links_of(trail: Trail, way: int) -> Int32[np.ndarray, " links"]:
    """Give the links of a way from the start on."""
    n, at = 0, way
    while trail.before[at] >= 0:
        n, at = n + 1, int(trail.before[at])
    links, at = np.empty(n, np.int32), way
    for i in range(n - 1, -1, -1):
        links[i], at = trail.link[at], int(trail.before[at])
    return links
