"""Training: batches of similar trials, exact steps, saves that survive a kill."""

from sylvian.train.augment import AugmentConfig
from sylvian.train.callbacks import Progress
from sylvian.train.config import TrainConfig
from sylvian.train.fit import FitResult, fit

__all__ = ["AugmentConfig", "FitResult", "Progress", "TrainConfig", "fit"]
