import pytest

from sylvian.evaluate import align, char_edits, count_edits, word_edits
from sylvian.types import EditCounts


@pytest.mark.parametrize(
    ("reference", "hypothesis", "expected"),
    [
        ("", "", EditCounts()),
        ("a b c", "", EditCounts(deletions=3, n_reference=3)),
        ("", "a b", EditCounts(insertions=2)),
        ("a b c", "a x c", EditCounts(substitutions=1, n_reference=3)),
        ("a b c", "b c d", EditCounts(deletions=1, insertions=1, n_reference=3)),
        ("a b", "a b", EditCounts(n_reference=2)),
    ],
)
def test_counts(reference: str, hypothesis: str, expected: EditCounts) -> None:
    assert count_edits(reference.split(), hypothesis.split()) == expected


def test_tokens_are_compared_whole() -> None:
    assert count_edits(["AA", "B"], ["A", "AB"]).substitutions == 2


def test_alignment_reads_in_order() -> None:
    assert align(["the", "cat", "sat", "down"], ["a", "the", "cat", "sit"]) == [
        ("insert", None, "a"),
        ("equal", "the", "the"),
        ("equal", "cat", "cat"),
        ("substitute", "sat", "sit"),
        ("delete", "down", None),
    ]
    assert align([], []) == []


def test_sentences_are_normalised_on_both_sides() -> None:
    assert word_edits("We 'd like what\u2019s left!", "we'd LIKE what's left") == EditCounts(
        n_reference=4
    )
    assert word_edits("x-ray", "x ray").n_errors == 2


def test_characters_count_spaces() -> None:
    assert char_edits("A cat.", "acat") == EditCounts(deletions=1, n_reference=5)
