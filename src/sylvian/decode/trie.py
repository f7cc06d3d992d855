"""Pronunciation tries of every n-gram context, with shared tails: the loops of graph building."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Float64, Int32, Int64, UInt8

from sylvian.decode.compiled import compiled


class Prons(NamedTuple):
    """Pronunciations in alphabetical order of their label sequences.

    Attributes:
        labels: Columns of the tokens, zeros after the end.
        length: Number of labels.
        symbol: Number of the word in the language model.
        word: Number of the word in the graph, 1 for the first.
    """

    labels: UInt8[np.ndarray, "prons longest"]
    length: Int32[np.ndarray, " prons"]
    symbol: Int32[np.ndarray, " prons"]
    word: Int32[np.ndarray, " prons"]


class Entries(NamedTuple):
    """What can be said in each context, sorted by context, then pronunciation."""

    context: Int32[np.ndarray, " entries"]
    pron: Int32[np.ndarray, " entries"]
    target: Int32[np.ndarray, " entries"]
    cost: Float64[np.ndarray, " entries"]


class Arcs(NamedTuple):
    """Arcs of a graph, in any order."""

    source: Int32[np.ndarray, " arcs"]
    label: UInt8[np.ndarray, " arcs"]
    word: Int32[np.ndarray, " arcs"]
    weight: Float64[np.ndarray, " arcs"]
    target: Int32[np.ndarray, " arcs"]


def shared_depths(
    entries: Entries, prons: Prons
) -> tuple[Int32[np.ndarray, " entries"], Int32[np.ndarray, " entries"]]:
    """Find how many leading labels an entry shares with others of its context that go on.

    Returns:
        Of each entry: labels shared with the entry before it, and labels shared with any (always
        less than its length, as the last label is its own arc).
    """
    return _shared_depths(entries.context, entries.pron, prons.labels, prons.length)


@compiled
def _shared_depths(
    context: Int32[np.ndarray, " entries"],
    pron: Int32[np.ndarray, " entries"],
    labels: UInt8[np.ndarray, "prons longest"],
    length: Int32[np.ndarray, " prons"],
) -> tuple[Int32[np.ndarray, " entries"], Int32[np.ndarray, " entries"]]:
    n = len(context)
    before = np.zeros(n, np.int32)
    shared = np.zeros(n, np.int32)
    for i in range(1, n):
        if context[i] != context[i - 1]:
            continue
        a, b = pron[i - 1], pron[i]
        depth = 0
        shorter = min(length[a], length[b]) - 1
        while depth < shorter and labels[a, depth] == labels[b, depth]:
            depth += 1
        before[i] = depth
        shared[i] = max(shared[i], depth)
        shared[i - 1] = max(shared[i - 1], depth)
    return before, shared


@compiled
def grow_tries(
    entries: Entries,
    prons: Prons,
    before: Int32[np.ndarray, " entries"],
    shared: Int32[np.ndarray, " entries"],
    leaf_target: Int32[np.ndarray, " entries"],
    first_node: int,
) -> Arcs:
    """Build the tries: inner arcs to shared prefixes, then one leaf arc per entry.

    The cost of the best word below a node is paid on the way to it, as determinisation does it, so
    that the search sees likely words early; the rest is paid on the leaf arc, which names the word.

    Args:
        entries: Words that can be said in each context; node number = context number at the root.
        prons: Their pronunciations.
        before: From `shared_depths`.
        shared: From `shared_depths`.
        leaf_target: Where an entry's leaf arc leads.
        first_node: Number of the first inner node.
    """
    n = len(entries.context)
    n_inner = (np.maximum(shared - before, 0)).sum()
    source = np.empty(n_inner + n, np.int32)
    label = np.empty(n_inner + n, np.uint8)
    word = np.zeros(n_inner + n, np.int32)
    target = np.empty(n_inner + n, np.int32)
    weight = np.empty(n_inner + n, np.float64)
    best = np.full(n_inner + 1, np.inf)
    path = np.zeros(prons.labels.shape[1] + 1, np.int32)  # node at each depth of this entry
    made = 0
    for i in range(n):
        path[0] = entries.context[i]
        for depth in range(before[i] + 1, shared[i] + 1):
            source[made] = path[depth - 1]
            label[made] = prons.labels[entries.pron[i], depth - 1]
            path[depth] = target[made] = first_node + made
            made += 1
        for depth in range(1, shared[i] + 1):
            inner = path[depth] - first_node
            best[inner] = min(best[inner], entries.cost[i])
        leaf = n_inner + i
        source[leaf] = path[shared[i]]
        label[leaf] = prons.labels[entries.pron[i], shared[i]]
        word[leaf] = prons.word[entries.pron[i]]
        target[leaf] = leaf_target[i]
        weight[leaf] = entries.cost[i]
    for arc in range(n_inner + n):
        above = source[arc] - first_node
        paid = best[above] if above >= 0 else 0.0
        weight[arc] = (best[arc] if arc < n_inner else weight[arc]) - paid
    return Arcs(source, label, word, weight, target)


@compiled
def lay_tails(
    start: Int64[np.ndarray, " tails"],
    pron: Int32[np.ndarray, " tails"],
    depth: Int32[np.ndarray, " tails"],
    target: Int32[np.ndarray, " tails"],
    labels: UInt8[np.ndarray, "prons longest"],
    length: Int32[np.ndarray, " prons"],
) -> Arcs:
    """Build one chain of arcs for each tail: the labels of a pronunciation from a depth on.

    Args:
        start: Node at which each tail begins; its further nodes follow.
        pron: Pronunciation of the tail.
        depth: Labels already consumed at its first node.
        target: Where its last arc leads.
        labels: Label sequences.
        length: Their lengths.
    """
    n = (length[pron] - depth).sum()
    source = np.empty(n, np.int32)
    label = np.empty(n, np.uint8)
    to = np.empty(n, np.int32)
    made = 0
    for tail in range(len(start)):
        last = length[pron[tail]] - 1
        for position in range(depth[tail], last + 1):
            source[made] = start[tail] + position - depth[tail]
            label[made] = labels[pron[tail], position]
            to[made] = target[tail] if position == last else source[made] + 1
            made += 1
    return Arcs(source, label, np.zeros(n, np.int32), np.zeros(n), to)
