"""The verb that trains a language model for rescoring and end-to-end recipes."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sylvian.cli.shared import Json, drawn_progress, finish, once


def llm(
    text: Annotated[
        list[str],
        typer.Argument(help="Text files, one sentence a line, and settings key=value."),
    ],
    out: Annotated[Path, typer.Option("--out", help="Folder to write, for --llm.")],
    json: Json = False,
) -> None:
    """Train a small causal language model from scratch, in about a minute; or teach a given one.

    Settings, e.g. epochs=5 width=128 layers=3 vocabulary=3000 seed=0, are those of
    `SmallLmConfig`; base=smollm2 heard=0.8 teaches SmolLM2 to read phonemes.
    """
    from sylvian.smalllm import train_small_lm

    once("llm")
    settings = [one for one in text if "=" in one and not Path(one).exists()]
    paths = [Path(one) for one in text if one not in settings]
    if not paths:
        raise typer.BadParameter("give at least one text file", param_hint="TEXT")
    with drawn_progress() as progress:
        result = train_small_lm(paths, out=out, overrides=settings, progress=progress)
    finish(result, json, result.table())
