"""Edit counts against jiwer, and against the textbook dynamic programme."""

import jiwer
from hypothesis import given, settings
from hypothesis import strategies as st

from sylvian.evaluate import align, char_edits, count_edits, word_edits
from sylvian.types import EditCounts

words = st.sampled_from(["a", "i", "to", "the", "cat", "don't", "x-ray", "is", "on", "mat"])
sentences = st.lists(words, min_size=1, max_size=12).map(" ".join)
hypotheses = st.lists(words, max_size=12).map(" ".join)
tokens = st.lists(st.sampled_from(["AA", "B", "SIL", "K", "T"]), max_size=7)


def textbook_distance(reference: list[str], hypothesis: list[str]) -> int:
    row = list(range(len(hypothesis) + 1))
    for i, true in enumerate(reference, 1):
        corner, row[0] = row[0], i
        for j, decoded in enumerate(hypothesis, 1):
            best = min(row[j] + 1, row[j - 1] + 1, corner + (true != decoded))
            corner, row[j] = row[j], best
    return row[-1]


@given(sentences, hypotheses)
def test_words_agree_with_jiwer(reference: str, hypothesis: str) -> None:
    ours = word_edits(reference, hypothesis)
    theirs = jiwer.process_words(reference, hypothesis)
    assert ours.n_errors == theirs.substitutions + theirs.deletions + theirs.insertions
    assert ours == EditCounts(
        theirs.substitutions, theirs.deletions, theirs.insertions, len(reference.split())
    )


@given(sentences, hypotheses)
def test_characters_agree_with_jiwer(reference: str, hypothesis: str) -> None:
    assert char_edits(reference, hypothesis).rate == jiwer.cer(reference, hypothesis)


@given(st.lists(st.tuples(sentences, hypotheses), min_size=1, max_size=8))
def test_pooled_rate_agrees_with_jiwer(pairs: list[tuple[str, str]]) -> None:
    pooled = sum((word_edits(r, h) for r, h in pairs), EditCounts())
    references, decoded = zip(*pairs, strict=True)
    assert pooled.rate == jiwer.wer(list(references), list(decoded))


@given(tokens, tokens)
@settings(max_examples=300)
def test_counts_are_the_shortest_repair(reference: list[str], hypothesis: list[str]) -> None:
    counts = count_edits(reference, hypothesis)
    assert counts.n_errors == textbook_distance(reference, hypothesis)
    assert counts.insertions - counts.deletions == len(hypothesis) - len(reference)


@given(tokens, tokens)
def test_alignment_rebuilds_both_sides(reference: list[str], hypothesis: list[str]) -> None:
    columns = align(reference, hypothesis)
    assert [c.reference for c in columns if c.reference is not None] == reference
    assert [c.hypothesis for c in columns if c.hypothesis is not None] == hypothesis
    assert all((c.op == "equal") == (c.reference == c.hypothesis) for c in columns)
    wrong = [c.op for c in columns if c.op != "equal"]
    assert len(wrong) == count_edits(reference, hypothesis).n_errors
