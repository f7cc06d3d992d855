"""What the paper's tables compare: rows, and the one each is compared with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sylvian.recipes import RECIPES, Pretraining, Recipe
from sylvian.types import Strategy

ATTEMPTED = (Strategy.ATTEMPTED, Strategy.VOCALIZED, Strategy.SILENT)
IMAGINED = (Strategy.IMAGINED,)
_FRACTIONS = (0.1, 0.25, 0.5, 1.0)


@dataclass(frozen=True, slots=True)
class Line:
    """One row of a study before it is run.

    Attributes:
        label: What the table calls it.
        recipe: A named recipe.
        overrides: What makes it this row.
        imagined: Whether it makes sense for imagined speech only.
    """

    label: str
    recipe: str
    overrides: tuple[str, ...] = ()
    imagined: bool = False


@dataclass(frozen=True, slots=True)
class Study:
    """What is compared: rows, and the row every other one is compared with."""

    title: str
    lines: tuple[Line, ...]
    against: str = "tfs"
    imagined_only: bool = False


def _fraction(kind: str, share: float) -> Line:
    people = ("start.mix.human_fraction=1",) if kind == "monkey" else ()
    other = () if kind == "monkey" else ("start.mix.species=human",)
    label = f"{share:.0%} human" if kind == "human" else f"human + {share:.0%} monkey"
    return Line(label, "all", (f"start.mix.{kind}_fraction={share}", *people, *other))


STUDIES = {
    "table4": Study(
        "Table 4: what pretraining buys",
        (
            Line("rnn", "rnn"),
            Line("tfs", "tfs"),
            Line("human", "human"),
            Line("all", "all"),
            Line("cross_task_only", "cross_task_only", imagined=True),
        ),
    ),
    "table8": Study(
        "Table 8: with and without the recordings that are fine-tuned on",
        (Line("tfs", "tfs"), Line("all", "all"), Line("exclude_target", "exclude_target")),
    ),
    "table9": Study(
        "Table 9: with and without labels, on the same participant's attempted speech",
        (
            Line("tfs", "tfs"),
            Line("cross_task_only", "cross_task_only"),
            Line("same_participant_ssl", "same_participant_ssl"),
        ),
        imagined_only=True,
    ),
    "figure8": Study(
        "Figure 8: more people, then more monkeys",
        (
            Line("tfs", "tfs"),
            *(_fraction("human", share) for share in _FRACTIONS),
            *(_fraction("monkey", share) for share in _FRACTIONS),
        ),
    ),
}


def overrides_of(line: Line, overrides: Sequence[str], recipe: Recipe) -> list[str]:
    """Choose the overrides that concern a row, in the order that lets later ones win."""
    rows = {name.label for study in STUDIES.values() for name in study.lines} | {*RECIPES}
    kept = list(line.overrides)
    for item in overrides:
        row, colon, rest = item.partition(":")
        if colon and row in rows:
            if row in (line.label, line.recipe):
                kept.append(rest)
            continue
        key = item.partition("=")[0]
        if key.startswith("start.") and not isinstance(recipe.start, Pretraining):
            continue
        if key.startswith("encoder.") and recipe.encoder.kind != "transformer":
            continue
        if key in ("participant", "strategies"):
            continue  # columns of the study
        kept.append(item)
    return kept
