"""Verbs that train many runs by themselves: demo, sweep, probe, study."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sylvian.cli.shared import Data, Json, Runs, drawn_progress, finish, once


def demo(
    out: Annotated[Path, typer.Option("--out", help="Folder for everything made.")] = Path("demo"),
    quick: Annotated[bool, typer.Option("--quick", help="A smaller one, under 2 minutes.")] = False,
    json: Json = False,
) -> None:
    """Run the whole story on simulated participants: recordings in, sentences and rates out."""
    from sylvian.demo import run_demo

    once("demo")
    with drawn_progress() as progress:
        result = run_demo(out, quick=quick, progress=progress)
    finish(result, json, result.tables())


def sweep(
    recipe: Annotated[str, typer.Argument(help="A recipe: rnn or tfs.")],
    overrides: Annotated[
        list[str] | None, typer.Argument(help="corpus=NAME and other key=value of every draw.")
    ] = None,
    data: Data = Path("data"),
    runs: Runs = Path("runs"),
    out: Annotated[
        Path | None,
        typer.Option("--out", help="Folder of the search; default: below --runs, by its digest."),
    ] = None,
    draws: Annotated[int, typer.Option("--draws", min=1, help="How many draws in all.")] = 30,
    space: Annotated[
        list[str] | None,
        typer.Option(
            "--space",
            help="key=choice(a,b,...), key=uniform(low,high) or key=loguniform(low,high), once "
            "for each key; default: batch size, learning rate and weight decay of BIT's Table 12.",
        ),
    ] = None,
    asha: Annotated[
        bool, typer.Option("--asha/--no-asha", help="Stop draws whose PER falls behind.")
    ] = True,
    jobs: Annotated[int | None, typer.Option("--jobs", min=1, help="Most draws at a time.")] = None,
    address: Annotated[
        str | None,
        typer.Option("--address", help="A Ray cluster, host:port or auto; default: this machine."),
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set", help="More key=value: seed, grace_epochs, reduction_factor, cpus, gpus."
        ),
    ] = None,
    json: Json = False,
) -> None:
    """Search hyperparameters: train random draws of a recipe on Ray Tune, best val PER first.

    Repeating the command continues an interrupted sweep. Needs `pip install 'sylvian[sweep]'`.
    """
    from sylvian import config
    from sylvian.sweep import SweepConfig, parse_space, run_sweep

    once("sweep")
    chosen = SweepConfig(draws=draws, asha=asha, jobs=jobs, address=address)
    with drawn_progress() as progress:
        result = run_sweep(
            recipe,
            overrides or (),
            data=data,
            runs=runs,
            out=out,
            space=parse_space(space or ()),
            settings=config.override(chosen, settings or ()),
            progress=progress,
        )
    finish(result.summary(), json, result.table())


def probe(
    checkpoints: Annotated[
        list[str],
        typer.Argument(
            help="Pretraining runs, or folders of saved models, and key=value overrides, of which "
            "corpus=NAME is needed."
        ),
    ],
    data: Data = Path("data"),
    runs: Runs = Path("runs"),
    seeds: Annotated[int, typer.Option("--seeds", min=1, help="Fine-tunings of each.")] = 3,
    epochs: Annotated[int, typer.Option("--epochs", min=1, help="The budget of each.")] = 10,
    out: Annotated[Path | None, typer.Option("--out", help="JSON file for the table.")] = None,
    json: Json = False,
) -> None:
    """Fine-tune pretrained trunks briefly under one budget, beside the same one from scratch."""
    from sylvian.studies import probe as run_probe

    once("probe", checkpoints)
    named = [item for item in checkpoints if "=" not in item]
    overrides = [item for item in checkpoints if "=" in item]
    with drawn_progress() as progress:
        result = run_probe(
            named,
            overrides,
            data=data,
            runs=runs,
            seeds=seeds,
            epochs=epochs,
            out=out,
            progress=progress,
        )
    finish(result, json, result.table())


def study(
    name: Annotated[
        str, typer.Argument(help="table4, table8, table9, transfer, figure8, figure3 or systems.")
    ],
    overrides: Annotated[
        list[str] | None,
        typer.Argument(
            help="corpus=NAME, key=value for every row, ROW:key=value for one of them alone."
        ),
    ] = None,
    data: Data = Path("data"),
    runs: Runs = Path("runs"),
    seeds: Annotated[int, typer.Option("--seeds", min=1, help="Trainings of each row.")] = 3,
    row: Annotated[
        list[str] | None,
        typer.Option("--row", help="Run this row alone, and the one compared with; repeatable."),
    ] = None,
    llm: Annotated[
        str | None,
        typer.Option("--llm", help="Language model of the end-to-end rows; default: the recipe's."),
    ] = None,
    larger: Annotated[
        str | None, typer.Option("--larger", help="figure3: a larger one of its kind.")
    ] = None,
    other: Annotated[
        str | None, typer.Option("--other", help="figure3: one of another kind.")
    ] = None,
    audio: Annotated[str | None, typer.Option("--audio", help="figure3: an audio-LLM.")] = None,
    rescorer: Annotated[
        str | None, typer.Option("--rescorer", help="systems: reads the cascade's candidates.")
    ] = None,
    lm: Annotated[
        Path | None,
        typer.Option("--lm", help="systems: ARPA file; default: of the training sentences."),
    ] = None,
    out: Annotated[Path | None, typer.Option("--out", help="JSON file for the table.")] = None,
    figure: Annotated[
        Path | None, typer.Option("--figure", help="Draw it: PDF, PNG and CSV of this name.")
    ] = None,
    json: Json = False,
) -> None:
    """Run one of the paper's tables on a prepared corpus: every row, several seeds, intervals.

    A row whose language model is not given is left out, and named below the table.
    """
    from sylvian.studies import LanguageModels, run_study

    once("study", overrides or ())
    models = LanguageModels(llm, larger, other, audio, rescorer, lm)
    with drawn_progress() as progress:
        result = run_study(
            name,
            overrides or (),
            data=data,
            runs=runs,
            seeds=seeds,
            rows=row or (),
            models=models,
            out=out,
            progress=progress,
        )
    if figure is not None:
        from sylvian.studies.figure import save_study

        save_study(result, figure)
    finish(result, json, result.table())
