"""The loops of the beam search: tokens move over the graph frame by frame, and leave a lattice.

A token is a graph state, the last label it emitted (0 once a blank came since), and a cost. At
each frame it may emit the blank, repeat its label, or follow an arc of another label; that is the
corrected CTC topology of paper.md section 5.1 composed on the fly. Moves without a label (back-off,
skipped silence) follow within the frame and lead to lower state numbers only.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from jaxtyping import Float64, Int32, Int64

from sylvian.decode.compiled import compiled, longer
from sylvian.decode.tokens import (
    FREE,
    STAY,
    Map,
    Moves,
    Pool,
    Settings,
    Tape,
    Tokens,
    bucket_of,
    key_of,
    new_pool,
    offer,
    roomier_moves,
    roomier_pool,
    roomier_tape,
)

_SLACK = 0.5  # Kaldi's beam_delta: room above a cutoff set by the number of tokens
_BINS = 2048  # resolution of that cutoff


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
            pool = roomier_pool(pool, n, frame)
        while n_moves + end - first > len(moves.slot):
            moves = roomier_moves(moves)
        for move in range(first, end):
            if move >= first + 2:
                label = int(graph.arcs[move, 0] & 255)
                if label == last:
                    continue  # the same label again needs a blank between
                arrival = cost + costs[label] + _arc_cost(graph, settings, move)
                key, arc, fresh = key_of(frame, graph.arcs[move, 2], label), int(move), 1
            elif move > first and last == 0:
                continue
            else:
                label = int(last) if move > first else 0
                arrival = cost + costs[label]
                key, arc, fresh = key_of(frame, state, label), STAY, 0
            if arrival > cutoff:
                continue
            cutoff = min(cutoff, arrival + reach)
            slot = offer(pool, n, key, arrival, fresh)
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
            key = key_of(frame, state, pool.last[start])
            bucket = bucket_of(pool, key)
            if pool.buckets[bucket, 0] == key and pool.cost[pool.buckets[bucket, 1]] <= cost:
                break
            if n == len(pool.state):
                pool = roomier_pool(pool, n, frame)
            n = max(n, offer(pool, n, key, cost, 1) + 1)
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
        key = key_of(frame, graph.free_target[state], tape.last[token])
        bucket = bucket_of(pool, key)
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
    pool = new_pool(4096)
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
            made = offer(pool, before, key_of(before, len(graph.free_target) - 1, 0), 0.0, 1) + 1
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
        tape = roomier_tape(tape, n, n_links + n_moves + made)
        near = settings.lattice_beam
        n_links = _record(pool, made, moves, n_moves, number, tape, n_links, near)
        n_links = _record_free(
            graph, settings, pool, number, order, frame, tape, (before, n), n_links
        )
        first[frame] = before
    first[-1] = n
    return tape, first, n_links, reach
