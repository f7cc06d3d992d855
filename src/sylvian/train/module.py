"""One model learning one task, as a Lightning module.

Why manual optimisation: a "batch" of our loader is a whole group, all micro-batches of one
optimiser step, so a training step of Lightning *is* an optimiser step. Accumulation is then a loop
of three lines, there is no remainder to flush, the loss can be divided by the items of the whole
group (Lightning's automatic accumulation divides by the number of micro-batches, whatever they
hold), and "look at the norm, then step or skip" is an `if`. Lightning keeps what it is good at:
epochs, devices, precision, hooks.
"""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from lightning.pytorch import LightningModule
from lightning.pytorch.core.optimizer import LightningOptimizer
from torch import Tensor

from sylvian.errors import SylvianError
from sylvian.models.batch import Batch
from sylvian.train.config import TrainConfig
from sylvian.train.dataset import Passes
from sylvian.train.exchange import add_gradients, add_up, begin_alike, n_processes, replicated
from sylvian.train.optimise import (
    Ema,
    build_optimizer,
    clip_factor,
    gradient_norm,
    learning_rate_at,
    scale_gradients,
    set_learning_rate,
)
from sylvian.train.seeds import derive_seed, torch_seeded
from sylvian.train.sharding import add_after_backward, is_sharded, shard
from sylvian.train.state import RunState
from sylvian.train.tasks import Task


@dataclass(frozen=True, slots=True)
class GroupLoss:
    """A group's loss and its parts, summed over its items, after the backward passes."""

    total: Tensor
    parts: Tensor
    n_items: int
    n_impossible: int
    n_trials: int


class Training(LightningModule):
    """Optimise a task's model group by group, and validate it by the task's metric.

    Args:
        task: What is learnt.
        config: Optimisation.
        state: Where the run stands; updated as it proceeds.
    """

    def __init__(self, task: Task, *, config: TrainConfig, state: RunState) -> None:
        super().__init__()
        self.automatic_optimization = False
        self.model = task.model
        self.task = task
        self.config = config
        self.state = state
        self.ema: Ema | None = None
        self._mark = 0.0

    @property
    def n_steps(self) -> int:
        """Optimiser steps of the whole run, if none is skipped."""
        return self.config.epochs * int(self.trainer.num_training_batches)

    def configure_model(self) -> None:
        """Divide the model among the processes, if it is to be."""
        mesh = self.device_mesh
        if mesh is not None:
            shard(self.model, mesh["data_parallel"])

    def configure_optimizers(self) -> torch.optim.AdamW:
        """Build the optimiser, and the average, now that the model is on its device."""
        begin_alike(self.model)
        if self.config.ema_decay is not None:
            self.ema = Ema(self.model, self.config.ema_decay)
        return build_optimizer(self.model, self.config)

    def on_train_epoch_start(self) -> None:
        """Start the clock, before the first batch is loaded."""
        self._mark = time.perf_counter()

    def training_step(self, group: Passes, batch_idx: int) -> None:
        """Take one optimiser step, or none where the group was done before a resume."""
        if not group:
            return
        seed = derive_seed(self.config.seed, "step", self.state.epoch, batch_idx, self.global_rank)
        with torch_seeded(seed, device=self.device):
            loss = self._backward(group)
        self._finish_step(group, loss if n_processes() == 1 else self._joined(loss))
        self.state.group = batch_idx + 1
        now = time.perf_counter()
        self.state.tally.seconds += now - self._mark
        self._mark = now

    def _backward(self, group: Passes) -> GroupLoss:
        """Accumulate the gradient of the group's summed loss."""
        total = torch.zeros((), device=self.device)
        named = torch.zeros(len(self.task.parts), device=self.device)
        n_items = n_impossible = 0
        counted, passes = group.counted, self._passes(group)
        for at, batch in enumerate(passes):
            add_after_backward(self.model, at == len(passes) - 1)
            if at >= len(counted):
                parts = self.task.accompany(batch, epoch=self.state.epoch)
                self.manual_backward(parts.total * 0.0)
                continue
            parts = self.task.loss(batch, epoch=self.state.epoch)
            self.manual_backward(parts.total * parts.n_items)
            total += parts.total.detach() * parts.n_items
            for place, name in enumerate(self.task.parts):
                named[place] += parts.parts[name] * parts.n_items
            n_items += parts.n_items
            n_impossible += parts.n_impossible
        return GroupLoss(total, named, n_items, n_impossible, sum(map(len, counted)))

    def _passes(self, group: Passes) -> Sequence[Batch]:
        """Choose the batches; all processes make as many passes where none can make one alone."""
        together = is_sharded(self.model) or (self.task.in_company and n_processes() > 1)
        return group.batches if together else group.counted

    def _joined(self, own: GroupLoss) -> GroupLoss:
        """Add the losses and gradients of all processes: their shares are one group.

        Afterwards all hold the same numbers to the last bit, so all step, or all skip.
        """
        used = [float(parameter.grad is not None) for parameter in replicated(self.model)]
        counts = [own.n_items, own.n_impossible, own.n_trials]
        losses = [float(own.total), *own.parts.tolist()]
        sums = add_up([*counts, *losses, *used], device=self.device)
        add_gradients(self.model, [count > 0 for count in sums[3 + len(losses) :]])
        total, *parts = own.total.new_tensor(sums[3 : 3 + len(losses)])
        return GroupLoss(total, own.parts.new_tensor(parts), *map(int, sums[:3]))

    def _finish_step(self, group: Passes, loss: GroupLoss) -> None:
        """Divide, clip and step; or skip what is not finite."""
        tally = self.state.tally
        tally.n_trials += loss.n_trials
        tally.n_impossible += loss.n_impossible
        # one look at the device for all numbers
        numbers = torch.stack([loss.total, gradient_norm(self.model), *loss.parts])
        total, norm, *parts = numbers.tolist()
        if not (math.isfinite(total) and math.isfinite(norm)):
            self._skip(group)
        elif loss.n_items:
            self._step(norm / loss.n_items, loss.n_items)
            tally.loss_sum += total
            tally.n_items += loss.n_items
            for name, part in zip(self.task.parts, parts, strict=True):
                tally.part_sums[name] = tally.part_sums.get(name, 0.0) + part
        self._optimizer().zero_grad(set_to_none=True)

    def _step(self, norm: float, n_items: int) -> None:
        state = self.state
        rate = learning_rate_at(state.step, n_steps=self.n_steps, config=self.config)
        scale_gradients(self.model, clip_factor(norm, self.config.clip_norm) / n_items)
        optimizer = self._optimizer()
        set_learning_rate(optimizer.optimizer, rate)
        optimizer.step()
        if self.ema is not None:
            self.ema.update(state.step)
        state.step += 1
        state.n_in_a_row = 0
        state.tally.n_steps += 1
        state.tally.norm_sum += norm
        state.tally.learning_rate = rate

    def _skip(self, group: Passes) -> None:
        state = self.state
        state.tally.n_nonfinite += 1
        state.n_in_a_row += 1
        if state.n_in_a_row >= self.config.patience_nonfinite:
            keys = ", ".join(str(key) for batch in group.batches for key in batch.keys)
            raise SylvianError(
                f"epoch {state.epoch + 1}: the loss or its gradient was not finite in "
                f"{state.n_in_a_row} steps in a row, last with {keys}; lower train.learning_rate, "
                "use train.precision=fp32, or look at these trials"
            )

    def on_validation_start(self) -> None:
        """Begin the sums; with an average, the average is what is validated."""
        self.task.begin_validation()
        if self.ema is not None:
            self.ema.swap()

    def on_validation_end(self) -> None:
        """Train on with the weights of the moment."""
        if self.ema is not None:
            self.ema.swap()

    def validation_step(self, group: Passes, batch_idx: int) -> None:
        """Add a batch to what validation will say."""
        for batch in group.counted:
            self.task.validate(batch)
        if group.idle and is_sharded(self.model):
            found = self.task.sums()
            self.task.validate(group.batches[-1])  # keeps the others company
            self.task.take_sums(found)

    def on_validation_epoch_end(self) -> None:
        """Add what all processes found; the same numbers choose the same epoch everywhere."""
        if n_processes() > 1:
            self.task.take_sums(add_up(self.task.sums(), device=self.device))

    def _optimizer(self) -> LightningOptimizer:
        optimizer = self.optimizers()
        assert isinstance(optimizer, LightningOptimizer)
        return optimizer
