from dataclasses import replace

import numpy as np
import pytest
from rapidfuzz.distance import Levenshtein

from sylvian.decode import tune as tuning
from sylvian.decode.combine import rerank, with_end_to_end, with_llm
from sylvian.decode.config import DecodeConfig
from sylvian.decode.tune import TuneGrid, tune
from sylvian.errors import DecodeError
from sylvian.types import EditCounts, Hypothesis, NBest, Scores, TrialKey

WORDS = ["we", "want", "to", "go", "home", "they", "went", "there", "a", "red", "rose"]
CONFIG = DecodeConfig(acoustic_scale=0.5)
GRID = TuneGrid(acoustic_scale=(0.25, 0.5, 1.0), word_bonus=(-1.0, 0.0, 1.0))


def key(trial: int) -> TrialKey:
    return TrialKey("synthetic", "A", "2024-01-01", 1, trial)


REFERENCES = {
    key(i): " ".join(np.random.default_rng([9, i]).choice(WORDS, size=4)) for i in range(12)
}


def count_errors(trial: TrialKey, text: str) -> EditCounts:
    reference = REFERENCES[trial].split()
    kinds = {"replace": 0, "delete": 0, "insert": 0}
    for edit in Levenshtein.editops(reference, text.split()):
        kinds[edit.tag] += 1
    return EditCounts(kinds["replace"], kinds["delete"], kinds["insert"], len(reference))


def lists(seed: int = 0) -> list[NBest]:
    rng = np.random.default_rng(seed)
    made = []
    for trial, reference in REFERENCES.items():
        hypotheses = [Hypothesis("", (), Scores(-50.0, -1.0))] if rng.random() < 0.5 else []
        for _ in range(rng.integers(1, 9)):
            words = [w if rng.random() < 0.7 else rng.choice(WORDS) for w in reference.split()]
            words = words[: rng.integers(2, 5)]
            scores = Scores(float(rng.normal(-60, 5)), float(rng.normal(-20, 3)), len(words))
            hypotheses.append(Hypothesis(" ".join(words), (), scores))
        made.append(NBest(trial, tuple(hypotheses)))
    return made


def errors_of(nbests: list[NBest], config: DecodeConfig, *, generated: bool = False) -> EditCounts:
    chosen = (rerank(nbest, config, generated=generated).best.text for nbest in nbests)
    return sum(map(count_errors, REFERENCES, chosen), EditCounts())


def test_every_point_counts_what_rerank_would_choose() -> None:
    result = tune(lists(), count_errors, config=CONFIG, grid=GRID)
    assert len(result.points) == 9
    assert result.n_trials == 12
    for point in result.points:
        weights = {"acoustic_scale": point.acoustic_scale, "word_bonus": point.word_bonus}
        assert point.counts == errors_of(lists(), CONFIG.model_copy(update=weights))
    assert len({point.counts for point in result.points}) > 2


def test_the_fewest_errors_win() -> None:
    result = tune(lists(), count_errors, config=CONFIG, grid=GRID)
    assert result.best.counts.n_errors == min(p.counts.n_errors for p in result.points)
    assert errors_of(lists(), result.config) == result.best.counts
    assert result.config.beam == CONFIG.beam
    assert tune(lists(), count_errors, config=CONFIG, grid=GRID) == result


def test_of_equals_the_nearest_to_the_start_wins() -> None:
    alone = [NBest(trial, (Hypothesis("a", (), Scores(-1.0)),)) for trial in REFERENCES]
    result = tune(alone, count_errors, config=CONFIG, grid=GRID)
    assert (result.config.acoustic_scale, result.config.word_bonus) == (0.5, 0.0)


def test_the_blank_penalty_is_chosen_among_decodes() -> None:
    by_penalty = {0.5: lists(3), 2.0: lists(4)}
    result = tune(by_penalty, count_errors, config=CONFIG, grid=GRID)
    assert len(result.points) == 18
    alone = {
        penalty: tune(nbests, count_errors, config=CONFIG, grid=GRID).best.counts.n_errors
        for penalty, nbests in by_penalty.items()
    }
    assert alone[0.5] != alone[2.0]
    assert result.config.blank_penalty == min(alone, key=lambda penalty: alone[penalty])


def minus_errors(nbest: NBest) -> dict[str, float]:
    return {h.text: -float(count_errors(nbest.key, h.text).n_errors) for h in nbest.hypotheses}


def test_a_rescoring_models_weight_is_tuned() -> None:
    truth = [with_llm(nbest, minus_errors(nbest)) for nbest in lists()]
    grid = TuneGrid(acoustic_scale=(), word_bonus=(), llm_weight=(0.0, 0.5, 1.0))
    weak = CONFIG.model_copy(update={"acoustic_scale": 1e-3, "llm_weight": 0.0})
    result = tune(truth, count_errors, config=weak, grid=grid)
    assert result.config.llm_weight == 1.0


def test_an_end_to_end_models_weight_is_tuned() -> None:
    """A score that knows the errors gets a weight; every point is what rerank would choose."""
    truth = [with_end_to_end(nbest, minus_errors(nbest)) for nbest in lists()]
    grid = GRID.model_copy(update={"end_to_end_weight": (0.0, 0.5, 200.0)})
    result = tune(truth, count_errors, config=CONFIG, grid=grid)
    assert len(result.points) == 27
    assert result.config.end_to_end_weight == 200.0
    spoken = [[-s for text, s in minus_errors(nbest).items() if text] for nbest in truth]
    assert result.best.counts.n_errors == sum(map(min, spoken))
    for point in result.points:
        weights = {name: getattr(point, name) for name in tuning.WEIGHTS}
        assert point.counts == errors_of(truth, CONFIG.model_copy(update=weights))
    without = tune(lists(), count_errors, config=CONFIG, grid=grid)
    assert {point.end_to_end_weight for point in without.points} == {CONFIG.end_to_end_weight}


def test_a_generated_list_is_tuned_as_it_is_ranked() -> None:
    """Silence and the order of the search included, whoever else is weighed."""
    rng = np.random.default_rng(3)
    made = []
    for nbest in lists():
        own = [
            Scores(0.0, 0.0, h.scores.n_words, None, float(rng.normal(-6, 2)))
            for h in nbest.hypotheses
        ]
        said = map(lambda h, scores: replace(h, scores=scores), nbest.hypotheses, own)
        made.append(NBest(nbest.key, tuple(said)))
    read = [with_llm(n, {h.text: float(rng.normal(-4, 2)) for h in n.hypotheses}) for n in made]
    grid = GRID.model_copy(update={"end_to_end_weight": (0.0, 1.0), "llm_weight": (0.0, 0.5)})
    counted = set()
    for some in (made, read):
        result = tune(some, count_errors, config=CONFIG, grid=grid, generated=True)
        for point in result.points:
            weights = {name: getattr(point, name) for name in tuning.WEIGHTS}
            config = CONFIG.model_copy(update=weights)
            assert point.counts == errors_of(some, config, generated=True)
            counted.add(point.counts == errors_of(some, config))
    assert counted == {True, False}


def test_a_large_grid_is_searched_coarsely_then_finely(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(1)

    def noisy(nbest: NBest, noise: float) -> dict[str, float]:
        return {t: s + float(rng.normal(0, noise)) for t, s in minus_errors(nbest).items()}

    both = [with_end_to_end(with_llm(n, noisy(n, 3.0)), noisy(n, 1.0)) for n in lists()]
    full = tune(both, count_errors, config=CONFIG, grid=GRID)
    assert len(full.points) == 3 * 3 * 11 * 10
    monkeypatch.setattr(tuning, "MOST_POINTS", 500)
    coarse = tune(both, count_errors, config=CONFIG, grid=GRID)
    assert 2 * 2 * 6 * 5 < len(coarse.points) < 500
    assert set(coarse.points) <= set(full.points)
    assert coarse.best.counts.n_errors <= 1.1 * full.best.counts.n_errors


def test_lists_that_do_not_match_are_refused() -> None:
    with pytest.raises(DecodeError, match="same trials"):
        tune({0.0: lists(), 1.0: lists()[:-1]}, count_errors, config=CONFIG)
    with pytest.raises(DecodeError, match="same trials"):
        tune([], count_errors, config=CONFIG)
    some = [with_llm(lists()[0], {h.text: 0.0 for h in lists()[0].hypotheses}), *lists()[1:]]
    with pytest.raises(DecodeError, match="rescore all"):
        tune(some, count_errors, config=CONFIG)
