"""The verb that makes one answer out of several runs'."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from sylvian.cli.shared import Json, Runs, Split, drawn_progress, finish


class By(StrEnum):
    """Names of the mergers."""

    MBR = "mbr"
    LLM = "llm"
    PROMPT = "prompt"
    LOGITS = "logits"


class Mean(StrEnum):
    """Means of probabilities."""

    GEOMETRIC = "geometric"
    ARITHMETIC = "arithmetic"


def merge(
    run: Annotated[list[str], typer.Argument(help="Two or more runs, such as seeds of a recipe.")],
    split: Split,
    by: Annotated[
        By,
        typer.Option(
            "--by",
            help="mbr: fewest expected wrong words, a vote each; llm: votes swayed by a language "
            "model; prompt: a language model is asked; logits: averaged before the search, into a "
            "run of its own.",
        ),
    ] = By.MBR,
    llm: Annotated[
        str | None,
        typer.Option("--llm", help="For llm and prompt: `smollm2`, a folder, a hub's name."),
    ] = None,
    weight: Annotated[
        float | None,
        typer.Option("--weight", min=0, help="For llm: its weight; default: chosen on val."),
    ] = None,
    mean: Annotated[
        Mean, typer.Option("--mean", help="For logits: which mean of probabilities.")
    ] = Mean.GEOMETRIC,
    lm: Annotated[
        str | None,
        typer.Option("--lm", help="For logits: ARPA file; default: the one the runs were given."),
    ] = None,
    overrides: Annotated[
        list[str] | None,
        typer.Option("--set", help="How the language model reads or is asked, key=value."),
    ] = None,
    out: Annotated[
        Path | None, typer.Option("--out", help="JSON lines for candidates and expected errors.")
    ] = None,
    runs: Runs = Path("runs"),
    json: Json = False,
) -> None:
    """Merge what several runs made of a split; show the gain over the best, and the cost."""
    from sylvian import pipeline
    from sylvian.merging import MergeConfig, merge_runs

    how = MergeConfig(by=by.value, llm=llm, weight=weight, mean=mean.value, lm=lm)
    with drawn_progress() as progress:
        result = merge_runs(
            [pipeline.open_run(name, runs) for name in run],
            split,
            how=how,
            overrides=overrides or (),
            out=out,
            progress=progress,
        )
    finish(result, json, result.table())
