"""Files that `sylvian analyse --out` wrote, as one figure of what encoders represent."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.figure import Figure

from sylvian.analyses import Estimate
from sylvian.analyses.pca import Pca
from sylvian.comparing.reading import SIMULATED
from sylvian.comparing.tables import read_json_object
from sylvian.errors import CheckpointError, ConfigError, DataError
from sylvian.figures.composed import representation_figure
from sylvian.figures.representation_sheets import Plane, RowPanel
from sylvian.figures.style import encoder_colour
from sylvian.runs import RunFolder

TAKEN = ("rsa", "pca")
OUTPUT, FEATURES = "output", "features"
Row = Mapping[str, Any]


@dataclass(frozen=True)
class Analysed:
    """What an analysis left behind.

    Attributes:
        path: The file.
        analysis: `rsa` or `pca`.
        split: The split it looked at.
        runs: The run folders by name, where they were then.
        rows: Its numbers.
        notes: What it said.
    """

    path: Path
    analysis: str
    split: str
    runs: Mapping[str, str]
    rows: tuple[Row, ...]
    notes: tuple[str, ...]


def read_analysis(path: Path) -> Analysed:
    """Read an analysis' JSON file.

    Raises:
        ConfigError: there is no such file, or it is no analysis that can be drawn here.
    """
    content = read_json_object(path)
    try:
        analysis, split = str(content["analysis"]), str(content["split"])
        rows, notes = tuple(content["rows"]), tuple(content.get("notes", ()))
        runs = {Path(run).name: str(run) for run in content["runs"]}
    except (KeyError, TypeError) as failure:
        raise ConfigError(
            f"{path}: not an analysis ({failure!r}); write one with 'sylvian analyse rsa RUN … "
            "--out FOLDER'"
        ) from None
    if analysis not in TAKEN:
        raise ConfigError(f"{path}: the analysis {analysis!r}; this figure takes rsa and pca")
    return Analysed(path, analysis, split, runs, rows, notes)


def draw_representation(
    found: Sequence[Analysed], runs: Path
) -> tuple[Figure, tuple[str, ...], bool]:
    """Draw similarity with a language model above words of both tasks in a plane.

    Args:
        found: Similarity and principal components; either may be missing.
        runs: Folder of runs, for those that are no longer where they were.

    Returns:
        The figure, what has to be read with it, and whether nobody was recorded.

    Raises:
        ConfigError: a file has rows that are not of its analysis.
        DataError: the files are of different splits.
    """
    for other in found[1:]:
        if other.split != found[0].split:
            raise DataError(
                f"{found[0].path} and {other.path}: of {found[0].split} and of {other.split}; "
                "analyse one split"
            )
    try:
        rows = _similarity([one for one in found if one.analysis == "rsa"])
        planes = _planes([one for one in found if one.analysis == "pca"])
    except (KeyError, TypeError, ValueError) as failure:
        raise ConfigError(
            f"{found[0].path}: rows that no version of 'sylvian analyse' writes ({failure!r}); run "
            "it again"
        ) from None
    known = {name: _opened(name, path, runs) for one in found for name, path in one.runs.items()}
    colours = {
        panel.title: _colour(known.get(panel.title.split(",")[0]))
        for line in rows
        for panel in line
    }
    name = "Correlation of distances"
    figure = representation_figure(rows, planes, name=name, colours=colours)
    simulated = any(run is not None and run.recipe.corpus == SIMULATED for run in known.values())
    return figure, tuple(_notes(found, known)), simulated


def _similarity(found: Sequence[Analysed]) -> list[list[RowPanel]]:
    """Make a panel a run and task, the tasks of a run side by side."""
    groups: dict[str, dict[str, list[Row]]] = {}
    for row in (row for one in found for row in one.rows):
        groups.setdefault(row["run"], {}).setdefault(row["task"], []).append(row)
    lines = []
    for run, tasks in groups.items():
        panels = [
            RowPanel(
                f"{run}, {task} speech",
                tuple(str(row["layer"]) for row in rows),
                tuple(_estimate(row) for row in rows),
            )
            for task, rows in tasks.items()
        ]
        lines += [panels[start : start + 2] for start in range(0, len(panels), 2)]
    return lines


def _estimate(row: Row) -> Estimate:
    n, note = int(row["n"]), str(row.get("note") or "")
    if row["r"] is None:
        return Estimate.blank(n, note)
    names = ("r", "low", "high", "p")
    value, low, high, p, null_low, null_high = (
        math.nan if row.get(name) is None else float(row[name])
        for name in (*names, "null_low", "null_high")
    )
    return Estimate(value, low, high, p, n, null_low, null_high, note)


def _planes(found: Sequence[Analysed]) -> list[Plane]:
    """Make a plane a run: of its output, or of what goes in and comes out where it is alone."""
    groups: dict[tuple[str, str], list[Row]] = {}
    for row in (row for one in found for row in one.rows):
        groups.setdefault((row["run"], row["layer"]), []).append(row)
    alone = len({run for run, _ in groups}) == 1
    return [
        _plane(run, layer, rows)
        for (run, layer), rows in groups.items()
        if layer == OUTPUT or (alone and layer == FEATURES)
    ]


def _plane(run: str, layer: str, rows: Sequence[Row]) -> Plane:
    scores = np.array([[row["pc1"], row["pc2"]] for row in rows], np.float64)
    explained = np.array([rows[0]["explained1"], rows[0]["explained2"]], np.float64)
    nowhere = np.zeros((2, 0)), np.zeros(0)  # directions are not on file, and not drawn
    words = tuple(str(row["word"]) for row in rows)
    note = f"{run}, {layer}: {len(set(words))} words"
    pca = Pca(scores, nowhere[0], explained, nowhere[1])
    return Plane(note, pca, words, tuple(str(row["task"]) for row in rows))


def _opened(name: str, path: str, runs: Path) -> RunFolder | None:
    """Find a run that was analysed; None where it is no longer there."""
    for place in (path, name):
        try:
            run = RunFolder.open(place, runs)
            _ = run.recipe
        except (CheckpointError, ConfigError):
            continue
        return run
    return None


def _colour(run: RunFolder | None) -> str:
    return encoder_colour(run.recipe.encoder.kind if run is not None else "all")


def _notes(found: Sequence[Analysed], known: Mapping[str, RunFolder | None]) -> Iterator[str]:
    kinds = {one.analysis for one in found}
    if "rsa" in kinds:
        yield (
            "Rows: correlation of distances among sentences in a layer and in a language model; "
            "bars: 95 % bootstrap intervals over sentences; grey: 95 % of permutations; p: "
            "one-sided."
        )
    if "pca" in kinds:
        yield (
            "Planes: mean vectors of words, each over its trials; filled and open: the two tasks, "
            "a line joins a word's two; names that would cover something are left out."
        )
    for kind, what in (("rsa", "similarity"), ("pca", "words in a plane")):
        if kind not in kinds:
            yield f"No file of {kind} was given, so there is no {what}."
    gone = sorted(name for name, run in known.items() if run is None)
    if gone:
        yield f"{', '.join(gone)}: no longer there, so encoder and corpus are not known."
    for one in found:
        yield from one.notes
