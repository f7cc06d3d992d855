"""Verbs for recordings: fetch, prepare, check; and show, which explains what there is."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sylvian.cli.shared import Data, Json, Runs, drawn_progress, finish


def fetch(
    corpus: Annotated[str, typer.Argument(help="A corpus; see `sylvian show corpora`.")],
    raw: Annotated[Path, typer.Option("--raw", help="Folder for the published files.")],
    only: Annotated[
        str | None,
        typer.Option("--only", help="Pattern of the files wanted; default: those we read."),
    ] = None,
    jobs: Annotated[int, typer.Option("--jobs", min=1, max=16, help="Files at a time.")] = 4,
    json: Json = False,
) -> None:
    """Download the published files of a corpus, resumable and checked, and unpack them.

    Where an archive wants a login, the message says how to get a token and which environment
    variable to put it into.
    """
    from sylvian import pipeline

    with drawn_progress() as progress:
        report = pipeline.fetch_corpus(corpus, raw=raw, only=only, jobs=jobs, progress=progress)
    finish(report, json, report.text())


def prepare(
    corpus: Annotated[str, typer.Argument(help="A corpus; see `sylvian show corpora`.")],
    raw: Annotated[Path, typer.Option("--raw", help="Folder with the published files.")],
    data: Data,
    jobs: Annotated[
        int | None,
        typer.Option("--jobs", min=1, help="Sessions at a time; default: one a core, if it pays."),
    ] = None,
    json: Json = False,
) -> None:
    """Read a published corpus once and store it, checked, one HDF5 file per session."""
    from sylvian import pipeline

    with drawn_progress() as progress:
        report = pipeline.prepare_corpus(corpus, raw=raw, data=data, jobs=jobs, progress=progress)
    for warning in report.warnings:
        typer.echo(f"warning: {warning}", err=True)
    counts = ", ".join(f"{count} {split}" for split, count in report.trials.items())
    finish(report, json, f"{corpus}: {report.n_sessions} sessions; trials: {counts}")


def check(
    corpus: Annotated[str, typer.Argument(help="A prepared corpus.")],
    data: Data,
    json: Json = False,
) -> None:
    """Hold the prepared files against their checksums and the corpus' published facts."""
    from sylvian import pipeline

    with drawn_progress() as progress:
        report = pipeline.check_corpus(corpus, data=data, progress=progress)
    done = ", ".join(f"{n} {strategy}" for strategy, n in report.strategies.items())
    finish(report, json, f"{corpus}: {done}; {len(report.problems) or 'no'} problems")
    for problem in report.problems:
        typer.echo(f"sylvian: {problem}", err=True)
    if report.problems:
        raise typer.Exit(1)


def show(
    what: Annotated[
        str,
        typer.Argument(help="`corpora`, `recipes`, or the name of a corpus, a recipe or a run."),
    ],
    overrides: Annotated[list[str] | None, typer.Argument(help="key=value for a recipe.")] = None,
    runs: Runs = Path("runs"),
    json: Json = False,
) -> None:
    """Explain what there is: corpora and where to get them, recipes and all their keys, a run."""
    from sylvian import pipeline

    shown = pipeline.show(what, overrides or (), runs=runs)
    finish(shown.data, json, shown.text)
