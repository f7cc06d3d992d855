"""Small scored runs, made with the rooms that make them in earnest."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np
import pytest

from sylvian.evaluate.confusion import count_confusions
from sylvian.evaluate.score import TrialResult, score_trial, score_trials
from sylvian.figures import Decode, EpochRow, RunReport, SplitScores
from sylvian.types import EditCounts, Score, Trial, TrialInfo, TrialKey

PROMPTS = ("the cat sat on the mat", "i want some <b>water</b> & tea", "how are you", "Hello, you!")
PHONES = ("HH", "AH", "L", "OW", "SIL", "Y", "UW", "SIL")


@pytest.fixture
def make_score() -> Callable[..., Score]:
    def make(
        group: str = "all",
        *,
        unit: str = "wer",
        errors: tuple[int, int, int] = (6, 2, 2),
        n: int = 100,
        low: float = 0.08,
        high: float = 0.13,
        n_trials: int = 20,
    ) -> Score:
        return Score(unit, group, EditCounts(*errors, n), low, high, n_trials)

    return make


@pytest.fixture(scope="session")
def make_results() -> Callable[..., list[TrialResult]]:
    def make(
        *,
        participants: Sequence[str] = ("S1",),
        days: Sequence[str] = ("2024-01-03", "2024-01-05", "2024-02-01"),
        n: int = 5,
        wrong: float = 0.3,
        words: bool = True,
        prompt_sets: bool = True,
    ) -> list[TrialResult]:
        rng = np.random.default_rng(7)
        results = []
        for place, (who, day) in enumerate((w, d) for w in participants for d in days):
            for trial in range(n):
                prompt = PROMPTS[(trial + place) % len(PROMPTS)]
                info = TrialInfo(
                    TrialKey("synthetic", who, day, 1, trial),
                    "val",
                    200,
                    sentence=prompt,
                    phonemes=PHONES,
                    prompt_set=("50-word", "large")[trial % 2] if prompt_sets else None,
                )
                text = " ".join("uh" if rng.random() < wrong else w for w in prompt.split())
                tokens = tuple(p for p in PHONES if rng.random() >= wrong / 3)
                results.append(score_trial(info, text=text if words else None, tokens=tokens))
        return results

    return make


@pytest.fixture(scope="session")
def make_run(make_results: Callable[..., list[TrialResult]]) -> Callable[..., RunReport]:
    def make(name: str = "tfs-12345678", *, encoder: str = "transformer", **kwargs) -> RunReport:
        results = make_results(**kwargs)
        report = score_trials(results, training_sentences=PROMPTS[:2], n_resamples=200)
        confusions = count_confusions((r.info.phonemes or (), PHONES[1:]) for r in results)
        features = np.random.default_rng(1).normal(size=(60, 8)).astype(np.float32)
        return RunReport(
            name=name,
            participants=tuple(kwargs.get("participants", ("S1",))),
            encoder=encoder,
            decoder="first pass, 3-gram",
            scores=(SplitScores("val", report, 12.5),),
            recipe=(("train.epochs", "9"), ("note", "<script>alert(1)</script>")),
            environment=(("python", "3.11"),),
            metrics=tuple(
                EpochRow(e, 90 * 0.8**e, 95 * 0.85**e, 0.9**e, 1e-3 / e) for e in range(1, 10)
            ),
            confusions=confusions,
            decodes=tuple(
                Decode(str(r.info.key), r.reference, r.hypothesis, r.wer_counts.n_errors)
                for r in results
                if r.wer_counts is not None
            ),
            protocol=("Chosen on val: best epoch by PER (15 trials).",),
            warnings=("Two trials were left out.",),
            seconds=125.0,
            trial=Trial(results[0].info, features),
            channels=(("6v", "threshold crossings", 0, 4), ("6v", "spike-band power", 4, 8)),
        )

    return make


@pytest.fixture
def nan() -> float:
    return math.nan
