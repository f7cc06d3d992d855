"""The example of docs/corpora.md, executed as it is printed: a laboratory's own corpus."""

import json
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import h5py
import numpy as np
import pytest

from sylvian.data import PreparedCorpus

DOCS = Path(__file__).parents[3] / "docs/corpora.md"
N_CHANNELS = 96


def printed(name):
    """Return the code block that follows the line with the file's name."""
    match = re.search(
        rf"^`{re.escape(name)}`:\n\n```\w+\n(.*?)^```$", DOCS.read_text(), re.M | re.S
    )
    assert match is not None, f"{DOCS} no longer shows {name}"
    return match.group(1)


@pytest.fixture
def lab(tmp_path):
    """The example's package, as pip leaves it behind, and an environment that finds it."""
    site = tmp_path / "site"
    (site / "mylab-1.0.dist-info").mkdir(parents=True)
    project = tomllib.loads(printed("mylab/pyproject.toml"))["project"]
    told = project["entry-points"]["sylvian.corpora"]
    lines = ["[sylvian.corpora]", *(f"{name} = {place}" for name, place in told.items())]
    (site / "mylab-1.0.dist-info/entry_points.txt").write_text("\n".join(lines))
    (site / "mylab-1.0.dist-info/METADATA").write_text(
        f"Metadata-Version: 2.1\nName: {project['name']}\nVersion: {project['version']}\n"
    )
    (site / "mylab_corpus.py").write_text(printed("mylab/mylab_corpus.py"))
    return os.environ | {"PYTHONPATH": str(site)}


def record(path, rng, *, blocks):
    """A day of two trials a block, each of half a second."""
    path.parent.mkdir(parents=True, exist_ok=True)
    n = 2 * len(blocks)
    with h5py.File(path, "w") as file:
        for channel in range(N_CHANNELS):
            file[f"spikes/{channel}"] = np.sort(rng.uniform(0, n, 40 * n))
        file["trials/start"] = np.arange(n) + 0.25
        file["trials/stop"] = np.arange(n) + 0.75
        file["trials/block"] = np.repeat(blocks, 2)
        file["trials/prompt"] = ["Hello there.", "[DO NOTHING]"] * len(blocks)


def sylvian(environment, *arguments):
    start = "from sylvian.cli import main; main()"
    command = [sys.executable, "-c", start, *map(str, arguments)]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)


def test_a_laboratory_prepares_its_own_corpus_as_the_documentation_shows(lab, tmp_path, rng):
    raw, data = tmp_path / "raw", tmp_path / "data"
    record(raw / "P1/2026-03-14.h5", rng, blocks=[1, 2])
    record(raw / "P1/2026-03-15.h5", rng, blocks=[1])
    done = sylvian(lab, "prepare", "mylab2026", "--raw", raw, "--data", data, "--json")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["trials"] == {"train": 6}
    again = sylvian(
        lab, "prepare", "mylab2026", "--raw", raw, "--data", tmp_path / "2", "--jobs", 2
    )
    assert again.returncode == 0 and "prepared by one process" not in again.stderr
    index = "mylab2026/index.json"
    assert (tmp_path / "2" / index).read_bytes() == (data / index).read_bytes()
    done = sylvian(lab, "check", "mylab2026", "--data", data)
    assert done.returncode == 0, done.stdout + done.stderr
    corpus = PreparedCorpus.open(data, "mylab2026")
    first = corpus.infos[0]
    assert str(first.key) == "mylab2026/P1/2026-03-14/b01/t000"
    assert (first.n_bins, first.phonemes[:5]) == (25, ("HH", "AH", "L", "OW", "SIL"))
    assert corpus.infos[1].phonemes is None
    assert {name: len(part) for name, part in corpus.splits("blocks").items()} == {
        "train": 3,
        "val": 3,
        "test": 0,
    }
    record(raw / "P1/2026-03-15.h5", rng, blocks=[1])
    with h5py.File(raw / "P1/2026-03-15.h5", "r+") as file:
        file["spikes/7"][3] = 99.0
    done = sylvian(lab, "prepare", "mylab2026", "--raw", raw, "--data", data)
    assert done.returncode == 1
    told = " ".join(done.stderr.split())
    assert "2026-03-15.h5: trial 0: channel 7: spike times are not sorted" in told
