"""From intracortical recordings to the sentence a person is trying to say.

The public names below are loaded when first used, so that importing the package costs nothing.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any

__version__ = "0.1.0"

_HOMES = {
    "sylvian.types": (
        "TrialKey",
        "TrialInfo",
        "Trial",
        "Strategy",
        "Logits",
        "Hypothesis",
        "NBest",
        "Scores",
        "EditCounts",
        "Score",
    ),
    "sylvian.errors": (
        "SylvianError",
        "ConfigError",
        "DataError",
        "CheckpointError",
        "DecodeError",
    ),
    "sylvian.text.lexicon": ("Lexicon",),
    "sylvian.text.vocabulary": ("Vocabulary", "phoneme_vocabulary"),
    "sylvian.data.store": ("PreparedCorpus",),
    "sylvian.recipes": ("Recipe", "build_recipe"),
    "sylvian.models.artefact": ("load_model",),
    "sylvian.decode.greedy": ("greedy",),
    "sylvian.decode.beam": ("FirstPass",),
    "sylvian.decode.graph": ("build_graph",),
    "sylvian.evaluate": ("score_trials", "paired_bootstrap"),
}
_HOME = {name: home for home, names in _HOMES.items() for name in names}

__all__ = ["__version__", *_HOME]


def __getattr__(name: str) -> Any:
    if name not in _HOME:
        raise AttributeError(f"module 'sylvian' has no attribute {name!r}")
    return getattr(import_module(_HOME[name]), name)
