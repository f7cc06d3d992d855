"""A run killed with SIGKILL and resumed ends with the numbers of a run that was left alone."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from sylvian.models.artefact import load_model, read_extra
from sylvian.train.metrics import TIMING_COLUMNS

RUNNER = Path(__file__).with_name("resume_runner.py")
STRIDE = 9  # of the changes to the disk before which a run is killed; 1 tries them all (minutes)


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, int]]:
    folder = tmp_path_factory.mktemp("runs")
    done = subprocess.run(
        [sys.executable, str(RUNNER), str(folder), str(STRIDE)],
        env=os.environ | {"OMP_NUM_THREADS": "1"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return folder, json.loads(done.stdout.splitlines()[-1])


def rows(run: Path) -> list[dict[str, str]]:
    with (run / "metrics.csv").open(newline="") as file:
        return [
            {name: value for name, value in row.items() if name not in TIMING_COLUMNS}
            for row in csv.DictReader(file)
        ]


def assert_same(run: Path, whole: Path) -> None:
    """Equal to the last bit: metrics, both models, weights, moments and average."""
    assert rows(run) == rows(whole)
    files = {path.relative_to(whole) for path in whole.rglob("*") if path.is_file()}
    assert files == {path.relative_to(run) for path in run.rglob("*") if path.is_file()}
    for file in files:
        if file.suffix == ".safetensors":
            assert (run / file).read_bytes() == (whole / file).read_bytes(), file
    best = "checkpoint/best"
    assert read_extra(run / best) == read_extra(whole / best)
    load_model(run / best)


def test_killed_at_random_moments(runs: tuple[Path, dict[str, int]]) -> None:
    folder, report = runs
    assert report["random"] >= 5
    assert len(rows(folder / "long")) == 4
    assert_same(folder / "random", folder / "long")


def test_killed_before_changes_to_the_disk(runs: tuple[Path, dict[str, int]]) -> None:
    folder, report = runs
    assert report["changes"] * STRIDE > 60
    for number in range(report["changes"]):
        assert_same(folder / f"change-{1 + number * STRIDE:02d}", folder / "short")
