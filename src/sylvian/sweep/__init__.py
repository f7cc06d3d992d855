"""Hyperparameter search: random draws of a recipe, trained side by side by Ray Tune.

Each draw is an ordinary run folder. What the search knows is in `sweep.json`, which repeating the
command goes on from; Ray's own state is thrown away.
"""

from sylvian.sweep.config import SweepConfig
from sylvian.sweep.ledger import Draw, Ledger
from sylvian.sweep.outcome import SweepResult
from sylvian.sweep.search import run_sweep
from sylvian.sweep.space import TABLE_12, Choice, LogUniform, Uniform, draw_values, parse_space

__all__ = [
    "TABLE_12",
    "Choice",
    "Draw",
    "Ledger",
    "LogUniform",
    "SweepConfig",
    "SweepResult",
    "Uniform",
    "draw_values",
    "parse_space",
    "run_sweep",
]
