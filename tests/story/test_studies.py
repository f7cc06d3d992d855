"""The paper's tables in the smallest size that still is the real thing."""

import json
from pathlib import Path

import numpy as np
import pytest

from layouts.human import imagined_sentences, write_mat
from story.driving import Call
from sylvian import pipeline
from sylvian.data.synthetic import (
    LatentConfig,
    MonkeyConfig,
    SharedSpeaker,
    SyntheticConfig,
    simulate,
)

TINY = [
    "encoder.width=16",
    "encoder.depth=1",
    "encoder.heads=1",
    "encoder.feedforward=16",
    "rnn:encoder.width=8",
    "rnn:encoder.depth=1",
    "train.epochs=1",
    "start.train.epochs=1",
]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("studies")
    latent = LatentConfig(sharing=1.0)
    people = (
        SharedSpeaker(
            name="S15",
            layout="card2024",
            sessions=2,
            train_trials=12,
            eval_trials=6,
            hidden_trials=2,
            max_words=3,
            fifty_share=1.0,
            train_only_sessions=(),
            imagined={"sessions": (1,)},
            latent=latent,
        ),
        MonkeyConfig(name="M1", sessions=1, blocks=3, block_trials=4, electrodes=16, latent=latent),
    )
    simulate(SyntheticConfig(participants=people), folder / "raw")
    pipeline.prepare_corpus("synthetic", raw=folder / "raw", data=folder / "data")
    return folder


def test_table_4_has_every_row_for_both_kinds_of_speech(home: Path, sylvian: Call) -> None:
    file = home / "table4.json"
    asked = ["study", "table4", "corpus=synthetic", *TINY, "--seeds", 1, "--out", file]
    found = sylvian(*asked, "--json").json
    labels = {
        kind: [row["label"] for row in found["rows"] if row["speech"] == kind]
        for kind in ("attempted", "imagined")
    }
    assert labels["attempted"] == ["rnn", "tfs", "human", "all"]
    assert labels["imagined"] == ["rnn", "tfs", "human", "all", "cross_task_only"]
    for row in found["rows"]:
        assert row["low"] is row["high"] is None  # of three trials there is no interval
        assert (row["difference"] is None) == (row["label"] == "tfs")
        assert (row["hours"] is None) == (row["label"] in ("rnn", "tfs", "cross_task_only"))
        assert len(row["runs"]) == row["n_seeds"] == 1
    assert json.loads(file.read_text())["rows"] == found["rows"]
    stages = {path.name for path in (home / "runs").glob("pretraining-*")}
    assert len(stages) == 2  # two mixes; both kinds of speech share them
    again = sylvian(*asked, "--figure", home / "table4.pdf")
    assert (home / "table4.png").stat().st_size > 10_000
    assert "cross_task_only" in (home / "table4.csv").read_text()
    assert "S15 imagined, n " in again.out
    assert "change" in again.out
    assert {path.name for path in (home / "runs").glob("pretraining-*")} == stages


def test_transfer_judges_each_kind_of_speech_by_models_of_it_of_the_other_and_of_both(
    home: Path, sylvian: Call
) -> None:
    asked = ["study", "transfer", "corpus=synthetic", *TINY, "--seeds", 1]
    ended = sylvian(*asked, "--json")
    rows = {(row["speech"], row["label"]): row for row in ended.json["rows"]}
    labels = ["from scratch", "after SSL", "after the other", "joint", "zero-shot"]
    assert [*rows] == [(kind, label) for kind in ("attempted", "imagined") for label in labels]
    for kind, other in (("attempted", "imagined"), ("imagined", "attempted")):
        scratch = rows[kind, "from scratch"]
        assert len({rows[kind, label]["counts"]["n_reference"] for label in labels}) == 1
        assert rows[kind, "zero-shot"]["runs"] == rows[other, "from scratch"]["runs"]
        assert rows[kind, "zero-shot"]["rate"] != scratch["rate"]
        run = Path(rows[kind, "zero-shot"]["runs"][0])
        assert (run / "test" / kind / "logits.safetensors").is_file()
        after = json.loads(
            (Path(rows[kind, "after the other"]["runs"][0]) / "env.json").read_text()
        )
        assert Path(after["start"]["path"]).parents[1].name == run.name
    assert rows["attempted", "joint"]["runs"] == rows["imagined", "joint"]["runs"]
    alone = sylvian("study", "transfer", "corpus=synthetic", "participant=M1", *TINY)
    assert alone.status == 1
    assert "no attempted together with imagined speech of M1" in alone.err


@pytest.fixture(scope="module")
def inner_speech(home: Path) -> Path:
    """The release of inner speech, whose attempted speech is all there to train on."""
    rng = np.random.default_rng(3)
    raw = home / "kunz"
    for split, name, blocks in (
        ("train", "", (1, 2, 3)),
        ("train", "_attempted", (4, 5)),
        ("val_50words", "", (6, 7, 8)),
    ):
        file = raw / "sentenceData" / split / f"t12.2024.04.11{name}.mat"
        write_mat(file, imagined_sentences(rng, blocks=blocks))
    pipeline.prepare_corpus("kunz2025", raw=raw, data=home / "data", jobs=1)
    return home


def _opened(run: Path) -> tuple[int, str]:
    """How many trials, and which, the protocol says were looked at."""
    entries = json.loads((run / "protocol.json").read_text())["entries"]
    (found,) = (one for one in entries if one["kind"] == "opened")
    return found["n_trials"], found["trials"]


def test_studies_of_inner_speech_leave_out_what_nothing_is_held_out_of(
    inner_speech: Path, sylvian: Call
) -> None:
    own = ["corpus=kunz2025", *TINY, "train.precision=fp32", "--seeds", 1]
    asked = [("--row", label) for label in ("after the other", "joint", "zero-shot")]
    ended = sylvian("study", "transfer", *own, *sum(asked, ()), "--json")
    assert ended.status == 0, ended.err
    found = ended.json
    assert {row["speech"] for row in found["rows"]} == {"imagined"}
    rows = {row["label"]: row for row in found["rows"]}
    assert [*rows] == ["from scratch", "after the other", "joint", "zero-shot"]
    assert len({(row["n_trials"], row["counts"]["n_reference"]) for row in rows.values()}) == 1
    stage = json.loads((Path(rows["after the other"]["runs"][0]) / "env.json").read_text())
    assert Path(stage["start"]["path"]).parents[1].name == Path(rows["zero-shot"]["runs"][0]).name
    halves = [_opened(Path(row["runs"][0])) for row in rows.values()]
    assert halves.count(halves[0]) == len(rows) and halves[0][0] == 3
    told = "Left out: T12 attempted (splits=bit: no labelled trial in val or test)."
    assert found["notes"] == [
        told,
        "zero-shot of T12 imagined: its epoch was chosen on the last blocks of what it learns "
        "(splits=bit: no labelled trial in val).",
    ]
    table = sylvian("study", "table4", *own, "--row", "cross_task_only", "--json").json
    assert {(row["speech"], row["label"]) for row in table["rows"]} == {
        ("imagined", "tfs"),
        ("imagined", "cross_task_only"),
    }
    assert told in table["notes"]


def test_a_study_with_no_column_left_says_why(inner_speech: Path, sylvian: Call) -> None:
    ended = sylvian("study", "table4", "corpus=kunz2025", *TINY, "splits=benchmark")
    assert ended.status == 1
    assert "no labelled speech of anybody to fine-tune on" in ended.err
    assert "T12 imagined (splits=benchmark: no labelled trial in test)" in ended.err


def test_a_probe_compares_trunks_with_none(home: Path, sylvian: Call) -> None:
    stages = sorted(str(path) for path in (home / "runs").glob("pretraining-*"))[:2]
    asked = ["probe", *stages, "corpus=synthetic", "--epochs", 1, "--seeds", 1, "--json"]
    found = sylvian(*asked).json
    assert found["split"] == "val"
    attempted = [row for row in found["rows"] if row["speech"] == "attempted"]
    assert [row["label"] for row in attempted] == [
        "from scratch",
        *(Path(stage).name for stage in stages),
    ]
    assert all(row["r2"] is not None for row in attempted[1:])


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["study", "table5", "corpus=synthetic"], "studies are: table4"),
        (["study", "table4"], "which corpus"),
        (["study", "table4", "corpus=synthetic", "participant=T15"], "no labelled speech of T15"),
        (["probe", "corpus=synthetic"], "which trunk"),
        (["probe", "nowhere", "corpus=synthetic"], "neither a finished run nor a saved model"),
    ],
)
def test_a_wrong_study_gets_one_sentence(
    home: Path, sylvian: Call, arguments: list[str], told: str
) -> None:
    ended = sylvian(*arguments)
    assert ended.status == 1
    assert told in ended.err
