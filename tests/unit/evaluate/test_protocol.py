import json
from pathlib import Path

import pytest

from sylvian.errors import CheckpointError
from sylvian.evaluate import Protocol
from sylvian.evaluate.protocol import trials_digest
from sylvian.types import TrialKey

VAL = [TrialKey("synthetic", "S1", "2030-01-01", 1, n) for n in range(4)]
TEST = [TrialKey("synthetic", "S1", "2030-01-01", 2, n) for n in range(3)]


def test_a_run_without_record_says_so(tmp_path: Path) -> None:
    protocol = Protocol.open(tmp_path)
    assert protocol.entries == ()
    assert protocol.notes() == []
    assert protocol.notes("test") == ["test has not been opened."]
    assert not protocol.path.exists()


def test_the_whole_story_in_sentences(tmp_path: Path) -> None:
    protocol = Protocol.open(tmp_path)
    protocol.state(split_rule="benchmark", sees_future=True)
    protocol.selected("best epoch by PER", "val", VAL)
    protocol.selected("decoder weights", "val", VAL)
    protocol.opened("val", VAL)
    protocol.opened("test", TEST)
    digest = trials_digest(VAL)[1]
    assert Protocol.open(tmp_path).notes() == [
        f"Chosen on val: best epoch by PER (4 trials, {digest}).",
        f"Chosen on val: decoder weights (4 trials, {digest}).",
        "Rates on val are optimistic: best epoch by PER, decoder weights chosen on the same "
        "trials.",
        "test has been opened once.",
        "Splits are the benchmark's own.",
        "The features were normalised over whole blocks, so every bin has seen the "
        "future: these rates are offline rates.",
    ]


def test_every_look_counts(tmp_path: Path) -> None:
    protocol = Protocol.open(tmp_path)
    for _ in range(3):
        protocol.opened("test", TEST)
    assert protocol.n_openings("test") == 3
    assert protocol.n_openings("val") == 0
    assert protocol.notes("test") == [
        "test has been opened 3 times; only the first look was blind."
    ]


def test_the_record_only_grows(tmp_path: Path) -> None:
    first, second = Protocol.open(tmp_path), Protocol.open(tmp_path)
    first.selected("best epoch by PER", "val", VAL)
    before = json.loads(first.path.read_text())["entries"]
    second.opened("test", TEST)
    after = json.loads(first.path.read_text())["entries"]
    assert after[: len(before)] == before
    assert len(after) == 2
    assert [p.name for p in tmp_path.iterdir()] == ["protocol.json"]


def test_facts_are_stated_once(tmp_path: Path) -> None:
    protocol = Protocol.open(tmp_path)
    protocol.state(split_rule="bit", sees_future=False)
    protocol.state(split_rule="bit", sees_future=False)
    assert len(protocol.entries) == 1
    assert len(protocol.notes()) == 1
    assert "random halves" in protocol.notes()[0]


def test_digest_is_of_the_set() -> None:
    assert trials_digest(VAL) == trials_digest([*reversed(VAL), VAL[0]])
    assert trials_digest(VAL)[1] != trials_digest(VAL[1:])[1]


@pytest.mark.parametrize(
    "content",
    [
        "",
        '{"format": 2, "entries": []}',
        '{"format": 1}',
        '{"format": 1, "entries": [{"kind": "erased", "time": "now"}]}',
        '{"format": 1, "entries": [{"kind": "opened", "time": "now", "secret": 1}]}',
        '{"format": 1, "entries": 7}',
    ],
)
def test_damaged_record_is_named_and_kept(tmp_path: Path, content: str) -> None:
    path = tmp_path / "protocol.json"
    path.write_text(content)
    with pytest.raises(CheckpointError, match=r"protocol\.json: "):
        Protocol.open(tmp_path)
    with pytest.raises(CheckpointError):
        Protocol(tmp_path).opened("test", TEST)
    assert path.read_text() == content


def test_what_is_made_of_others_inherits_their_choices_and_not_their_looks(tmp_path: Path) -> None:
    parts = [Protocol.open(tmp_path / name) for name in ("first", "second")]
    for number, part in enumerate(parts):
        part.state(split_rule="benchmark", sees_future=True)
        part.selected(f"best epoch {number}", "val", [])
        part.opened("test", [])
    whole = Protocol.open(tmp_path / "whole")
    whole.inherit(parts)
    whole.inherit(parts)
    assert [e.what for e in whole.entries if e.kind == "selected"] == [
        "best epoch 0",
        "best epoch 1",
    ]
    assert whole.n_openings("test") == 0
    assert any("optimistic" in note for note in whole.notes("val"))
