"""What happens around the steps: writing down, saving, and telling how far we are."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from lightning.pytorch import Callback, LightningModule, Trainer

from sylvian.train.checkpoints import Checkpoints, Record, Trainee
from sylvian.train.metrics import Board, MetricsLog, MetricsRow
from sylvian.train.module import Training

Progress = Callable[[str, int, int, str], None]
"""`progress(stage, done, total, message)`: told how far the work is; whoever calls us draws bars.

Stage `train` counts groups of the whole run, stage `validate` batches of one epoch's validation;
the message says epoch, loss and the best validation in a few words.
"""


class Restorer(Callback):
    """Give a resumed run its optimiser and average back, once Lightning has made them."""

    def __init__(self, checkpoints: Checkpoints, record: Record | None) -> None:
        self._checkpoints, self._record = checkpoints, record

    def on_train_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Restore before the first step."""
        if self._record:
            self._checkpoints.restore(trainee_of(_ours(pl_module)), self._record)


class Recorder(Callback):
    """Write an epoch's row and save the run, in the order that survives a kill.

    First the row, then the checkpoint: a row without its checkpoint is cut off on resume, a
    checkpoint without its row could not be mended.
    """

    def __init__(
        self, checkpoints: Checkpoints, log: MetricsLog, *, board: Board | None = None
    ) -> None:
        self._checkpoints, self._log, self._board = checkpoints, log, board
        self._started = 0.0

    def on_train_epoch_start(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Start the epoch's clock; the part before a resume counts too."""
        self._started = time.perf_counter() - _ours(pl_module).state.tally.elapsed

    def on_train_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
    ) -> None:
        """Save within an epoch when asked."""
        module = _ours(pl_module)
        every = module.config.save_every_steps
        if every and batch and module.state.step % every == 0:
            module.state.tally.elapsed = time.perf_counter() - self._started
            self._checkpoints.save(trainee_of(module), module.state)

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Record and save a completed epoch."""
        module = _ours(pl_module)
        task, state = module.task, module.state
        verdict = task.verdict()
        seconds = time.perf_counter() - self._started
        row = MetricsRow.of(state, verdict=verdict, seconds=seconds, parts=task.parts)
        is_best = task.better(verdict.value, state.best_value)
        state.finish_epoch(best_value=verdict.value if is_best else None, seconds=seconds)
        if trainer.is_global_zero:
            self._log.append(row)
        if self._board:
            self._board.append(row)
        self._checkpoints.save(trainee_of(module), state, is_best=is_best)


class Reporter(Callback):
    """Pass the position on to a progress function."""

    def __init__(self, progress: Progress, *, n_epochs: int) -> None:
        self._progress, self._n_epochs = progress, n_epochs

    def on_train_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
    ) -> None:
        """Report a group."""
        state, label = _ours(pl_module).state, _ours(pl_module).task.label
        n_groups = int(trainer.num_training_batches)
        done, tally = state.epoch * n_groups + batch_idx + 1, state.tally
        loss = f" loss {tally.loss_sum / tally.n_items:.3f}" if tally.n_items else ""
        best = "" if state.best_value is None else f" best {label} {state.best_value:.3f}"
        message = f"epoch {state.epoch + 1}/{self._n_epochs}{loss}{best}"
        self._progress("train", done, self._n_epochs * n_groups, message)

    def on_validation_batch_end(
        self,
        trainer: Trainer,
        pl_module: LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Report a validation batch."""
        task = _ours(pl_module).task
        total = int(sum(trainer.num_val_batches))
        note = f"{task.label} {task.verdict().value:.3f}"
        self._progress("validate", batch_idx + 1, total, note)


def trainee_of(module: Training) -> Trainee:
    """Gather what a checkpoint consists of."""
    optimizer = module.optimizers(use_pl_optimizer=False)
    assert not isinstance(optimizer, list)
    return Trainee(module.task, optimizer, module.ema)


def _ours(module: LightningModule) -> Training:
    assert isinstance(module, Training)
    return module
