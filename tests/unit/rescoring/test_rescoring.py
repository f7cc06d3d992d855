from pathlib import Path

import numpy as np
import pytest

from sylvian.decode.combine import rerank, total_score
from sylvian.decode.config import DecodeConfig
from sylvian.decode.io import read_nbest, write_nbest
from sylvian.decode.scorecache import ScoreCache
from sylvian.decode.tune import tune
from sylvian.errors import DecodeError
from sylvian.evaluate import word_edits
from sylvian.models.textlm import CausalLm
from sylvian.rescoring import rescore, without_llm
from sylvian.types import EditCounts, Hypothesis, NBest, Scores, TrialKey
from tiny.text import tiny

WORDS = ["we", "want", "to", "go", "home", "they", "went", "there", "a", "red", "rose"]
WEIGHTS = DecodeConfig(acoustic_scale=0.5, llm_weight=0.5, word_bonus=0.3)
FIRST_PASS = WEIGHTS.model_copy(update={"llm_weight": 0.0})


def lists(n_trials: int = 12) -> list[NBest]:
    rng = np.random.default_rng(5)
    made = []
    for trial in range(n_trials):
        texts = {" ".join(rng.choice(WORDS, size=rng.integers(2, 6))) for _ in range(8)}
        hypotheses = [
            Hypothesis(t, (), Scores(float(rng.normal(-60, 2)), -9.0, len(t.split())))
            for t in sorted(texts)
        ]
        hypotheses.append(Hypothesis("", (), Scores(-99.0, -1.0)))
        key = TrialKey("synthetic", "A", "2024-01-01", 1, trial)
        best_first = sorted(hypotheses, key=lambda h: -total_score(h.scores, FIRST_PASS))
        made.append(NBest(key, tuple(best_first)))
    return made


@pytest.fixture(scope="module")
def lm() -> CausalLm:
    return CausalLm(*tiny("llama"), name="tiny")


def test_every_candidate_has_the_models_score_and_totals_fall(lm: CausalLm) -> None:
    found = rescore(lists(), lm, decode=WEIGHTS).nbests
    for before, after in zip(lists(), found, strict=True):
        assert {h.text for h in after.hypotheses} == {h.text for h in before.hypotheses}
        assert after.hypotheses[-1].text == ""
        spoken = after.hypotheses[:-1]
        expected = lm.score_sentences([h.text for h in spoken])
        np.testing.assert_allclose([h.scores.llm for h in spoken], expected, atol=1e-4)
        totals = [total_score(h.scores, WEIGHTS) for h in spoken]
        assert totals == sorted(totals, reverse=True)
    assert [n.best.text for n in found] != [n.best.text for n in lists()]


def test_weight_zero_leaves_the_first_pass(lm: CausalLm) -> None:
    found = rescore(lists(), lm, decode=FIRST_PASS).nbests
    for before, after in zip(lists(), found, strict=True):
        spoken = [h for h in before.hypotheses if h.text]
        assert [h.text for h in after.hypotheses[:-1]] == [h.text for h in spoken]
        assert [h.scores.acoustic for h in after.hypotheses[:-1]] == [
            h.scores.acoustic for h in spoken
        ]
        assert rerank(after, FIRST_PASS).best.text == rerank(before, FIRST_PASS).best.text


def test_scores_can_be_taken_away_again(lm: CausalLm, tmp_path: Path) -> None:
    found = rescore(lists(), lm, decode=WEIGHTS).nbests
    write_nbest(tmp_path / "nbest.jsonl", found)
    restored = without_llm(read_nbest(tmp_path / "nbest.jsonl"), decode=WEIGHTS)
    assert restored == without_llm(lists(), decode=WEIGHTS)


def test_the_cache_is_asked_first(lm: CausalLm, tmp_path: Path) -> None:
    cache = ScoreCache(tmp_path / "scores.sqlite")
    first = rescore(lists(6), lm, decode=WEIGHTS, cache=cache)
    assert first.n_known == 0
    again = rescore(lists(12), lm, decode=WEIGHTS, cache=cache)
    assert again.n_known == first.n_sentences < again.n_sentences
    assert again.nbests[:6] == first.nbests
    cache.add(lm.digest, dict.fromkeys(["we go home"], -1.5))
    marked = NBest(lists()[0].key, (Hypothesis("we go home", (), Scores(-1.0)),))
    assert rescore([marked], lm, decode=WEIGHTS, cache=cache).nbests[0].best.scores.llm == -1.5


def test_progress_counts_sentences(lm: CausalLm, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sylvian.decode.scorecache.CHUNK", 20)
    told: list[tuple[int, int]] = []
    found = rescore(
        lists(),
        lm,
        decode=WEIGHTS,
        progress=lambda s, done, total, note="": told.append((done, total)),
    )
    assert [done for done, _ in told][:2] == [20, 40]
    assert told[-1] == (found.n_sentences, found.n_sentences)


def test_all_weights_are_found_together(lm: CausalLm) -> None:
    """Truth chosen by known weights: tuning finds weights that choose the same."""
    true = DecodeConfig(acoustic_scale=0.6, llm_weight=0.6, word_bonus=2.0)
    found = rescore(lists(40), lm, decode=WEIGHTS).nbests
    truth = {nbest.key: rerank(nbest, true).best.text for nbest in found}

    def count(key: TrialKey, text: str) -> EditCounts:
        return word_edits(truth[key], text)

    result = tune(found, count, config=WEIGHTS)
    assert result.best.counts.n_errors == 0
    alone = tune(without_llm(found, decode=WEIGHTS), count, config=WEIGHTS)
    assert alone.best.counts.n_errors > 0
    assert {point.llm_weight for point in alone.points} == {WEIGHTS.llm_weight}


def test_half_rescored_lists_are_made_whole(lm: CausalLm) -> None:
    first, *others = lists(3)
    mixed = [*rescore([first], lm, decode=WEIGHTS).nbests, *others]
    with pytest.raises(DecodeError, match="rescore all"):
        tune(mixed, lambda key, text: EditCounts(), config=WEIGHTS)
    assert rescore(mixed, lm, decode=WEIGHTS).nbests == rescore(lists(3), lm, decode=WEIGHTS).nbests
