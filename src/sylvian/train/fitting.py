"""Train one model in one run folder; the only door into this room."""

from __future__ import annotations

import atexit
import logging
import signal
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, closing, contextmanager, nullcontext
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from lightning.fabric.utilities.warnings import PossibleUserWarning
from lightning.pytorch import Callback, Trainer

from sylvian.config import flatten
from sylvian.errors import CheckpointError, ConfigError, DataError
from sylvian.models.compiled import compile_trunk
from sylvian.models.transformer import Transformer
from sylvian.train.callbacks import Progress, Recorder, Reporter, Restorer
from sylvian.train.checkpoints import Checkpoints, Record
from sylvian.train.config import RUNTIME_FIELDS, SPREAD_FIELDS, AugmentConfig, TrainConfig
from sylvian.train.data import TrainingData, training_data
from sylvian.train.dataset import Read
from sylvian.train.exchange import contact, meet, n_processes
from sylvian.train.metrics import Board, MetricsLog
from sylvian.train.module import Training
from sylvian.train.processes import check_processes, leads
from sylvian.train.sampler import participant_of
from sylvian.train.state import RunState
from sylvian.train.strategies import engine_options
from sylvian.train.tasks import Task
from sylvian.types import TrialInfo, TrialKey


@dataclass(frozen=True, slots=True)
class FitResult:
    """How a run ended.

    Attributes:
        best_epoch: Epoch (from 1) whose model is in `checkpoint/best`.
        best_value: Its value of the task's metric on the validation trials.
        epochs: Epochs completed.
        seconds: Time spent in them, over all parts of a resumed run.
        n_impossible: Training trials too short for their labels in the last epoch.
    """

    best_epoch: int
    best_value: float
    epochs: int
    seconds: float
    n_impossible: int


def fit(
    task: Task,
    *,
    train: Sequence[TrialInfo],
    val: Sequence[TrialInfo],
    read: Read,
    config: TrainConfig,
    augment: AugmentConfig,
    run: Path,
    share: Callable[[TrialInfo], float] | None = None,
    resume: bool = False,
    progress: Progress | None = None,
) -> FitResult:
    """Train a task's model; leaves metrics.csv and checkpoint/{best,last} in `run`.

    With `config.devices` or `config.nodes` above 1, every process calls this with the same
    arguments. Where nobody started the others (torchrun, srun), Lightning runs this program's
    command again. The first process alone writes and reports. With `strategy="fsdp"` the model is
    left in shards, of no use without the other processes.

    A resumed run continues after the last save and gives, on the same machine with the same number
    of threads, the numbers of a run that was never stopped.

    Args:
        task: Its model is freshly built or pretrained; afterwards it carries the weights of the
            last step. Load `checkpoint/best` for the model to use.
        train: Trials of sessions the encoder was built for; labelled if the task wants labels.
        val: Likewise, to choose the best epoch; never test trials.
        read: Reads one normalised trial; with `n_workers` it must survive pickling.
        config: Optimisation.
        augment: Disturbance of training trials.
        run: Folder of the run, created if missing.
        share: How often an epoch takes a trial on average; None: every trial once.
        resume: Continue what `run` holds; a run killed before its first save starts again.
        progress: Told about every step.

    Raises:
        ConfigError: there are no trials, a session is unknown, TensorBoard is not installed, or
            other processes were started than `config` asks for.
        DataError: a trial lacks labels it needs, occurs twice, or cannot be read.
        CheckpointError: `run` already holds a run and `resume` is False, or its state cannot be
            continued with these settings, or the disk is full.
        KeyboardInterrupt: Ctrl-C; the run can be resumed.
        SylvianError: losses or gradients stayed non-finite for `config.patience_nonfinite` steps,
            or another process is gone.
    """
    check_processes(config.devices, config.nodes)
    _check_company(config)
    _check_trials(train, val)
    task.admit(train, val)
    settings = _settings(task, config, augment, (train, val), share)
    checkpoints = Checkpoints(run / "checkpoint", settings=settings, writes=leads())
    log = MetricsLog(run / "metrics.csv", metric=task.metric, parts=task.parts)
    record = _open_run(run, checkpoints, log, resume=resume)
    state = RunState()
    if record:
        state = record.state
        checkpoints.restore_model(task, record)
    if config.compile:
        _compile(task)
    module = Training(task, config=config, state=state)
    data = training_data(
        train, val, read=read, task=task, config=config, augment=augment, share=share, state=state
    )
    if state.epoch < config.epochs:
        with _board(run, task, wanted=config.tensorboard and leads()) as board:
            recorder = Recorder(checkpoints, log, board=board)
            callbacks: list[Callback] = [Restorer(checkpoints, record), recorder]
            if progress and leads():
                callbacks.append(Reporter(progress, n_epochs=config.epochs))
            _train(module, data, run, callbacks)
    return _result(state)


def _compile(task: Task) -> None:
    if not isinstance(task.encoder, Transformer):
        raise ConfigError("train.compile is for a Transformer's blocks; leave it off for a GRU")
    compile_trunk(task.encoder)


def _board(run: Path, task: Task, *, wanted: bool) -> AbstractContextManager[Board | None]:
    return (
        closing(Board(run / "tensorboard", metric=task.metric, parts=task.parts))
        if wanted
        else nullcontext()
    )


def _train(module: Training, data: TrainingData, run: Path, callbacks: list[Callback]) -> None:
    """Let Lightning run the epochs that are left."""
    config = module.config
    module.model.train()
    with quiet_lightning():
        trainer = Trainer(
            **engine_options(config),
            precision="bf16-mixed" if config.precision == "bf16" else "32-true",
            max_epochs=config.epochs - module.state.epoch,
            callbacks=callbacks,
            default_root_dir=run,
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            num_sanity_val_steps=0,
            use_distributed_sampler=False,
        )
        with interruptible(), contact(), _companions(trainer):
            trainer.fit(module, datamodule=data)
            meet()  # the files of the last epoch are there for everybody


@contextmanager
def _companions(trainer: Trainer) -> Iterator[None]:
    """See to it that the processes Lightning started end with this one, however it ends.

    They may wait in a collective that nobody joins any more, where no gentler signal reaches them.
    """
    try:
        yield
    finally:
        if trainer.strategy.launcher is not None:
            atexit.register(trainer.strategy.launcher.kill, signal.SIGKILL)


@contextmanager
def quiet_lightning() -> Iterator[None]:
    """Silence advice that is not meant for our users: devices found, workers, loggers to buy."""
    loggers = [logging.getLogger(f"lightning.{part}") for part in ("pytorch", "fabric")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", PossibleUserWarning)
            # Lightning 2.6 asks an old question about a tree of loaders that torch 2.13 dislikes
            warnings.filterwarnings("ignore", r".*LeafSpec", FutureWarning)
            # the root holds no weights of its own, and nobody changes its outputs in place
            warnings.filterwarnings("ignore", r"FSDP2-wrapped module .* returned a view")
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


@contextmanager
def interruptible() -> Iterator[None]:
    """Let Ctrl-C arrive as KeyboardInterrupt and work again afterwards.

    Lightning turns it into `sys.exit(1)` and ignores the signal from then on.
    """
    handler = signal.getsignal(signal.SIGINT)
    try:
        yield
    except SystemExit as end:
        if not isinstance(end.__context__, KeyboardInterrupt):
            raise
        signal.signal(signal.SIGINT, handler)
        raise end.__context__ from None


def _open_run(
    run: Path, checkpoints: Checkpoints, log: MetricsLog, *, resume: bool
) -> Record | None:
    """Start the folder, or bring its files back to the last save."""
    if not leads():
        return checkpoints.load()
    if log.path.exists() and not resume:
        raise CheckpointError(f"{run}: already holds a run; resume it or choose another folder")
    record = checkpoints.load()
    if record:
        log.truncate(record.state.epoch)
    else:
        checkpoints.clear()
        log.begin()
    return record


def _check_company(config: TrainConfig) -> None:
    if n_processes() not in (1, config.n_processes):
        raise ConfigError(
            f"{n_processes()} processes trained together until now, but train.devices x train.nodes"
            f" is {config.n_processes}; use as many in every stage"
        )


def _check_trials(train: Sequence[TrialInfo], val: Sequence[TrialInfo]) -> None:
    if not train or not val:
        raise ConfigError(
            f"{len(train)} training and {len(val)} validation trials; training needs both"
        )
    seen: set[TrialKey] = set()
    for info in (*train, *val):
        if info.key in seen:
            raise DataError(f"{info.key}: given twice; a trial trains or validates, once")
        seen.add(info.key)


def _settings(
    task: Task,
    config: TrainConfig,
    augment: AugmentConfig,
    trials: tuple[Sequence[TrialInfo], Sequence[TrialInfo]],
    share: Callable[[TrialInfo], float] | None,
) -> dict[str, Any]:
    """Flatten everything the numbers of a run depend on, features and code excepted."""
    found = task.settings()
    parts = {"train": config, "augment": augment}
    for part, settings in parts.items():
        found |= {f"{part}.{name}": value for name, value in flatten(settings)}
    for name in RUNTIME_FIELDS | SPREAD_FIELDS:
        del found[f"train.{name}"]
    found["trials of a step"] = config.step_trials
    for name, infos in zip(("train", "val"), trials, strict=True):
        text = "\n".join(map(task.signature, infos))
        found[f"{name} trials"] = f"{len(infos)} ({sha256(text.encode()).hexdigest()[:12]})"
    if share:
        found["shares"] = {"/".join(participant_of(info)): share(info) for info in trials[0]}
    return found


def _result(state: RunState) -> FitResult:
    assert state.best_epoch is not None and state.best_value is not None
    return FitResult(
        best_epoch=state.best_epoch,
        best_value=state.best_value,
        epochs=state.epoch,
        seconds=state.seconds,
        n_impossible=state.n_impossible,
    )
