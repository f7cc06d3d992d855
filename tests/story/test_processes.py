"""`sylvian train` by two processes, however they are started: one run, one answer."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from sylvian.cli import main
from sylvian.data.corpora.synthetic import Synthetic
from sylvian.data.prepare import prepare
from sylvian.data.synthetic import ParticipantConfig, SyntheticConfig, simulate
from sylvian.errors import ConfigError
from sylvian.outcomes import TrainResult
from sylvian.pipeline import train
from sylvian.train.metrics import read_metrics

SMALL = [
    *("encoder.width=16", "encoder.depth=1", "encoder.heads=1", "encoder.feedforward=16"),
    *("train.epochs=2", "train.batch_size=4", "train.device=cpu"),
]


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("story")
    person = ParticipantConfig(
        name="S15",
        layout="card2024",
        sessions=1,
        train_trials=14,
        eval_trials=6,
        hidden_trials=2,
        max_words=3,
        fifty_share=1.0,
        train_only_sessions=(),
    )
    simulate(SyntheticConfig(participants=(person,)), folder / "raw")
    prepare(Synthetic(folder / "raw"), folder / "data")
    return folder


def command(home: Path, *overrides: str, runs: str = "runs") -> list[str]:
    program = str(Path(sys.executable).with_name("sylvian"))
    train = [program, "train", "tfs", "corpus=synthetic", *SMALL]
    return [*train, *overrides, "--json", "--data", str(home / "data"), "--runs", str(home / runs)]


def start(arguments: list[str], **more: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        arguments,
        env=os.environ | {"OMP_NUM_THREADS": "1"} | more,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.fixture(scope="module")
def by_lightning(home: Path) -> Path:
    out, err = (process := start(command(home, "train.devices=2"))).communicate(timeout=120)
    assert (process.returncode, err) == (0, "")
    (line,) = out.splitlines()
    return Path(json.loads(line)["run"])


def test_lightning_starts_the_second_process(home: Path, by_lightning: Path) -> None:
    assert [*(home / "runs").iterdir()] == [by_lightning]
    assert not list(by_lightning.rglob("*.lock"))
    assert len(read_metrics(by_lightning / "metrics.csv")) == 2
    assert json.loads((by_lightning / "trained.json").read_text())["n_train"] == 14


def test_srun_starts_both(home: Path, by_lightning: Path) -> None:
    two = command(home, "train.devices=2", runs="srun")
    both = [start(two, **slurm(rank)) for rank in range(2)]
    ended = [process.communicate(timeout=120) for process in both]
    assert [process.returncode for process in both] == [0, 0], ended
    assert ended[1] == ("", "")
    ours = read_metrics(Path(json.loads(ended[0][0])["run"]) / "metrics.csv")
    theirs = read_metrics(by_lightning / "metrics.csv")
    assert [row["val_loss"] for row in ours] == [row["val_loss"] for row in theirs]


@pytest.mark.parametrize(
    "arguments",
    [
        ["study", "table4", "corpus=synthetic", "--runs", "{}", "--out", "{}/table.json"],
        ["probe", "{}", "corpus=synthetic", "--runs", "{}", "--out", "{}/table.json"],
        ["sweep", "tfs", "corpus=synthetic", "--runs", "{}", "--out", "{}/sweep"],
        ["demo", "--quick", "--out", "{}/demo"],
    ],
)
def test_whoever_trains_many_runs_is_started_once(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
) -> None:
    told = [item.format(tmp_path) for item in arguments]
    monkeypatch.setattr(sys, "argv", ["sylvian", *told])
    for name, value in slurm(1).items():
        monkeypatch.setenv(name, value)
    with pytest.raises(SystemExit, match="1"):
        main()
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith(f"sylvian: {told[0]}: 2 processes were started")
    assert "start it once" in line
    assert list(tmp_path.iterdir()) == []


def test_fewer_processes_may_go_on_with_as_many_trials_in_a_step(
    home: Path, by_lightning: Path
) -> None:
    def resume(*overrides: str) -> TrainResult:
        return train("tfs", overrides, data=home, runs=home, resume=str(by_lightning))

    assert resume("train.devices=1", "train.batch_size=8", "train.n_workers=1").epochs == 2
    with pytest.raises(ConfigError, match="keeps its recipe and the trials of a step"):
        resume("train.devices=1")
    with pytest.raises(ConfigError, match="keeps its recipe"):
        resume("encoder.depth=2")


def slurm(rank: int) -> dict[str, str]:
    """Tell a process what srun tells a task."""
    return {
        "SLURM_NTASKS": "2",
        "SLURM_NTASKS_PER_NODE": "2",
        "SLURM_STEP_NUM_TASKS": "2",
        "SLURM_NNODES": "1",
        "SLURM_JOB_NAME": "pretraining",
        "SLURM_JOB_ID": str(10_000 + os.getpid() % 10_000),
        "SLURM_NODELIST": "127.0.0.1",
        "SLURM_PROCID": str(rank),
        "SLURM_LOCALID": str(rank),
        "SLURM_NODEID": "0",
    }
