"""Pretraining through the command line: a mix of species, and a head start for speech."""

import json
from pathlib import Path

import pytest
import safetensors.numpy

from story.driving import Call
from sylvian import pipeline
from sylvian.data.synthetic import (
    LatentConfig,
    MonkeyConfig,
    SharedSpeaker,
    SyntheticConfig,
    simulate,
)

SIZES = ["encoder.width=16", "encoder.depth=1", "encoder.heads=1", "encoder.feedforward=16"]
STAGE = ["start.train.epochs=2", "start.train.batch_size=16"]
SMALL = [*SIZES, "train.epochs=1", "train.batch_size=16", "splits=bit"]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("species")
    latent = LatentConfig(sharing=1.0)
    people = (
        SharedSpeaker(
            name="S15",
            layout="card2024",
            sessions=2,
            train_trials=20,
            eval_trials=6,
            hidden_trials=2,
            max_words=3,
            fifty_share=1.0,
            train_only_sessions=(),
            latent=latent,
        ),
        MonkeyConfig(name="M1", sessions=2, blocks=3, block_trials=6, electrodes=32, latent=latent),
    )
    simulate(SyntheticConfig(participants=people), folder / "raw")
    pipeline.prepare_corpus("synthetic", raw=folder / "raw", data=folder / "data")
    return folder


def test_a_mix_is_pretrained_and_held_against_baselines(home: Path, sylvian: Call) -> None:
    stage = [item.removeprefix("start.") for item in STAGE]
    found = sylvian("pretrain", "all", "corpus=synthetic", *SIZES, *stage, "--json").json
    assert {row["name"] for row in found["sources"]} == {"synthetic/M1", "synthetic/S15"}
    assert found["n_val"] > 0
    assert found["hours"] > 0
    scores = {row["participant"]: row for row in found["scores"] if row["task"] is None}
    names = ["channel mean", "interpolation", "linear"]
    for row in scores.values():
        assert row["low"] <= row["r2"] <= row["high"] < 1
        assert [baseline["name"] for baseline in row["baselines"]] == names
    assert any("test" in sentence for sentence in found["left_out"])
    shown = sylvian("pretrain", "all", "corpus=synthetic", *SIZES, *stage)
    assert "hidden bins" in shown.out
    run = Path(found["run"])
    assert {path.suffix for path in run.rglob("*") if path.is_file()} <= {
        ".json", ".csv", ".safetensors"
    }  # fmt: skip
    assert "pretraining" in sylvian("show", run).out
    refused = sylvian("decode", run, "--split", "val")
    assert refused.status == 1
    assert "sylvian probe" in refused.err


def test_speech_begins_with_the_pretrained_trunk(home: Path, sylvian: Call) -> None:
    found = sylvian("train", "all", "corpus=synthetic", *SMALL, *STAGE, "--json").json
    stages = list((home / "runs").glob("pretraining-*"))
    assert len(stages) == 1, "the stage of the test above is found, not repeated"
    assert Path(found["start"]) == stages[0] / "checkpoint" / "best"
    told = json.loads((Path(found["run"]) / "start.json").read_text())
    trunk = [name for name in told["tensors"] if name.startswith("blocks.")]
    assert len(trunk) == 12
    assert {"mask_token", "norm.weight", "norm.bias"} <= set(told["tensors"])
    frozen = [*SMALL, *STAGE, "train.trunk_rate=0"]
    still = sylvian("train", "all", "corpus=synthetic", *frozen, "--json").json
    spikes = sylvian(
        "train", "all", "corpus=synthetic", *SMALL, *STAGE, "start.read_ins=spikes", "--json"
    ).json
    assert spikes["start"] == found["start"]
    told = json.loads((Path(spikes["run"]) / "start.json").read_text())
    assert told["read_ins"] == ["synthetic/S15"]
    weights = [
        safetensors.numpy.load_file(folder / "weights.safetensors")
        for folder in (stages[0] / "checkpoint/best", Path(still["run"]) / "checkpoint/best")
    ]
    for name in told["tensors"]:
        before, after = (own[f"encoder.{name}"] for own in weights)
        assert (before == after).all(), name


def test_what_the_mix_holds_names_the_stage(home: Path, sylvian: Call) -> None:
    for recipe, expected in (
        ("human", {"synthetic/S15"}),
        ("exclude_target", {"synthetic/M1"}),
        ("same_participant_ssl", {"synthetic/S15"}),
    ):
        person = [] if recipe == "human" else ["participant=S15"]
        found = sylvian(
            "pretrain", recipe, "corpus=synthetic", *person, *SIZES, "train.epochs=1", "--json"
        ).json
        assert {row["name"] for row in found["sources"]} == expected, recipe


def test_an_interrupted_stage_goes_on(
    home: Path, sylvian: Call, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = ["train.seed=5", "train.epochs=3", "train.batch_size=16"]
    arguments = ["corpus=synthetic", *SIZES, *other]

    def stop(stage: str, done: int, total: int, note: str = "") -> None:
        if stage == "train" and done > 0.7 * total:
            raise KeyboardInterrupt

    places = {"data": home / "data", "runs": home / "runs"}
    with pytest.raises(KeyboardInterrupt):
        pipeline.pretrain("human", arguments, **places, progress=stop)
    begun = next(p.parent for p in (home / "runs").glob("*/env.json")
                 if not (p.parent / "trained.json").exists())  # fmt: skip
    assert sylvian("train", "tfs", *SMALL, "corpus=synthetic",
                   f'start={{"kind":"checkpoint","path":"{begun}"}}').status == 1  # fmt: skip
    result = pipeline.pretrain("human", arguments, **places)
    assert Path(result.run) == begun
    assert result.epochs == 3
    assert len((begun / "metrics.csv").read_text().splitlines()) == 4


def test_two_commands_do_not_write_into_one_stage(home: Path, sylvian: Call) -> None:
    sizes = [*SIZES, "train.seed=7", "train.epochs=1", "train.batch_size=16"]
    places = {"data": home / "data", "runs": home / "runs"}
    others: list[str] = []

    def meanwhile(stage: str, done: int, total: int, note: str = "") -> None:
        if stage == "train" and not others:
            start = [f"start.{item}" for item in sizes if item.startswith("train.")]
            ended = sylvian("train", "human", "corpus=synthetic", *SMALL, *start)
            assert ended.status == 1
            others.extend(ended.err.splitlines())

    result = pipeline.pretrain("human", ["corpus=synthetic", *sizes], **places, progress=meanwhile)
    assert others == [
        f"sylvian: {result.run}: another command is at work in this folder; wait until it is done, "
        "and repeat the command then"
    ]
    assert len((Path(result.run) / "metrics.csv").read_text().splitlines()) == 2
    assert not list(Path(result.run).rglob("*.lock"))


def test_a_run_at_work_is_not_resumed_by_another_command(home: Path, sylvian: Call) -> None:
    told: list[str] = []

    def meanwhile(stage: str, done: int, total: int, note: str = "") -> None:
        if stage == "train" and not told:
            (begun,) = (home / "here").glob("tfs-*")
            for more in ([], ["--resume", begun]):
                overrides = [] if more else ["corpus=synthetic", *SMALL]
                call = ["train", "tfs", *overrides, *more, "--runs", home / "here"]
                told.append(sylvian(*call).err)

    places = {"data": home / "data", "runs": home / "here"}
    result = pipeline.train("tfs", ["corpus=synthetic", *SMALL], **places, progress=meanwhile)
    assert result.epochs == 1
    assert len(told) == 2
    assert all(f"{result.run}: another command is at work" in sentence for sentence in told)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["pretrain", "tfs", "corpus=synthetic"], "does not pretrain"),
        (["pretrain", "exclude_target"], "which participant"),
        (["pretrain", "all", "mix.corpora=[\"card2024\"]"], "sylvian prepare card2024"),
        (["pretrain", "all", "mix.weights={\"synthetic\":0}"], "zero weight"),
        (["train", "all", "corpus=synthetic", "encoder={\"kind\":\"gru\"}"], "Transformer"),
        (["train", "cross_task_only", "corpus=synthetic"], "strategies"),
    ],
)  # fmt: skip
def test_a_wrong_mix_gets_one_sentence(
    home: Path, sylvian: Call, arguments: list[str], told: str
) -> None:
    ended = sylvian(*arguments)
    assert ended.status == 1
    assert told in ended.err
    assert len(ended.err.strip().splitlines()) == 1


def test_wide_trunks_do_not_fit_narrow_encoders(home: Path, sylvian: Call) -> None:
    stage = next((home / "runs").glob("pretraining-*/trained.json")).parent
    wide = [item.replace("width=16", "width=32") for item in SMALL]
    start = f'start={{"kind":"checkpoint","path":"{stage}"}}'
    refused = sylvian("train", "tfs", "corpus=synthetic", *wide, start)
    assert refused.status == 1
    assert "set encoder.width=16" in refused.err
