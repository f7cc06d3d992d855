import math

from hypothesis import given
from hypothesis import strategies as st

from sylvian.evaluate.rates import word_edits
from sylvian.figures import Decode
from sylvian.figures.examples import choose, error_rate, mark_words, rule

words = st.lists(st.sampled_from(["a", "b", "c", "d", "e"]), max_size=6).map(" ".join)


def decode(key: int, n_errors: int, truth: str = "a b c d") -> Decode:
    return Decode(f"synthetic/S1/2024-01-0{1 + key % 9}/b01/t{key:03d}", truth, "x", n_errors)


def test_examples_are_spread_evenly_over_best_middle_and_worst():
    decodes = [decode(k, k) for k in range(100)]
    best, middle, worst = choose(decodes[::-1], unit="words")
    assert [d.n_errors for d in best.shown] == [0, 3, 6, 9]
    assert [d.n_errors for d in middle.shown] == [45, 48, 51, 54]
    assert [d.n_errors for d in worst.shown] == [90, 93, 96, 99]
    assert (best.n_trials, worst.low, worst.high) == (10, 22.5, 24.75)


def test_choice_does_not_depend_on_order_and_ties_not_on_the_day():
    decodes = [decode(k, 0) for k in range(200)]
    chosen = choose(decodes, unit="words")
    assert chosen == choose(decodes[::-1], unit="words")
    days = {d.key[:25] for band in chosen for d in band.shown}
    assert len(days) > 4


def test_few_trials_are_all_shown_and_the_rule_says_so():
    decodes = [decode(k, k % 3) for k in range(12)]
    (band,) = choose(decodes, unit="words")
    assert {d.key for d in band.shown} == {d.key for d in decodes}
    assert [d.n_errors for d in band.shown] == sorted(d.n_errors for d in decodes)
    assert "all are shown" in rule(12, unit="words")
    assert "Nothing was picked by hand" in rule(13, unit="phonemes")
    assert choose([], unit="words") == ()


def test_errors_against_an_empty_truth_rank_last():
    assert math.isinf(error_rate(decode(0, 1, truth="?!"), unit="words"))
    assert error_rate(decode(0, 0, truth=""), unit="words") == 0


def test_marks_say_what_is_wrong():
    marked = mark_words("The cat, sat DOWN.", "the bat sat", unit="words")
    assert [(w.text, w.mark, w.meant) for w in marked] == [
        ("the", "right", ""),
        ("bat", "wrong", "cat"),
        ("sat", "right", ""),
        ("down", "missing", ""),
    ]
    assert [w.mark for w in mark_words("HH AH", "HH AH SIL", unit="phonemes")] == [
        "right",
        "right",
        "extra",
    ]


@given(words, words)
def test_marks_are_the_errors_that_are_counted(truth, hypothesis):
    marked = mark_words(truth, hypothesis, unit="words")
    counts = word_edits(truth, hypothesis)
    assert sum(w.mark != "right" for w in marked) == counts.n_errors
    assert [w.text for w in marked if w.mark != "missing"] == hypothesis.split()
