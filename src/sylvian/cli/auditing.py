"""Verbs that look closer at what was decoded: errors."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sylvian.cli.shared import Json, Run, Runs, Split, finish


def errors(
    run: Run,
    split: Split,
    out: Annotated[Path, typer.Option("--out", help="Folder for figures, CSV and errors.json.")],
    runs: Runs = Path("runs"),
    json: Json = False,
) -> None:
    """Analyse the errors of a decoded split: phonemes, words, where they are, what the LM repaired.

    Writes figures with the plotted numbers beside them.
    """
    from sylvian import pipeline
    from sylvian.auditing import audit_errors

    result = audit_errors(pipeline.open_run(run, runs), split, out)
    finish(result, json, result.text())
