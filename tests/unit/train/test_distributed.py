"""Two real processes train what one process trains with the same trials in a step."""

from __future__ import annotations

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import psutil
import pytest
import safetensors.torch
import torch

from sylvian.errors import CheckpointError, ConfigError
from sylvian.train.metrics import TIMING_COLUMNS, read_metrics
from unit.train import distributed_runner as runner


@pytest.fixture(scope="module")
def pair(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("pair")
    with ended(started(folder, *runner.CASES)) as process:
        err = process.communicate(timeout=120)[1]
        assert process.returncode == 0, err
    return folder


def started(folder: Path, *cases: str) -> subprocess.Popen[str]:
    command = [sys.executable, runner.__file__, str(folder), *cases]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def numbers(run: Path) -> list[dict[str, float]]:
    rows = read_metrics(run / "metrics.csv")
    return [{name: row[name] for name in row.keys() - TIMING_COLUMNS} for row in rows]


def tensors(run: Path) -> dict[str, torch.Tensor]:
    """Weights, moments and average as they were last saved."""
    (file,) = (run / "checkpoint" / "last" / "resume").glob("*.safetensors")
    return safetensors.torch.load_file(file)


@pytest.fixture(scope="module")
def alone(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("alone")
    for task in ("ctc", "pretraining", "sentences"):
        runner.train(folder / task, task=task, **runner.ALONE)
    return folder


@pytest.mark.parametrize("strategy", ["ddp", "fsdp"])
@pytest.mark.parametrize("task", ["ctc", "pretraining", "sentences"])
def test_two_processes_learn_what_one_learns(pair, alone, task, strategy):
    assert_alike(pair / f"{task}-{strategy}", alone / task)


def test_one_process_continues_what_two_began_in_shards(pair, alone):
    half = pair / "half-fsdp"
    assert len(numbers(half)) == 1
    assert runner.train(half, resume=True, task="ctc", **runner.ALONE).epochs == 3
    assert_alike(half, alone / "ctc")


def assert_alike(run: Path, other: Path) -> None:
    """Equal but for the order of sums: every epoch's numbers, weights, moments, average, files."""
    assert len(numbers(other)) == 3
    for ours, theirs in zip(numbers(run), numbers(other), strict=True):
        assert ours == pytest.approx(theirs, rel=1e-4)
    ours, theirs = tensors(run), tensors(other)
    assert ours.keys() == theirs.keys()
    for name, tensor in theirs.items():
        torch.testing.assert_close(ours[name], tensor, rtol=1e-3, atol=1e-5, msg=name)
    best = Path("checkpoint", "best", "weights.safetensors")
    ours, theirs = (safetensors.torch.load_file(folder / best) for folder in (run, other))
    assert ours.keys() == theirs.keys()
    for name, tensor in theirs.items():
        torch.testing.assert_close(ours[name], tensor, rtol=1e-3, atol=1e-5, msg=name)


@pytest.mark.parametrize("strategy", ["ddp", "fsdp"])
def test_a_run_of_two_processes_is_resumed(pair, strategy):
    parts, whole = pair / f"resumed-{strategy}", pair / f"ctc-{strategy}"
    assert numbers(parts) == numbers(whole)
    expected = tensors(whole)
    assert all(torch.equal(own, expected[name]) for name, own in tensors(parts).items())


def test_another_number_of_trials_in_a_step_is_another_run(pair):
    with pytest.raises(CheckpointError, match=r"trials of a step=12, now it is 6"):
        runner.train(pair / "ctc-ddp", resume=True, task="ctc", batch_size=6)


def test_one_process_in_a_job_of_several_tasks_trains_alone(tmp_path, monkeypatch):
    monkeypatch.setenv("SLURM_NTASKS", "4")  # sbatch --ntasks=4, and no srun
    monkeypatch.setenv("SLURM_PROCID", "0")
    assert runner.train(tmp_path, task="ctc", **runner.ALONE | {"epochs": 1}).epochs == 1


@pytest.mark.parametrize(
    "environment",
    [
        {"WORLD_SIZE": "4", "RANK": "1"},
        {"SLURM_NTASKS": "4", "SLURM_STEP_NUM_TASKS": "4", "SLURM_PROCID": "2"},
        {"SLURM_NTASKS": "2", "SLURM_PROCID": "0"},  # sbatch without srun
    ],
)
def test_other_processes_than_were_asked_for(tmp_path, monkeypatch, environment):
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(ConfigError, match=r"processes were started, but train\.devices=2"):
        runner.train(tmp_path / "run", task="ctc", **runner.PAIR)
    assert not (tmp_path / "run").exists()


def test_a_failure_in_one_process_ends_both(tmp_path):
    with ended(started(tmp_path, "broken")) as leading:
        err = leading.communicate(timeout=120)[1]
        assert leading.returncode != 0
        assert "as arranged" in err
        assert len((tmp_path / "broken" / "metrics.csv").read_text().splitlines()) == 1 + 2


def test_an_interrupt_of_the_first_process_ends_both(tmp_path):
    rows = tmp_path / "endless" / "metrics.csv"
    with ended(started(tmp_path, "endless")) as leading:
        while not rows.exists() or len(rows.read_text().splitlines()) < 3:
            assert leading.poll() is None
            time.sleep(0.1)
        (second,) = psutil.Process(leading.pid).children()
        leading.send_signal(signal.SIGINT)
        assert "KeyboardInterrupt" in leading.communicate(timeout=60)[1]
        psutil.wait_procs([second], timeout=10)
        assert not second.is_running()


@contextmanager
def ended(process: subprocess.Popen[str]) -> Iterator[subprocess.Popen[str]]:
    """Leave no process behind, whatever a test finds."""
    with process:
        try:
            yield process
        finally:
            if process.poll() is None:
                for child in psutil.Process(process.pid).children(recursive=True):
                    child.kill()
                process.kill()
