"""A whole model that is planted to be calibrated: its lists, its beliefs, its calibration error."""

from dataclasses import dataclass

import numpy as np
import pytest

from sylvian.decode.confidence import (
    believe,
    fit_temperature,
    sentence_features,
    softmax,
    word_features,
)
from sylvian.decode.config import DecodeConfig
from sylvian.evaluate import align
from sylvian.evaluate.calibration import Calibration, calibration
from sylvian.evaluate.recalibration import cross_fitted, fit_logistic
from sylvian.types import Hypothesis, NBest, Scores, TrialKey

WEIGHTS = DecodeConfig(acoustic_scale=1.0)
WORDS = ("bring", "water", "please", "now", "home", "family", "good", "tired", "yes", "music")
FAST = {"n_resamples": 100}


@dataclass(frozen=True)
class Model:
    """Lists whose totals are the logarithms of the true chances, times how sure it pretends."""

    lists: list[NBest]
    truth: list[str]

    @classmethod
    def plant(cls, n: int = 1000, *, sureness: float = 1.0, seed: int = 0) -> "Model":
        rng = np.random.default_rng(seed)
        lists, truth = [], []
        for trial in range(n):
            texts = list(dict.fromkeys(" ".join(rng.choice(WORDS, 3)) for _ in range(6)))
            log_odds = rng.normal(0, 2.5, size=len(texts))
            truth.append(texts[rng.choice(len(texts), p=softmax(log_odds))])
            ordered = sorted(zip(log_odds.tolist(), texts, strict=True), reverse=True)
            listed = (Hypothesis(t, (), Scores(sureness * odds, n_words=3)) for odds, t in ordered)
            lists.append(NBest(TrialKey("planted", "P", "2031-01-06", 1, trial), tuple(listed)))
        return cls(lists, truth)

    def sentences(self, temperature: float = 1.0) -> Calibration:
        beliefs = [believe(one, WEIGHTS, temperature=temperature) for one in self.lists]
        return calibration(np.array([one.share for one in beliefs]), self.right, **FAST)

    def words(self) -> Calibration:
        sure, right, owners = [], [], []
        for place, (one, true) in enumerate(zip(self.lists, self.truth, strict=True)):
            belief = believe(one, WEIGHTS)
            said = [e for e in align(true.split(), belief.text.split()) if e.hypothesis is not None]
            sure += belief.words
            right += [edit.op == "equal" for edit in said]
            owners += [place] * len(said)
        return calibration(np.array(sure), np.array(right), trials=owners, **FAST)

    @property
    def right(self) -> np.ndarray:
        pairs = zip(self.lists, self.truth, strict=True)
        return np.array([one.best.text == true for one, true in pairs])


def test_a_planted_calibrated_model_has_no_calibration_error() -> None:
    model = Model.plant()
    sentences, words = model.sentences(), model.words()
    assert sentences.ece < 0.03
    assert words.ece < 0.03
    assert abs(sentences.excess) < 0.01
    assert sentences.p > 0.05
    assert sentences.ece_low < 0.005
    assert words.n == 3000


@pytest.mark.parametrize("sureness", [3.0, 1 / 3], ids=["overconfident", "too modest"])
def test_another_sureness_is_seen_and_a_temperature_mends_it(sureness: float) -> None:
    model = Model.plant(sureness=sureness)
    found = model.sentences()
    assert found.ece_low > 0.08
    assert found.p < 0.01
    assert (found.mean_confidence > found.accuracy) == (sureness > 1)
    totals = [np.array([h.scores.acoustic for h in one.hypotheses]) for one in model.lists]
    heat = fit_temperature(totals, model.right)
    assert heat == pytest.approx(sureness, rel=0.2)
    assert abs(model.sentences(heat).excess) < 0.01


def test_the_learnt_maps_mend_it_too_where_nothing_was_learnt() -> None:
    model = Model.plant(sureness=3.0)
    beliefs = [believe(one, WEIGHTS) for one in model.lists]
    folds = [place % 5 for place in range(len(beliefs))]
    sure = cross_fitted(sentence_features(beliefs), model.right, folds, fit_logistic)
    assert abs(calibration(sure, model.right, **FAST).excess) < 0.015
    assert word_features(beliefs).shape == (3000, 3)
