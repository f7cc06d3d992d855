"""Lay a decoding graph out in arrays, straight from the sorted n-grams of a model."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float32, Float64, Int32, Int64, UInt8

from sylvian.decode.arpa import EOS, ArpaModel
from sylvian.decode.trie import Arcs, Entries, Prons, grow_tries, lay_tails, shared_depths


class GraphArrays(NamedTuple):
    """A decoding graph as the search reads it; costs are negative natural logs.

    States are numbered: one root per n-gram context (shorter contexts first), as many states
    between a word's last phone and its optional silence, the start, then the insides of words.

    Attributes:
        first: First arc of each state; one entry more than there are states.
        arcs: Of each arc, 256 * word + label (word 0 says nothing, the label is a column of the
            logits and never the blank), cost (the bits of a float32), and target state.
        free_target: State reached without a token from each state before the insides of words
            (back-off, skipped silence); -1 for none.
        free_cost: Its cost.
        rank: Of those states; a free move always leads to a lower one.
        final: Cost of ending a sentence at each root, infinite where it cannot end.
    """

    first: Int32[np.ndarray, " bounds"]
    arcs: Int32[np.ndarray, "arcs 3"]
    free_target: Int32[np.ndarray, " special"]
    free_cost: Float32[np.ndarray, " special"]
    rank: UInt8[np.ndarray, " special"]
    final: Float32[np.ndarray, " roots"]


class Contexts(NamedTuple):
    """The n-grams that are states: those with a continuation one can say."""

    n_roots: int
    root: Int32[np.ndarray, " nodes"]  # the state to be in after each n-gram
    extra: Float64[np.ndarray, " nodes"]  # log weight of backing off to get there
    nodes: Int64[np.ndarray, " roots"]  # n-gram of each state


def lay_out(
    model: ArpaModel, prons: Prons, *, silence: tuple[float, float], label: int
) -> GraphArrays:
    """Build the graph of a model whose words have these pronunciations.

    Args:
        model: N-gram model.
        prons: Pronunciations of its words.
        silence: Probability of silence at the start and after a word.
        label: Column of the silence token.
    """
    usable = sayable(model, prons)
    contexts = find_contexts(model, usable)
    entries = _entries(model, prons, contexts, usable)
    n_roots = contexts.n_roots
    arcs = _word_arcs(entries, prons, n_roots)
    pauses = _pauses(contexts, model, silence, label)
    free_target, free_cost, rank = _free_moves(contexts, model, silence)
    first, packed = pack([arcs, *pauses], n_states=len(free_target))
    final = _final_costs(model, contexts, usable)
    return GraphArrays(first, packed, free_target, free_cost, rank, final)


def sayable(model: ArpaModel, prons: Prons) -> Bool[np.ndarray, " nodes"]:
    """Tell which n-grams the graph can use: of words with a pronunciation, and sentence marks.

    `<s>` may only begin an n-gram and `</s>` only end one; n-grams of `<unk>` are left out.
    """
    spoken = np.zeros(len(model.symbols) + 1, dtype=bool)
    spoken[prons.symbol] = True
    inside = spoken[model.word]
    last = inside | (model.word == model.index.get(EOS, -2))
    last[model.start()] = True
    usable = np.ones(len(model.word), dtype=bool)
    for n in range(1, model.order + 1):
        level = slice(*model.level_start[n : n + 2])
        context = model.parent[level]
        goes_on = inside[context] | (context == 0) | (context == model.start())
        usable[level] = last[level] & goes_on & usable[context]
    return usable


def find_contexts(model: ArpaModel, usable: Bool[np.ndarray, " nodes"]) -> Contexts:
    """Number the n-grams that some usable n-gram continues; they are the grammar's states.

    An n-gram without continuation leads straight to the longest suffix that has one.
    """
    is_state = np.zeros(len(model.word), dtype=bool)
    predicted = usable.copy()
    predicted[model.start()] = predicted[0] = False
    is_state[model.parent[predicted]] = True
    is_state[0] = True
    root = np.where(is_state, np.cumsum(is_state) - 1, -1).astype(np.int32)
    extra = np.zeros(len(model.word))
    for n in range(1, model.order + 1):
        first, last = model.level_start[n : n + 2]
        lost = first + np.flatnonzero(~is_state[first:last])
        shorter = model.backoff[lost]
        root[lost] = root[shorter]
        extra[lost] = model.log_bow[lost] + extra[shorter]
    return Contexts(int(is_state.sum()), root, extra, np.flatnonzero(is_state))


def _entries(
    model: ArpaModel, prons: Prons, contexts: Contexts, usable: Bool[np.ndarray, " nodes"]
) -> Entries:
    spoken = np.zeros(len(model.symbols) + 1, dtype=bool)
    spoken[prons.symbol] = True
    ngrams = np.flatnonzero(usable & spoken[model.word])
    by_word = np.argsort(prons.symbol, kind="stable")
    n_prons = np.bincount(prons.symbol, minlength=len(model.symbols))
    first_pron = np.cumsum(n_prons) - n_prons
    copies = n_prons[model.word[ngrams]]
    rows = np.repeat(ngrams, copies)
    variant = np.arange(len(rows)) - np.repeat(np.cumsum(copies) - copies, copies)
    pron = by_word[first_pron[model.word[rows]] + variant]
    context = contexts.root[model.parent[rows]]
    order = np.argsort(context.astype(np.int64) * len(prons.word) + pron, kind="stable")
    rows = rows[order]
    cost = -(model.log_p[rows].astype(np.float64) + contexts.extra[rows])
    return Entries(context[order], pron[order].astype(np.int32), contexts.root[rows], cost)


def _word_arcs(entries: Entries, prons: Prons, n_roots: int) -> Arcs:
    """Tries with shared tails; nodes are numbered from `2 * n_roots + 1` on."""
    before, shared = shared_depths(entries, prons)
    first_node = 2 * n_roots + 1
    n_inner = int((shared - before).sum())
    leaf_target = n_roots + entries.target
    long = np.flatnonzero(shared < prons.length[entries.pron] - 1)
    ends = entries.target[long].astype(np.int64) * len(prons.word) + entries.pron[long]
    tails, inverse = np.unique(ends, return_inverse=True)
    pron = (tails % len(prons.word)).astype(np.int32)
    depth = np.full(len(tails), np.iinfo(np.int32).max, dtype=np.int32)
    np.minimum.at(depth, inverse, shared[long] + 1)
    size = (prons.length[pron] - depth).astype(np.int64)
    start = first_node + n_inner + np.cumsum(size) - size
    leaf_target[long] = start[inverse] + shared[long] + 1 - depth[inverse]
    target = (n_roots + tails // len(prons.word)).astype(np.int32)
    tries = grow_tries(entries, prons, before, shared, leaf_target.astype(np.int32), first_node)
    return _joined([tries, lay_tails(start, pron, depth, target, prons.labels, prons.length)])


def _pauses(
    contexts: Contexts, model: ArpaModel, silence: tuple[float, float], label: int
) -> list[Arcs]:
    """Silence after each word, and before the first."""
    n = contexts.n_roots
    roots = np.arange(n, dtype=np.int32)
    labels = np.full(n + 1, label, dtype=np.uint8)
    nothing = np.zeros(n + 1, dtype=np.int32)
    first, after = (_cost(p) for p in silence)
    start = np.array([2 * n], dtype=np.int32)
    begin = contexts.root[[model.start()]]
    return [
        Arcs(n + roots, labels[:n], nothing[:n], np.full(n, after), roots),
        Arcs(start, labels[:1], nothing[:1], np.array([first]), begin),
    ]


def _free_moves(
    contexts: Contexts, model: ArpaModel, silence: tuple[float, float]
) -> tuple[
    Int32[np.ndarray, " special"], Float32[np.ndarray, " special"], UInt8[np.ndarray, " special"]
]:
    """Back off from each root but the first, and skip the silence after words and at the start."""
    n = contexts.n_roots
    shorter = model.backoff[contexts.nodes]
    target = np.full(2 * n + 1, -1, dtype=np.int32)
    cost = np.zeros(2 * n + 1)
    target[1:n] = contexts.root[shorter[1:]]
    cost[1:n] = -(model.log_bow[contexts.nodes[1:]] + contexts.extra[shorter[1:]])
    target[n : 2 * n] = np.arange(n)
    cost[n : 2 * n] = _cost(1.0 - silence[1])
    target[2 * n] = contexts.root[model.start()]
    cost[2 * n] = _cost(1.0 - silence[0])
    rank = np.full(2 * n + 1, model.order + 1, dtype=np.uint8)
    rank[:n] = np.searchsorted(model.level_start, contexts.nodes, side="right")
    return target, cost.astype(np.float32), rank


def _final_costs(
    model: ArpaModel, contexts: Contexts, usable: Bool[np.ndarray, " nodes"]
) -> Float32[np.ndarray, " roots"]:
    cost = np.full(contexts.n_roots, np.inf, dtype=np.float32)
    end = np.flatnonzero(usable & (model.word == model.index[EOS]))
    cost[contexts.root[model.parent[end]]] = -model.log_p[end]
    return cost


def _cost(probability: float) -> float:
    return -math.log(probability) if probability > 0 else math.inf


def _joined(parts: list[Arcs]) -> Arcs:
    return Arcs(*(np.concatenate(columns) for columns in zip(*parts, strict=True)))


def pack(
    parts: list[Arcs], *, n_states: int
) -> tuple[Int32[np.ndarray, " bounds"], Int32[np.ndarray, "arcs 3"]]:
    """Sort arcs by state, then label, and put what the search reads together side by side.

    Args:
        parts: Arcs.
        n_states: Least number of states.
    """
    arcs = _joined(parts)
    n_states = max(n_states, int(arcs.source.max()) + 1, int(arcs.target.max()) + 1)
    order = np.argsort(arcs.source.astype(np.int64) * 256 + arcs.label, kind="stable")
    packed = np.empty((len(order), 3), dtype=np.int32)
    packed[:, 0] = (arcs.word * 256 + arcs.label)[order]
    packed[:, 1] = arcs.weight[order].astype(np.float32).view(np.int32)
    packed[:, 2] = arcs.target[order]
    counts = np.bincount(arcs.source, minlength=n_states)
    return np.concatenate(([0], np.cumsum(counts))).astype(np.int32), packed
