"""Training: batches of similar trials, exact steps, saves that survive a kill."""

from typing import TYPE_CHECKING, Any

from sylvian.train.config import AugmentConfig, TrainConfig

if TYPE_CHECKING:
    from sylvian.train.fitting import FitResult, fit

__all__ = ["AugmentConfig", "FitResult", "TrainConfig", "fit"]


def __getattr__(name: str) -> Any:
    """Import the engine only when somebody trains: Lightning takes seconds, recipes need none."""
    if name in ("FitResult", "fit"):
        from sylvian.train import fitting

        return getattr(fitting, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
