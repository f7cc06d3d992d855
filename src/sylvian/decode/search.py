"""The loops of the beam search: tokens move over the graph frame by frame, and leave a lattice.

A token is a graph state, the last label it emitted (0 once a blank came since), and a cost. At
each frame it may emit the blank, repeat its label, or follow an arc of another label; that is the
corrected CTC topology of paper.md section 5.1 composed on the fly. Moves without a label (back-off,
skipped silence) follow within the frame and lead to lower state numbers only.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float32, Float64, Int32, Int64, UInt8

from sylvian.decode.compiled import compiled, longer

STAY, FREE = -1, -2  # a link that keeps its state; a link that consumes no frame
_SLACK = 0.5  # Kaldi's beam_delta: room above a cutoff set by the number of tokens
_BINS = 2048  # resolution of that cutoff


class Map(NamedTuple):
    """A decoding graph as the loops read it.

    Attributes:
        first: First arc of each state.
        arcs: Of each arc, 256 * word + label, cost (bits of a float32), and target.
        costs: The same memory read as float32; column 1 holds the costs.
        free_target: State reached without a label, -1 for none; for the first states only.
        free_cost: Its cost.
        rank: Of those states; every free move leads to a lower rank.
        floor: Lowest cost an arc has in this search, at most 0.
    """

    first: Int32[np.ndarray, " bounds"]
    arcs: Int32[np.ndarray, "arcs 3"]
    costs: Float32[np.ndarray, "arcs 3"]
    free_target: Int32[np.ndarray, " special"]
    free_cost: Float32[np.ndarray, " special"]
    rank: UInt8[np.ndarray, " special"]
    floor: float


class Settings(NamedTuple):
    """What weighs and bounds a search; costs in nats."""

    beam: float
    lattice_beam: float
    max_active: int
    min_active: int
    lm_weight: float
    word_bonus: float


class Tokens(NamedTuple):
    """Tokens side by side."""

    state: Int32[np.ndarray, " tokens"]
    last: UInt8[np.ndarray, " tokens"]
    cost: Float64[np.ndarray, " tokens"]


class Links(NamedTuple):
    """Moves between numbered tokens; `arc` is a graph arc, STAY or FREE.

    Links come frame by frame; those of a frame that lead into it come before its free ones, which
    are sorted by source.
    """

    source: Int32[np.ndarray, " links"]
    target: Int32[np.ndarray, " links"]
    arc: Int32[np.ndarray, " links"]
    cost: Float32[np.ndarray, " links"]


class Pool(NamedTuple):
    """The tokens of the frame being made, each in a slot, found through a hash table."""

    buckets: Int64[np.ndarray, "buckets 2"]  # key and slot; keys of other frames count as empty
    state: Int32[np.ndarray, " slots"]
    last: UInt8[np.ndarray, " slots"]
    cost: Float64[np.ndarray, " slots"]
    fresh: UInt8[np.ndarray, " slots"]  # 1 where some way entered the state at this frame


class Moves(NamedTuple):
    """What was tried for the frame being made: token before, slot, arc, cost on arrival."""

    source: Int32[np.ndarray, " moves"]
    slot: Int32[np.ndarray, " moves"]
    arc: Int32[np.ndarray, " moves"]
    cost: Float64[np.ndarray, " moves"]


class Tape(NamedTuple):
    """Tokens and links of all frames so far, with room for more."""

    state: Int32[np.ndarray, " tokens"]
    last: UInt8[np.ndarray, " tokens"]
    cost: Float64[np.ndarray, " tokens"]
    source: Int32[np.ndarray, " links"]
    target: Int32[np.ndarray, " links"]
    arc: Int32[np.ndarray, " links"]
    link_cost: Float32[np.ndarray, " links"]


@compiled
def _new_pool(n_slots: int) -> Pool:
    """Room for a number of tokens, a power of two."""
    return Pool(
        np.full((2 * n_slots, 2), -1, np.int64),
        np.zeros(n_slots, np.int32),
        np.zeros(n_slots, np.uint8),
        np.zeros(n_slots, np.float64),
        np.zeros(n_slots, np.uint8),
    )


@compiled
def _bucket(pool: Pool, key: int) -> int:
    """Bucket of a key, or the free one where it belongs."""
    mask = len(pool.buckets) - 1
    mixed = (key & 0xFFFFFFFFFF) * 0x9E3779B97F4A7C1
    bucket = (mixed ^ (mixed >> 31)) & mask
    frame = key >> 40
    while pool.buckets[bucket, 0] != key and pool.buckets[bucket, 0] >> 40 == frame:
        bucket = (bucket + 1) & mask
    return int(bucket)


@compiled
def _key(frame: int, state: int, last: int) -> int:
    return int(frame) << 40 | int(state) << 8 | int(last)


@compiled
def _offer(pool: Pool, n: int, key: int, cost: float, fresh: int) -> int:
    """Lower a token's cost, adding it as slot `n` if it is new; return its slot."""
    bucket = _bucket(pool, key)
    slot = int(pool.buckets[bucket, 1])
    if pool.buckets[bucket, 0] != key:
        slot = n
        pool.buckets[bucket, 0] = key
        pool.buckets[bucket, 1] = slot
        pool.state[slot] = (key >> 8) & 0xFFFFFFFF
        pool.last[slot] = key & 255
        pool.cost[slot] = cost
        pool.fresh[slot] = fresh
    else:
        pool.cost[slot] = min(pool.cost[slot], cost)
        pool.fresh[slot] = max(pool.fresh[slot], fresh)
    return slot


@compiled
def _roomier_pool(pool: Pool, n: int, frame: int) -> Pool:
    """Double the room; the tokens keep their slots."""
    bigger = _new_pool(2 * len(pool.state))
    for slot in range(n):
        key = _key(frame, pool.state[slot], pool.last[slot])
        _offer(bigger, slot, key, pool.cost[slot], pool.fresh[slot])
    return bigger


@compiled
def _roomier_moves(moves: Moves) -> Moves:
    size = 2 * len(moves.slot)
    return Moves(
        longer(moves.source, size),
        longer(moves.slot, size),
        longer(moves.arc, size),
        longer(moves.cost, size),
    )


@compiled
def _lowest(costs: Float64[np.ndarray, " costs"], first: int, end: int) -> int:
    """Position of the lowest cost in a range."""
    best = first
    for i in range(first, end):
        if costs[i] < costs[best]:
            best = i
    return best


@compiled
def _arc_cost(graph: Map, settings: Settings, arc: int) -> float:
    """Weighted graph cost of an arc less the bonus of its word."""
    bonus = settings.word_bonus if graph.arcs[arc, 0] > 255 else 0.0
    return float(settings.lm_weight * graph.costs[arc, 1] - bonus)


@compiled
def _first_cutoff(
    graph: Map, settings: Settings, tape: Tape, token: int, costs: Float64[np.ndarray, " labels"]
) -> float:
    """Cost of one token's best move: an upper bound on the best of the next frame."""
    state, last = tape.state[token], tape.last[token]
    best = min(costs[0], costs[last])
    for arc in range(graph.first[state], graph.first[state + 1]):
        label = graph.arcs[arc, 0] & 255
        if label != last:
            best = min(best, costs[label] + _arc_cost(graph, settings, arc))
    return float(tape.cost[token] + best)


@compiled
def _emit(
    graph: Map,
    settings: Settings,
    tape: Tape,
    active: tuple[int, int],
    costs: Float64[np.ndarray, " labels"],
    reach: float,
    frame: int,
    pool: Pool,
    moves: Moves,
) -> tuple[int, int, Pool, Moves]:
    """Move every token by one frame; moves that end `reach` above the best so far are dropped."""
    n = n_moves = 0 * frame  # no literals: Numba compiles a callee again for each
    best = _lowest(tape.cost, active[0], active[1])
    cutoff = _first_cutoff(graph, settings, tape, best, costs) + reach
    cheapest = costs[_lowest(costs, 1, len(costs))] + graph.floor
    for token in range(active[0], active[1]):
        state, last, cost = tape.state[token], tape.last[token], tape.cost[token]
        first, end = graph.first[state] - 2, graph.first[state + 1]  # two moves that stay
        if cost + cheapest > cutoff:
            end = first + 2
        while n + end - first > len(pool.state):
            pool = _roomier_pool(pool, n, frame)
        while n_moves + end - first > len(moves.slot):
            moves = _roomier_moves(moves)
        for move in range(first, end):
            if move >= first + 2:
                label = int(graph.arcs[move, 0] & 255)
                if label == last:
                    continue  # the same label again needs a blank between
                arrival = cost + costs[label] + _arc_cost(graph, settings, move)
                key, arc, fresh = _key(frame, graph.arcs[move, 2], label), int(move), 1
            elif move > first and last == 0:
                continue
            else:
                label = int(last) if move > first else 0
                arrival = cost + costs[label]
                key, arc, fresh = _key(frame, state, label), STAY, 0
            if arrival > cutoff:
                continue
            cutoff = min(cutoff, arrival + reach)
            slot = _offer(pool, n, key, arrival, fresh)
            n = max(n, slot + 1)
            moves.source[n_moves], moves.slot[n_moves] = token, slot
            moves.arc[n_moves], moves.cost[n_moves] = arc, arrival
            n_moves += 1
    return n, n_moves, pool, moves


@compiled
def _back_off(
    graph: Map, settings: Settings, cutoff: float, frame: int, pool: Pool, n: int
) -> tuple[int, Pool]:
    """Follow the moves without a label from the states entered at this frame.

    Where a token stayed, so did those it reached without a label when it came.
    """
    emitted = n
    n_special = len(graph.free_target)
    for start in range(emitted):
        state, cost = int(pool.state[start]), pool.cost[start]
        if state >= n_special or cost > cutoff or pool.fresh[start] == 0:
            continue
        while graph.free_target[state] >= 0:
            cost += settings.lm_weight * graph.free_cost[state]
            if cost > cutoff:
                break
            state = int(graph.free_target[state])
            key = _key(frame, state, pool.last[start])
            bucket = _bucket(pool, key)
            if pool.buckets[bucket, 0] == key and pool.cost[pool.buckets[bucket, 1]] <= cost:
                break
            if n == len(pool.state):
                pool = _roomier_pool(pool, n, frame)
            n = max(n, _offer(pool, n, key, cost, 1) + 1)
    return n, pool


@compiled
def _bound(pool: Pool, n: int, settings: Settings) -> tuple[float, float]:
    """Cost above which tokens are dropped, and the reach of the next frame.

    The beam, tightened to `max_active` tokens or widened to `min_active`, to a 2048th of the range.

    Source: `GetCutoff` of Kaldi's decoders.
    """
    best = pool.cost[_lowest(pool.cost, 0, n)]
    within, worst = 0, best
    for slot in range(n):
        within += pool.cost[slot] <= best + settings.beam
        worst = max(worst, pool.cost[slot])
    if within <= settings.max_active and (within >= settings.min_active or within == n):
        return best + settings.beam, settings.beam
    span = (settings.beam if within > settings.max_active else worst - best) / _BINS
    counts = np.zeros(_BINS, np.int64)
    for slot in range(n):
        if pool.cost[slot] <= best + span * _BINS:
            counts[min(int((pool.cost[slot] - best) / span), _BINS - 1)] += 1
    taken, edge = counts[0], 1
    wanted = settings.max_active if within > settings.max_active else settings.min_active
    more = within <= settings.max_active  # widen until there are enough, tighten while too many
    while edge < _BINS and (taken < wanted if more else taken + counts[edge] <= wanted):
        taken += counts[edge]
        edge += 1
    cutoff = best + span * edge
    reach = cutoff - best + _SLACK
    return cutoff, max(settings.beam, reach) if more else min(settings.beam, reach)


@compiled
def _keep(
    graph: Map,
    pool: Pool,
    n: int,
    cutoff: float,
    number: Int32[np.ndarray, " slots"],
    order: Int32[np.ndarray, " slots"],
    before: int,
) -> int:
    """Number the tokens to keep, from `before` on, those that move freely last, by falling rank.

    Fills `number` by slot (-1: dropped) and `order`, the slots by number; returns the end.
    Every link of the lattice then leads from a lower to a higher number.
    """
    n_special = len(graph.free_target)
    counts = np.zeros(257, np.int64)
    for slot in range(n):
        if pool.cost[slot] <= cutoff:
            state = pool.state[slot]
            counts[255 - graph.rank[state] + 1 if state < n_special else 0] += 1
    start = int(before)
    for rank in range(257):
        counts[rank], start = start, start + int(counts[rank])
    for slot in range(n):
        number[slot] = -1
        if pool.cost[slot] <= cutoff:
            state = pool.state[slot]
            rank = 255 - graph.rank[state] + 1 if state < n_special else 0
            number[slot] = counts[rank]
            order[counts[rank] - before] = slot
            counts[rank] += 1
    return start


@compiled
def _record(
    pool: Pool,
    n: int,
    moves: Moves,
    n_moves: int,
    number: Any,
    tape: Tape,
    n_links: int,
    near: float,
) -> int:
    """Write the kept tokens, and the moves to them that cost at most `near` more than the best."""
    for slot in range(n):
        if number[slot] >= 0:
            tape.state[number[slot]] = pool.state[slot]
            tape.last[number[slot]] = pool.last[slot]
            tape.cost[number[slot]] = pool.cost[slot]
    for i in range(n_moves):
        slot = moves.slot[i]
        if number[slot] >= 0 and moves.cost[i] - pool.cost[slot] <= near:
            tape.source[n_links], tape.target[n_links] = moves.source[i], number[slot]
            tape.arc[n_links] = moves.arc[i]
            tape.link_cost[n_links] = moves.cost[i] - tape.cost[moves.source[i]]
            n_links += 1
    return n_links


@compiled
def _record_free(
    graph: Map,
    settings: Settings,
    pool: Pool,
    number: Int32[np.ndarray, " slots"],
    order: Int32[np.ndarray, " slots"],
    frame: int,
    tape: Tape,
    tokens: tuple[int, int],
    n_links: int,
) -> int:
    """Write the free moves out of the states entered at this frame."""
    for token in range(tokens[0], tokens[1]):
        state = tape.state[token]
        if state >= len(graph.free_target) or graph.free_target[state] < 0:
            continue
        if pool.fresh[order[token - tokens[0]]] == 0:
            continue
        key = _key(frame, graph.free_target[state], tape.last[token])
        bucket = _bucket(pool, key)
        if pool.buckets[bucket, 0] != key:
            continue
        goal = number[pool.buckets[bucket, 1]]
        cost = settings.lm_weight * graph.free_cost[state]
        if goal >= 0 and tape.cost[token] + cost - tape.cost[goal] <= settings.lattice_beam:
            tape.source[n_links], tape.target[n_links] = token, goal
            tape.arc[n_links], tape.link_cost[n_links] = FREE, cost
            n_links += 1
    return n_links


@compiled
def _roomier_tape(tape: Tape, tokens: int, links: int) -> Tape:
    if tokens > len(tape.state):
        state, last = longer(tape.state, 2 * tokens), longer(tape.last, 2 * tokens)
        cost = longer(tape.cost, 2 * tokens)
        tape = Tape(state, last, cost, tape.source, tape.target, tape.arc, tape.link_cost)
    if links > len(tape.source):
        source, target = longer(tape.source, 2 * links), longer(tape.target, 2 * links)
        arc, link_cost = longer(tape.arc, 2 * links), longer(tape.link_cost, 2 * links)
        tape = Tape(tape.state, tape.last, tape.cost, source, target, arc, link_cost)
    return tape


@compiled
def advance(
    graph: Map,
    settings: Settings,
    active: Tokens,
    costs: Float64[np.ndarray, "frames labels"],
    reach: float,
) -> tuple[Tape, Int64[np.ndarray, " frames"], int, float]:
    """Run over some frames.

    Args:
        graph: The graph.
        settings: Weights and bounds.
        active: Tokens of the frame before; none to begin, and then `costs` has no frames.
        costs: Scaled negative log-likelihoods.
        reach: How far above the best a token of the next frame may be.

    Returns:
        The tokens before and those made, numbered from 0, with all links (arrays may be longer
        than their content); the first token of each frame and the end of the last; the number of
        links; the next reach.
    """
    n = len(active.state)
    tape = Tape(
        longer(active.state, max(n, 4096)),
        longer(active.last, max(n, 4096)),
        longer(active.cost, max(n, 4096)),
        np.empty(4096, np.int32),
        np.empty(4096, np.int32),
        np.empty(4096, np.int32),
        np.empty(4096, np.float32),
    )
    pool = _new_pool(4096)
    moves = Moves(
        np.empty(4096, np.int32),
        np.empty(4096, np.int32),
        np.empty(4096, np.int32),
        np.empty(4096),
    )
    number = order = np.empty(0, np.int32)
    opening = n == 0
    first = np.zeros(len(costs) + (2 if opening else 1), np.int64)
    before = n_links = n_moves = int(first[0])
    for frame in range(len(first) - 1):
        if opening:
            made = _offer(pool, before, _key(before, len(graph.free_target) - 1, 0), 0.0, 1) + 1
            opening = False
        else:
            made, n_moves, pool, moves = _emit(
                graph, settings, tape, (before, n), costs[frame], reach, frame, pool, moves
            )
        cutoff, _ = _bound(pool, made, settings)
        made, pool = _back_off(graph, settings, cutoff, frame, pool, made)
        cutoff, reach = _bound(pool, made, settings)
        if len(number) < made:
            number, order = np.empty(2 * made, np.int32), np.empty(2 * made, np.int32)
        before, n = n, _keep(graph, pool, made, cutoff, number, order, n)
        tape = _roomier_tape(tape, n, n_links + n_moves + made)
        near = settings.lattice_beam
        n_links = _record(pool, made, moves, n_moves, number, tape, n_links, near)
        n_links = _record_free(
            graph, settings, pool, number, order, frame, tape, (before, n), n_links
        )
        first[frame] = before
    first[-1] = n
    return tape, first, n_links, reach
