"""Options that several verbs have, and how every verb prints."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from sylvian.types import Progress

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object as the last line.")]
Data = Annotated[
    Path,
    typer.Option("--data", envvar="SYLVIAN_DATA", help="Folder of prepared corpora."),
]
Runs = Annotated[Path, typer.Option("--runs", envvar="SYLVIAN_RUNS", help="Folder of runs.")]
MaybeData = Annotated[
    Path | None,
    typer.Option(
        "--data",
        envvar="SYLVIAN_DATA",
        help="Folder of prepared corpora; default: where the run was trained from.",
    ),
]
Run = Annotated[str, typer.Argument(help="Run folder, or its name below --runs.")]
Split = Annotated[
    str,
    typer.Option(
        "--split",
        help="train, val, test or holdout; test/imagined (attempted, silent, ...): one strategy "
        "alone, also if the run was not trained on it.",
    ),
]


def once(verb: str, overrides: Sequence[str] = ()) -> None:
    """Let a verb that has many trainings be one process, before anything is loaded or written."""
    from sylvian.train.processes import check_single

    check_single(verb, overrides)


def finish(result: Any, as_json: bool, text: Any) -> None:
    """Print for a person, or one JSON line for a program; one of several processes does."""
    from rich.console import Console

    from sylvian.train.processes import leads

    if not leads():
        return
    if not as_json:
        Console(soft_wrap=True, highlight=False).print(text)
        return
    import json

    from sylvian.evaluate.report import plain

    typer.echo(json.dumps(plain(result), default=str, allow_nan=False))


@contextmanager
def drawn_progress() -> Iterator[Progress]:
    """Draw bars on standard error when a person is watching; stay silent otherwise."""
    from sylvian.train.processes import leads

    if not (leads() and sys.stderr.isatty()):
        from sylvian.types import silent

        yield silent
        return
    from rich.console import Console
    from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as Bars

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
        TextColumn("{task.fields[note]}", style="dim"),
    )
    with Bars(*columns, console=Console(stderr=True)) as bars:
        yield _drawer(bars)


def _drawer(bars: Any) -> Progress:
    tasks: dict[str, Any] = {}

    def draw(stage: str, done: int, total: int, note: str = "") -> None:
        if stage not in tasks:
            tasks[stage] = bars.add_task(stage, total=total, note=note)
        bars.update(tasks[stage], completed=done, total=total, note=note)

    return draw
