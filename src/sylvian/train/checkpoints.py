"""Saving a run so that whatever survives a crash can be continued.

    checkpoint/best/           the model that validated best
    checkpoint/last/           the model after the latest epoch
    checkpoint/last/resume/    state.json and the tensors it names: raw weights, moments, average

`state.json` is replaced in one step, after everything it speaks of is on disk; that replacement
is the moment an epoch counts as done. A kill before it leaves the previous state in force, a kill
after it only leaves tidying, which the next start does. Nothing here is pickled.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import pydantic
import safetensors.torch
import torch
from safetensors import SafetensorError
from torch import Tensor, nn

from sylvian.errors import CheckpointError
from sylvian.train.files import sync_folder, write_durably
from sylvian.train.optimise import Ema, optimizer_tensors, restore_optimizer
from sylvian.train.sharding import is_sharded, whole
from sylvian.train.state import RunState
from sylvian.train.tasks import Task

_STATE = "state.json"


@dataclass(frozen=True, slots=True)
class Trainee:
    """All that an optimiser step changes besides plain numbers."""

    task: Task
    optimizer: torch.optim.Optimizer
    ema: Ema | None

    @property
    def model(self) -> nn.Module:
        """The model in training."""
        return self.task.model


class Record(pydantic.BaseModel):
    """The content of `state.json`.

    Attributes:
        format: Version of this layout.
        tensors: Name of the safetensors file beside it.
        settings: What the numbers depend on; a run is resumed with the same or not at all.
        state: Where the run stands.
    """

    model_config = pydantic.ConfigDict(extra="forbid")

    format: Literal[1] = 1
    tensors: str
    settings: dict[str, Any]
    state: RunState


class Checkpoints:
    """The checkpoint folder of one run.

    Args:
        folder: `run/checkpoint`.
        settings: Flat JSON data that must be the same when the run is resumed.
        writes: Whether this process changes the folder; one of several that train together.
    """

    def __init__(self, folder: Path, *, settings: Mapping[str, Any], writes: bool = True) -> None:
        self._folder = folder
        self._settings, self._writes = dict(settings), writes
        self.best, self.last = folder / "best", folder / "last"
        self._resume = self.last / "resume"

    def save(self, trainee: Trainee, state: RunState, *, is_best: bool = False) -> None:
        """Save `last`, and `best` if it is the best, so that a kill at any moment is harmless.

        Every process calls this, to contribute its shards; one writes.
        """
        if not (self._writes or is_sharded(trainee.model)):
            return
        staged = self._staged(state.best_epoch) if is_best else None
        with trainee.ema.swapped() if trainee.ema else nullcontext():
            weights = whole(trainee.task.state())
            if self._writes and staged is not None:
                self._write_model(trainee.task, staged, state, weights)
            if self._writes:
                self._write_model(trainee.task, self._folder / ".last", state, weights)
        tensors = _tensors_of(trainee)
        if self._writes:
            _publish(self._folder / ".last", self.last)
            self._commit(tensors, state)
        if self._writes and staged is not None:
            _publish(staged, self.best)

    def load(self) -> Record | None:
        """Read where the run stands; None if it never came to its first save.

        Raises:
            CheckpointError: the state is unreadable, or was made with other settings.
        """
        path = self._resume / _STATE
        if not path.exists():
            return None
        try:
            record = Record.model_validate_json(path.read_bytes())
        except (OSError, pydantic.ValidationError) as failure:
            raise CheckpointError(
                f"{path}: not a training state this version can read ({_first_line(failure)}); "
                "resume with the version that wrote it, or train into a new run folder"
            ) from failure
        self._check_settings(path, record.settings)
        return record

    def clear(self) -> None:
        """Remove what a run left that never came to its first save."""
        shutil.rmtree(self._folder, ignore_errors=True)

    def restore_model(self, task: Task, record: Record) -> None:
        """Bring the weights back, and finish or undo what a kill interrupted.

        Raises:
            CheckpointError: the tensors are missing, damaged, or of another model.
        """
        if self._writes:
            self._tidy(record)
        path = self._resume / record.tensors
        tensors = _under("model", _read(path))
        expected = {name: tensor.shape for name, tensor in task.state().items()}
        found = {name: tensor.shape for name, tensor in tensors.items()}
        if expected != found:
            odd = sorted({name for name, _ in expected.items() ^ found.items()})
            raise CheckpointError(
                f"{path}: weights of another model ({odd[0]} and {len(odd) - 1} more differ); "
                "resume with the same encoder and the same sessions"
            )
        task.model.load_state_dict(tensors, strict=False)  # the names were compared above

    def restore(self, trainee: Trainee, record: Record) -> None:
        """Bring moments and average back.

        Raises:
            CheckpointError: the tensors are missing, damaged, or of another model.
        """
        tensors = _read(self._resume / record.tensors)
        restore_optimizer(trainee.model, trainee.optimizer, _under("optimizer", tensors))
        if trainee.ema:
            trainee.ema.restore(_under("ema", tensors))

    def _staged(self, epoch: int | None) -> Path:
        return self._folder / f".best-{epoch}"

    def _write_model(
        self, task: Task, folder: Path, state: RunState, weights: Mapping[str, Tensor]
    ) -> None:
        facts = {
            "epoch": state.epoch,
            "step": state.step,
            "best_epoch": state.best_epoch,
            f"best_{task.metric}": state.best_value,
        }
        try:
            task.save(folder, facts, weights=weights)
        except (OSError, SafetensorError) as failure:
            raise CheckpointError(
                f"{folder}: the model could not be saved ({_first_line(failure)}); what was saved "
                "before is intact, make room and resume the run"
            ) from failure

    def _commit(self, tensors: dict[str, Tensor], state: RunState) -> None:
        name = f"state-{state.epoch}-{state.group}.safetensors"
        write_durably(self._resume / name, safetensors.torch.save(tensors))
        record = Record(tensors=name, settings=self._settings, state=state)
        write_durably(self._resume / _STATE, record.model_dump_json(indent=1).encode())
        _remove_others(self._resume, keep={name, _STATE})

    def _tidy(self, record: Record) -> None:
        """Publish a best model that was committed but not yet moved; drop what was not."""
        staged = self._staged(record.state.best_epoch)
        if staged.exists():
            _publish(staged, self.best)
        for leftover in self._folder.glob(".*"):
            shutil.rmtree(leftover, ignore_errors=True)
        _remove_others(self._resume, keep={record.tensors, _STATE})

    def _check_settings(self, path: Path, saved: Mapping[str, Any]) -> None:
        names = sorted(self._settings.keys() | saved.keys())
        changed = [name for name in names if self._settings.get(name) != saved.get(name)]
        if changed:
            name = changed[0]
            raise CheckpointError(
                f"{path}: the run was started with {name}={saved.get(name)!r}, now it is "
                f"{self._settings.get(name)!r}; resume with the same settings, or start a new run"
            )


def _tensors_of(trainee: Trainee) -> dict[str, Tensor]:
    parts: dict[str, Mapping[str, Tensor]] = {
        "model": trainee.task.state(),
        "optimizer": optimizer_tensors(trainee.model, trainee.optimizer),
        "ema": trainee.ema.state() if trainee.ema else {},
    }
    return {
        f"{part}/{name}": tensor.detach().cpu().clone().contiguous()
        for part, tensors in parts.items()
        for name, tensor in whole(tensors).items()
    }


def _under(part: str, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    prefix = f"{part}/"
    return {
        name.removeprefix(prefix): tensor
        for name, tensor in tensors.items()
        if name.startswith(prefix)
    }


def _read(path: Path) -> dict[str, Tensor]:
    try:
        return safetensors.torch.load_file(path)
    except (OSError, SafetensorError) as failure:
        raise CheckpointError(
            f"{path}: cannot be read ({_first_line(failure)}); the run cannot be continued, train "
            "into a new run folder"
        ) from failure


def _publish(staged: Path, final: Path) -> None:
    """Move every file of `staged` over its namesake in `final`; can be repeated after a kill."""
    final.mkdir(parents=True, exist_ok=True)
    for file in sorted(staged.iterdir()):
        with file.open("rb") as content:
            os.fsync(content.fileno())
        file.replace(final / file.name)
    sync_folder(final)
    staged.rmdir()


def _remove_others(folder: Path, *, keep: set[str]) -> None:
    for file in folder.iterdir():
        if file.name not in keep:
            file.unlink()


def _first_line(failure: Exception) -> str:
    return str(failure).splitlines()[0]
