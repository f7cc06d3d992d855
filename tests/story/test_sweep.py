"""A sweep by the command line: killed, continued on a cluster by address, and over at once after.

Ray is the real one, twice: its own on this machine, and one started by hand that we join.
"""

from __future__ import annotations

import csv
import json
import os
import re
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import psutil
import pytest

from story.driving import speaker
from sylvian import pipeline
from sylvian.data.synthetic import SyntheticConfig, simulate
from sylvian.sweep import SweepConfig, parse_space, run_sweep
from sylvian.train.metrics import TIMING_COLUMNS

EPOCHS = 8
RECIPE = [
    "corpus=synthetic",
    "splits=bit",
    "encoder.width=32",
    "encoder.depth=1",
    "encoder.heads=1",
    "encoder.feedforward=32",
    f"train.epochs={EPOCHS}",
    "train.warmup_fraction=0",
]
# With seed 0 the good rate is drawn first, so that the other one has something to be held against.
SPACE = "train.learning_rate=choice(1e-7,5e-3)"
LABORATORY = {  # as whoever starts a cluster and whoever joins it would both set
    "RAY_AUTH_MODE": "token",
    "RAY_AUTH_TOKEN": secrets.token_hex(32),
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",  # a test listens on the loopback address only
    "RAY_USAGE_STATS_ENABLED": "0",
}
ENVIRONMENT = os.environ | LABORATORY | {"OMP_NUM_THREADS": "1"}


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("sweep")
    simulate(SyntheticConfig(participants=(speaker(),)), folder / "raw")
    pipeline.prepare_corpus("synthetic", raw=folder / "raw", data=folder / "data")
    return folder


def sweep(home: Path, *more: str) -> subprocess.Popen[str]:
    script = "from sylvian.cli import main; main()"
    places = ["--data", str(home / "data"), "--runs", str(home / "runs")]
    options = ["--draws", "2", "--space", SPACE, "--set", "reduction_factor=2", "--json", *more]
    return subprocess.Popen(
        [sys.executable, "-c", script, "sweep", "tfs", *RECIPE, *places, *options],
        env=ENVIRONMENT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def answer(process: subprocess.Popen[str]) -> dict[str, Any]:
    out, err = process.communicate(timeout=120)
    assert process.returncode == 0, err
    assert err == ""
    found = json.loads(out)  # and nothing else was printed
    assert isinstance(found, dict)
    return found


def rows(run: Path) -> list[dict[str, str]]:
    path = run / "metrics.csv"
    if not path.exists():
        return []
    with path.open(newline="") as file:
        return [
            {name: value for name, value in row.items() if name not in TIMING_COLUMNS}
            for row in csv.DictReader(file)
        ]


def listening(processes: list[psutil.Process]) -> set[str]:
    """Addresses at which any of them listens."""
    return {
        connection.laddr.ip.removeprefix("::ffff:")
        for process in processes
        for connection in process.net_connections("inet")
        if connection.status == psutil.CONN_LISTEN
    }


def train(home: Path, *calls: dict[str, Any]) -> None:
    """Train as `sylvian train` does, with as many threads as a draw has."""
    script = (
        "import json, sys; from pathlib import Path; from sylvian import pipeline\n"
        "for call in json.loads(sys.argv[1]):\n"
        "    runs, data = Path(call.pop('runs')), Path(call.pop('data'))\n"
        "    pipeline.train('tfs', **call, runs=runs, data=data)"
    )
    given = json.dumps([{"data": str(home / "data")} | call for call in calls])
    subprocess.run([sys.executable, "-c", script, given], env=ENVIRONMENT, check=True)


@contextmanager
def cluster(folder: Path) -> Iterator[str]:
    """Start Ray as a laboratory would, and end what was started."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    place = ["--node-ip-address", "127.0.0.1", "--port", str(port), "--temp-dir", str(folder)]
    size = ["--num-cpus", "2", "--object-store-memory", "80000000"]
    command = ["start", "--head", "--block", "--include-dashboard=false", *place, *size]
    with (folder / "head.txt").open("w") as told:
        head = subprocess.Popen(
            [sys.executable, "-m", "ray.scripts.scripts", *command],
            env=ENVIRONMENT,
            stdout=told,
            stderr=told,
        )
    try:
        while "Ray runtime started" not in (folder / "head.txt").read_text():
            assert head.poll() is None, (folder / "head.txt").read_text()
            time.sleep(0.1)
        yield f"127.0.0.1:{port}"
    finally:
        helpers = psutil.Process(head.pid).children(recursive=True)
        head.kill()
        for helper in helpers:
            with suppress(psutil.NoSuchProcess):
                helper.kill()
        head.wait()


def killed(home: Path) -> tuple[Path, int]:
    """Kill a sweep within its first draw; return the draw's run and the epochs it had."""
    process = sweep(home, "--jobs", "1")
    try:
        found: list[Path] = []
        while not found or len(rows(found[0])) < 2:
            assert process.poll() is None, process.communicate()
            time.sleep(0.02)
            found = sorted((home / "runs").glob("tfs-*"))
        family = psutil.Process(process.pid).children(recursive=True)
        assert listening([psutil.Process(process.pid), *family]) == {"127.0.0.1"}
        words = {child: " ".join(child.cmdline()) for child in family}
    finally:
        process.send_signal(signal.SIGKILL)
        process.communicate()
    # Whoever trains ends with whoever asked for it; Ray's own helpers take up to a minute.
    workers = [child for child, said in words.items() if "ray::" in said and "Agent" not in said]
    assert workers
    assert not psutil.wait_procs(workers, timeout=20)[1]
    for child in family:
        with suppress(psutil.NoSuchProcess):
            child.kill()
    scratch = re.search(r"/tmp/sylvian-[^/ ]+", " ".join(words.values()))
    assert scratch
    shutil.rmtree(scratch[0])
    (run,) = found
    return run, len(rows(run))


def test_a_killed_sweep_goes_on_elsewhere(home: Path, tmp_path_factory: Any) -> None:
    run, n_epochs = killed(home)
    assert n_epochs < EPOCHS
    (ledger,) = (home / "runs").glob("sweep-tfs-*/sweep.json")
    assert [draw["state"] for draw in json.loads(ledger.read_text())["draws"]] == [
        "running",
        "waiting",
    ]
    with cluster(tmp_path_factory.mktemp("r")) as address:
        found = answer(sweep(home, "--jobs", "1", "--address", address))
    assert found["sweep"] == str(ledger)
    good, bad = found["rows"]
    assert (good["number"], good["state"], good["epochs"]) == (1, "finished", EPOCHS)
    assert (bad["number"], bad["state"]) == (2, "stopped")
    assert bad["epochs"] < EPOCHS
    assert good["val_per"] < bad["val_per"]
    assert good["run"] == run.name
    assert found["best"].endswith(" ".join([*RECIPE, "train.learning_rate=0.005"]))

    files = {path.name for path in ledger.parent.iterdir()}
    assert files == {"sweep.json"}
    kinds = {path.suffix for path in (home / "runs").rglob("*") if path.is_file()}
    assert kinds <= {".json", ".csv", ".safetensors", ".txt"}  # and no pickle
    assert not list((home / "runs").rglob("scores*"))  # no split but val was looked at

    stopped = home / "runs" / bad["run"]
    assert not (stopped / "trained.json").exists()
    train(
        home,
        {"overrides": [*RECIPE, "train.learning_rate=0.005"], "runs": str(home / "plain")},
        {"resume": str(stopped), "runs": str(home / "runs")},
    )
    assert rows(run) == rows(home / "plain" / run.name)  # an ordinary run, to the last bit
    assert len(rows(stopped)) == EPOCHS

    again = run_sweep(  # nothing is left to do, so Ray is not even started
        "tfs",
        RECIPE,
        data=home / "data",
        runs=home / "runs",
        space=parse_space([SPACE]),
        settings=SweepConfig(draws=2),
    ).summary()
    assert [row["state"] for row in again["rows"]] == ["finished", "finished"]
    assert again["rows"][0] == good
    assert "ray" not in sys.modules or not sys.modules["ray"].is_initialized()
