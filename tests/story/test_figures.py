"""From two small trainings to the paper's comparison, as a person calls it."""

from pathlib import Path

import pytest

from story.driving import SMALL, Call, speaker
from sylvian import pipeline
from sylvian.data.synthetic import SyntheticConfig, simulate


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("figures")
    few = {"train_trials": 4, "eval_trials": 14, "hidden_trials": 1, "max_words": 3}
    person = speaker(**few, imagined={"sessions": (1,)})
    simulate(SyntheticConfig(participants=(person,)), folder / "raw")
    pipeline.prepare_corpus("synthetic", raw=folder / "raw", data=folder / "data")
    return folder


def test_two_systems_are_compared_by_the_command_line(home: Path, sylvian: Call) -> None:
    runs = []
    for recipe, settings in (("rnn", ("encoder.width=8", "encoder.depth=1")), ("tfs", SMALL)):
        told = ("train", recipe, "corpus=synthetic", "splits=bit", "train.epochs=1", *settings)
        run = sylvian(*told, "--json").json["run"]
        sylvian("decode", run, "--split", "test")
        runs.append(run)
    asked = ["figure", "figure2", *runs, "--out", home / "figures"]
    refused = sylvian(*asked)
    assert refused.status == 1
    assert refused.err.startswith(f"sylvian: {runs[0]}: test was decoded but not scored")
    for run in runs:
        assert sylvian("score", run, "--split", "test").status == 0
    found = sylvian(*asked, "--against", "tfs", "--json").json
    assert all(Path(one).stat().st_size > 1_000 for one in found["files"])
    assert any("Open marker: tfs" in note for note in found["notes"])
    table = Path(found["files"][2]).read_text()
    assert "S15, attempted" in table and "S15, imagined" in table
    one = sylvian("figure", "figure6", runs[1], "--out", home / "figures", "--speech", "imagined")
    assert one.status == 0 and "S15, imagined speech" in one.out
    unknown = sylvian("figure", "figure5", runs[0], "--out", home)
    assert unknown.status == 1
    assert "there are: figure2" in unknown.err
