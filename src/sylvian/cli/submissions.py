"""Verbs for what leaves the house: submit, grade, card."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from sylvian.cli.shared import Json, Run, Runs, finish


class Format(StrEnum):
    """The competitions' files."""

    b2t24 = "b2t24"
    b2t25 = "b2t25"


def submit(
    run: Run,
    layout: Annotated[
        Format, typer.Option("--format", help="b2t24: a sentence a line; b2t25: CSV of id,text.")
    ],
    out: Annotated[Path, typer.Option("--out", help="File to write.")],
    split: Annotated[
        str | None,
        typer.Option("--split", help="Default: the one whose labels the release withholds."),
    ] = None,
    runs: Runs = Path("runs"),
    json: Json = False,
) -> None:
    """Write a decoded split as a competition file, checked: count, order, characters.

    The protocol notes that the split was written out.
    """
    from sylvian import pipeline
    from sylvian.submitting import submit as write

    result = write(pipeline.open_run(run, runs), layout.value, out, split=split)
    finish(result, json, result.text())


def grade(
    file: Annotated[Path, typer.Argument(help="A competition file of either format.")],
    truth: Annotated[
        Path | None,
        typer.Option("--truth", help="True sentences, one a line or CSV of id,text."),
    ] = None,
    run: Annotated[
        str | None, typer.Option("--run", help="Instead: the run it was written from.")
    ] = None,
    split: Annotated[str, typer.Option("--split", help="With --run: the split.")] = "val",
    runs: Runs = Path("runs"),
    json: Json = False,
) -> None:
    """Grade a competition file as the benchmarks do: all word edits over all words."""
    from sylvian import pipeline
    from sylvian.submitting import grade_file, grade_run

    if (truth is None) == (run is None):
        raise typer.BadParameter("give either --truth FILE or --run RUN")
    if run is not None:
        result = grade_run(file, run=pipeline.open_run(run, runs), split=split)
    elif truth is not None:
        result = grade_file(file, truth=truth)
    finish(result, json, result.text())


def card(
    run: Run,
    out: Annotated[
        Path | None, typer.Option("--out", help="File to write; default: card.md in the run.")
    ] = None,
    licence: Annotated[
        str | None, typer.Option("--licence", help="Licence you grant for the weights.")
    ] = None,
    runs: Runs = Path("runs"),
    json: Json = False,
) -> None:
    """Write the card of a run's model: data, choices, error rates, causality, use, consent."""
    from sylvian import pipeline
    from sylvian.cards import write_card

    result = write_card(pipeline.open_run(run, runs), out, licence=licence)
    finish(result, json, result.card)
