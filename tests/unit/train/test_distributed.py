"""Two real processes train what one process trains with the same trials in a step."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import safetensors.torch
import torch

from sylvian.errors import CheckpointError, ConfigError
from sylvian.train.metrics import TIMING_COLUMNS, read_metrics
from unit.train import distributed_runner as runner


@pytest.fixture(scope="module")
def pair(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("pair")
    done = subprocess.run(
        [sys.executable, runner.__file__, str(folder), *runner.CASES],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return folder


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
