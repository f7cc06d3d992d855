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
    process = started(folder, *runner.CASES)
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


@pytest.mark.parametrize("case", [name for name in runner.CASES if "resumed" not in name])
def test_two_processes_learn_what_one_learns(pair, tmp_path, case):
    runner.train(tmp_path, **runner.ALONE | runner.CASES[case])
    alone = numbers(tmp_path)
    assert len(alone) == 3
    for ours, theirs in zip(numbers(pair / case), alone, strict=True):
        assert ours == pytest.approx(theirs, rel=1e-4)
    ours, theirs = tensors(pair / case), tensors(tmp_path)
    assert ours.keys() == theirs.keys()
    for name, tensor in theirs.items():
        torch.testing.assert_close(ours[name], tensor, rtol=1e-3, atol=1e-5, msg=name)
    best = Path("checkpoint", "best", "weights.safetensors")
    assert (pair / case / best).stat().st_size == (tmp_path / best).stat().st_size


def test_a_run_of_two_processes_is_resumed(pair):
    assert numbers(pair / "resumed-ddp") == numbers(pair / "ctc-ddp")
    whole = tensors(pair / "ctc-ddp")
    assert all(torch.equal(own, whole[name]) for name, own in tensors(pair / "resumed-ddp").items())


def test_fewer_processes_continue_with_as_many_trials_in_a_step(pair):
    finished = pair / "ctc-ddp"
    result = runner.train(finished, resume=True, task="ctc", **runner.ALONE)
    assert result.epochs == 3
    with pytest.raises(CheckpointError, match=r"trials of a step=12, now it is 6"):
        runner.train(finished, resume=True, task="ctc", batch_size=6)


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
            process.kill()
