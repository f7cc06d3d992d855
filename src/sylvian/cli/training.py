"""Verbs that train one encoder: pretrain and train."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sylvian.cli.shared import Data, Json, Runs, drawn_progress, finish


def pretrain(
    recipe: Annotated[
        str, typer.Argument(help="A recipe that pretrains; see `sylvian show recipes`.")
    ],
    overrides: Annotated[
        list[str] | None,
        typer.Argument(
            help="corpus=NAME [participant=NAME] for whom it is meant, and key=value overrides "
            "of mix, objective, encoder and train."
        ),
    ] = None,
    data: Data = Path("data"),
    runs: Runs = Path("runs"),
    json: Json = False,
) -> None:
    """Learn from recordings without labels; `train` does so by itself where a recipe asks for it.

    Says how well hidden bins of held-out blocks are filled in, beside simple baselines. An
    interrupted pretraining goes on when its command is repeated.
    """
    from sylvian import pipeline

    with drawn_progress() as progress:
        result = pipeline.pretrain(recipe, overrides or (), data=data, runs=runs, progress=progress)
    finish(result, json, result.table())


def train(
    recipe: Annotated[str, typer.Argument(help="A recipe; see `sylvian show recipes`.")],
    overrides: Annotated[
        list[str] | None, typer.Argument(help="corpus=NAME and other key=value overrides.")
    ] = None,
    data: Data = Path("data"),
    runs: Runs = Path("runs"),
    resume: Annotated[
        str | None, typer.Option("--resume", help="Continue this run from its last epoch.")
    ] = None,
    json: Json = False,
) -> None:
    """Train an encoder on a prepared corpus; the best epoch is chosen on the val split."""
    from sylvian import pipeline

    with drawn_progress() as progress:
        result = pipeline.train(
            recipe, overrides or (), data=data, runs=runs, resume=resume, progress=progress
        )
    finish(
        result,
        json,
        f"{result.run}: best {result.validated} at epoch {result.best_epoch} "
        f"of {result.epochs} ({result.seconds:.0f} s)",
    )
