"""Systems and parts of systems compared by word error rate, in the smallest real size."""

import json
from pathlib import Path

import pytest

from story.driving import Call, speaker
from sylvian.data.synthetic import SyntheticConfig, simulate
from sylvian.pipeline import prepare_corpus
from sylvian.runs import RunFolder

WHO, WHAT, WHERE = (
    ("I am", "They are", "We are"),
    ("going", "not good", "good"),
    ("", " now", " home"),
)
LINES = [f"{who} {what}{where}." for who in WHO for what in WHAT for where in WHERE]
TINY = [
    "corpus=synthetic",
    'start.overrides=["encoder.width=16","encoder.depth=1","encoder.heads=1",'
    '"encoder.feedforward=16","train.epochs=1"]',
    "train.epochs=1",
    "end_to_end.n_validated=1",
    "end_to_end.generate.beams=2",
    "end_to_end.speech.alignment.width=8",
    "end_to_end.speech.alignment.queue=8",
    "end_to_end.speech.projector.kind=linear",
]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sentences")
    person = speaker(sessions=1, train_trials=8, hidden_trials=2, max_words=3)
    simulate(SyntheticConfig(participants=(person,)), folder / "raw")
    prepare_corpus("synthetic", raw=folder / "raw", data=folder / "data")
    (folder / "text.txt").write_text("\n".join(LINES) + "\n")
    return folder


def test_systems_share_an_encoder_and_are_judged_by_words(home: Path, sylvian: Call) -> None:
    llm, file = home / "llm", home / "systems.json"
    sizes = ("width=16", "layers=1", "heads=2", "vocabulary=400", "epochs=1")
    assert sylvian("llm", home / "text.txt", "--out", llm, *sizes).status == 0
    asked = ["study", "systems", *TINY, "--llm", llm, "--seeds", 1, "--out", file]
    outcome = sylvian(*asked, "--rescorer", llm, "--json")
    assert outcome.status == 0, outcome.err
    found = outcome.json
    labels = [row["label"] for row in found["rows"]]
    assert labels == [
        "cascade",
        "cascade + LM",
        "end-to-end",
        "end-to-end + ctc",
        "end-to-end + cascade",
    ]
    cascade, rescored, *spoken = found["rows"]
    assert {row["unit"] for row in found["rows"]} == {"wer"}
    assert cascade["runs"] == rescored["runs"]
    assert all(row["runs"] == spoken[0]["runs"] for row in spoken)
    run = RunFolder(Path(spoken[0]["runs"][0]))
    assert Path(run.environment["start"]["path"]).parent.parent == Path(cascade["runs"][0])
    assert len({(row["n_trials"], row["counts"]["n_reference"]) for row in found["rows"]}) == 1
    assert [row["difference"] is None for row in found["rows"]] == [True, *[False] * 4]
    assert " won, " in found["notes"][0]
    assert any(note.startswith("Left out: all (") for note in found["notes"])
    assert json.loads(file.read_text())["rows"][0]["rate"] == cascade["rate"]
