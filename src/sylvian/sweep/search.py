"""The verb: plan the draws, have them trained, and say which was best."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path

from sylvian import config
from sylvian.errors import ConfigError, SylvianError
from sylvian.jobs import labelled_trials, open_corpus
from sylvian.recipes import build_recipe
from sylvian.runs import RunFolder, alone
from sylvian.starting import make_start
from sylvian.sweep.config import SweepConfig
from sylvian.sweep.ledger import Draw, Ledger
from sylvian.sweep.outcome import SweepResult
from sylvian.sweep.space import TABLE_12, Space, as_overrides, draw_values
from sylvian.sweep.worker import Errand, pers_of
from sylvian.training import begin_experiment
from sylvian.types import Progress, silent


def run_sweep(
    recipe: str,
    overrides: Sequence[str] = (),
    *,
    data: Path,
    runs: Path,
    out: Path | None = None,
    space: Space = TABLE_12,
    settings: SweepConfig | None = None,
    progress: Progress = silent,
) -> SweepResult:
    """Train random draws of a recipe; the val split alone decides which are good.

    Repeating the call continues what an earlier one left: finished draws are not trained again,
    interrupted ones go on from their last epoch. Asking for more draws adds some to the same
    search; `asha=False` also finishes those that were stopped.

    Args:
        recipe: Name of the recipe.
        overrides: `corpus=NAME` and further `key=value` of every draw.
        data: Prepared corpora; on a cluster, a folder that every machine sees.
        runs: Folder of run folders, likewise.
        out: Folder of the search; None for one below `runs` named by what is searched.
        space: What is drawn.
        settings: How many, how long, where.
        progress: Told how many draws are over, and the best PER so far.

    Raises:
        ConfigError: Ray is not installed or its cluster not reachable, the space does not fit the
            recipe, or `out` holds another search.
        DataError: the corpus is not prepared.
        SylvianError: every draw failed; the message gives the first reason.
    """
    if find_spec("ray") is None or find_spec("pyarrow") is None:
        raise ConfigError("sylvian sweep needs a package: pip install 'sylvian[sweep]'")
    started = time.perf_counter()
    data, runs = data.resolve(), runs.resolve()
    planned = plan(recipe, overrides, data=data, space=space, settings=settings)
    folder = out.resolve() if out else runs / f"sweep-{recipe}-{_digest(planned)}"
    with alone(folder, instead="repeat it then, or give another --out"):
        ledger = continued(planned, Ledger.read(folder), folder)
        ledger = placed(ledger, data=data, runs=runs, progress=progress)
        ledger = refreshed(ledger, runs)
        ledger.write(folder)
        if ledger.due:
            errand = Errand(recipe, tuple(overrides), str(data), str(runs))
            ledger = _tuned(ledger, errand, folder, progress)
    _insist(ledger, folder)
    return SweepResult.of(ledger, folder, runs, seconds=time.perf_counter() - started)


def plan(
    name: str,
    overrides: Sequence[str],
    *,
    data: Path,
    space: Space,
    settings: SweepConfig | None = None,
) -> Ledger:
    """Draw all points and resolve the recipe of each, so that mistakes show before training.

    Raises:
        ConfigError: unknown recipe or key, a recipe that learns sentences, a drawn value that does
            not fit its key, or a key that is both drawn and overridden.
        DataError: the corpus is not prepared, or has no labelled trials to train and validate on.
    """
    settings = settings or SweepConfig()
    taken = {assignment.partition("=")[0].strip() for assignment in overrides}
    if both := sorted(taken & space.keys.keys()):
        raise ConfigError(
            f"{both[0]}: an override fixes it and the sweep draws it; leave the override out, or "
            "say with --space what is to be drawn without it"
        )
    base = build_recipe(name, overrides)
    if base.end_to_end is not None:
        raise ConfigError(
            f"{name}: learns sentences, and a sweep ranks by PER; sweep its phoneme stage "
            "('sylvian sweep tfs ...'), and compare its own settings by 'sylvian study figure3'"
        )
    corpus = open_corpus(base, data)
    labelled_trials(base, corpus)
    draws = []
    points = draw_values(space, settings.draws, seed=settings.seed)
    for number, values in enumerate(points, start=1):
        train = build_recipe(name, [*overrides, *as_overrides(values)]).train
        if train.n_processes != 1:
            raise ConfigError(
                "train.devices and train.nodes: a draw of a sweep trains on one device, and many "
                "draws side by side; leave both at 1"
            )
        draws.append(Draw(number=number, values=values, epochs=train.epochs))
    return Ledger(
        recipe=name,
        overrides=tuple(overrides),
        recipe_digest=config.digest(base),
        data_digest=corpus.digest,
        space=space,
        settings=settings,
        draws=tuple(draws),
    )


def placed(ledger: Ledger, *, data: Path, runs: Path, progress: Progress = silent) -> Ledger:
    """Name the run folder of every draw; what the runs start from is made, or found, before.

    Raises:
        SylvianError: a pretraining or an earlier task failed.
    """
    draws = []
    for draw in ledger.draws:
        recipe = build_recipe(ledger.recipe, [*ledger.overrides, *as_overrides(draw.values)])
        start = make_start(recipe, data=data, runs=runs, progress=progress)
        run = begin_experiment(recipe, data=data, runs=runs, start=start).run
        draws.append(draw.model_copy(update={"run": run.path.name}))
    return ledger.model_copy(update={"draws": tuple(draws)})


def continued(planned: Ledger, earlier: Ledger | None, folder: Path) -> Ledger:
    """Put the draws of an earlier call in place of the same ones of this call.

    Raises:
        ConfigError: the earlier call searched something else.
    """
    if earlier is None:
        return planned
    earlier.same_search(planned, folder)
    kept = earlier.draws
    return planned.model_copy(update={"draws": (*kept, *planned.draws[len(kept) :])})


def refreshed(ledger: Ledger, runs: Path) -> Ledger:
    """Bring every draw in line with its run folder, which knows best how far it came."""
    draws = (_refreshed(draw, RunFolder(runs / draw.run), ledger.settings) for draw in ledger.draws)
    return ledger.model_copy(update={"draws": tuple(draws)})


def _refreshed(draw: Draw, run: RunFolder, settings: SweepConfig) -> Draw:
    draw = draw.model_copy(update={"pers": pers_of(run.path / "metrics.csv")})
    if run.is_finished:
        return draw.became("finished")
    if draw.state == "stopped" and settings.asha and draw.pers:
        return draw
    return draw.became("waiting")


def _tuned(ledger: Ledger, errand: Errand, folder: Path, progress: Progress) -> Ledger:
    from sylvian.sweep.cluster import ray_running, share_of

    with ray_running(ledger.settings) as there:
        from sylvian.sweep.tuning import tune_draws  # imports Ray, which wants its surroundings set

        share = share_of(ledger.settings, there)
        return tune_draws(ledger, errand, folder=folder, share=share, progress=progress)


def _insist(ledger: Ledger, folder: Path) -> None:
    """Raise when there is nothing to choose from."""
    if all(draw.state == "failed" for draw in ledger.draws):
        raise SylvianError(f"{folder}: every draw failed; the first with: {ledger.draws[0].note}")


def _digest(ledger: Ledger) -> str:
    """Name a search: the same experiment, data, space and seed give the same eight digits."""
    parts = [ledger.recipe_digest, ledger.data_digest, config.digest(ledger.space)]
    return hashlib.sha256(" ".join([*parts, str(ledger.settings.seed)]).encode()).hexdigest()[:8]
