"""The verb that looks at what runs represent: analyse."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sylvian.cli.shared import Json, MaybeData, Runs, Split, drawn_progress, finish


def analyse(
    name: Annotated[
        str,
        typer.Argument(
            help="rsa: distances among sentences against a language model's; pca: words in a "
            "plane; lda: are attempted and imagined trials told apart; cka: how alike layers are; "
            "words: is an imagined word near the same word attempted."
        ),
    ],
    run: Annotated[list[str], typer.Argument(help="One or more runs; cka takes one or two.")],
    out: Annotated[
        Path | None,
        typer.Option(
            "--out", help="Folder for JSON, CSV, PDF and PNG; default: analyses/ in the first run."
        ),
    ] = None,
    split: Split = "val",
    llm: Annotated[
        str,
        typer.Option("--llm", help="Language model for rsa: `smollm2`, a folder, a hub's name."),
    ] = "smollm2",
    participant: Annotated[
        str | None, typer.Option("--participant", help="Whose trials, where a run has several.")
    ] = None,
    overrides: Annotated[
        list[str] | None,
        typer.Option("--set", help="Setting key=value, e.g. rsa.method=spearman or seed=1."),
    ] = None,
    data: MaybeData = None,
    runs: Runs = Path("runs"),
    json: Json = False,
) -> None:
    """Analyse what runs represent of a split, layer by layer: numbers and a figure."""
    from sylvian import pipeline
    from sylvian.analysing import analyse as look

    with drawn_progress() as progress:
        result = look(
            name,
            [pipeline.open_run(one, runs) for one in run],
            split,
            out=out,
            llm=llm,
            participant=participant,
            overrides=overrides or (),
            data=data,
            progress=progress,
        )
    finish(result, json, result.table())
