"""A second n-gram reads a search's lattice: the first one's costs out, its own in.

A token of the lattice may be reached by several histories that a larger n-gram tells apart, so the
lattice is expanded into pairs of token and n-gram context; every way of the old lattice is one way
of the new.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from jaxtyping import Float32, Float64, Int32, Int64

from sylvian.decode.arpa import EOS, UNK, ArpaModel
from sylvian.decode.compiled import compiled, longer
from sylvian.errors import DecodeError


class _Ngrams(NamedTuple):
    """An n-gram model as the loops read it; see `arpa.ArpaModel`."""

    keys: Int64[np.ndarray, " nodes"]
    log_p: Float32[np.ndarray, " nodes"]
    log_bow: Float32[np.ndarray, " nodes"]
    backoff: Int32[np.ndarray, " nodes"]
    n_symbols: int
    full: int  # first node of the highest order, which no context is as long as


@dataclass(frozen=True, slots=True)
class LargerLm:
    """An n-gram model and the words of a decoding graph, joined.

    Attributes:
        model: The model.
        symbol: Its symbol of each word, as links number words from 1 on.
    """

    model: ArpaModel
    symbol: Int32[np.ndarray, " words"]
    ngrams: _Ngrams

    @classmethod
    def join(cls, model: ArpaModel, words: Sequence[str]) -> LargerLm:
        """Look up a graph's words in a model; a word it lacks counts as `<unk>`.

        Raises:
            DecodeError: the model lacks words and `<unk>`, or cannot end a sentence.
        """
        unknown = model.index.get(UNK, -1)
        symbol = np.array([-1, *(model.index.get(word, unknown) for word in words)], np.int32)
        lacking = np.flatnonzero(symbol[1:] < 0)
        if lacking.size:
            raise DecodeError(
                f"the larger language model lacks {lacking.size} of the decoding graph's words "
                f"({words[lacking[0]]!r}) and has no {UNK!r}; build both from the same words"
            )
        if EOS not in model.index:
            raise DecodeError(f"the larger language model lacks {EOS!r}; build it from sentences")
        ngrams = _Ngrams(
            model.keys,
            model.log_p,
            model.log_bow,
            model.backoff,
            len(model.symbols),
            int(model.level_start[model.order]),
        )
        return cls(model, symbol, ngrams)

    def expand(
        self,
        first: Int64[np.ndarray, " offsets"],
        target: Int32[np.ndarray, " links"],
        word: Int32[np.ndarray, " links"],
    ) -> Expanded:
        """Tell the histories of a lattice's tokens apart; see `lattice.Lattice` for the arrays."""
        start = self.model.start()
        return Expanded(*_expand(first, target, word, self.ngrams, self.symbol, start))

    def ends(self, contexts: Int32[np.ndarray, " tokens"]) -> Float64[np.ndarray, " tokens"]:
        """Give the log-probability of a sentence's end in each context (nats)."""
        distinct, place = np.unique(contexts, return_inverse=True)
        return np.array([self.model.score(int(one), EOS)[0] for one in distinct])[place]


class Expanded(NamedTuple):
    """A lattice whose tokens know their n-gram context; links are sorted by source.

    Attributes:
        token: Token of the old lattice, of each new one.
        context: Its n-gram context.
        link: Old link, of each new one.
        source: New token it leaves.
        target: New token it leads to, always a higher number.
        nats: Log-probability of the word it says, 0 for none.
    """

    token: Int32[np.ndarray, " tokens"]
    context: Int32[np.ndarray, " tokens"]
    link: Int32[np.ndarray, " links"]
    source: Int32[np.ndarray, " links"]
    target: Int32[np.ndarray, " links"]
    nats: Float64[np.ndarray, " links"]


@compiled
def _child(ngrams: _Ngrams, context: int, symbol: int) -> int:
    """Find the node of a context and one more word, -1 for none."""
    wanted = np.int64(context) * ngrams.n_symbols + symbol
    low, high = 0, len(ngrams.keys)
    while low < high:
        middle = (low + high) // 2
        if ngrams.keys[middle] < wanted:
            low = middle + 1
        else:
            high = middle
    return low if low < len(ngrams.keys) and ngrams.keys[low] == wanted else -1


@compiled
def _follow(ngrams: _Ngrams, context: int, symbol: int) -> tuple[float, int]:
    """Score one word after a context; the loop of `ArpaModel.score`."""
    nats, node = 0.0, _child(ngrams, context, symbol)
    while node < 0:
        nats += ngrams.log_bow[context]
        context = int(ngrams.backoff[context])
        node = _child(ngrams, context, symbol)
    nats += ngrams.log_p[node]
    return nats, int(ngrams.backoff[node]) if node >= ngrams.full else node


@compiled
def _expand(
    first: Int64[np.ndarray, " offsets"],
    target: Int32[np.ndarray, " links"],
    word: Int32[np.ndarray, " links"],
    ngrams: _Ngrams,
    symbol: Int32[np.ndarray, " words"],
    start: int,
) -> tuple[
    Int32[np.ndarray, " tokens"],
    Int32[np.ndarray, " tokens"],
    Int32[np.ndarray, " links"],
    Int32[np.ndarray, " links"],
    Int32[np.ndarray, " links"],
    Float64[np.ndarray, " links"],
]:
    """Visit tokens in order; each one's contexts are complete when its turn comes.

    New tokens are made in the order they are reached and numbered anew in the order they are
    visited, so that links lead upwards again.
    """
    n_tokens = len(first) - 1
    newest = np.full(n_tokens, -1, np.int32)  # of each old token: the chain of its new ones
    before, context = np.full(1024, -1, np.int32), np.zeros(1024, np.int32)
    number, visited = np.zeros(1024, np.int32), np.zeros(1024, np.int32)
    token = np.zeros(1024, np.int32)
    link, source = np.zeros(4096, np.int32), np.zeros(4096, np.int32)
    goal, nats = np.zeros(4096, np.int32), np.zeros(4096)
    context[0], newest[0] = start, 0
    made, n_visited, n_links = 1, 0, 0
    for old in range(n_tokens):
        at = newest[old]
        while at >= 0:
            number[at], visited[n_visited], token[n_visited] = n_visited, at, old
            for i in range(first[old], first[old + 1]):
                said, then = 0.0, int(context[at])
                if word[i] > 0:
                    said, then = _follow(ngrams, context[at], symbol[word[i]])
                there = newest[target[i]]
                while there >= 0 and context[there] != then:
                    there = before[there]
                if there < 0:
                    if made == len(context):
                        before, context = longer(before, 2 * made), longer(context, 2 * made)
                        number, visited = longer(number, 2 * made), longer(visited, 2 * made)
                        token = longer(token, 2 * made)
                    there = made
                    context[there], before[there] = then, newest[target[i]]
                    newest[target[i]] = there
                    made += 1
                if n_links == len(link):
                    link, source = longer(link, 2 * n_links), longer(source, 2 * n_links)
                    goal, nats = longer(goal, 2 * n_links), longer(nats, 2 * n_links)
                link[n_links], source[n_links] = i, n_visited
                goal[n_links], nats[n_links] = there, said
                n_links += 1
            n_visited += 1
            at = before[at]
    return (
        token[:made],
        context[visited[:made]],
        link[:n_links],
        source[:n_links],
        number[goal[:n_links]],
        nats[:n_links],
    )
