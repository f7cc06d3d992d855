"""The report's figures of how a run was trained, what it confuses, and what it was given."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from matplotlib.axes import Axes

from sylvian.figures.accuracy import trials
from sylvian.figures.confusion import confusion_key, confusion_matrix, ranked
from sylvian.figures.features import raster
from sylvian.figures.nouns import RunReport
from sylvian.figures.sheets import Blank, Sheet
from sylvian.figures.style import DOUBLE_MM, SINGLE_MM, canvas, panel
from sylvian.figures.training import (
    CURVES,
    has_curve,
    learning_rate,
    losses,
    n_not_finite,
    validation_rate,
)


def training_sheet(run: RunReport) -> Sheet | Blank:
    """Lay out the training curves that the metrics allow."""
    rows = run.metrics
    title = "Training"
    rate = _rate(run)
    val = next((each.unit("per") for each in run.scores if each.split == "val"), None)
    # sentences are generated for some of the trials only
    n_val = val.n_trials if val is not None and rate == "val_per" else None
    curves: list[Callable[[Axes], None]] = []
    if has_curve(rows, "train_loss") or has_curve(rows, "val_loss"):
        curves.append(lambda axis: losses(axis, rows))
    if has_curve(rows, rate):
        curves.append(lambda axis: validation_rate(axis, rows, column=rate, n_trials=n_val))
    if has_curve(rows, "learning_rate"):
        curves.append(lambda axis: learning_rate(axis, rows))
    if not curves:
        return Blank(title, "No epoch has been logged for this run, so there are no curves.")
    wide, narrow = canvas(DOUBLE_MM, 47), canvas(SINGLE_MM, 46 * len(curves))
    for place, draw in enumerate(curves):
        draw(panel(wide, 11 + 61.5 * place, 3, 49, 34))
        draw(panel(narrow, 11, 3 + 46 * place, 77, 32))
    return Sheet(title, wide, narrow, _training_caption(run), _training_alt(run))


def confusion_sheet(run: RunReport) -> Sheet | Blank:
    """Lay out the phoneme error matrix with its key."""
    title = "Phoneme confusions"
    confusions = run.confusions
    if confusions is None or not confusions.labels:
        return Blank(title, "No decoded phonemes were aligned with the truth for this run.")
    worst = ranked(confusions)
    if not worst:
        told = f"No phoneme error in {trials(confusions.n_trials)} of {run.confusions_split}."
        return Blank(title, told)
    figure = canvas(DOUBLE_MM, 191)
    confusion_matrix(panel(figure, 12, 4, 169, 169), confusions)
    confusion_key(panel(figure, 30, 180, 30, 8))
    caption = (
        f"{trials(confusions.n_trials)} of {run.confusions_split}. Colour: percent of the true "
        "phoneme's occurrences; matches (grey dots on the diagonal) are left out and 5 % or more "
        "is written out. Bottom row: deletions. Right column: insertions, per occurrence of the "
        "inserted phoneme. Shaded columns: phonemes that never occur in the truth. Counts of "
        "aligned phonemes carry no interval."
    )
    first = ", ".join(f"{each.count} times {each.said()}" for each in worst[:5])
    return Sheet(title, figure, None, caption, f"The most frequent phoneme errors: {first}.")


def raster_sheet(run: RunReport) -> Sheet | Blank:
    """Lay out one recorded trial, a panel per feature."""
    title = "One trial as recorded"
    trial = run.trial
    if trial is None or not trial.features.size:
        return Blank(title, "No recorded trial was handed to this report.")
    bin_s = trial.info.bin_s
    layout = run.channels or (("", "features", 0, trial.features.shape[1]),)
    kinds = list(dict.fromkeys(feature for _, feature, _, _ in layout))
    wide = canvas(DOUBLE_MM, 47 * len(kinds))
    for place, kind in enumerate(kinds):
        groups = [(array, start, stop) for array, feature, start, stop in layout if feature == kind]
        shown = np.concatenate([trial.features[:, a:b] for _, a, b in groups], axis=1)
        axis = panel(wide, 16, 6 + 47 * place, 165, 31)
        name = kind.replace("_", " ").capitalize()
        raster(axis, shown, bin_s=bin_s, name=name, arrays=_side_by_side(groups))
    sentence = f"“{trial.info.sentence}”" if trial.info.sentence else "sentence withheld"
    n_bins, n_channels = trial.features.shape
    caption = (
        f"{trial.key}: {sentence}; {n_bins} bins of {1000 * bin_s:g} ms, {n_channels} channels; "
        "the stronger, the larger, from the 5th to the 99.5th percentile."
    )
    alt = f"Raster of {n_channels} channels over {n_bins * bin_s:.1f} seconds: {sentence}."
    return Sheet(title, wide, None, caption, alt)


def _side_by_side(groups: Sequence[tuple[str, int, int]]) -> list[tuple[str, int, int]]:
    """Number the channels of one feature anew, as they are drawn."""
    ends = np.cumsum([stop - start for _, start, stop in groups])
    return [
        (array, int(end) - (stop - start), int(end))
        for (array, start, stop), end in zip(groups, ends, strict=True)
        if array
    ]


def _training_caption(run: RunReport) -> str:
    said = "Grey: training trials; green: validation trials, on which the checkpoint was chosen."
    gaps = n_not_finite(run.metrics)
    if gaps:
        said += f" {gaps} logged values were not finite; they are gaps in the curves."
    missing = [
        name
        for column, name in ((_rate(run), CURVES[_rate(run)]), ("learning_rate", "learning rate"))
        if not has_curve(run.metrics, column)
    ]
    if missing:
        said += f" Not logged: {' and '.join(missing)}."
    return f"{said} Curves carry no interval: metrics.csv holds rates, not counts."


def _training_alt(run: RunReport) -> str:
    last = max(row.epoch for row in run.metrics)
    said = f"Training curves over {last:g} epochs"
    rate = _rate(run)
    if not has_curve(run.metrics, rate):
        return f"{said}."
    values = [getattr(row, rate) for row in run.metrics]
    lowest = np.nanmin([value for value in values if value is not None])
    return f"{said}; lowest {CURVES[rate]} {100 * lowest:.1f} %."


def _rate(run: RunReport) -> str:
    """Name the column that chose the best epoch."""
    return "val_wer" if has_curve(run.metrics, "val_wer") else "val_per"
