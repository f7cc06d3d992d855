"""What the beam search's loops work on: the map, the tokens, and how a token is found again."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Float32, Float64, Int32, Int64, UInt8

from sylvian.decode.compiled import compiled, longer

STAY, FREE = -1, -2  # a link that keeps its state; a link that consumes no frame


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
def new_pool(n_slots: int) -> Pool:
    """Room for a number of tokens, a power of two."""
    return Pool(
        np.full((2 * n_slots, 2), -1, np.int64),
        np.zeros(n_slots, np.int32),
        np.zeros(n_slots, np.uint8),
        np.zeros(n_slots, np.float64),
        np.zeros(n_slots, np.uint8),
    )


@compiled
def bucket_of(pool: Pool, key: int) -> int:
    """Bucket of a key, or the free one where it belongs."""
    mask = len(pool.buckets) - 1
    mixed = (key & 0xFFFFFFFFFF) * 0x9E3779B97F4A7C1
    bucket = (mixed ^ (mixed >> 31)) & mask
    frame = key >> 40
    while pool.buckets[bucket, 0] != key and pool.buckets[bucket, 0] >> 40 == frame:
        bucket = (bucket + 1) & mask
    return int(bucket)


@compiled
def key_of(frame: int, state: int, last: int) -> int:
    """Number of a token: no two of a call of `advance` are alike."""
    return int(frame) << 40 | int(state) << 8 | int(last)


@compiled
def offer(pool: Pool, n: int, key: int, cost: float, fresh: int) -> int:
    """Lower a token's cost, adding it as slot `n` if it is new; return its slot."""
    bucket = bucket_of(pool, key)
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
def roomier_pool(pool: Pool, n: int, frame: int) -> Pool:
    """Double the room; the tokens keep their slots."""
    bigger = new_pool(2 * len(pool.state))
    for slot in range(n):
        key = key_of(frame, pool.state[slot], pool.last[slot])
        offer(bigger, slot, key, pool.cost[slot], pool.fresh[slot])
    return bigger


@compiled
def roomier_moves(moves: Moves) -> Moves:
    """Double the room."""
    size = 2 * len(moves.slot)
    return Moves(
        longer(moves.source, size),
        longer(moves.slot, size),
        longer(moves.arc, size),
        longer(moves.cost, size),
    )


@compiled
def roomier_tape(tape: Tape, tokens: int, links: int) -> Tape:
    """Make room for as many tokens and links."""
    if tokens > len(tape.state):
        state, last = longer(tape.state, 2 * tokens), longer(tape.last, 2 * tokens)
        cost = longer(tape.cost, 2 * tokens)
        tape = Tape(state, last, cost, tape.source, tape.target, tape.arc, tape.link_cost)
    if links > len(tape.source):
        source, target = longer(tape.source, 2 * links), longer(tape.target, 2 * links)
        arc, link_cost = longer(tape.arc, 2 * links), longer(tape.link_cost, 2 * links)
        tape = Tape(tape.state, tape.last, tape.cost, source, target, arc, link_cost)
    return tape
