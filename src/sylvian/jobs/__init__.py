"""One split of one run: its trials, what its model was taught before, and what the encoder says."""

from sylvian.jobs.encoding import BATCH, batches, encode
from sylvian.jobs.job import Job
from sylvian.jobs.stages import Learnt, Lost, Trainings, learnt, trainings
from sylvian.jobs.trials import (
    divide,
    labelled_trials,
    open_corpus,
    split_and_strategies,
    spoken,
)

__all__ = [
    "BATCH",
    "Job",
    "Learnt",
    "Lost",
    "Trainings",
    "batches",
    "divide",
    "encode",
    "labelled_trials",
    "learnt",
    "open_corpus",
    "split_and_strategies",
    "spoken",
    "trainings",
]
