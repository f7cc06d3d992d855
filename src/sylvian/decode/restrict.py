"""An n-gram held to some of its words: the same model, given that no other word is said."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
from jaxtyping import Bool, Float64, Int

from sylvian.decode.arpa import BOS, EOS, UNK, ArpaModel
from sylvian.errors import DecodeError

_NOTHING = 1e-30  # of a context after which none of the words was ever likely


def restrict(model: ArpaModel, words: Iterable[str]) -> ArpaModel:
    """Condition a model on every word being one of `words`.

    After each context the probabilities of the words kept, and of the end, are divided by their
    sum; n-grams with another word in them go, `<unk>` too. Words that the model does not know share
    the probability of `<unk>` equally; a model without it lends each that of its rarest word.

    Args:
        model: Any back-off model.
        words: Those that may be said.

    Raises:
        DecodeError: the model knows none of them.

    Why here: dropping words from the graph alone leaves each context with another share of its
    probability, so that the contexts most typical of the words kept look best.
    """
    wanted = {*words} - {BOS, EOS}
    if wanted.isdisjoint(model.words):
        raise DecodeError(
            f"none of the {len(wanted)} words to decode is among the language model's "
            f"{len(model.words)}; give another word_set or another language model"
        )
    model = _enlarged(model, sorted(wanted - {*model.words}))
    wanted |= {BOS, EOS}
    symbols = np.array([symbol in wanted for symbol in model.symbols])
    kept = _kept(model, symbols)
    log_z = np.log(_sums(model, kept))
    level = np.repeat(np.arange(model.order + 1), np.diff(model.level_start))
    log_p = model.log_p - np.where(level > 0, log_z[model.parent], 0.0)
    log_bow = model.log_bow + np.where(level > 0, log_z[model.backoff] - log_z, 0.0)
    full = level == model.order  # nothing continues these
    log_bow = np.where(full, model.log_bow, log_bow)
    node, symbol = (np.cumsum(one, dtype=np.int32) - 1 for one in (kept, symbols))
    starts = np.concatenate([[0], np.cumsum(np.bincount(level[kept], minlength=model.order + 1))])
    word = np.where(model.word >= 0, symbol[model.word], -1)
    return ArpaModel(
        symbols=tuple(one for one, keep in zip(model.symbols, symbols, strict=True) if keep),
        level_start=starts.astype(np.int64),
        parent=node[model.parent[kept]].astype(np.int32),
        word=word[kept].astype(np.int32),
        log_p=log_p[kept].astype(np.float32),
        log_bow=log_bow[kept].astype(np.float32),
    )


def _enlarged(model: ArpaModel, words: list[str]) -> ArpaModel:
    """Add unigrams of words the model does not know; its probabilities then exceed one."""
    if not words:
        return model
    cut, n_new = int(model.level_start[2]), len(words)
    unigrams = model.log_p[1:cut]
    known = [model.index[word] for word in model.words]
    unknown = model.index.get(UNK)
    rarest = np.min(unigrams[np.isin(model.word[1:cut], known)])
    share = rarest if unknown is None else _of(model, unknown) - np.log(n_new)
    first = len(model.symbols)
    fresh = np.arange(first, first + n_new, dtype=np.int32)
    parent = model.parent + np.where(model.parent >= cut, n_new, 0)
    starts = model.level_start.copy()
    starts[2:] += n_new
    return ArpaModel(
        symbols=(*model.symbols, *words),
        level_start=starts,
        parent=np.insert(parent, cut, np.zeros(n_new, np.int32)).astype(np.int32),
        word=np.insert(model.word, cut, fresh),
        log_p=np.insert(model.log_p, cut, np.full(n_new, share, np.float32)),
        log_bow=np.insert(model.log_bow, cut, np.zeros(n_new, np.float32)),
    )


def _of(model: ArpaModel, symbol: int) -> float:
    """Log-probability of a symbol after nothing."""
    return float(model.log_p[int(model.find(np.zeros(1, np.int64), np.array([symbol]))[0])])


def _kept(model: ArpaModel, symbols: Bool[np.ndarray, " symbols"]) -> Bool[np.ndarray, " nodes"]:
    """Mark the n-grams all of whose words are kept."""
    kept = np.zeros(len(model.word), dtype=bool)
    kept[0] = True
    for n in range(1, model.order + 1):
        level = slice(*model.level_start[n : n + 2])
        kept[level] = kept[model.parent[level]] & symbols[model.word[level]]
    return kept


def _sums(model: ArpaModel, kept: Bool[np.ndarray, " nodes"]) -> Float64[np.ndarray, " nodes"]:
    """Add up the probability of the words kept, and of the end, after every context."""
    possible = np.exp(model.log_p.astype(np.float64))
    possible[model.word == model.index.get(BOS, -1)] = 0.0  # nobody says the beginning
    nodes = np.arange(len(model.word))
    sums = np.ones(len(nodes))
    unigrams = nodes[model.level_start[1] : model.level_start[2]]
    sums[0] = possible[unigrams[kept[unigrams]]].sum()
    for n in range(1, model.order):
        here, above = (slice(*model.level_start[m : m + 2]) for m in (n, n + 1))
        contexts, children = nodes[here][kept[here]], nodes[above][kept[above]]
        parents = model.parent[children]
        listed = np.bincount(parents, possible[children], len(nodes))
        shorter = np.exp(_score(model, model.backoff[parents], model.word[children]))
        shorter[possible[children] == 0] = 0.0
        covered = np.bincount(parents, shorter, len(nodes))
        lower = sums[model.backoff[contexts]] - covered[contexts]
        weight = np.exp(model.log_bow[contexts].astype(np.float64))
        sums[contexts] = listed[contexts] + weight * np.maximum(lower, 0.0)
    return np.maximum(sums, _NOTHING)


def _score(
    model: ArpaModel, contexts: Int[np.ndarray, " queries"], words: Int[np.ndarray, " queries"]
) -> Float64[np.ndarray, " queries"]:
    """Log-probability of words after contexts, backing off where there is no such n-gram."""
    contexts = contexts.astype(np.int64)
    nats = np.zeros(len(contexts))
    found = model.find(contexts, words)
    while (missing := np.flatnonzero((found < 0) & (contexts > 0))).size:
        nats[missing] += model.log_bow[contexts[missing]]
        contexts[missing] = model.backoff[contexts[missing]]
        found[missing] = model.find(contexts[missing], words[missing])
    return np.asarray(nats + model.log_p[np.maximum(found, 0)])
