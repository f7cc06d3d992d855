"""Where a run stands, as plain numbers: what a resumed run has to know besides tensors."""

from __future__ import annotations

import pydantic


class Tally(pydantic.BaseModel):
    """Sums over the groups done in the current epoch; rates are derived when the epoch ends.

    Attributes:
        loss_sum: Loss summed over items; skipped steps are left out.
        n_items: Items (labelled trials, hidden entries, tokens) behind `loss_sum`.
        part_sums: The parts of the loss, unweighted, likewise summed.
        n_trials: Trials passed through the model, skipped steps included.
        norm_sum: Gradient norms before clipping, summed over steps.
        n_steps: Optimiser steps taken.
        n_nonfinite: Steps skipped because a loss or gradient was not finite.
        n_impossible: Trials with fewer frames than their labels need.
        learning_rate: Rate of the latest step.
        seconds: Time spent in training steps and waiting for their data.
        elapsed: Time since the epoch began, as of the latest save.
    """

    model_config = pydantic.ConfigDict(extra="forbid")

    loss_sum: float = 0.0
    n_items: int = 0
    part_sums: dict[str, float] = pydantic.Field(default_factory=dict)
    n_trials: int = 0
    norm_sum: float = 0.0
    n_steps: int = 0
    n_nonfinite: int = 0
    n_impossible: int = 0
    learning_rate: float = 0.0
    seconds: float = 0.0
    elapsed: float = 0.0


class RunState(pydantic.BaseModel):
    """The position of a run.

    Attributes:
        epoch: Epochs completed.
        group: Groups done of the epoch under way.
        step: Optimiser steps taken in all.
        n_in_a_row: Steps skipped since the last one taken.
        best_epoch: Epoch (from 1) with the best validation; None before the first.
        best_value: Its value of the task's metric.
        n_impossible: Impossible trials in the epoch last completed.
        seconds: Time spent in completed epochs, training and validation.
        tally: Sums of the epoch under way.
    """

    model_config = pydantic.ConfigDict(extra="forbid")

    epoch: int = 0
    group: int = 0
    step: int = 0
    n_in_a_row: int = 0
    best_epoch: int | None = None
    best_value: float | None = None
    n_impossible: int = 0
    seconds: float = 0.0
    tally: Tally = pydantic.Field(default_factory=Tally)

    def finish_epoch(self, *, best_value: float | None, seconds: float) -> None:
        """Move to the next epoch; `best_value` where the one finished is the best so far."""
        self.epoch += 1
        self.seconds += seconds
        self.n_impossible = self.tally.n_impossible
        self.group, self.tally = 0, Tally()
        if best_value is not None:
            self.best_epoch, self.best_value = self.epoch, best_value
