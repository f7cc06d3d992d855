"""The verb a person types, and what it survives."""

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from sylvian import cli
from sylvian.data.fetch import ARCHIVES, HOMES
from sylvian.errors import ConfigError, DataError

BODY = bytes(range(256)) * 40_000  # 10 MB

CHILD = """
import json, sys
from pathlib import Path
from sylvian.data.fetch import Archive, Home, fetch
home, archive, raw = json.loads(sys.argv[1])
for wanted in (home, archive):
    wanted.update({name: tuple(value) for name, value in wanted.items() if isinstance(value, list)})
print(fetch(Home(**home), Path(raw), archive=Archive(**archive)).n_downloaded)
"""


@pytest.fixture
def zoo(shop: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The server stands in for Zenodo, and has a corpus."""
    home, archive = shop.zenodo({"a.mat": BODY, "notes.txt": b"n"}, files=("*.mat",))
    monkeypatch.setitem(HOMES, home.corpus, home)
    monkeypatch.setitem(ARCHIVES, "zenodo", archive)
    return shop


def test_fetch_by_name(zoo: Any, tmp_path: Path) -> None:
    raw = tmp_path / "raw"
    done = CliRunner().invoke(cli.app, ["fetch", "zoo2020", "--raw", str(raw)])
    assert done.exit_code == 0, done.output
    assert (
        "zoo2020: 1 files (0.01 GB) of Zenodo 77" in done.output and "1 of them new" in done.output
    )
    assert (raw / "a.mat").read_bytes() == BODY


def test_fetch_as_json(zoo: Any, tmp_path: Path) -> None:
    arguments = ["fetch", "zoo2020", "--raw", str(tmp_path), "--only", "*", "--jobs", "2", "--json"]
    done = CliRunner().invoke(cli.app, arguments)
    report = json.loads(done.output.splitlines()[-1])
    assert (report["n_files"], report["n_downloaded"], report["n_bytes"]) == (2, 2, len(BODY) + 1)
    assert (report["corpus"], report["archive"]) == ("zoo2020", "Zenodo 77")


def test_fetch_says_what_is_wrong(zoo: Any, tmp_path: Path) -> None:
    unknown = CliRunner().invoke(cli.app, ["fetch", "nobody1999", "--raw", str(tmp_path)])
    assert isinstance(unknown.exception, ConfigError)
    zoo.always["/f/a.mat"] = zoo.status(403)
    refused = CliRunner().invoke(cli.app, ["fetch", "zoo2020", "--raw", str(tmp_path)])
    assert isinstance(refused.exception, DataError) and "by hand" in str(refused.exception)
    assert CliRunner().invoke(cli.app, ["fetch", "zoo2020"]).exit_code == 2


@pytest.mark.parametrize("how", [signal.SIGKILL, signal.SIGINT])
def test_killed_run_is_resumed(zoo: Any, tmp_path: Path, how: signal.Signals) -> None:
    """A process is killed in the middle of a file; the next one asks for the rest only."""
    half = len(BODY) // 2
    path = "/f/a.mat"

    def stall(handler: Any) -> None:
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(BODY)))
        handler.send_header("ETag", handler.etag)
        handler.end_headers()
        handler.wfile.write(BODY[:half])
        time.sleep(20)

    zoo.fails(path, stall)
    what = json.dumps([asdict(HOMES["zoo2020"]), asdict(ARCHIVES["zenodo"]), str(tmp_path)])
    command = [sys.executable, "-c", CHILD, what]
    child = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    partial = tmp_path / "a.mat.partial"
    waited = time.monotonic()
    while not (partial.is_file() and partial.stat().st_size > half - 2**14):  # the rest is buffered
        assert time.monotonic() - waited < 30 and child.poll() is None
        time.sleep(0.01)
    time.sleep(0.2)  # now it waits for bytes that do not come
    os.kill(child.pid, how)
    child.communicate(timeout=10)  # and is not kept from ending by that
    assert not (tmp_path / "a.mat").exists() and partial.is_file()
    n_here = partial.stat().st_size
    again = subprocess.run(command, capture_output=True, text=True, check=True, timeout=60)
    assert again.stdout == "1\n" and (tmp_path / "a.mat").read_bytes() == BODY
    assert zoo.asked(path)[-1].headers["Range"] == f"bytes={n_here}-"
