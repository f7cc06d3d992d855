"""Counting edits between what was meant and what was decoded; rates come later, from the sums."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Literal, NamedTuple

from rapidfuzz.distance import Levenshtein

from sylvian.text import normalize_sentence
from sylvian.types import EditCounts

Op = Literal["equal", "substitute", "delete", "insert"]


class Edit(NamedTuple):
    """One column of an alignment; a deletion has no hypothesis, an insertion no reference."""

    op: Op
    reference: str | None
    hypothesis: str | None


def count_edits(reference: Sequence[str], hypothesis: Sequence[str]) -> EditCounts:
    """Count the fewest substitutions, deletions and insertions that repair a hypothesis.

    Where several alignments are equally short, the split into the three kinds is rapidfuzz's (and
    so jiwer's); their sum is the Levenshtein distance in any case.

    Args:
        reference: The true tokens: words, phones with `SIL`, or characters.
        hypothesis: The decoded tokens.

    Source: the error-rate definition of both Brain-to-Text benchmarks.
    """
    kinds = Counter(op.tag for op in Levenshtein.editops(*_numbered(reference, hypothesis)))
    return EditCounts(kinds["replace"], kinds["delete"], kinds["insert"], len(reference))


def align(reference: Sequence[str], hypothesis: Sequence[str]) -> list[Edit]:
    """Lay a hypothesis beside its reference, matches included, in order.

    Args:
        reference: The true tokens.
        hypothesis: The decoded tokens.

    Returns:
        One `Edit` a column; those that are not `equal` are what `count_edits` counts.
    """
    columns: list[Edit] = []
    for block in Levenshtein.opcodes(*_numbered(reference, hypothesis)):
        true = reference[block.src_start : block.src_end]
        decoded = hypothesis[block.dest_start : block.dest_end]
        columns += _columns(block.tag, true, decoded)
    return columns


def word_edits(reference: str, hypothesis: str) -> EditCounts:
    """Count word edits between two sentences, both normalised as the benchmarks do (paper §5.3)."""
    return count_edits(
        normalize_sentence(reference).split(), normalize_sentence(hypothesis).split()
    )


def char_edits(reference: str, hypothesis: str) -> EditCounts:
    """Count character edits, spaces included, between two normalised sentences."""
    return count_edits(normalize_sentence(reference), normalize_sentence(hypothesis))


def _numbered(*sequences: Sequence[str]) -> list[list[int]]:
    # rapidfuzz compares the hashes of strings; small integers are their own hash, so no two tokens
    # can ever be taken for each other
    numbers: dict[str, int] = {}
    return [[numbers.setdefault(token, len(numbers)) for token in s] for s in sequences]


def _columns(tag: str, true: Sequence[str], decoded: Sequence[str]) -> list[Edit]:
    match tag:
        case "delete":
            return [Edit("delete", token, None) for token in true]
        case "insert":
            return [Edit("insert", None, token) for token in decoded]
        case "replace":
            return [Edit("substitute", *pair) for pair in zip(true, decoded, strict=True)]
        case _:
            return [Edit("equal", *pair) for pair in zip(true, decoded, strict=True)]
