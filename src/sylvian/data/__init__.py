"""Published files to trials: readers, `prepare`, `check`, the store, z-scoring and splits."""

from sylvian.data.check import CheckReport, check
from sylvian.data.mix import MixConfig, Mixture
from sylvian.data.normalize import NormalizeConfig
from sylvian.data.prepare import PrepareReport, prepare
from sylvian.data.splits import split_trials
from sylvian.data.store import PreparedCorpus

__all__ = [
    "CheckReport",
    "MixConfig",
    "Mixture",
    "NormalizeConfig",
    "PrepareReport",
    "PreparedCorpus",
    "check",
    "prepare",
    "split_trials",
]
