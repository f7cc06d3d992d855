from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from _phoneme_llm import Texts, Trained
from _t15_decodes import Heard, ValTrial
from _third_pass import log_shares, read_fold
from sylvian.models.phoneme_llm import PhonemeLlm
from sylvian.text import Lexicon
from sylvian.text.soundalikes import Soundalikes
from sylvian.types import Hypothesis, NBest, Scores, TrialKey
from tiny.llms import backbone, tokenizer

LEXICON = Lexicon.cmudict().restrict(("yes", "water", "glass", "think", "about", "it"))
TEXTS = Texts([], Soundalikes(LEXICON, dict.fromkeys(LEXICON.words, 1)))


def make_trials(n: int = 12) -> list[ValTrial]:
    trials = []
    for number in range(n):
        sentence = f"{LEXICON.words[number % 5]} {LEXICON.words[number % 11 // 5]}"
        phonemes = LEXICON.phonemes(sentence)
        best = phonemes[1:] if number % 3 else phonemes
        heard = Heard((best, phonemes, phonemes[2:]), (-1.0, -2.0, -9.0))
        day = f"t15.2023.08.{10 + number % 4}"
        trials.append(ValTrial(day, sentence, phonemes, heard, heard, heard, {}))
    return trials


def trained(trials: Sequence[ValTrial]) -> Trained:
    return Trained(trials, Path(), TEXTS, Path())


def test_error_statistics_know_neither_the_fold_nor_its_sentences() -> None:
    trials = make_trials()
    before = trained(trials)
    silence = Heard((("SIL",),))
    inside = {t.sentence for t, f in zip(trials, before.folds, strict=True) if f == 0}
    spoiled = [
        replace(trial, n_best=silence) if f == 0 or trial.sentence in inside else trial
        for trial, f in zip(trials, before.folds, strict=True)
    ]
    np.testing.assert_array_equal(trained(spoiled).errors(0).becomes, before.errors(0).becomes)
    assert trained(spoiled).errors(1).error_rate > before.errors(1).error_rate


def test_a_folds_trials_are_scored_and_written(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = []

    def model(self: Trained, fold: int) -> PhonemeLlm:
        asked.append(fold)
        return PhonemeLlm(backbone("llama"), tokenizer(), TEXTS.sounds.words, width=8).eval()

    monkeypatch.setattr(Trained, "model", model)  # the real ones take minutes to train
    trials = make_trials()
    lists = [
        NBest(
            TrialKey("toy", "T15", "2023-08-11", 0, i),
            tuple(Hypothesis(text, (), Scores(0.0)) for text in (trial.sentence, "yes")),
        )
        for i, trial in enumerate(trials)
    ]
    own = trained(trials)
    scored, written = read_fold(own, lists, 1)
    assert np.exp(log_shares(trials[0])).sum() == pytest.approx(1.0)
    keys = [nbest.key for nbest, fold in zip(lists, own.folds, strict=True) if fold == 1]
    assert asked == [1]
    assert [one.key for one in scored] == [one.key for one in written] == keys
    assert all(h.scores.end_to_end is not None for one in scored for h in one.hypotheses)
