"""Training: one loop for every task, batches of similar trials, saves that survive a kill."""

from typing import TYPE_CHECKING, Any

from sylvian.train.config import AugmentConfig, TrainConfig

if TYPE_CHECKING:
    from sylvian.train.fitting import FitResult, fit
    from sylvian.train.tasks import CtcTask, PretrainingTask

__all__ = ["AugmentConfig", "CtcTask", "FitResult", "PretrainingTask", "TrainConfig", "fit"]


def __getattr__(name: str) -> Any:
    """Import the engine only when somebody trains: Lightning takes seconds, recipes need none."""
    if name in ("FitResult", "fit"):
        from sylvian.train import fitting

        return getattr(fitting, name)
    if name in ("CtcTask", "PretrainingTask"):
        from sylvian.train import tasks

        return getattr(tasks, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
