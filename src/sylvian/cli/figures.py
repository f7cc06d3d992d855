"""The verb that draws the paper's figures from what others left behind: figure."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from sylvian.cli.shared import Json, MaybeData, Runs, finish


class Speech(StrEnum):
    """Kinds of speech that are drawn apart."""

    attempted = "attempted"
    imagined = "imagined"


def figure(
    name: Annotated[
        str,
        typer.Argument(
            help="figure2: systems beside each other; figure3: parts of the end-to-end system; "
            "figure4: similarity and words in a plane; figure6: phoneme errors; figure7: word "
            "errors; figure8: hours of pretraining."
        ),
    ],
    source: Annotated[
        list[str],
        typer.Argument(
            help="Runs, or NAME=RUN to name a system; or JSON files of `study --out` (2, 3, 8) or "
            "of `analyse rsa` and `analyse pca` (4; those kept in runs are found)."
        ),
    ],
    out: Annotated[Path, typer.Option("--out", help="Folder for PDF, PNG and CSV.")],
    split: Annotated[str, typer.Option("--split", help="Of runs: train, val or test.")] = "test",
    against: Annotated[
        str | None,
        typer.Option("--against", help="System that all others are compared with; default: first."),
    ] = None,
    participant: Annotated[
        str | None, typer.Option("--participant", help="Only this participant's trials.")
    ] = None,
    speech: Annotated[
        Speech | None, typer.Option("--speech", help="Only this kind of speech.")
    ] = None,
    data: MaybeData = None,
    runs: Runs = Path("runs"),
    json: Json = False,
) -> None:
    """Draw a figure of the paper from run folders, or from files of `study` and `analyse`."""
    from sylvian.comparing import make_figure

    result = make_figure(
        name,
        source,
        out=out,
        runs=runs,
        split=split,
        against=against,
        participant=participant,
        speech=None if speech is None else speech.value,
        data=data,
    )
    finish(result, json, result.text())
