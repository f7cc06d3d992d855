"""The verb that says a rate, or refuses to."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from sylvian.cli.shared import Json, Run, Runs, Split, finish


class Unit(StrEnum):
    """What is counted."""

    per = "per"
    wer = "wer"
    cer = "cer"


def claim(
    run: Run,
    split: Split,
    unit: Annotated[Unit, typer.Option("--unit", help="Phonemes, words or letters.")] = Unit.wer,
    online: Annotated[
        bool, typer.Option("--online", help="Claim it for a decoder that runs while one speaks.")
    ] = False,
    runs: Runs = Path("runs"),
    json: Json = False,
) -> None:
    """Say a scored split's error rate in one sentence for a paper, or why it may not be said."""
    from sylvian import pipeline
    from sylvian.claiming import claim_rate

    result = claim_rate(pipeline.open_run(run, runs), split, unit=unit.value, online=online)
    finish(result, json, result.claim)
