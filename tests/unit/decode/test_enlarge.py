import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sylvian.decode.combine import total_score
from sylvian.decode.config import DecodeConfig
from sylvian.decode.enlarge import enlarge
from sylvian.errors import DecodeError
from sylvian.types import Hypothesis, NBest, Scores, TrialKey

KEY = TrialKey("synthetic", "A", "2024-01-01", 1, 1)
CONFIG = DecodeConfig(acoustic_scale=0.5, lm_weight=1.0)


def listed(*rows: tuple[str, float, float]) -> NBest:
    return NBest(KEY, tuple(Hypothesis(t, (), Scores(a, n, len(t.split()))) for t, a, n in rows))


def test_words_are_swapped_one_at_a_time_at_a_cost() -> None:
    nbest = listed(("we go home", -10.0, -6.0), ("he goes home", -14.0, -8.0))
    found = enlarge(nbest, CONFIG, top=20)
    texts = {h.text: h for h in found.hypotheses}
    assert set(texts) == {"we go home", "he goes home", "he go home", "we goes home"}
    assert texts["he go home"].scores.acoustic == pytest.approx(-12.0 - 0.12)
    assert texts["he go home"].scores.ngram == pytest.approx(-7.0 - 0.07)
    assert texts["he go home"].scores.n_words == 3
    totals = [total_score(h.scores, CONFIG) for h in found.hypotheses]
    assert totals == sorted(totals, reverse=True)


def test_only_equal_word_counts_and_only_the_best_are_mixed() -> None:
    nbest = listed(("we go", -1.0, 0.0), ("they go home", -2.0, 0.0), ("you want", -3.0, 0.0))
    assert enlarge(nbest, CONFIG, top=2).hypotheses == nbest.hypotheses
    assert {h.text for h in enlarge(nbest, CONFIG, top=3).hypotheses} >= {"you go", "we want"}
    assert enlarge(nbest, CONFIG, top=0) == nbest


def test_shifted_words_are_not_swapped() -> None:
    """`a b c` and `b c d`: nothing is replaced, one word goes and one comes."""
    nbest = listed(("a b c", -1.0, 0.0), ("b c d", -2.0, 0.0))
    assert enlarge(nbest, CONFIG, top=20) == nbest


def test_the_best_parents_give_the_scores() -> None:
    rows = [("a x", -1.0, 0.0), ("b y", -2.0, 0.0), ("a z", -9.0, 0.0), ("c y", -10.0, 0.0)]
    found = {h.text: h.scores.acoustic for h in enlarge(listed(*rows), CONFIG, top=4).hypotheses}
    assert found["a y"] == pytest.approx(-1.5 - 0.015)  # also of the last two


@given(
    st.lists(
        st.tuples(
            st.lists(st.sampled_from("abc"), max_size=4).map(" ".join),
            st.floats(-50, -1),
            st.floats(-50, -1),
        ),
        min_size=1,
        max_size=6,
        unique_by=lambda row: row[0],
    )
)
def test_nothing_is_lost_or_doubled(rows: list[tuple[str, float, float]]) -> None:
    nbest = listed(*rows)
    found = enlarge(nbest, CONFIG, top=20)
    texts = [h.text for h in found.hypotheses]
    assert len(set(texts)) == len(texts)
    assert set(nbest.hypotheses) <= set(found.hypotheses)
    worst = min(h.scores.acoustic for h in nbest.hypotheses)
    assert min(h.scores.acoustic for h in found.hypotheses) >= 1.01 * worst
    assert np.isfinite([total_score(h.scores, CONFIG) for h in found.hypotheses]).all()


def test_a_rescored_list_is_refused() -> None:
    read = NBest(KEY, (Hypothesis("a b", (), Scores(-1.0, -1.0, 2, llm=-3.0)),))
    with pytest.raises(DecodeError, match="before it is rescored"):
        enlarge(read, CONFIG, top=20)
