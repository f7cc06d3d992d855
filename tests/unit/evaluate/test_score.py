import json
import math
from pathlib import Path

import pytest

from sylvian.errors import CheckpointError, DataError
from sylvian.evaluate import ScoreReport, TrialResult, report_rows, score_trial, score_trials
from sylvian.types import EditCounts, Strategy, TrialInfo, TrialKey


def trial(
    number: int,
    sentence: str | None = "Bring it closer.",
    *,
    participant: str = "T15",
    session: str = "2023-08-11",
    prompt_set: str | None = "50-Word",
    phonemes: tuple[str, ...] | None = ("B", "SIL"),
    strategy: Strategy = Strategy.ATTEMPTED,
) -> TrialInfo:
    key = TrialKey("card2024", participant, session, 1, number)
    return TrialInfo(
        key,
        "val",
        100,
        sentence=sentence,
        phonemes=phonemes,
        strategy=strategy,
        prompt_set=prompt_set,
    )


@pytest.fixture
def report() -> ScoreReport:
    results = [
        score_trial(trial(1), text="bring it closer", tokens=("B", "SIL")),
        score_trial(
            trial(2, "It is here.", strategy=Strategy.IMAGINED),
            text="it was here",
            tokens=("SIL",),
        ),
        score_trial(
            trial(3, "Not too far", session="2023-08-13", prompt_set="Switchboard"),
            text="not to far away",
            tokens=("B", "SIL"),
        ),
        score_trial(trial(4, "[DO NOTHING]"), text="", tokens=()),
    ]
    return score_trials(results, training_sentences=["bring it CLOSER!"], n_resamples=200)


def test_rates_are_pooled(report: ScoreReport) -> None:
    wer, per = report.find("wer"), report.find("per")
    assert wer is not None
    assert per is not None
    assert wer.counts == EditCounts(2, 0, 1, 9)
    assert wer.rate == pytest.approx(1 / 3)
    assert math.isnan(wer.low)  # of three trials with words
    assert per.counts == EditCounts(0, 1, 0, 6)


def test_groups(report: ScoreReport) -> None:
    assert report.groups() == (
        "all",
        "participant:card2024/T15",
        "strategy:attempted",
        "strategy:imagined",
        "prompt_set:50-Word",
        "prompt_set:Switchboard",
        "seen",
        "unseen",
        "session:card2024/T15/2023-08-11",
        "session:card2024/T15/2023-08-13",
    )
    imagined = report.find("wer", "strategy:imagined")
    assert imagined is not None
    assert imagined.counts.n_errors == 1
    assert report.strategies == ("attempted", "imagined")
    trials = {g: s.n_trials for g in report.groups() if (s := report.find("wer", g))}
    assert trials["seen"] == 1
    assert trials["unseen"] == 2
    assert trials["prompt_set:50-Word"] == 2
    assert trials["session:card2024/T15/2023-08-13"] == 1
    seen = report.find("wer", "seen")
    assert seen is not None
    assert seen.rate == 0
    assert math.isnan(seen.low)


def test_what_was_never_learnt_is_marked(tmp_path: Path) -> None:
    strategies = (Strategy.ATTEMPTED, Strategy.IMAGINED)
    results = [
        score_trial(trial(number, strategy=one), text="bring it", tokens=("B", "SIL"))
        for number, one in enumerate(strategies)
    ]
    plain = score_trials(results, training_sentences=[], n_resamples=50)
    assert [row.group for row in report_rows(plain)][1:3] == ["attempted", "imagined"]
    zero = (Strategy.IMAGINED,)
    report = score_trials(results, training_sentences=[], zero_shot=zero, n_resamples=50)
    assert [row.group for row in report_rows(report)][1:3] == ["attempted", "imagined, zero-shot"]
    alone = score_trials(results[1:], training_sentences=[], zero_shot=zero, n_resamples=50)
    assert report_rows(alone)[1].group == "imagined, zero-shot"
    report.write(tmp_path / "scores.json")
    assert ScoreReport.read(tmp_path / "scores.json").zero_shot == ("imagined",)


def test_cues_are_counted_and_not_scored(report: ScoreReport) -> None:
    assert report.cues == {"[DO NOTHING]": 1}
    assert report.n_trials == 3
    cue = score_trial(trial(1, "[RIGHT HAND - CLOSE]"), text="no", tokens=("B",))
    assert cue.per_counts is cue.wer_counts is cue.cer_counts is None


def test_order_of_trials_changes_nothing() -> None:
    results = [score_trial(trial(i), text="bring " * i, tokens=("B",)) for i in range(5)]
    forward = score_trials(results, training_sentences=[])
    assert forward == score_trials(results[::-1], training_sentences=[])


def test_unlabelled_trials_never_reach_scoring() -> None:
    unlabelled = trial(7, None, phonemes=None)
    with pytest.raises(DataError, match="card2024/T15/2023-08-11/b01/t007: no labels"):
        score_trial(unlabelled, text="something")
    with pytest.raises(DataError, match="t007: has no labels"):
        score_trials([TrialResult(unlabelled, None, None, None)], training_sentences=[])


def test_a_trial_counts_once() -> None:
    result = score_trial(trial(1), text="bring it")
    with pytest.raises(DataError, match="t001: scored twice"):
        score_trials([result, result], training_sentences=[])


def test_phonemes_alone_and_words_alone() -> None:
    only_phonemes = score_trial(trial(1), tokens=("B", "SIL"))
    only_words = score_trial(trial(2), text="")
    assert only_phonemes.wer_counts is None
    assert only_words.per_counts is None
    assert only_words.wer_counts == EditCounts(deletions=3, n_reference=3)
    report = score_trials([only_phonemes, only_words], training_sentences=[])
    per, wer = report.find("per"), report.find("wer")
    assert per is not None
    assert wer is not None
    assert (per.n_trials, wer.n_trials) == (1, 1)


def test_trial_without_sentence_is_neither_seen_nor_unseen() -> None:
    report = score_trials([score_trial(trial(1, None), tokens=("B",))], training_sentences=[])
    trials = {s.group: s.n_trials for s in report.scores if s.unit == "per"}
    assert (trials["all"], trials["seen"], trials["unseen"]) == (1, 0, 0)


def test_round_trip(report: ScoreReport, tmp_path: Path) -> None:
    path = tmp_path / "val" / "scores.json"
    report.write(path)
    assert ScoreReport.read(path) == report
    assert [p.name for p in path.parent.iterdir()] == ["scores.json"]


def test_empty_groups_are_blank_not_nan(tmp_path: Path) -> None:
    report = score_trials([], training_sentences=[])
    path = tmp_path / "scores.json"
    report.write(path)
    rows = json.loads(path.read_text(), parse_constant=pytest.fail)["scores"]
    assert {(r["unit"], r["group"]) for r in rows} == {
        (unit, group) for unit in ("per", "wer", "cer") for group in ("all", "seen", "unseen")
    }
    assert all(r["rate"] is r["low"] is r["high"] is None and r["n_trials"] == 0 for r in rows)
    assert ScoreReport.read(path) == report
    assert report_rows(report)[0] == ("all", "0", "–", "–", "–")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("{", "cannot be read"),
        ("[]", "format None"),
        ('{"format": 99}', "format 99, this version reads 1"),
        ('{"format": 1}', "missing or malformed"),
        ('{"format": 1, "scores": [], "n_trials": 0, "cues": {}, "x": 1}', "unknown key 'x'"),
        ('{"format": 1, "scores": [{"unit": "wer"}], "n_trials": 0, "cues": {}}', "malformed"),
    ],
)  # fmt: skip
def test_damaged_file_is_named(tmp_path: Path, content: str, message: str) -> None:
    path = tmp_path / "scores.json"
    path.write_text(content)
    with pytest.raises(CheckpointError, match=message) as caught:
        ScoreReport.read(path)
    assert str(caught.value).startswith(str(path))


def test_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"scores\.json: cannot be read"):
        ScoreReport.read(tmp_path / "scores.json")
