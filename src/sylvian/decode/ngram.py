"""Train n-gram models: interpolated modified Kneser-Ney on sorted arrays, pure NumPy."""

from __future__ import annotations

import itertools
from array import array
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float64, Int, Int32, Int64

from sylvian.decode.arpa import BOS, EOS, SPECIAL, UNK, ArpaModel
from sylvian.decode.arpafile import read_arpa, write_arpa
from sylvian.errors import DecodeError

__all__ = ["ArpaModel", "build_ngram", "read_arpa", "write_arpa"]

MAX_ORDER = 5
_FALLBACK = (0.5, 1.0, 1.5)
_UNK, _BOS, _EOS = 0, 1, 2
_NOTHING = 1e-99  # how ARPA files write the probability of the impossible <s>


def build_ngram(
    sentences: Iterable[str],
    *,
    order: int,
    vocabulary: Iterable[str] | None = None,
    prune: Sequence[int] = (),
) -> ArpaModel:
    """Train an interpolated modified Kneser-Ney model.

    Args:
        sentences: One sentence each, normalised; words are split at white space, empty sentences
            passed over.
        order: Longest n-gram, 1 to 5.
        vocabulary: The words the model may know: others are counted as `<unk>`, and those that
            never occur get the unigram back-off probability. Every word of the text by default.
        prune: `prune[n - 1]`: drop n-grams of order n seen at most so often, e.g. `(0, 0, 1, 1)`;
            their probability goes to the back-off. Must not fall; the last entry holds for all
            higher orders.

    Raises:
        DecodeError: no word to learn from, an order outside 1 to 5, falling thresholds, or a
            sentence mark inside a sentence.

    Source: Chen and Goodman 1998, section 3; counts, discounts and the uniform base of the
    unigrams as in KenLM's `lmplz` (Heafield et al. 2013), with its fall-back discounts where
    counts of counts give none.

    Why here: `kaldingram` has unmodified back-off Kneser-Ney in nested dicts: 11 s and 711 MB for
    0.7 million words.
    """
    thresholds = _thresholds(prune, order)
    text = _encode(sentences, vocabulary)
    tables = _count(text, order)
    adjusted = _adjusted_counts(tables)
    return _estimate(text.symbols, tables, adjusted, thresholds)


@dataclass(frozen=True)
class _Text:
    """Sentences as one array of symbols; `age` counts the words since the sentence's mark."""

    symbols: tuple[str, ...]
    tokens: Int32[np.ndarray, " tokens"]
    age: Int32[np.ndarray, " tokens"]


@dataclass(frozen=True)
class _Table:
    """The distinct n-grams of one order, sorted by context, then word (rows of the level below)."""

    context: Int32[np.ndarray, " ngrams"]
    word: Int32[np.ndarray, " ngrams"]
    suffix: Int32[np.ndarray, " ngrams"]
    count: Int32[np.ndarray, " ngrams"]
    opening: Bool[np.ndarray, " ngrams"]


def _thresholds(prune: Sequence[int], order: int) -> list[int]:
    if not 1 <= order <= MAX_ORDER:
        raise DecodeError(f"order {order}: n-gram models have order 1 to {MAX_ORDER}")
    given = [*prune, *([prune[-1] if prune else 0] * order)][:order]
    if given != sorted(given) or given[0] != 0:
        raise DecodeError(
            f"prune {tuple(prune)}: thresholds must start at 0 (limit the vocabulary instead) and "
            "must not fall"
        )
    return given


def _encode(sentences: Iterable[str], vocabulary: Iterable[str] | None) -> _Text:
    seen: defaultdict[str, int] = defaultdict(itertools.count().__next__)
    tokens, lengths = array("i"), array("i")
    for sentence in sentences:
        words = sentence.split()
        if words:
            tokens.extend([seen[word] for word in words])
            lengths.append(len(words))
    if not tokens:
        raise DecodeError("no words to learn an n-gram model from; give text with sentences")
    if not seen.keys().isdisjoint((BOS, EOS)):
        raise DecodeError("a sentence holds '<s>' or '</s>'; give sentences without marks")
    words = sorted(set(seen if vocabulary is None else vocabulary) - SPECIAL)
    symbols = (UNK, BOS, EOS, *words)
    rank = {symbol: number for number, symbol in enumerate(symbols)}
    number_of = np.array([rank.get(word, _UNK) for word in seen], dtype=np.int32)
    return _framed(symbols, number_of[np.frombuffer(tokens, np.int32)], np.array(lengths))


def _framed(
    symbols: tuple[str, ...], words: Int32[np.ndarray, " words"], lengths: Int[np.ndarray, " lines"]
) -> _Text:
    """Put `<s>` before and `</s>` after each sentence."""
    ends = np.cumsum(lengths + 2)
    starts = ends - lengths - 2
    tokens = np.full(ends[-1], _EOS, dtype=np.int32)
    tokens[starts] = _BOS
    inside = np.ones(ends[-1], dtype=bool)
    inside[starts] = inside[ends - 1] = False
    tokens[inside] = words
    age = np.arange(ends[-1], dtype=np.int32) - np.repeat(starts, lengths + 2).astype(np.int32)
    return _Text(symbols, tokens, age)


def _count(text: _Text, order: int) -> list[_Table]:
    n_symbols = len(text.symbols)
    row = text.tokens.astype(np.int64)  # of the n-gram that ends at each token; -1: none fits
    nothing = np.zeros(n_symbols, dtype=np.int64)
    counts = np.bincount(text.tokens, minlength=n_symbols)
    tables = [_table(nothing, np.arange(n_symbols), nothing, counts, nothing > 0)]
    for n in range(2, order + 1):
        ends = np.flatnonzero(text.age >= n - 1)
        keys, first, inverse, counts = np.unique(
            row[ends - 1] * n_symbols + text.tokens[ends],
            return_index=True,
            return_inverse=True,
            return_counts=True,
        )
        where = ends[first]
        opening = text.age[where] == n - 1
        tables.append(_table(keys // n_symbols, keys % n_symbols, row[where], counts, opening))
        row = np.full(len(row), -1, dtype=np.int64)
        row[ends] = inverse
    return tables


def _table(
    context: Int64[np.ndarray, " ngrams"],
    word: Int64[np.ndarray, " ngrams"],
    suffix: Int64[np.ndarray, " ngrams"],
    count: Int64[np.ndarray, " ngrams"],
    opening: Bool[np.ndarray, " ngrams"],
) -> _Table:
    """Keep half the memory: every table stays until the last is counted."""
    context, word, suffix, count = (a.astype(np.int32) for a in (context, word, suffix, count))
    return _Table(context, word, suffix, count, opening)


def _adjusted_counts(tables: list[_Table]) -> list[Int[np.ndarray, " _"]]:
    """Count distinct left neighbours below the top order, except after `<s>`, which has none."""
    adjusted = []
    for table, above in itertools.pairwise(tables):
        neighbours = np.bincount(above.suffix, minlength=len(table.count))
        adjusted.append(np.where(table.opening, table.count, neighbours))
    adjusted.append(tables[-1].count.copy())
    adjusted[0][_BOS] = 0  # nobody predicts the beginning of a sentence
    return adjusted


def _estimate(
    symbols: tuple[str, ...],
    tables: list[_Table],
    adjusted: list[Int[np.ndarray, " _"]],
    thresholds: list[int],
) -> ArpaModel:
    base = np.full(len(symbols), 1.0 / (len(symbols) - 1))  # all but <s>
    p = [base]  # p[n]: of the n-grams of order n
    bow: list[Float64[np.ndarray, " _"]] = []
    n_contexts = 1
    keeps = [table.count > least for table, least in zip(tables, thresholds, strict=True)]
    keeps[0][:] = True
    for n, (table, counts) in enumerate(zip(tables, adjusted, strict=True)):
        own = np.where(keeps[n], counts - discounts(counts)[np.minimum(counts, 3)], 0.0)
        total = np.bincount(table.context, counts, minlength=n_contexts)
        given = np.bincount(table.context, own, minlength=n_contexts)
        used = total > 0
        bow.append(np.where(used, 1.0 - given / np.where(used, total, 1.0), 1.0))
        shorter = p[-1][table.suffix] if n else base
        p.append(own / np.where(used, total, 1.0)[table.context] + bow[-1][table.context] * shorter)
        n_contexts = len(counts)
    bow.append(np.ones(n_contexts))
    p[1][_BOS] = _NOTHING
    return _assembled(symbols, tables, keeps, p[1:], bow[1:])


def discounts(counts: Int[np.ndarray, " ngrams"]) -> Float64[np.ndarray, " counts"]:
    """What to take off an n-gram seen 0, 1, 2, and 3 or more times.

    Returns:
        Discounts estimated from counts of counts, or 0.5, 1 and 1.5 where those give none for some
        count (small or artificial texts): a context of such n-grams alone would leave nothing to
        words not seen there.

    Source: Chen and Goodman 1998, equation 26.
    """
    n1, n2, n3, n4 = (float((counts == k).sum()) for k in (1, 2, 3, 4))
    if not (n1 and n2 and n3):
        return np.array((0.0, *_FALLBACK))
    y = n1 / (n1 + 2 * n2)
    found = np.array((0.0, 1 - 2 * y * n2 / n1, 2 - 3 * y * n3 / n2, 3 - 4 * y * n4 / n3))
    return found if (found[1:] > 0).all() else np.array((0.0, *_FALLBACK))


def _assembled(
    symbols: tuple[str, ...],
    tables: list[_Table],
    keeps: list[Bool[np.ndarray, " _"]],
    p: list[Float64[np.ndarray, " _"]],
    bow: list[Float64[np.ndarray, " _"]],
) -> ArpaModel:
    """Drop what was pruned and lay the levels end to end; they are sorted already."""
    starts = np.cumsum([0, 1, *(int(keep.sum()) for keep in keeps)])
    parent, word = [np.zeros(1, np.int32)], [np.full(1, -1, np.int32)]
    node_above = np.zeros(1, dtype=np.int64)
    for n, (table, keep) in enumerate(zip(tables, keeps, strict=True), 1):
        parent.append(node_above[table.context[keep]].astype(np.int32))
        word.append(table.word[keep].astype(np.int32))
        node_above = starts[n] + np.cumsum(keep) - 1
    zero = np.zeros(1, dtype=np.float32)
    log_p, log_bow = (
        [zero, *(np.log(a[keep]).astype(np.float32) for a, keep in zip(arrays, keeps, strict=True))]
        for arrays in (p, bow)
    )
    return ArpaModel(
        symbols,
        starts.astype(np.int64),
        *(np.concatenate(parts) for parts in (parent, word, log_p, log_bow)),
    )
