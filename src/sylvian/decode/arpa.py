"""A back-off n-gram model held as one sorted table, scored word by word."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from jaxtyping import Float32, Int, Int32, Int64

from sylvian.errors import DecodeError

BOS, EOS, UNK = "<s>", "</s>", "<unk>"
SPECIAL = frozenset((BOS, EOS, UNK))


@dataclass(frozen=True)
class ArpaModel:
    """An n-gram model; every n-gram is a node, node 0 the empty one.

    Nodes are sorted by order, then by the node of their first n - 1 words, then by last word, so
    the continuations of a context lie side by side and `parent * n_symbols + word` rises from one
    node to the next. All logarithms are natural.

    Attributes:
        symbols: Every word form with a unigram; sentence marks and `<unk>` among them.
        level_start: First node of order n at index n; the last entry is the number of nodes.
        parent: Node of the first n - 1 words.
        word: Symbol of the last word (-1 for the empty node).
        log_p: Log-probability of the last word given the others.
        log_bow: Log of the weight on shorter contexts when this context has no such continuation.

    Source: the ARPA format of SRILM, `ngram-format(5)`.
    """

    symbols: tuple[str, ...]
    level_start: Int64[np.ndarray, " levels"]
    parent: Int32[np.ndarray, " nodes"]
    word: Int32[np.ndarray, " nodes"]
    log_p: Float32[np.ndarray, " nodes"]
    log_bow: Float32[np.ndarray, " nodes"]

    @property
    def order(self) -> int:
        """Longest n-gram."""
        return len(self.level_start) - 2

    @property
    def n_ngrams(self) -> tuple[int, ...]:
        """Number of n-grams of each order, order 1 first."""
        return tuple(np.diff(self.level_start[1:]).tolist())

    @cached_property
    def words(self) -> tuple[str, ...]:
        """The symbols one can say: without sentence marks and `<unk>`."""
        return tuple(symbol for symbol in self.symbols if symbol not in SPECIAL)

    @cached_property
    def index(self) -> dict[str, int]:
        """Number of each symbol."""
        return {symbol: number for number, symbol in enumerate(self.symbols)}

    @cached_property
    def digest(self) -> str:
        """Sixteen hexadecimal digits that change with any word or weight."""
        sha = hashlib.sha256("\n".join(self.symbols).encode())
        for array in (self.parent, self.word, self.log_p, self.log_bow):
            sha.update(np.ascontiguousarray(array).tobytes())
        return sha.hexdigest()[:16]

    @cached_property
    def keys(self) -> Int64[np.ndarray, " nodes"]:
        """Sorted search key of each node: its parent and its word as one number."""
        keys = self.parent.astype(np.int64) * len(self.symbols) + self.word
        keys[0] = -1
        return np.asarray(keys)

    @cached_property
    def backoff(self) -> Int32[np.ndarray, " nodes"]:
        """Node of the longest proper suffix that exists, of each node (-1 for the empty one).

        Why here: a pruned model may have `a b c` without `b c`; then `c` serves.
        """
        links = np.full(len(self.word), -1, dtype=np.int32)
        links[1 : self.level_start[2]] = 0
        for n in range(2, self.order + 1):
            level = slice(*self.level_start[n : n + 2])
            links[level] = self.extend(links[self.parent[level]], self.word[level], links)
        return links

    def find(
        self, contexts: Int[np.ndarray, " queries"], words: Int[np.ndarray, " queries"]
    ) -> Int64[np.ndarray, " queries"]:
        """Look up nodes by context node and last word; -1 where there is none."""
        wanted = contexts.astype(np.int64) * len(self.symbols) + words
        rows = np.minimum(np.searchsorted(self.keys, wanted), len(self.keys) - 1)
        return np.asarray(np.where((self.keys[rows] == wanted) & (contexts >= 0), rows, -1))

    def extend(
        self,
        contexts: Int[np.ndarray, " queries"],
        words: Int[np.ndarray, " queries"],
        backoff: Int[np.ndarray, " nodes"],
    ) -> Int64[np.ndarray, " queries"]:
        """Find the longest suffix of each context followed by its word that is a node."""
        contexts = contexts.astype(np.int64)
        found = self.find(contexts, words)
        while (missing := np.flatnonzero((found < 0) & (contexts > 0))).size:
            contexts[missing] = backoff[contexts[missing]]
            found[missing] = self.find(contexts[missing], words[missing])
        return np.asarray(np.maximum(found, 0))

    def start(self) -> int:
        """Return the state at the beginning of a sentence."""
        bos = self.index.get(BOS)
        return 0 if bos is None else 1 + bos

    def score(self, state: int, word: str) -> tuple[float, int]:
        """Score one word after a state.

        Args:
            state: From `start` or an earlier `score`.
            word: A word, or `</s>` to end the sentence; unknown words count as `<unk>`.

        Returns:
            Log-probability in nats (minus infinity for an unknown word in a model without
            `<unk>`) and the next state.
        """
        symbol = self.index.get(word, self.index.get(UNK))
        if symbol is None:
            return -math.inf, 0
        nats, node = 0.0, self._child(state, symbol)
        while node < 0:
            nats += float(self.log_bow[state])
            state = int(self.backoff[state])
            node = self._child(state, symbol)
        nats += float(self.log_p[node])
        full = node >= self.level_start[self.order]
        return nats, int(self.backoff[node]) if full else node

    def score_words(self, words: Sequence[str]) -> float:
        """Log-probability of a whole sentence in nats, its end included."""
        total, state = 0.0, self.start()
        for word in (*words, EOS):
            nats, state = self.score(state, word)
            total += nats
        return total

    def score_sentences(self, texts: Iterable[str]) -> list[float]:
        """Log-probability of each text in nats, words split at white space."""
        return [self.score_words(text.split()) for text in texts]

    def _child(self, node: int, symbol: int) -> int:
        wanted = node * len(self.symbols) + symbol
        row = int(np.searchsorted(self.keys, wanted))
        return row if row < len(self.keys) and self.keys[row] == wanted else -1


@dataclass(frozen=True)
class Level:
    """The n-grams of one order, in any order, named by their words' symbols."""

    words: Int32[np.ndarray, "ngrams order"]
    log_p: Float32[np.ndarray, " ngrams"]
    log_bow: Float32[np.ndarray, " ngrams"]


def assemble(symbols: Sequence[str], levels: Sequence[Level]) -> ArpaModel:
    """Sort n-grams into a model.

    Args:
        symbols: Words; the unigram level must have each exactly once.
        levels: N-grams of order 1, 2, …

    Raises:
        DecodeError: an n-gram comes twice, or its first n - 1 words are no n-gram themselves.
    """
    sizes = np.array([0, 1, *(len(level.log_p) for level in levels)], dtype=np.int64)
    starts = np.cumsum(sizes)
    n_nodes = int(starts[-1])
    parent, word = np.zeros(n_nodes, np.int32), np.full(n_nodes, -1, np.int32)
    log_p, log_bow = np.zeros(n_nodes, np.float32), np.zeros(n_nodes, np.float32)
    keys = np.full(n_nodes, -1, dtype=np.int64)
    for n, level in enumerate(levels, 1):
        contexts = _locate(level.words[:, :-1], keys, starts, len(symbols))
        _require_contexts(contexts, level.words, symbols)
        key = contexts * len(symbols) + level.words[:, -1]
        order = np.argsort(key, kind="stable")
        _require_distinct(key[order], level.words[order], symbols)
        rows = slice(starts[n], starts[n + 1])
        keys[rows], parent[rows] = key[order], contexts[order]
        word[rows], log_p[rows], log_bow[rows] = (
            level.words[order, -1],
            level.log_p[order],
            level.log_bow[order],
        )
    return ArpaModel(tuple(symbols), starts, parent, word, log_p, log_bow)


def _locate(
    words: Int32[np.ndarray, "ngrams length"],
    keys: Int64[np.ndarray, " nodes"],
    starts: Int64[np.ndarray, " levels"],
    n_symbols: int,
) -> Int64[np.ndarray, " ngrams"]:
    nodes = np.zeros(len(words), dtype=np.int64)
    for n, column in enumerate(words.T, 1):
        wanted = nodes * n_symbols + column
        level = keys[starts[n] : starts[n + 1]]
        if not len(level):
            return np.full(len(words), -1, dtype=np.int64)
        rows = np.minimum(np.searchsorted(level, wanted), len(level) - 1)
        nodes = np.where((level[rows] == wanted) & (nodes >= 0), rows + starts[n], -1)
    return nodes


def _require_contexts(
    contexts: Int64[np.ndarray, " ngrams"],
    words: Int32[np.ndarray, "ngrams order"],
    symbols: Sequence[str],
) -> None:
    orphans = np.flatnonzero(contexts < 0)
    if orphans.size:
        ngram = " ".join(symbols[w] for w in words[orphans[0]])
        context = ngram.rpartition(" ")[0]
        raise DecodeError(
            f"n-gram {ngram!r} has no context {context!r} of one word less; "
            "the model was cut badly, build it again"
        )


def _require_distinct(
    keys: Int64[np.ndarray, " ngrams"],
    words: Int32[np.ndarray, "ngrams order"],
    symbols: Sequence[str],
) -> None:
    twice = np.flatnonzero(np.diff(keys) == 0)
    if twice.size:
        ngram = " ".join(symbols[w] for w in words[twice[0]])
        raise DecodeError(f"n-gram {ngram!r} comes twice; keep one of them")
