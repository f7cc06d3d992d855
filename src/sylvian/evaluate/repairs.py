"""What a second decoder fixed and what it broke: word by word on the same trials."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Int

from sylvian.errors import DataError
from sylvian.evaluate.intervals import Difference, paired_bootstrap
from sylvian.evaluate.rates import Edit, align, word_edits
from sylvian.evaluate.resampling import Share, shares
from sylvian.text import normalize_sentence

RIGHT, FIXED, BROKEN, WRONG = range(4)
Changes = Counter[tuple[str, str]]
Examples = tuple[tuple[str, str, int], ...]


@dataclass(frozen=True, slots=True)
class Repairs:
    """Every reference word under two decoders; shares are of all reference words.

    Attributes:
        n_words: Reference words.
        right: Right in both.
        fixed: Wrong before, right after.
        broken: Right before, wrong after.
        wrong: Wrong in both, alike or not.
        insertions_before: Words the first decoder put in where there was none.
        insertions_after: The same of the second.
        gain: Word error rate after minus before, paired.
        fixed_words: The most frequent (true word, decoded before, count); empty text: left out.
        broken_words: The most frequent (true word, decoded after, count).
    """

    n_words: int
    right: Share
    fixed: Share
    broken: Share
    wrong: Share
    insertions_before: int
    insertions_after: int
    gain: Difference
    fixed_words: Examples
    broken_words: Examples


def compare_decoders(
    references: Sequence[str],
    before: Sequence[str],
    after: Sequence[str],
    *,
    n_examples: int = 10,
    seed: int = 0,
    n_resamples: int = 10_000,
) -> Repairs:
    """Say of each reference word whether it was right before and after.

    Args:
        references: The true sentences.
        before: What the first decoder said, such as words looked up without a language model.
        after: What the second said, such as an n-gram's or a rescored list's best.
        n_examples: How many of the most frequent repairs and damages to list.
        seed: Seed of the bootstrap over trials.
        n_resamples: Number of resamples.

    Raises:
        DataError: the three are not of the same trials.
    """
    if not len(references) == len(before) == len(after):
        raise DataError(
            f"compare decoders: {len(references)} references, {len(before)} and {len(after)} "
            "sentences; give the same trials in the same order"
        )
    table, (fixed, broken) = _table(references, before, after)
    totals = table.sum(axis=1, keepdims=True)
    found = shares(table, totals, seed=seed, n_resamples=n_resamples)
    old_counts = [word_edits(t, s) for t, s in zip(references, before, strict=True)]
    new_counts = [word_edits(t, s) for t, s in zip(references, after, strict=True)]
    return Repairs(
        n_words=int(totals.sum()),
        right=found[RIGHT],
        fixed=found[FIXED],
        broken=found[BROKEN],
        wrong=found[WRONG],
        insertions_before=sum(counts.insertions for counts in old_counts),
        insertions_after=sum(counts.insertions for counts in new_counts),
        gain=paired_bootstrap(new_counts, old_counts, seed=seed, n_resamples=n_resamples),
        fixed_words=_most(fixed, n_examples),
        broken_words=_most(broken, n_examples),
    )


def _table(
    references: Sequence[str], before: Sequence[str], after: Sequence[str]
) -> tuple[Int[np.ndarray, "trials outcomes"], tuple[Changes, Changes]]:
    """Count outcomes in each trial, and list which words were fixed and which were broken."""
    table = np.zeros((len(references), 4), np.int64)
    fixed: Changes = Counter()
    broken: Changes = Counter()
    for row, (true, old, new) in enumerate(zip(references, before, after, strict=True)):
        for one, other in zip(_columns(true, old), _columns(true, new), strict=True):
            outcome = _outcome(one, other)
            table[row, outcome] += 1
            if outcome == FIXED:
                fixed[str(one.reference), one.hypothesis or ""] += 1
            elif outcome == BROKEN:
                broken[str(other.reference), other.hypothesis or ""] += 1
    return table, (fixed, broken)


def _columns(true: str, said: str) -> list[Edit]:
    """Give one column for every reference word."""
    edits = align(normalize_sentence(true).split(), normalize_sentence(said).split())
    return [edit for edit in edits if edit.op != "insert"]


def _outcome(before: Edit, after: Edit) -> int:
    was, is_now = before.op == "equal", after.op == "equal"
    if was:
        return RIGHT if is_now else BROKEN
    return FIXED if is_now else WRONG


def _most(found: Changes, n: int) -> Examples:
    ranked = sorted(found.items(), key=lambda item: (-item[1], item[0]))
    return tuple((true, said, count) for (true, said), count in ranked[:n])
