import math

import numpy as np
import pytest

from sylvian.errors import DataError
from sylvian.evaluate import word_edits
from sylvian.evaluate.breakdown import (
    rates_by,
    rates_by_frequency,
    rates_by_length,
    rates_by_position,
)
from sylvian.evaluate.oracle import oracle_rates
from sylvian.evaluate.repairs import compare_decoders
from sylvian.types import EditCounts

SENTENCES = [
    ("one two three", "one two free"),
    ("a b c d e", "x b c d e"),
    ("a b c d e f g h i j", "x b c d e f g h i"),
    ("yes", "yes yes"),
]


def rate(scores, group):
    return next(score for score in scores if score.group == group).rate


def test_groups_are_pooled_and_add_up() -> None:
    scores = rates_by(SENTENCES, ["mon", "mon", "tue", "tue"], kind="session")
    assert [score.group for score in scores] == ["session:mon", "session:tue"]
    assert rate(scores, "session:mon") == pytest.approx(2 / 8)
    whole = sum((word_edits(*pair) for pair in SENTENCES), EditCounts())
    assert sum((score.counts for score in scores), EditCounts()) == whole
    assert sum((s.counts for s in rates_by_length(SENTENCES)), EditCounts()) == whole
    with pytest.raises(DataError, match="session: 1 groups for 4 trials"):
        rates_by(SENTENCES, ["mon"], kind="session")


def test_length_groups() -> None:
    scores = rates_by_length(SENTENCES, edges=(1, 4, 10))
    assert [s.group for s in scores] == ["length:1\u20133", "length:4\u20139", "length:10+"]
    assert rate(scores, "length:1\u20133") == pytest.approx(2 / 4)
    assert rate(scores, "length:10+") == pytest.approx(2 / 10)
    assert rates_by_length(SENTENCES[:1], edges=(1, 4))[0].n_trials == 1


def test_rare_words_are_missed_more_often_where_that_was_planted() -> None:
    rng = np.random.default_rng(0)
    words = [f"w{chr(97 + i)}" for i in range(26)]
    counts = {word: 10 ** (i % 3) for i, word in enumerate(words)}
    chance = {1: 0.5, 10: 0.2, 100: 0.02}
    sentences = []
    for _ in range(300):
        true = rng.choice(words, size=6)
        said = ["zz" if rng.random() < chance[counts[w]] else w for w in true]
        sentences.append((" ".join(true), " ".join(said)))
    scores = rates_by_frequency(sentences, counts, edges=(0, 1, 10, 100))
    assert [s.group for s in scores] == [
        "frequency:1\u20139",
        "frequency:10\u201399",
        "frequency:100+",
    ]
    for score, expected in zip(scores, (0.5, 0.2, 0.02), strict=True):
        assert score.low < expected < score.high
    assert sum(s.counts.n_reference for s in scores) == 1800
    unknown = rates_by_frequency([("never", "said"), ("never", "never")], {})
    assert (unknown[0].group, unknown[0].rate) == ("frequency:0", 0.5)


def test_position_in_the_sentence() -> None:
    scores = rates_by_position(SENTENCES, n_parts=5)
    assert rate(scores, "position:1/5") == pytest.approx(2 / (1 + 1 + 2 + 1))
    assert rate(scores, "position:5/5") == pytest.approx(1 / 3)
    assert all(score.counts.insertions == 0 for score in scores)
    assert sum(score.counts.n_reference for score in scores) == 19


def test_the_oracle_only_gets_better() -> None:
    truth = ["a b", "c d"]
    lists = [["x y", "a y", "a b"], ["c d"]]
    found = oracle_rates(truth, lists, depths=(1, 2, 10))
    assert [one.depth for one in found] == [1, 2, 3]
    assert [one.score.rate for one in found] == [0.5, 0.25, 0.0]
    assert [one.mean_candidates for one in found] == [1, 1.5, 2]
    with pytest.raises(DataError, match="1 lists for 2"):
        oracle_rates(truth, lists[:1])
    with pytest.raises(DataError, match="no candidate"):
        oracle_rates(truth, [["a"], []])


def test_what_was_fixed_and_what_was_broken() -> None:
    truth = ["the cat sat", "see the sea", "go home"]
    before = ["the kat sat", "sea the sea", "go home now"]
    after = ["the cat sat", "sea a sea", "home"]
    found = compare_decoders(truth, before, after)
    assert found.n_words == 8
    assert [round(s.value * 8) for s in (found.right, found.fixed, found.broken, found.wrong)] == [
        4,
        1,
        2,
        1,
    ]
    assert found.fixed_words == (("cat", "kat", 1),)
    assert found.broken_words == (("go", "", 1), ("the", "a", 1))
    assert (found.insertions_before, found.insertions_after) == (1, 0)
    assert found.gain.difference == pytest.approx((3 - 3) / 8)
    assert math.isnan(found.fixed.low)
    often = compare_decoders(truth * 2, before * 2, after * 2)
    assert often.fixed.low <= often.fixed.value == found.fixed.value <= often.fixed.high
    with pytest.raises(DataError, match="3 references, 2 and 3"):
        compare_decoders(truth, before[:2], after)
    same = compare_decoders(truth, truth, truth)
    assert (same.fixed.value, same.broken.value, same.right.value) == (0.0, 0.0, 1.0)
