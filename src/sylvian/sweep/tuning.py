"""Ray Tune: which draws run side by side, and which are given up."""

from __future__ import annotations

import math
import shutil
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

from ray import tune
from ray.tune.experiment import Trial
from ray.tune.schedulers import ASHAScheduler

from sylvian.runs import RunFolder
from sylvian.sweep.config import SweepConfig
from sylvian.sweep.ledger import Draw, Ledger
from sylvian.sweep.worker import Errand, train_draw
from sylvian.types import Progress

SCRATCH = ".ray"  # Tune's own state, pickled: removed before and after, never read


def tune_draws(
    ledger: Ledger,
    errand: Errand,
    *,
    folder: Path,
    share: dict[str, float],
    progress: Progress,
) -> Ledger:
    """Train what is left to be trained, and keep the ledger in `folder` up to date.

    Args:
        ledger: What is known before; draws that are over only inform the scheduler.
        errand: What the draws have in common.
        folder: The sweep's folder.
        share: Cores and GPUs of one draw, as Ray names them.
        progress: Told how many draws are over.
    """
    settings = ledger.settings
    todo = ledger.due
    scratch = folder / SCRATCH
    shutil.rmtree(scratch, ignore_errors=True)
    watch = Watch(ledger, folder, Path(errand.runs), progress)
    tuner = tune.Tuner(
        tune.with_resources(partial(_trainable, draws=todo, errand=errand), share),
        param_space={"number": tune.grid_search([draw.number for draw in todo])},
        tune_config=tune.TuneConfig(
            scheduler=_scheduler(ledger),
            max_concurrent_trials=settings.jobs or 0,
            reuse_actors=True,  # torch is imported once a worker
            trial_name_creator=_name,
            trial_dirname_creator=_name,
        ),
        run_config=tune.RunConfig(
            name="tune", storage_path=str(scratch), verbose=0, callbacks=[watch]
        ),
    )
    try:
        tuner.fit()
    finally:
        watch.close()
        shutil.rmtree(scratch, ignore_errors=True)
    return watch.ledger


def _trainable(config: dict[str, Any], *, draws: tuple[Draw, ...], errand: Errand) -> None:
    """Train the draw that Tune asks for; runs in a worker."""
    draw = next(draw for draw in draws if draw.number == config["number"])
    train_draw(draw, errand, tune.report)


def _name(trial: Trial) -> str:
    return f"draw-{trial.config['number']:03d}"


def _scheduler(ledger: Ledger) -> ASHAScheduler | None:
    """Make ASHA, if wanted, and tell it of the draws that are over already."""
    settings = ledger.settings
    if not settings.asha:
        return None
    epochs = max(draw.epochs for draw in ledger.draws)
    scheduler = ASHAScheduler(
        time_attr="epoch",
        metric="val_per",
        mode="min",
        # one more than there are: ASHA ends a trial there, ours end by themselves
        max_t=epochs + 1,
        grace_period=grace_epochs(settings, epochs),
        reduction_factor=settings.reduction_factor,
    )
    for draw in ledger.draws:
        if draw.is_over:
            _recall(scheduler, draw)
    return scheduler


def grace_epochs(settings: SweepConfig, epochs: int) -> int:
    """Epochs after which ASHA first compares draws."""
    return min(settings.grace_epochs or math.ceil(epochs / 9), epochs)


def _recall(scheduler: ASHAScheduler, draw: Draw) -> None:
    """Enter an earlier draw on the rungs it reached; the scheduler looks at nothing but its id."""
    trial = cast(Trial, SimpleNamespace(trial_id=f"recalled-{draw.number}"))
    controller = cast(Any, None)
    scheduler.on_trial_add(controller, trial)
    for epoch, per in enumerate(draw.pers, start=1):
        scheduler.on_trial_result(controller, trial, {"epoch": epoch, "val_per": per})


class Watch(tune.Callback):
    """Writes down what Tune hears, draw by draw and epoch by epoch."""

    def __init__(self, ledger: Ledger, folder: Path, runs: Path, progress: Progress) -> None:
        self.ledger, self._folder, self._runs = ledger, folder, runs
        self._progress = progress
        self._tell()

    def __getstate__(self) -> dict[str, Any]:
        """Give nothing away: Tune pickles its callbacks, and a terminal cannot be pickled."""
        return {}

    def on_trial_start(
        self, iteration: int, trials: list[Trial], trial: Trial, **info: Any
    ) -> None:
        """A worker took the draw."""
        self._note(self._draw(trial).became("running"))

    def on_trial_result(
        self, iteration: int, trials: list[Trial], trial: Trial, result: dict[str, Any], **info: Any
    ) -> None:
        """An epoch is over, or the draw failed."""
        draw = self._draw(trial)
        if failure := result.get("failure"):
            self._note(draw.became("failed", failure))
        else:
            self._note(draw.heard(result["epoch"], result["val_per"]))

    def on_trial_complete(
        self, iteration: int, trials: list[Trial], trial: Trial, **info: Any
    ) -> None:
        """The draw was trained to its end, or the scheduler gave it up."""
        draw = self._draw(trial)
        if draw.state == "failed":
            return
        is_finished = RunFolder(self._runs / draw.run).is_finished
        self._note(draw.became("finished" if is_finished else "stopped"))

    def on_trial_error(
        self, iteration: int, trials: list[Trial], trial: Trial, **info: Any
    ) -> None:
        """The worker broke down."""
        self._note(self._draw(trial).became("failed", _last_words(trial.error_file)))

    def close(self) -> None:
        """Whatever still ran was interrupted and waits to go on."""
        for draw in self.ledger.draws:
            if draw.state == "running":
                self.ledger = self.ledger.with_draw(draw.became("waiting"))
        self.ledger.write(self._folder)

    def _draw(self, trial: Trial) -> Draw:
        number = trial.config["number"]
        return next(draw for draw in self.ledger.draws if draw.number == number)

    def _note(self, draw: Draw) -> None:
        self.ledger = self.ledger.with_draw(draw)
        self.ledger.write(self._folder)
        self._tell()

    def _tell(self) -> None:
        draws = self.ledger.draws
        states = [draw.state for draw in draws]
        n_over = sum(states.count(state) for state in ("finished", "stopped", "failed"))
        note = f"{states.count('running')} running"
        if known := [(draw.best[0], draw.number) for draw in draws if draw.best]:
            per, number = min(known)
            note += f", best PER {per:.3f} (draw {number})"
        self._progress("sweep", n_over, len(draws), note)


def _last_words(error_file: str | None) -> str:
    """Say why a worker broke down, as far as is known."""
    path = Path(error_file) if error_file else None
    lines = path.read_text().strip().splitlines() if path and path.is_file() else []
    last = lines[-1].strip() if lines else ""
    if not last or "worker process has died" in last:
        return (
            "its worker was killed, perhaps for want of memory; repeat the sweep to go on with it"
        )
    return f"its worker broke down: {last}"
