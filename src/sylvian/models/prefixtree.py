"""Sentences that begin alike, as one tree of tokens: what they share is computed once.

The candidates of a trial differ in a word or two. Laid into a tree, a hundred of them are a few
hundred tokens instead of a thousand or more; a mask lets every token see its own sentence only.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Float64, Int64
from torch import Tensor

ROOT = 0  # the start token, which nothing predicts


@dataclass(frozen=True, slots=True)
class PrefixTree:
    """Token sequences that share their beginnings.

    Attributes:
        tokens: Token of each node; a node comes after its parent.
        parents: Node before each node; the root is its own.
        depths: Tokens before each node.
        ends: Last node of each sequence.
    """

    tokens: Int64[np.ndarray, " nodes"]
    parents: Int64[np.ndarray, " nodes"]
    depths: Int64[np.ndarray, " nodes"]
    ends: Int64[np.ndarray, " sequences"]

    @classmethod
    def grow(cls, start: int, sequences: Sequence[Sequence[int]]) -> PrefixTree:
        """Lay sequences into one tree below the start token."""
        tokens, parents, depths, ends = [start], [ROOT], [0], []
        known: dict[tuple[int, int], int] = {}
        for sequence in sequences:
            node = ROOT
            for token in sequence:
                child = known.setdefault((node, token), len(tokens))
                if child == len(tokens):
                    tokens.append(token)
                    parents.append(node)
                    depths.append(depths[node] + 1)
                node = child
            ends.append(node)
        return cls(
            *(np.array(column, dtype=np.int64) for column in (tokens, parents, depths, ends))
        )

    @property
    def sees(self) -> Bool[np.ndarray, "nodes nodes"]:
        """Which nodes (columns) are before each node (rows) in its sequence, itself included."""
        sees = np.eye(len(self.tokens), dtype=bool)
        for node in range(1, len(self.tokens)):
            sees[node] |= sees[self.parents[node]]
        return sees

    @property
    def inner(self) -> Int64[np.ndarray, " inner"]:
        """The nodes something comes after, in order."""
        return np.unique(self.parents[1:])

    def nats(
        self, rows: Int64[np.ndarray, " rows"], log_probs: Float[Tensor, "rows tokens"]
    ) -> Float64[np.ndarray, " nodes"]:
        """Look up the log-probability of each node's token behind its parent.

        Args:
            rows: The nodes that something was predicted behind, all of `inner` among them.
            log_probs: What was predicted.
        """
        row_of = np.zeros(len(self.tokens), dtype=np.int64)
        row_of[rows] = np.arange(len(rows))
        found = log_probs[row_of[self.parents], self.tokens]
        return np.asarray(found.double().cpu().numpy())

    def totals(self, nats: Float64[np.ndarray, " nodes"]) -> Float64[np.ndarray, " sequences"]:
        """Add up the nodes of each sequence, the root left out."""
        sums = np.zeros(len(self.tokens))
        for node in range(1, len(self.tokens)):
            sums[node] = sums[self.parents[node]] + nats[node]
        return np.asarray(sums[self.ends])


def hiding(
    sees: Bool[np.ndarray, "places all"], *, dtype: torch.dtype, device: torch.device
) -> Float[Tensor, "1 1 places all"]:
    """Turn what each place may see into what is added to its attention."""
    seen = torch.from_numpy(sees).to(device)
    hidden = torch.zeros(seen.shape, dtype=dtype, device=device)
    return hidden.masked_fill_(~seen, torch.finfo(dtype).min)[None, None]


def parcels(sequences: Sequence[Sequence[int]], *, max_nodes: int) -> Iterator[list[int]]:
    """Divide sequences among trees of at most `max_nodes` nodes; neighbours in spelling together.

    Yields:
        Positions in `sequences`; a sequence longer than `max_nodes` has a tree of its own.
    """
    order = sorted(range(len(sequences)), key=lambda i: tuple(sequences[i]))
    parcel: list[int] = []
    nodes = 1
    before: tuple[int, ...] = ()
    for i in order:
        sequence = tuple(sequences[i])
        new = len(sequence) - _shared(before, sequence)
        if parcel and nodes + new > max_nodes:
            yield parcel
            parcel, nodes, new = [], 1, len(sequence)
        parcel.append(i)
        nodes, before = nodes + new, sequence
    if parcel:
        yield parcel


def _shared(one: Sequence[int], other: Sequence[int]) -> int:
    """How many tokens two sequences begin with alike."""
    pairs = zip(one, other, strict=False)
    return next((n for n, (a, b) in enumerate(pairs) if a != b), min(len(one), len(other)))
