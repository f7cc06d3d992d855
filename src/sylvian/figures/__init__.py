"""One style for every figure, and the report; matplotlib is loaded when a figure is first used."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

from sylvian.figures.nouns import (
    Decode,
    EpochRow,
    RunReport,
    SplitScores,
    epoch_rows,
)

if TYPE_CHECKING:
    from sylvian.figures.accuracy import (
        error_by_session,
        error_kinds,
        error_rates,
        seen_and_unseen,
    )
    from sylvian.figures.confusion import confusion_key, confusion_matrix
    from sylvian.figures.features import raster
    from sylvian.figures.report import build_report
    from sylvian.figures.style import canvas, colour_of, encoder_colour, panel, save
    from sylvian.figures.training import learning_rate, losses, validation_rate

_HOMES = {
    "accuracy": ("error_by_session", "error_kinds", "error_rates", "seen_and_unseen"),
    "confusion": ("confusion_key", "confusion_matrix"),
    "features": ("raster",),
    "report": ("build_report",),
    "style": ("canvas", "colour_of", "encoder_colour", "panel", "save"),
    "training": ("learning_rate", "losses", "validation_rate"),
}
_LAZY = {name: module for module, names in _HOMES.items() for name in names}

__all__ = [
    "Decode",
    "EpochRow",
    "RunReport",
    "SplitScores",
    "build_report",
    "canvas",
    "colour_of",
    "confusion_key",
    "confusion_matrix",
    "encoder_colour",
    "epoch_rows",
    "error_by_session",
    "error_kinds",
    "error_rates",
    "learning_rate",
    "losses",
    "panel",
    "raster",
    "save",
    "seen_and_unseen",
    "validation_rate",
]


def __getattr__(name: str) -> Any:
    """Import the module of a figure function when it is first asked for."""
    if name not in _LAZY:
        raise AttributeError(f"module 'sylvian.figures' has no attribute {name!r}")
    return getattr(import_module(f"sylvian.figures.{_LAZY[name]}"), name)
