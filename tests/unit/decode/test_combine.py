import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sylvian.decode.combine import (
    confidences,
    rerank,
    rerank_all,
    total_score,
    with_end_to_end,
    with_llm,
)
from sylvian.decode.config import PRESETS, DecodeConfig
from sylvian.errors import DecodeError
from sylvian.types import Hypothesis, NBest, Scores, TrialKey

KEY = TrialKey("synthetic", "A", "2024-01-01", 1, 1)


def candidate(text: str, acoustic: float, ngram: float, llm: float | None = None) -> Hypothesis:
    return Hypothesis(text, (), Scores(float(acoustic), float(ngram), len(text.split()), llm))


def test_total_is_formula_6() -> None:
    scores = Scores(acoustic=-100.0, ngram=-20.0, n_words=4, llm=-30.0)
    published = DecodeConfig(acoustic_scale=0.325, llm_weight=0.55)
    assert total_score(scores, published) == pytest.approx(0.325 * -100 + 0.45 * -20 + 0.55 * -30)
    ours = DecodeConfig(acoustic_scale=1, lm_weight=2.0, llm_weight=0.25, word_bonus=0.5)
    assert total_score(scores, ours) == pytest.approx(-100 + 2 * 0.75 * -20 + 0.25 * -30 + 2)


@settings(deadline=None)
@given(st.floats(0, 1), st.floats(-1e3, 0), st.floats(-1e3, 0))
def test_without_a_rescoring_score_alpha_plays_no_part(
    alpha: float, acoustic: float, ngram: float
) -> None:
    scores = Scores(acoustic, ngram, 3)
    assert total_score(scores, DecodeConfig(llm_weight=alpha)) == total_score(
        scores, DecodeConfig(llm_weight=0.0)
    )


def test_alpha_zero_reduces_to_the_ngram_order() -> None:
    first_pass = NBest(KEY, (candidate("a b", -10, -2), candidate("a c", -9, -6)))
    config = DecodeConfig(acoustic_scale=1.0, llm_weight=0.0)
    rescored = with_llm(first_pass, {"a b": -90.0, "a c": -1.0})
    assert [h.text for h in rerank(rescored, config).hypotheses] == ["a b", "a c"]
    trusting = DecodeConfig(acoustic_scale=1.0, llm_weight=1.0)
    assert rerank(rescored, trusting).best.text == "a c"


def test_rerank_drops_empty_texts_unless_alone() -> None:
    silent = candidate("", -1, 0)
    config = DecodeConfig()
    assert [
        h.text for h in rerank(NBest(KEY, (silent, candidate("a", -9, -9))), config).hypotheses
    ] == ["a"]
    assert rerank(NBest(KEY, (silent,)), config).best.text == ""


def test_a_generated_list_keeps_its_order_and_its_silence_until_a_weight_turns_it() -> None:
    def said(text: str, nats: float, llm: float | None = None) -> Hypothesis:
        return Hypothesis(text, (), Scores(0.0, 0.0, len(text.split()), llm, nats))

    own = NBest(KEY, (said("a b", -3.0), said("", -1.0), said("a b c", -2.0)))
    weighing = DecodeConfig(end_to_end_weight=1.0)

    def texts(nbest: NBest, config: DecodeConfig) -> list[str]:
        return [h.text for h in rerank(nbest, config, generated=True).hypotheses]

    assert rerank(own, weighing, generated=True) == own
    assert [h.text for h in rerank(own, weighing).hypotheses] == ["a b c", "a b"]
    longer = weighing.model_copy(update={"word_bonus": 0.6})
    assert texts(own, longer) == ["a b c", "", "a b"]
    read = with_llm(own, {"a b": -1.0, "": 0.0, "a b c": -9.0})
    assert texts(read, weighing) == ["a b", "a b c"]  # nobody knows what silence is worth
    assert texts(read, weighing.model_copy(update={"llm_weight": 0.0})) == ["a b", "", "a b c"]
    mixed = NBest(KEY, (*own.hypotheses, candidate("b", -1, -1)))
    with pytest.raises(DecodeError, match="3 of 4 hypotheses have end-to-end scores"):
        rerank(mixed, weighing, generated=True)


def test_half_rescored_lists_are_refused() -> None:
    mixed = NBest(KEY, (candidate("a", -1, -1, -1.0), candidate("b", -1, -1)))
    with pytest.raises(DecodeError, match=r"b01/t001: 1 of 2 hypotheses"):
        rerank(mixed, DecodeConfig())
    with pytest.raises(DecodeError, match="no rescoring score for 'b'"):
        with_llm(mixed, {"a": -1.0})


def test_an_end_to_end_score_is_added_by_its_weight() -> None:
    parts = Scores(acoustic=-100.0, ngram=-20.0, n_words=4, llm=-30.0, end_to_end=-7.0)
    plain = DecodeConfig()
    weighing = DecodeConfig(end_to_end_weight=1.5)
    assert total_score(parts, weighing) == pytest.approx(total_score(parts, plain) - 1.5 * 7)
    unasked = Scores(parts.acoustic, parts.ngram, parts.n_words, parts.llm)
    assert total_score(parts, plain) == total_score(unasked, plain)
    assert total_score(unasked, weighing) == total_score(unasked, plain)


def test_an_end_to_end_score_can_turn_the_order_and_be_taken_away() -> None:
    nbest = NBest(KEY, (candidate("a b", -10, -2, -1.0), candidate("", 0, 0, -2.0)))
    nbest = NBest(KEY, (*nbest.hypotheses, candidate("a c", -11, -2, -3.0)))
    scored = with_end_to_end(nbest, {"a b": -90.0, "": -1.0, "a c": -1.0})
    assert [h.scores.llm for h in scored.hypotheses] == [-1.0, -2.0, -3.0]
    weighing = DecodeConfig(end_to_end_weight=1.0)
    assert [h.text for h in rerank(scored, weighing).hypotheses] == ["a c", "a b"]
    assert [h.text for h in rerank_all(scored, weighing).hypotheses] == ["a c", "a b", ""]
    assert with_llm(scored, None).best.scores.end_to_end == -90.0
    assert with_end_to_end(scored, None) == nbest


def test_half_scored_lists_are_refused() -> None:
    scored = with_end_to_end(NBest(KEY, (candidate("a", -1, -1),)), {"a": -2.0})
    mixed = NBest(KEY, (candidate("b", -1, -1), *scored.hypotheses))
    with pytest.raises(DecodeError, match=r"t001: 1 of 2 hypotheses have end-to-end scores"):
        rerank(mixed, DecodeConfig())
    with pytest.raises(DecodeError, match="no end-to-end score for 'b'"):
        with_end_to_end(mixed, {"a": -1.0})


def test_confidences_are_a_softmax_of_totals() -> None:
    nbest = NBest(KEY, (candidate("a", -10, -1), candidate("b", -10, -1 - math.log(3))))
    shares = confidences(nbest, DecodeConfig())
    assert shares.tolist() == pytest.approx([0.75, 0.25])


def test_published_presets() -> None:
    t12, t15 = PRESETS["t12-5gram"], PRESETS["t15"]
    assert (t12.acoustic_scale, t12.beam, t12.lattice_beam, t12.llm_weight) == (0.5, 18, 8, 0.5)
    assert math.exp(t12.blank_penalty) == pytest.approx(7)
    assert (t15.acoustic_scale, t15.beam, t15.n_best, t15.llm_weight) == (0.325, 17, 100, 0.55)
    assert math.exp(t15.blank_penalty) == pytest.approx(90)
    assert all((p.max_active, p.min_active) == (7000, 200) for p in PRESETS.values())
