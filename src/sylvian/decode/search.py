"""The loops of the beam search: tokens move over the graph frame by frame, and leave a lattice.

A token is a graph state, the last label it emitted (0 once a blank came since), and a cost. At
each frame it may emit the blank, repeat its label, or follow an arc of another label; that is the
corrected CTC topology of paper.md section 5.1 composed on the fly. Moves without a label (back-off,
skipped silence) follow within the frame and lead to lower state numbers only.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Float64, Int32, Int64, UInt8

from sylvian.decode.compiled import compiled
from sylvian.decode.layout import GraphArrays

STAY, FREE = -1, -2  # a link that keeps its state; a link that consumes no frame
_SLACK = 0.5  # Kaldi's beam_delta: room above a cutoff set by the number of tokens


class Settings(NamedTuple):
    """What bounds a search; costs in nats."""

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
    """Moves between numbered tokens; `arc` is a graph arc, STAY or FREE."""

    source: Int32[np.ndarray, " links"]
    target: Int32[np.ndarray, " links"]
    arc: Int32[np.ndarray, " links"]


class Pool(NamedTuple):
    """The tokens of the frame being made, found by state and label through a hash table."""

    slot: Int32[np.ndarray, " buckets"]
    stamp: Int32[np.ndarray, " buckets"]
    state: Int32[np.ndarray, " slots"]
    last: UInt8[np.ndarray, " slots"]
    cost: Float64[np.ndarray, " slots"]


class Tries(NamedTuple):
    """Moves tried in the frame being made: previous token, slot, arc, cost on arrival."""

    source: Int32[np.ndarray, " tries"]
    slot: Int32[np.ndarray, " tries"]
    arc: Int32[np.ndarray, " tries"]
    cost: Float64[np.ndarray, " tries"]


@compiled
def _new_pool(n_slots: int) -> Pool:
    return Pool(
        np.zeros(4 * n_slots, np.int32),
        np.zeros(4 * n_slots, np.int32),
        np.zeros(n_slots, np.int32),
        np.zeros(n_slots, np.uint8),
        np.zeros(n_slots, np.float64),
    )


@compiled
def _new_tries(n: int) -> Tries:
    return Tries(
        np.zeros(n, np.int32), np.zeros(n, np.int32), np.zeros(n, np.int32), np.zeros(n, np.float64)
    )


@compiled
def _find(pool: Pool, stamp: int, state: int, last: int) -> int:
    """Bucket of a token, or the free bucket where it belongs."""
    mask = len(pool.slot) - 1
    mixed = (np.int64(state) * 64 + last) * np.int64(0x9E3779B97F4A7C1)
    bucket = (mixed ^ (mixed >> 29)) & mask
    while pool.stamp[bucket] == stamp:
        slot = pool.slot[bucket]
        if pool.state[slot] == state and pool.last[slot] == last:
            break
        bucket = (bucket + 1) & mask
    return bucket


@compiled
def _offer(pool: Pool, stamp: int, n: int, state: int, last: int, cost: float) -> int:
    """Lower a token's cost, adding it as slot `n` if it is new; return its slot."""
    bucket = _find(pool, stamp, state, last)
    if pool.stamp[bucket] == stamp:
        slot = pool.slot[bucket]
        pool.cost[slot] = min(pool.cost[slot], cost)
        return slot
    pool.stamp[bucket] = stamp
    pool.slot[bucket] = n
    pool.state[n] = state
    pool.last[n] = last
    pool.cost[n] = cost
    return n


@compiled
def _roomier_pool(pool: Pool, stamp: int, n: int, needed: int) -> Pool:
    if n + needed <= len(pool.state):
        return pool
    size = len(pool.state)
    while size < n + needed:
        size *= 2
    bigger = _new_pool(size)
    for slot in range(n):
        _offer(bigger, stamp, slot, pool.state[slot], pool.last[slot], pool.cost[slot])
    return bigger


@compiled
def _roomier_tries(tries: Tries, n: int, needed: int) -> Tries:
    if n + needed <= len(tries.slot):
        return tries
    bigger = _new_tries(2 * (n + needed))
    bigger.source[:n] = tries.source[:n]
    bigger.slot[:n] = tries.slot[:n]
    bigger.arc[:n] = tries.arc[:n]
    bigger.cost[:n] = tries.cost[:n]
    return bigger


@compiled
def arc_cost(graph: GraphArrays, settings: Settings, arc: int) -> float:
    """Cost of an arc in the search: weighted graph cost less the bonus of its word."""
    bonus = settings.word_bonus if graph.arc_word[arc] > 0 else 0.0
    return settings.lm_weight * graph.arc_weight[arc] - bonus


@compiled
def _emit(
    graph: GraphArrays,
    settings: Settings,
    tokens: Tokens,
    frame_cost: Float64[np.ndarray, " labels"],
    reach: float,
    stamp: int,
    pool: Pool,
    tries: Tries,
) -> tuple[int, int, Pool, Tries]:
    """Move every token by one frame; moves that end `reach` above the best so far are dropped."""
    n, n_tries = 0, 0
    cutoff = _first_cutoff(graph, settings, tokens, frame_cost) + reach
    for token in range(len(tokens.state)):
        state, last, cost = tokens.state[token], tokens.last[token], tokens.cost[token]
        first, end = graph.arc_start[state], graph.arc_start[state + 1]
        pool = _roomier_pool(pool, stamp, n, end - first + 2)
        tries = _roomier_tries(tries, n_tries, end - first + 2)
        for move in range(first - 2, end):
            if move >= first:
                label = graph.arc_label[move]
                if label == last:
                    continue  # the same label again needs a blank between
                target, arc = graph.arc_target[move], move
                arrival = cost + frame_cost[label] + arc_cost(graph, settings, move)
            elif move == first - 1 and last == 0:
                continue
            else:
                label = np.uint8(0) if move == first - 2 else last
                target, arc = state, STAY
                arrival = cost + frame_cost[label]
            if arrival > cutoff:
                continue
            cutoff = min(cutoff, arrival + reach)
            slot = _offer(pool, stamp, n, target, label, arrival)
            n = max(n, slot + 1)
            tries.source[n_tries] = token
            tries.slot[n_tries] = slot
            tries.arc[n_tries] = arc
            tries.cost[n_tries] = arrival
            n_tries += 1
    return n, n_tries, pool, tries


@compiled
def _first_cutoff(
    graph: GraphArrays,
    settings: Settings,
    tokens: Tokens,
    frame_cost: Float64[np.ndarray, " labels"],
) -> float:
    """Cost of the best token's best move: an upper bound on the best of the next frame."""
    token = np.argmin(tokens.cost)
    state, last = tokens.state[token], tokens.last[token]
    best = min(frame_cost[0], frame_cost[last])
    for arc in range(graph.arc_start[state], graph.arc_start[state + 1]):
        if graph.arc_label[arc] != last:
            move = frame_cost[graph.arc_label[arc]] + arc_cost(graph, settings, arc)
            best = min(best, move)
    return tokens.cost[token] + best


@compiled
def _back_off(
    graph: GraphArrays, settings: Settings, reach: float, stamp: int, pool: Pool, n: int
) -> tuple[int, Pool]:
    """Follow the moves without a label from every token of the frame."""
    emitted = n
    cutoff = np.min(pool.cost[:n]) + reach
    n_special = len(graph.free_target)
    for slot in range(emitted):
        state, last, cost = pool.state[slot], pool.last[slot], pool.cost[slot]
        while state < n_special and graph.free_target[state] >= 0:
            cost += settings.lm_weight * graph.free_weight[state]
            state = graph.free_target[state]
            if cost > cutoff:
                break
            bucket = _find(pool, stamp, state, last)
            if pool.stamp[bucket] == stamp and pool.cost[pool.slot[bucket]] <= cost:
                break
            pool = _roomier_pool(pool, stamp, n, 1)
            reached = _offer(pool, stamp, n, state, last, cost)
            n = max(n, reached + 1)
    return n, pool


@compiled
def _bound(costs: Float64[np.ndarray, " slots"], settings: Settings) -> tuple[float, float]:
    """Cost above which tokens are dropped, and the reach of the next frame.

    Source: `GetCutoff` of Kaldi's decoders: the beam, tightened to `max_active` tokens or widened
    to `min_active`.
    """
    best = np.min(costs)
    cutoff = best + settings.beam
    n = np.sum(costs <= cutoff)
    wanted = len(costs)
    if n > settings.max_active:
        wanted = settings.max_active
    elif n < settings.min_active:
        wanted = min(settings.min_active, len(costs))
    else:
        return cutoff, settings.beam
    cutoff = np.partition(costs, wanted - 1)[wanted - 1]
    if n > settings.max_active:
        return cutoff, min(settings.beam, cutoff - best + _SLACK)
    return max(cutoff, best + settings.beam), max(settings.beam, cutoff - best + _SLACK)


@compiled
def _survivors(pool: Pool, n: int, cutoff: float, n_special: int) -> Int32[np.ndarray, " kept"]:
    """Slots to keep; those that move freely come last and by falling state, so before their goals.

    Every link of the lattice then leads from a lower to a higher token number.
    """
    kept = np.flatnonzero(pool.cost[:n] <= cutoff).astype(np.int32)
    special = pool.state[kept] < n_special
    free = kept[special]
    free = free[np.argsort(-pool.state[free])]
    return np.concatenate((kept[~special], free))


@compiled
def _links(
    graph: GraphArrays,
    settings: Settings,
    pool: Pool,
    tries: Tries,
    n_tries: int,
    kept: Int32[np.ndarray, " kept"],
    number: Int32[np.ndarray, " slots"],
    stamp: int,
    before: int,
) -> Links:
    """Keep the moves between surviving tokens that are within the lattice beam of the best."""
    room = n_tries + len(kept)
    links = Links(np.empty(room, np.int32), np.empty(room, np.int32), np.empty(room, np.int32))
    made = 0
    for i in range(n_tries):
        slot = tries.slot[i]
        if number[slot] >= 0 and tries.cost[i] - pool.cost[slot] <= settings.lattice_beam:
            links.source[made] = before + tries.source[i]
            links.target[made] = number[slot]
            links.arc[made] = tries.arc[i]
            made += 1
    for slot in kept:
        state = pool.state[slot]
        if state >= len(graph.free_target) or graph.free_target[state] < 0:
            continue
        bucket = _find(pool, stamp, graph.free_target[state], pool.last[slot])
        if pool.stamp[bucket] != stamp or number[pool.slot[bucket]] < 0:
            continue
        goal = pool.slot[bucket]
        cost = pool.cost[slot] + settings.lm_weight * graph.free_weight[state]
        if cost - pool.cost[goal] <= settings.lattice_beam:
            links.source[made] = number[slot]
            links.target[made] = number[goal]
            links.arc[made] = FREE
            made += 1
    return Links(links.source[:made].copy(), links.target[:made].copy(), links.arc[:made].copy())


@compiled
def step(
    graph: GraphArrays,
    settings: Settings,
    tokens: Tokens,
    frame_cost: Float64[np.ndarray, " labels"],
    reach: float,
    before: int,
    stamp: int,
    pool: Pool,
    tries: Tries,
) -> tuple[Tokens, Links, float, Pool, Tries]:
    """Make the tokens of the next frame, and the links to them.

    Args:
        graph: The graph.
        settings: Bounds.
        tokens: Survivors of the frame before; the first has number `before`.
        frame_cost: Scaled negative log-likelihood of each label.
        reach: How far above the best a token of this frame may be.
        before: Number of the first token.
        stamp: Any number that `pool` has not seen.
        pool: Scratch.
        tries: Scratch.
    """
    n, n_tries, pool, tries = _emit(graph, settings, tokens, frame_cost, reach, stamp, pool, tries)
    n, pool = _back_off(graph, settings, reach, stamp, pool, n)
    cutoff, reach = _bound(pool.cost[:n], settings)
    kept = _survivors(pool, n, cutoff, len(graph.free_target))
    number = np.full(n, -1, np.int32)
    number[kept] = before + len(tokens.state) + np.arange(len(kept), dtype=np.int32)
    links = _links(graph, settings, pool, tries, n_tries, kept, number, stamp, before)
    survivors = Tokens(pool.state[kept], pool.last[kept], pool.cost[kept])
    return survivors, links, reach, pool, tries


@compiled
def begin(graph: GraphArrays, settings: Settings) -> tuple[Tokens, Links]:
    """Give the tokens before the first frame: the start and what it reaches without a label."""
    pool = _new_pool(64)
    start = len(graph.free_target) - 1
    _offer(pool, 1, 0, start, 0, 0.0)
    n, pool = _back_off(graph, settings, np.inf, 1, pool, 1)
    kept = _survivors(pool, n, np.inf, len(graph.free_target))
    number = np.full(n, -1, np.int32)
    number[kept] = np.arange(len(kept), dtype=np.int32)
    links = _links(graph, settings, pool, _new_tries(1), 0, kept, number, 1, 0)
    return Tokens(pool.state[kept], pool.last[kept], pool.cost[kept]), links


@compiled
def advance(
    graph: GraphArrays,
    settings: Settings,
    tokens: Tokens,
    costs: Float64[np.ndarray, "frames labels"],
    reach: float,
    before: int,
) -> tuple[Tokens, Links, Int64[np.ndarray, " frames"], float]:
    """Run over some frames.

    Returns:
        All tokens made, all links, the number of tokens of each frame, and the reach of the next
        frame.
    """
    pool, tries = _new_pool(4096), _new_tries(4096)
    sizes = np.zeros(len(costs), np.int64)
    all_tokens = [tokens]
    all_links = [Links(np.zeros(0, np.int32), np.zeros(0, np.int32), np.zeros(0, np.int32))]
    for frame in range(len(costs)):
        tokens, links, reach, pool, tries = step(
            graph, settings, tokens, costs[frame], reach, before, frame + 1, pool, tries
        )
        before += len(all_tokens[-1].state)
        sizes[frame] = len(tokens.state)
        all_tokens.append(tokens)
        all_links.append(links)
    return _joined_tokens(all_tokens[1:], sizes), _joined_links(all_links), sizes, reach


@compiled
def _joined_tokens(parts: list[Tokens], sizes: Int64[np.ndarray, " frames"]) -> Tokens:
    total = sizes.sum()
    joined = Tokens(np.empty(total, np.int32), np.empty(total, np.uint8), np.empty(total))
    at = 0
    for part in parts:
        end = at + len(part.state)
        joined.state[at:end] = part.state
        joined.last[at:end] = part.last
        joined.cost[at:end] = part.cost
        at = end
    return joined


@compiled
def _joined_links(parts: list[Links]) -> Links:
    total = 0
    for part in parts:
        total += len(part.source)
    joined = Links(np.empty(total, np.int32), np.empty(total, np.int32), np.empty(total, np.int32))
    at = 0
    for part in parts:
        end = at + len(part.source)
        joined.source[at:end] = part.source
        joined.target[at:end] = part.target
        joined.arc[at:end] = part.arc
        at = end
    return joined
