"""Verbs about how sure to be: calibrate, abstain."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sylvian.cli.shared import Json, Run, Runs, Split, finish


def calibrate(
    run: Run,
    most_wrong: Annotated[
        float,
        typer.Option("--most-wrong", help="Word error rate allowed among sentences shown."),
    ] = 0.05,
    runs: Runs = Path("runs"),
    json: Json = False,
) -> None:
    """Learn on the val split how sure to be of sentences and words, and from where on to abstain.

    All numbers printed are cross-fitted: of sentences that the confidence was not learnt on.
    """
    from sylvian import pipeline
    from sylvian.confiding import calibrate as learn

    result = learn(pipeline.open_run(run, runs), most_wrong=most_wrong)
    finish(result, json, result.text())


def abstain(
    run: Run,
    split: Split,
    out: Annotated[Path, typer.Option("--out", help="JSON lines to write.")],
    runs: Runs = Path("runs"),
    json: Json = False,
) -> None:
    """Write a split's sentences with their confidence; doubtful ones are withheld."""
    from sylvian import pipeline
    from sylvian.confiding import abstain as withhold

    result = withhold(pipeline.open_run(run, runs), split, out)
    finish(result, json, result.text())
