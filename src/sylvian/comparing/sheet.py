"""The comparison of a report's runs: as a figure, or why there is none."""

from __future__ import annotations

from collections.abc import Sequence

from sylvian.comparing.panels import compare_runs
from sylvian.comparing.reading import read_all
from sylvian.errors import SylvianError
from sylvian.figures.comparison import SystemPanel, comparison_figure
from sylvian.figures.footnotes import SIMULATED
from sylvian.figures.sheets import Blank, Sheet, said
from sylvian.runs import RunFolder

TITLE = "Systems beside each other"
SPLITS = ("test", "val")


def comparison_sheet(runs: Sequence[RunFolder]) -> Sheet | Blank | None:
    """Lay out runs beside each other as figure 2 does, on the split that all were scored on.

    A strategy that was decoded apart, such as `test/imagined`, counts as its split.

    Args:
        runs: The report's runs.

    Returns:
        The figure, or a sentence where the runs cannot be compared; None for a single run.
    """
    if len(runs) < 2:
        return None
    shared = (
        split
        for split in SPLITS
        if all(any(one.partition("/")[0] == split for one in run.scored) for run in runs)
    )
    split = next(shared, None)
    if split is None:
        told = f"No split ({' or '.join(SPLITS)}) was scored in every one of these runs."
        return Blank(TITLE, f"{told} They cannot be compared trial by trial.")
    try:
        found = compare_runs([one for run in runs for one in read_all(run, split)])
    except SylvianError as failure:
        return Blank(TITLE, f"These runs cannot be compared trial by trial. {failure}.")
    caption = [f"Trials of {split}.", *([SIMULATED] if found.simulated else []), *found.notes]
    return Sheet(
        title=TITLE,
        wide=comparison_figure(found.panels, against=found.against),
        narrow=None,
        caption=" ".join(caption),
        alt=" ".join(_alt(one) for one in found.panels if one.rows),
    )


def _alt(one: SystemPanel) -> str:
    rates = "; ".join(f"{row.name} {said(row.score)}" for row in one.rows if row.score is not None)
    return f"{one.name}: {rates}."
