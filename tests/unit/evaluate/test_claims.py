"""A rate is claimed with all it rests on, or not at all."""

from __future__ import annotations

from pathlib import Path

import pytest

from sylvian.errors import ProtocolError
from sylvian.evaluate import Protocol, score_trials
from sylvian.evaluate.claims import Taught, breaches, claim
from sylvian.evaluate.report import ScoreReport
from sylvian.evaluate.score import score_trial
from sylvian.types import Strategy, TrialInfo, TrialKey


def key(number: int) -> TrialKey:
    return TrialKey("toy", "T15", "2023-08-11", 1, number)


VAL, TEST = [key(n) for n in range(5)], [key(n) for n in range(5, 12)]


def scored(keys: list[TrialKey]) -> ScoreReport:
    results = []
    for number, own in enumerate(keys):
        info = TrialInfo(own, "test", 10, sentence="i am good", phonemes=("AA", "B"))
        text = "i am" if number == 0 else "i am good"
        results.append(score_trial(info, text=text, tokens=("AA", "B")))
    return score_trials(results, training_sentences=["i am good"])


@pytest.fixture
def protocol(tmp_path: Path) -> Protocol:
    protocol = Protocol.open(tmp_path)
    protocol.state(split_rule="bit", sees_future=True)
    protocol.selected("best epoch by PER", "val", VAL)
    protocol.selected("decoder weights", "val", VAL)
    return protocol


def test_a_blind_split_is_claimed_with_its_conditions(protocol: Protocol) -> None:
    protocol.opened("test", TEST)
    said = claim(protocol, "test", TEST, scored(TEST), what="tfs on toy")
    for part in ("tfs on toy: WER 4.8 %", "7 trials", "seen in training 4.8 %", "offline", "once"):
        assert part in said
    protocol.opened("test", TEST)
    again = claim(protocol, "test", TEST, scored(TEST), what="tfs on toy")
    assert "opened 2 times, nothing chosen after the first" in again


@pytest.mark.parametrize(
    ("split", "keys", "why"),
    [
        ("val", VAL, "best epoch by PER, decoder weights chosen on these very trials"),
        ("test", VAL, "chosen on these very trials"),  # the same trials by another name
        ("train", [key(99)], "learnt these trials"),
        ("holdout", [key(100)], "holdout was not scored"),
    ],
)
def test_what_broke_the_protocol_is_not_claimed(
    protocol: Protocol, split: str, keys: list[TrialKey], why: str
) -> None:
    if split != "holdout":
        protocol.opened(split, keys)
    with pytest.raises(ProtocolError, match=why):
        claim(protocol, split, keys, scored(keys), what="tfs on toy")


def test_choosing_after_a_look_spoils_the_split(protocol: Protocol) -> None:
    protocol.opened("test", TEST)
    assert breaches(protocol, "test", TEST) == []
    protocol.selected("decoder weights", "val", VAL)
    protocol.opened("test", TEST)
    (why,) = breaches(protocol, "test", TEST)
    assert why.startswith("decoder weights chosen after test had been looked at")


def test_strategies_are_claimed_apart(protocol: Protocol) -> None:
    protocol.opened("test", TEST)
    results = []
    for number, own in enumerate(TEST):
        strategy = Strategy.IMAGINED if number < 3 else Strategy.ATTEMPTED
        info = TrialInfo(own, "test", 10, sentence="i am good", strategy=strategy)
        results.append(score_trial(info, text="i am" if number < 3 else "i am good"))
    report = score_trials(results, training_sentences=[])
    said = claim(protocol, "test", TEST, report, what="tfs on toy")
    assert "attempted 0.0 %, n 4; imagined 33.3 %, n 3" in said


def test_a_look_at_some_trials_is_a_look_at_the_split(protocol: Protocol) -> None:
    protocol.opened("test/imagined", TEST[:3])
    protocol.selected("decoder weights", "val/imagined", VAL[:2])
    (why,) = breaches(protocol, "test/imagined", TEST[:3])
    assert "chosen after test/imagined had been looked at" in why
    assert any("not scored" in one for one in breaches(protocol, "test", TEST))
    assert any("chosen after" in one for one in breaches(protocol, "test", TEST))
    assert protocol.n_openings("test") == protocol.n_openings("test/imagined") == 1
    assert protocol.n_openings("test/attempted") == protocol.n_openings("val") == 0
    (_, why) = breaches(protocol, "val/attempted+imagined", VAL)
    assert "chosen on these very trials" in why


def test_features_from_the_future_are_no_online_result(protocol: Protocol) -> None:
    protocol.opened("test", TEST)
    (why,) = breaches(protocol, "test", TEST, online=True)
    assert "seen the future" in why


def test_withheld_labels_give_no_number(protocol: Protocol) -> None:
    protocol.opened("test", TEST)
    with pytest.raises(ProtocolError, match="withheld"):
        claim(protocol, "test", TEST, ScoreReport((), 0), what="tfs on toy")


def test_trials_are_learnt_by_their_names_not_by_their_splits(protocol: Protocol) -> None:
    others = [key(n) for n in range(20, 26)]
    protocol.opened("train/attempted", others)
    protocol.opened("test", TEST)
    taught = Taught({key(n) for n in range(30, 40)})
    said = claim(
        protocol, "train/attempted", others, scored(others), what="imagined", taught=taught
    )
    assert "on train/attempted (6 trials, none of them learnt; " in said
    some = Taught({TEST[0], key(30)})
    assert breaches(protocol, "test", TEST, taught=some) == [
        "the model learnt 1 of these 7 trials; score others"
    ]
    (why,) = breaches(protocol, "train/attempted", others, taught=Taught(others))
    assert why.startswith("the model learnt these trials")


def test_an_unknown_training_may_have_learnt_what_is_called_train(protocol: Protocol) -> None:
    others = [key(n) for n in range(20, 26)]
    protocol.opened("train/attempted", others)
    protocol.opened("test", TEST)
    taught = Taught((), is_complete=False)
    (why,) = breaches(protocol, "train/attempted", others, taught=taught)
    assert why.startswith("the model may have learnt these trials")
    assert breaches(protocol, "test", TEST, taught=taught) == []
