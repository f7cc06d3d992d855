"""One command at a time in a folder."""

import subprocess
import sys
from pathlib import Path
from typing import IO

import pytest

from sylvian import runs
from sylvian.errors import ConfigError
from sylvian.runs import LOCK, alone

HOLD = (
    "import sys; from pathlib import Path; from sylvian.runs import alone\n"
    "with alone(Path(sys.argv[1])):\n"
    "    print('mine', flush=True)\n"
    "    sys.stdin.read()"
)


@pytest.fixture(autouse=True)
def by_ourselves(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("RANK", "LOCAL_RANK", "SLURM_NTASKS"):
        monkeypatch.delenv(name, raising=False)


def test_another_command_is_kept_out_until_it_is_killed(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    other = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(folder)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    with other:
        assert other.stdout is not None
        assert other.stdout.readline() == "mine\n"
        told = f"{folder}: another command is at work in this folder; .* or give another --out"
        for _ in range(2):
            with (
                pytest.raises(ConfigError, match=told),
                alone(folder, instead="or give another --out"),
            ):
                pass
        other.kill()
        other.wait()
        assert (folder / LOCK).exists()
        with alone(folder):
            assert (folder / LOCK).exists()
    assert list(folder.iterdir()) == []


def test_a_folder_is_free_again_after_a_failure(tmp_path: Path) -> None:
    with alone(tmp_path), pytest.raises(ConfigError), alone(tmp_path):
        pass
    with pytest.raises(KeyError), alone(tmp_path):
        raise KeyError
    with alone(tmp_path):
        pass
    assert list(tmp_path.iterdir()) == []


def test_a_lock_that_was_just_given_up_is_not_taken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    flock, calls = runs.fcntl.flock, []

    def after_the_other_left(file: IO[str], how: int) -> None:
        calls.append(how)
        if len(calls) == 1:
            (tmp_path / LOCK).unlink()
        flock(file, how)

    monkeypatch.setattr(runs.fcntl, "flock", after_the_other_left)
    with alone(tmp_path):
        assert len(calls) == 2
        with pytest.raises(ConfigError), alone(tmp_path):
            pass


def test_only_the_leading_process_asks(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with alone(tmp_path / "run"):
        monkeypatch.setenv("LOCAL_RANK", "1")
        with alone(tmp_path / "run"), alone(tmp_path / "other"):
            assert not (tmp_path / "other").exists()
        assert (tmp_path / "run" / LOCK).exists()
        monkeypatch.delenv("LOCAL_RANK")
    assert not (tmp_path / "run" / LOCK).exists()


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    told = f"{tmp_path / 'file' / 'run'}: cannot be written"
    with pytest.raises(ConfigError, match=told), alone(tmp_path / "file" / "run"):
        pass
