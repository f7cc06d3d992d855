from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np
import pytest

from sylvian.decode.combine import rerank, total_score
from sylvian.decode.config import DecodeConfig
from sylvian.decode.consensus import beliefs, minimum_risk
from sylvian.decode.ctcscore import IMPOSSIBLE_NATS, CtcScorer
from sylvian.decode.io import read_nbest, write_nbest
from sylvian.decode.joint import UNKNOWN_NATS, join, ngram_nats
from sylvian.decode.ngram import build_ngram
from sylvian.decode.tune import tune
from sylvian.errors import DecodeError
from sylvian.text import Lexicon, phoneme_vocabulary
from sylvian.types import EditCounts, Hypothesis, Logits, NBest, Scores, TrialKey

KEY = TrialKey("card2024", "T15", "2023-08-11", 3, 17)
LEXICON = Lexicon.cmudict()
MODEL = build_ngram(["we want to go home", "they want it", "just 'cause we go"], order=2)
CTC = CtcScorer(LEXICON, config=DecodeConfig(end_to_end_weight=1.0))
VALUES = np.random.default_rng(0).normal(size=(40, 41)).astype(np.float32)
LOGITS = Logits(KEY, VALUES, 0.1, phoneme_vocabulary())
FIRST = NBest(
    KEY,
    (
        Hypothesis("we go home", ("W", "IY"), Scores(-9.0, -3.0, 3, llm=-4.0), (0, 1)),
        Hypothesis("just 'cause", (), Scores(-9.5, -3.0, 2, llm=-5.0)),
    ),
)
GENERATED = NBest(
    KEY,
    (
        Hypothesis("we want to go", (), Scores(0.0, n_words=4, end_to_end=-1.0)),
        Hypothesis("we go home", (), Scores(0.0, n_words=3, end_to_end=-2.0)),
        Hypothesis("just'cause", (), Scores(0.0, n_words=1, end_to_end=-2.5)),
        Hypothesis("", (), Scores(0.0, end_to_end=-3.0)),
        Hypothesis("we blorked", (), Scores(0.0, n_words=2, end_to_end=-4.0)),
    ),
)


def by_length(texts: Sequence[str]) -> Mapping[str, float]:
    return {text: -0.5 * len(text) for text in texts}


def joined(first: NBest = FIRST, generated: NBest = GENERATED, logits: Logits = LOGITS) -> NBest:
    return join(first, generated, logits, ctc=CTC, ngram=MODEL, end_to_end=by_length)


def test_the_union_has_every_part_of_every_candidate() -> None:
    found = {h.text: h for h in joined().hypotheses}
    assert set(found) == {"we go home", "just 'cause", "we want to go", "", "we blorked"}
    for text, own in found.items():
        acoustic = float(CTC.score_sentences(LOGITS, [text])[0])
        expected = Scores(
            acoustic, ngram_nats(MODEL, text), len(text.split()), None, -0.5 * len(text)
        )
        assert own.scores == expected
    assert (found["we go home"].tokens, found["we go home"].frames) == (("W", "IY"), (0, 1))


def test_best_first_and_the_empty_one_kept_last() -> None:
    spoken, silent = joined().hypotheses[:-1], joined().hypotheses[-1]
    totals = [total_score(h.scores, CTC.config) for h in spoken]
    assert totals == sorted(totals, reverse=True)
    assert silent.text == ""
    nothing = NBest(KEY, (Hypothesis("", (), Scores(0.0)),))
    assert [h.text for h in joined(nothing, nothing).hypotheses] == [""]


def test_who_proposed_a_text_changes_nothing() -> None:
    swapped = joined(GENERATED, FIRST).hypotheses
    assert [h.scores for h in swapped if h.text != "just'cause"] == [
        h.scores for h in joined().hypotheses if h.text != "just 'cause"
    ]


def test_unknown_words_have_a_floor_in_every_model() -> None:
    assert ngram_nats(MODEL, "we go home") == pytest.approx(MODEL.score_words(["we", "go", "home"]))
    known = ngram_nats(MODEL, "we")
    assert "<unk>" in MODEL.index
    bare = build_ngram(["we go", "we go home"], order=1)
    bare = replace(bare, symbols=tuple(s.replace("<unk>", "<none>") for s in bare.symbols))
    assert bare.score_words(["blorked"]) == -np.inf
    assert ngram_nats(bare, "blorked") == pytest.approx(UNKNOWN_NATS + ngram_nats(bare, ""))
    assert ngram_nats(MODEL, "we blorked") < known + UNKNOWN_NATS / 2
    assert ngram_nats(MODEL, "blorked", unknown_nats=-50.0) < -50.0


def test_joint_lists_are_written_tuned_and_merged(tmp_path) -> None:
    short = Logits(KEY, VALUES[:5], 0.1, LOGITS.vocabulary)
    found = joined(logits=short)
    assert {h.scores.acoustic for h in found.hypotheses} > {IMPOSSIBLE_NATS}
    write_nbest(tmp_path / "nbest.jsonl", [found])
    assert read_nbest(tmp_path / "nbest.jsonl") == (found,)
    result = tune([found], lambda _, text: EditCounts(len(text), 0, 0, 9), config=CTC.config)
    assert result.best.counts.n_errors <= len(rerank(found, CTC.config).best.text)
    chosen = minimum_risk(KEY, [beliefs(found, CTC.config)])
    assert set(chosen.texts) == {h.text for h in found.hypotheses}
    assert np.isfinite(chosen.risks).all()


def test_parts_of_different_trials_are_refused() -> None:
    other = NBest(TrialKey("card2024", "T15", "2023-08-11", 3, 18), GENERATED.hypotheses)
    with pytest.raises(DecodeError, match=r"t017, .*t018: join lists and logits of one trial"):
        joined(generated=other)


def test_a_text_left_unscored_is_named() -> None:
    with pytest.raises(DecodeError, match=r"t017: no end-to-end score for 'we go home'"):
        join(FIRST, GENERATED, LOGITS, ctc=CTC, ngram=MODEL, end_to_end=lambda texts: {})


def test_what_the_model_cannot_read_is_left_out_of_the_list() -> None:
    def short(texts: Sequence[str]) -> Mapping[str, float | None]:
        return {text: None if "want" in text else -1.0 for text in texts}

    found = join(FIRST, GENERATED, LOGITS, ctc=CTC, ngram=MODEL, end_to_end=short)
    assert {h.text for h in found.hypotheses} == {"we go home", "just 'cause", "", "we blorked"}
    with pytest.raises(DecodeError, match=r"t017: the end-to-end model can read none of 5 cand"):
        join(
            FIRST,
            GENERATED,
            LOGITS,
            ctc=CTC,
            ngram=MODEL,
            end_to_end=lambda texts: dict.fromkeys(texts),
        )
