"""Verbs about how sure to be: calibrate, abstain."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sylvian.cli.shared import Json, Run, Runs, Split, finish


def calibrate(
    run: Run,
    split: Split = "val",
    most_wrong: Annotated[
        float,
        typer.Option("--most-wrong", help="Word error rate allowed among sentences shown."),
    ] = 0.05,
    runs: Runs = Path("runs"),
    json: Json = False,
) -> None:
    """Learn on val, or a part of it, how sure to be of sentences and words, and when to abstain.

    Confidences are cross-fitted: each is of maps that were learnt without its sentence. The
    threshold is chosen on all sentences; what it shows elsewhere may be more often wrong, so it is
    the upper end of a 95 % interval that has to be below --most-wrong.
    """
    from sylvian import pipeline
    from sylvian.confiding import calibrate as learn

    result = learn(pipeline.open_run(run, runs), split, most_wrong=most_wrong)
    finish(result, json, result.text())


def abstain(
    run: Run,
    split: Split,
    out: Annotated[Path, typer.Option("--out", help="JSON lines to write.")],
    runs: Runs = Path("runs"),
    json: Json = False,
) -> None:
    """Write a split's sentences with their confidence; doubtful ones are withheld.

    Refused where the split's lists or speech are of another kind than confidence was learnt from.
    """
    from sylvian import pipeline
    from sylvian.confiding import abstain as withhold

    result = withhold(pipeline.open_run(run, runs), split, out)
    finish(result, json, result.text())
