"""How training went: losses, validation phoneme error rate and learning rate over epochs."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float
from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, FuncFormatter, LogLocator, MaxNLocator, NullLocator

from sylvian.errors import ConfigError
from sylvian.figures.accuracy import trials
from sylvian.figures.nouns import EpochRow
from sylvian.figures.style import INK, MUTED, colour_of, record, styled

CURVES: Mapping[str, str] = {
    "train_loss": "training loss",
    "val_loss": "validation loss",
    "val_per": "validation PER",
    "val_wer": "validation WER",
    "learning_rate": "learning rate",
}
FEW = 12  # up to this many points each gets a dot; a curve of one point would be invisible


@styled
def losses(axis: Axes, rows: Sequence[EpochRow]) -> None:
    """Plot training and validation loss on a logarithmic axis: nats per trial, or per token.

    Losses that are not finite leave a gap.

    Raises:
        ConfigError: no row has a finite, positive loss.
    """
    curves = {split: _curve(rows, f"{split}_loss") for split in ("train", "val")}
    values = np.concatenate([curve[:, 1] for curve in curves.values()])
    if not np.any(values[np.isfinite(values)] > 0):
        raise ConfigError("no finite loss in the metrics rows; leave this panel out")
    names = {"train": "training", "val": "validation"}
    for split, curve in curves.items():
        if len(curve):
            _line(axis, curve, colour=colour_of(split), label=names[split])
        record(axis, f"{split} loss", {"epoch": _list(curve, 0), "loss": _list(curve, 1)})
    _log_axis(axis, values[np.isfinite(values) & (values > 0)])
    item = "token" if has_curve(rows, "val_wer") else "trial"
    axis.set_ylabel(f"Loss (nats per {item})")
    axis.legend(loc="upper right", handlelength=1.2, borderaxespad=0.0)
    _epoch_axis(axis, rows)


@styled
def validation_rate(
    axis: Axes, rows: Sequence[EpochRow], *, column: str = "val_per", n_trials: int | None = None
) -> None:
    """Plot a validation error rate (percent from 0) and mark its lowest epoch.

    Args:
        axis: Where to draw.
        rows: Epochs in order.
        column: Of phonemes, `val_per`, or of words, `val_wer`.
        n_trials: Number of validation trials, written into the panel.

    Raises:
        ConfigError: no row has a finite rate.
    """
    curve = _drawable(rows, column)
    epochs, percents = curve[:, 0], 100 * curve[:, 1]
    _line(axis, np.stack([epochs, percents], axis=1), colour=colour_of("val"))
    best = int(np.nanargmin(percents))
    axis.plot([epochs[best]], [percents[best]], "o", color=INK, markersize=3.5, zorder=3)
    axis.set_ylim(0, 1.08 * max(float(np.nanmax(percents)), 5.0))
    _name_best(axis, float(epochs[best]), float(percents[best]), float(epochs.max()))
    axis.yaxis.set_major_locator(MaxNLocator(5, steps=[1, 2, 2.5, 5, 10]))
    axis.set_ylabel(f"Validation {column[-3:].upper()} (%)")
    if n_trials is not None:
        note = f"n = {trials(n_trials)}"
        axis.text(1, 1, note, transform=axis.transAxes, ha="right", va="top", color=MUTED)
    _epoch_axis(axis, rows)
    record(axis, CURVES[column], {"epoch": _list(curve, 0), column: _list(curve, 1)})


@styled
def learning_rate(axis: Axes, rows: Sequence[EpochRow]) -> None:
    """Plot the learning rate on a linear axis from 0.

    Raises:
        ConfigError: no row has a learning rate.
    """
    curve = _drawable(rows, "learning_rate")
    highest = float(np.nanmax(curve[:, 1]))
    exponent = math.floor(math.log10(highest)) if highest > 0 else 0
    _line(axis, curve * [1.0, 10.0**-exponent], colour=INK)
    axis.set_ylim(bottom=0)
    axis.yaxis.set_major_locator(MaxNLocator(5))
    unit = f" (×10{_superscript(exponent)})" if exponent else ""
    axis.set_ylabel(f"Learning rate{unit}")
    _epoch_axis(axis, rows)
    columns = {"epoch": _list(curve, 0), "learning_rate": _list(curve, 1)}
    record(axis, CURVES["learning_rate"], columns)


def has_curve(rows: Sequence[EpochRow], column: str) -> bool:
    """Say whether a column of the metrics holds at least one finite value."""
    return bool(np.any(np.isfinite(_curve(rows, column)[:, 1])))


def n_not_finite(rows: Sequence[EpochRow]) -> int:
    """Count logged values that are NaN or infinite (they are gaps in the curves)."""
    return sum(int(np.sum(~np.isfinite(_curve(rows, column)[:, 1]))) for column in CURVES)


def _curve(rows: Sequence[EpochRow], column: str) -> Float[np.ndarray, "points 2"]:
    # Rows without the value are skipped (they log something else); NaN and inf stay, as gaps.
    found = [(row.epoch, getattr(row, column)) for row in rows]
    kept = [pair for pair in found if pair[1] is not None]
    curve = np.array(kept, dtype=float).reshape(-1, 2)
    curve[~np.isfinite(curve[:, 1]), 1] = np.nan
    return curve


def _drawable(rows: Sequence[EpochRow], column: str) -> Float[np.ndarray, "points 2"]:
    curve = _curve(rows, column)
    if not np.any(np.isfinite(curve[:, 1])):
        raise ConfigError(f"no {CURVES[column]} in the metrics rows; leave this panel out")
    return curve


def _line(
    axis: Axes, curve: Float[np.ndarray, "points 2"], *, colour: str, label: str | None = None
) -> None:
    marker = "o" if len(curve) <= FEW else ""
    axis.plot(curve[:, 0], curve[:, 1], color=colour, label=label, marker=marker, markersize=2.2)


def _list(curve: Float[np.ndarray, "points 2"], column: int) -> list[float]:
    return [float(value) for value in curve[:, column]]


def _name_best(axis: Axes, epoch: float, percent: float, last: float) -> None:
    above = percent < 0.5 * axis.get_ylim()[1]  # the upper corner belongs to n
    axis.annotate(
        f"lowest {percent:.1f} %\nepoch {epoch:g}",
        (epoch, percent),
        xytext=(0, 5 if above else -5),
        textcoords="offset points",
        ha="right" if epoch > 0.5 * last else "left",
        va="bottom" if above else "top",
        linespacing=1.15,
    )


def _log_axis(axis: Axes, values: Float[np.ndarray, " values"]) -> None:
    axis.set_yscale("log")
    low, high = float(values.min()) / 1.25, float(values.max()) * 1.25
    axis.set_ylim(low, high)
    decades = math.log10(high / low)
    if decades < 1.2:
        ticks = MaxNLocator(5, steps=[1, 2, 5, 10]).tick_values(low, high)
        axis.yaxis.set_major_locator(FixedLocator([tick for tick in ticks if low <= tick <= high]))
    else:
        subs = (1.0,) if decades > 3 else (1.0, 3.0) if decades > 1.9 else (1.0, 2.0, 5.0)
        axis.yaxis.set_major_locator(LogLocator(subs=subs))
    axis.yaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{value:g}"))
    axis.yaxis.set_minor_locator(NullLocator())


def _epoch_axis(axis: Axes, rows: Sequence[EpochRow]) -> None:
    last = max(row.epoch for row in rows)
    axis.set_xlim(0, last * 1.02 if last > 0 else 1)
    axis.xaxis.set_major_locator(MaxNLocator(5, integer=True))
    axis.set_xlabel("Epoch")


def _superscript(exponent: int) -> str:
    return str(exponent).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))
