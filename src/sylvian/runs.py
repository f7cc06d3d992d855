"""A run folder: the files one experiment leaves behind, and where each verb finds them.

`<recipe>-<digest>/` holds `recipe.json env.json metrics.csv trained.json protocol.json
decoder.json`, `checkpoint/{best,last}/`, and for each decoded split a folder with
`logits.safetensors greedy.jsonl nbest.jsonl scores.json`.
"""

from __future__ import annotations

import hashlib
import json
import os
import platform
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import IO, Any

from sylvian import config
from sylvian.config import C
from sylvian.errors import CheckpointError, ConfigError
from sylvian.recipes import PretrainingRecipe, Recipe
from sylvian.train.processes import leads, wait_for

try:
    import fcntl
except ImportError:  # not on Windows, where nothing then keeps two commands apart
    fcntl = None  # type: ignore[assignment]

FORMAT = 1
LOCK = "in-use.lock"
ANALYSES = "analyses"  # folder of what `analyse` wrote
PRETRAINING = "pretraining"
_PACKAGES = ("sylvian", "torch", "lightning", "numpy", "numba", "h5py", "safetensors")


@dataclass(frozen=True, slots=True)
class RunFolder:
    """One experiment on disk."""

    path: Path

    @classmethod
    def open(cls, name: str | Path, runs: Path) -> RunFolder:
        """Find a run by its path or by its name below `runs`.

        Raises:
            CheckpointError: there is no run there, or another program's format.
        """
        for candidate in (Path(name), runs / name):
            if (candidate / "recipe.json").is_file():
                folder = cls(candidate)
                folder._read("recipe.json")
                return folder
        known = sorted(path.parent.name for path in runs.glob("*/recipe.json"))
        listing = ", ".join(known[:8]) or "none"
        raise CheckpointError(f"{name}: no run folder there; runs below {runs}: {listing}")

    @classmethod
    def place(
        cls, recipe: Recipe | PretrainingRecipe, data_digest: str, runs: Path, *, start: str = ""
    ) -> RunFolder:
        """Name the folder of a recipe on given data: equal experiments get equal names.

        Args:
            recipe: The complete experiment.
            data_digest: Digest of the prepared recordings.
            runs: Folder of runs.
            start: Digest of the weights it starts from, if any.
        """
        parts = [config.digest(recipe), data_digest, *([start] if start else [])]
        together = hashlib.sha256(" ".join(parts).encode()).hexdigest()
        return cls(runs / f"{recipe.name}-{together[:8]}")

    def create(
        self,
        recipe: Recipe | PretrainingRecipe,
        *,
        data: Path,
        data_digest: str,
        facts: dict[str, Any],
        start: dict[str, Any] | None = None,
    ) -> None:
        """Write the recipe and the environment; safe to repeat.

        Of several processes that train together one writes, and the others wait for it.

        Args:
            recipe: The complete experiment.
            data: Folder of prepared corpora.
            data_digest: Digest of the prepared corpus.
            facts: More facts of the data a later reader should see (citation, sees_future).
            start: Where the weights to start from are, and their digest.
        """
        if not leads():
            wait_for(self.path / "recipe.json")
            return
        self.path.mkdir(parents=True, exist_ok=True)
        told = environment(data, data_digest) | {"corpus": facts, "start": start}
        self._write("env.json", told)
        self._write("recipe.json", {"recipe": config.dump(recipe)})

    @property
    def recipe(self) -> Recipe:
        """The experiment as it was resolved when the run began.

        Raises:
            CheckpointError: this run pretrained, so it speaks no phonemes; or another version of
                Sylvian wrote its recipe.
        """
        found = self._read("recipe.json")["recipe"]
        if found.get("name") == PRETRAINING:
            raise CheckpointError(
                f"{self.path}: a pretraining run, it knows no phonemes yet; fine-tune it with "
                f"'sylvian probe {self.path} corpus=NAME', or name a run trained on labels"
            )
        return self._resolved(Recipe, found)

    @property
    def pretraining_recipe(self) -> PretrainingRecipe:
        """The pretraining as it was resolved when the run began.

        Raises:
            CheckpointError: this run was trained on labels, or another version of Sylvian wrote
                its recipe.
        """
        found = self._read("recipe.json")["recipe"]
        if found.get("name") != PRETRAINING:
            raise CheckpointError(f"{self.path}: a run trained on labels, not a pretraining run")
        return self._resolved(PretrainingRecipe, found)

    def _resolved(self, kind: type[C], found: dict[str, Any]) -> C:
        try:
            return config.load(kind, found)
        except ConfigError as failure:
            written_at = self.environment.get("commit", "unknown")
            raise CheckpointError(
                f"{self.path / 'recipe.json'}: not a recipe of this Sylvian ({failure}); use the "
                f"one that wrote it (commit {written_at}), or train again"
            ) from None

    @property
    def is_pretraining(self) -> bool:
        """Whether this run learns from recordings without labels."""
        return bool(self._read("recipe.json")["recipe"].get("name") == PRETRAINING)

    @property
    def environment(self) -> dict[str, Any]:
        """Versions, machine, command and data of the run."""
        return self._read("env.json")

    @property
    def best(self) -> Path:
        """Checkpoint that validated best."""
        return self.path / "checkpoint" / "best"

    @property
    def is_begun(self) -> bool:
        """Whether an experiment began here, finished or not."""
        return (self.path / "recipe.json").is_file()

    @property
    def is_finished(self) -> bool:
        """Whether training ran to its end."""
        return (self.path / "trained.json").is_file()

    @property
    def training(self) -> dict[str, Any]:
        """Outcome of the training.

        Raises:
            CheckpointError: training has not finished.
        """
        if not self.is_finished:
            if self.is_pretraining:
                raise CheckpointError(
                    f"{self.path}: pretraining has not finished; repeat its command to go on"
                )
            raise CheckpointError(
                f"{self.path}: training has not finished; continue it with "
                f"'sylvian train {self.recipe.name} --resume {self.path}'"
            )
        return self._read("trained.json")

    @property
    def members(self) -> tuple[RunFolder, ...]:
        """The runs whose logits this one averages; none where it has an encoder of its own.

        Raises:
            CheckpointError: one of them is neither where it was nor beside this run.
        """
        told = self.read_optional("members.json")
        paths = [Path(path) for path in told["runs"]] if told else []
        home = self.path.parent
        return tuple(RunFolder.open(p if p.is_dir() else p.name, home) for p in paths)

    def finish(self, outcome: dict[str, Any]) -> None:
        """Record the outcome of the training; the other processes wait until it is there."""
        from sylvian.train.exchange import meet

        self.write("trained.json", outcome)
        meet()

    def split(self, name: str) -> Path:
        """Folder of one split's decodes and scores."""
        return self.path / name

    @property
    def scored(self) -> tuple[str, ...]:
        """The splits that were scored, `test/imagined` and the like behind the whole."""
        found = []
        for name in ("val", "test", "holdout", "train"):
            parts = sorted(self.split(name).glob("*/scores.json"))
            own = [name, *(f"{name}/{path.parent.name}" for path in parts)]
            found += [one for one in own if (self.split(one) / "scores.json").is_file()]
        return tuple(found)

    def read_optional(self, name: str) -> dict[str, Any] | None:
        """Read one of the run's JSON files, or None where it was not written yet."""
        return self._read(name) if (self.path / name).is_file() else None

    def write(self, name: str, content: dict[str, Any]) -> None:
        """Write one of the run's JSON files atomically, with the format number.

        Of several processes that train together one writes.
        """
        if leads():
            self._write(name, content)

    def _read(self, name: str) -> dict[str, Any]:
        path = self.path / name
        try:
            content = json.loads(path.read_text())
        except (OSError, ValueError) as failure:
            raise CheckpointError(f"{path}: cannot be read as JSON ({failure})") from None
        found = content.pop("format", None) if isinstance(content, dict) else None
        if found != FORMAT:
            raise CheckpointError(
                f"{path}: format {found}, this version of sylvian reads format {FORMAT}; "
                "train the run again or use the version that wrote it"
            )
        return dict(content)

    def _write(self, name: str, content: dict[str, Any]) -> None:
        path = self.path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_suffix(path.suffix + ".partial")
        partial.write_text(json.dumps({"format": FORMAT} | content, indent=1) + "\n")
        partial.replace(path)


@contextmanager
def alone(folder: Path, *, instead: str = "repeat the command then") -> Iterator[None]:
    """Make `folder`, and keep every other command out of it for a while.

    Of several processes that train together the leading one does it for all. The system lets go of
    the folder when a process is killed, whatever it leaves behind.

    Args:
        folder: What would be written to.
        instead: What another command is told to do after, or instead of, waiting.

    Raises:
        ConfigError: another command is at work there, or the folder cannot be made.
    """
    if not leads():
        yield
        return
    lock = _taken(folder / LOCK, instead)
    try:
        yield
    finally:
        if fcntl is not None:  # unlinked while still held: whoever opened it sees that it is gone
            with suppress(OSError):
                (folder / LOCK).unlink()
        lock.close()


def _taken(path: Path, instead: str) -> IO[str]:
    """Open and lock a file until it is the one that others find under its name."""
    while True:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            lock = path.open("w")
        except OSError as failure:
            raise ConfigError(f"{path.parent}: cannot be written to ({failure.strerror})") from None
        if not _locked(lock):
            lock.close()
            raise ConfigError(
                f"{path.parent}: another command is at work in this folder; wait until it is done, "
                f"and {instead}"
            )
        with suppress(FileNotFoundError):
            if fcntl is None or path.stat().st_ino == os.fstat(lock.fileno()).st_ino:
                return lock
        lock.close()


def _locked(file: IO[str]) -> bool:
    if fcntl is None:
        return True
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:  # some clusters' file systems know no locks; better to train without
        return True
    return True


def environment(data: Path, data_digest: str) -> dict[str, Any]:
    """Collect what is needed to explain a number later: versions, machine, command, data."""
    return {
        "command": " ".join([Path(sys.argv[0]).name, *sys.argv[1:]]),
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
        "commit": _commit(),
        "python": platform.python_version(),
        "platform": platform.platform(),
        "n_cpus": os.cpu_count(),
        "packages": {name: _version(name) for name in _PACKAGES},
        "data": str(data.resolve()),
        "data_digest": data_digest,
    }


def _version(package: str) -> str | None:
    try:
        return metadata.version(package)
    except metadata.PackageNotFoundError:
        return None


def _commit() -> str | None:
    """Commit of the checkout the package runs from; None for an installed wheel."""
    here = Path(__file__).parent
    command = ["git", "-C", str(here), "describe", "--always", "--dirty", "--exclude", "*"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=False)
    except OSError:
        return None
    return done.stdout.strip() or None
