import numpy as np

from sylvian.evaluate import count_confusions


def test_counts_matches_and_all_three_errors() -> None:
    counts = count_confusions([(["D", "AA", "SIL"], ["T", "AA"]), (["D"], ["D", "K"])])
    assert counts.labels == ("AA", "D", "K", "SIL", "T")
    expected = np.zeros((5, 5), int)
    expected[0, 0] = expected[1, 1] = expected[1, 4] = 1
    np.testing.assert_array_equal(counts.pairs, expected)
    np.testing.assert_array_equal(counts.deletions, [0, 0, 0, 1, 0])
    np.testing.assert_array_equal(counts.insertions, [0, 0, 1, 0, 0])
    assert counts.n_trials == 2


def test_worst_first() -> None:
    counts = count_confusions([(list("aab"), list("xxb")), (list("bc"), list("yc"))])
    assert counts.worst(2) == [("a", "x", 2), ("b", "y", 1)]
    ordered = counts.by_errors()
    assert ordered.labels[:2] == ("a", "b")
    assert ordered.pairs.sum() == counts.pairs.sum()
    assert ordered.worst() == counts.worst()
    assert ordered.pairs[0, ordered.labels.index("x")] == 2


def test_nothing_gives_an_empty_matrix() -> None:
    counts = count_confusions([])
    assert counts.labels == ()
    assert counts.pairs.shape == (0, 0)
    assert counts.worst() == []
