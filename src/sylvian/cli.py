"""The command line: names, flags and printing; the work is in `sylvian.pipeline`.

Exit status: 0 done, 1 bad input (one sentence on standard error), 2 usage. With `--json` the last
line of standard output is one JSON object. Progress goes to standard error.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from sylvian.errors import SylvianError

if TYPE_CHECKING:
    from sylvian.types import Progress

app = typer.Typer(
    name="sylvian",
    help="From intracortical recordings of speech to sentences, with honest error rates.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
lm_app = typer.Typer(help="Language models for the first pass.", no_args_is_help=True)
app.add_typer(lm_app, name="lm")

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
Split = Annotated[str, typer.Option("--split", help="train, val, test or holdout.")]


def main() -> None:
    """Run the command line and turn errors a user can mend into one sentence.

    With `SYLVIAN_DEBUG=1` or `--debug` anywhere the traceback is kept.
    """
    # Threads that spin while they wait for each other slow a shared machine down tenfold and more.
    os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
    debug = "--debug" in sys.argv or os.environ.get("SYLVIAN_DEBUG") == "1"
    sys.argv = [argument for argument in sys.argv if argument != "--debug"]
    try:
        app()
    except SylvianError as failure:
        if debug:
            raise
        typer.echo(f"sylvian: {failure}", err=True)
        sys.exit(1)


@app.callback()
def root() -> None:
    """From intracortical recordings of speech to sentences, with honest error rates.

    Add --debug anywhere to see a traceback instead of one sentence.
    """


@app.command()
def demo(
    out: Annotated[Path, typer.Option("--out", help="Folder for everything made.")] = Path("demo"),
    quick: Annotated[bool, typer.Option("--quick", help="A smaller one, under 2 minutes.")] = False,
    json: Json = False,
) -> None:
    """Run the whole story on simulated participants: recordings in, sentences and rates out."""
    from sylvian.demo import run_demo

    with _progress() as progress:
        result = run_demo(out, quick=quick, progress=progress)
    _finish(result, json, result.tables())


@app.command()
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

    with _progress() as progress:
        report = pipeline.fetch_corpus(corpus, raw=raw, only=only, jobs=jobs, progress=progress)
    _finish(report, json, report.text())


@app.command()
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

    with _progress() as progress:
        report = pipeline.prepare_corpus(corpus, raw=raw, data=data, jobs=jobs, progress=progress)
    for warning in report.warnings:
        typer.echo(f"warning: {warning}", err=True)
    counts = ", ".join(f"{count} {split}" for split, count in report.trials.items())
    _finish(report, json, f"{corpus}: {report.n_sessions} sessions; trials: {counts}")


@app.command()
def check(
    corpus: Annotated[str, typer.Argument(help="A prepared corpus.")],
    data: Data,
    json: Json = False,
) -> None:
    """Hold the prepared files against their checksums and the corpus' published facts."""
    from sylvian import pipeline

    with _progress() as progress:
        report = pipeline.check_corpus(corpus, data=data, progress=progress)
    _finish(report, json, f"{corpus}: {len(report.problems) or 'no'} problems")
    for problem in report.problems:
        typer.echo(f"sylvian: {problem}", err=True)
    if report.problems:
        raise typer.Exit(1)


@app.command()
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
    _finish(shown.data, json, shown.text)


@app.command()
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

    with _progress() as progress:
        result = pipeline.pretrain(recipe, overrides or (), data=data, runs=runs, progress=progress)
    _finish(result, json, result.table())


@app.command()
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

    with _progress() as progress:
        result = pipeline.train(
            recipe, overrides or (), data=data, runs=runs, resume=resume, progress=progress
        )
    _finish(
        result,
        json,
        f"{result.run}: best val PER {result.val_per:.2%} at epoch {result.best_epoch} "
        f"of {result.epochs} ({result.seconds:.0f} s)",
    )


@app.command()
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

    chosen = SweepConfig(draws=draws, asha=asha, jobs=jobs, address=address)
    with _progress() as progress:
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
    _finish(result.summary(), json, result.table())


@app.command()
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

    named = [item for item in checkpoints if "=" not in item]
    overrides = [item for item in checkpoints if "=" in item]
    with _progress() as progress:
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
    _finish(result, json, result.table())


@app.command()
def study(
    name: Annotated[str, typer.Argument(help="table4, table8, table9 or figure8.")],
    overrides: Annotated[
        list[str] | None,
        typer.Argument(
            help="corpus=NAME, key=value for every row, ROW:key=value for one of them alone."
        ),
    ] = None,
    data: Data = Path("data"),
    runs: Runs = Path("runs"),
    seeds: Annotated[int, typer.Option("--seeds", min=1, help="Trainings of each row.")] = 3,
    out: Annotated[Path | None, typer.Option("--out", help="JSON file for the table.")] = None,
    figure: Annotated[
        Path | None, typer.Option("--figure", help="Draw it: PDF, PNG and CSV of this name.")
    ] = None,
    json: Json = False,
) -> None:
    """Run one of the paper's tables on a prepared corpus: every row, several seeds, intervals."""
    from sylvian.studies import run_study

    with _progress() as progress:
        result = run_study(
            name, overrides or (), data=data, runs=runs, seeds=seeds, out=out, progress=progress
        )
    if figure is not None:
        from sylvian.studies.figure import save_study

        save_study(result, figure)
    _finish(result, json, result.table())


@app.command()
def decode(
    run: Run,
    split: Split,
    lm: Annotated[
        str | None,
        typer.Option(
            "--lm",
            help="ARPA file, or `none` for greedy only; default: the tuned one, else a 3-gram of "
            "the run's training sentences.",
        ),
    ] = None,
    lexicon: Annotated[
        Path | None, typer.Option("--lexicon", help="Pronunciations; default: CMUdict.")
    ] = None,
    overrides: Annotated[
        list[str] | None, typer.Option("--set", help="Decoder key=value, e.g. acoustic_scale=0.5.")
    ] = None,
    data: MaybeData = None,
    runs: Runs = Path("runs"),
    json: Json = False,
) -> None:
    """Turn a split's recordings into phonemes and sentences, n-best with scores apart."""
    from sylvian import pipeline

    with _progress() as progress:
        result = pipeline.decode(
            pipeline.open_run(run, runs),
            split,
            lm=lm,
            lexicon=lexicon,
            overrides=overrides or (),
            data=data,
            progress=progress,
        )
    _finish(result, json, f"{result.n_trials} trials of {split} decoded into {result.nbest}")


@app.command()
def tune(
    run: Run,
    split: Split = "val",
    runs: Runs = Path("runs"),
    json: Json = False,
) -> None:
    """Choose the decoder's weights on the n-bests of the val split."""
    from sylvian import pipeline

    with _progress() as progress:
        result = pipeline.tune(pipeline.open_run(run, runs), split, progress=progress)
    _finish(result, json, result.text())


@app.command()
def score(
    run: Run,
    split: Split,
    runs: Runs = Path("runs"),
    json: Json = False,
) -> None:
    """Compare decodes with the truth: PER, WER, CER with 95 % intervals, by group."""
    from sylvian import pipeline

    result = pipeline.score(pipeline.open_run(run, runs), split)
    _finish(result.summary(), json, result.table())


@app.command()
def report(
    run: Annotated[list[str], typer.Argument(help="One or more runs.")],
    out: Annotated[Path, typer.Option("--out", help="HTML file to write.")],
    runs: Runs = Path("runs"),
    json: Json = False,
) -> None:
    """Write one HTML file: curves, error rates by session, confusions, example decodes."""
    from sylvian import pipeline

    written = pipeline.report([pipeline.open_run(name, runs) for name in run], out)
    _finish(
        written, json, f"{written.report}: {written.n_runs} run{'' if written.n_runs == 1 else 's'}"
    )


@lm_app.command("build")
def lm_build(
    text: Annotated[list[Path], typer.Option("--text", help="Text, one sentence a line.")],
    out: Annotated[Path, typer.Option("--out", help="ARPA file to write (.gz compresses).")],
    order: Annotated[int, typer.Option("--order", min=1, max=5)] = 3,
    json: Json = False,
) -> None:
    """Estimate a Kneser-Ney n-gram from text files and write it as ARPA."""
    from sylvian import pipeline

    with _progress() as progress:
        result = pipeline.build_lm(text, order=order, out=out, progress=progress)
    counts = ", ".join(f"{n:,} {k}-grams" for k, n in enumerate(result.n_ngrams, start=1))
    _finish(result, json, f"{out}: {result.n_sentences:,} sentences; {counts}")


def _finish(result: Any, as_json: bool, text: Any) -> None:
    """Print for a person, or one JSON line for a program; one of several processes does."""
    from rich.console import Console

    from sylvian.train.processes import leads

    if not leads():
        return
    if not as_json:
        Console(soft_wrap=True, highlight=False).print(text)
        return
    import dataclasses
    import json

    is_noun = dataclasses.is_dataclass(result) and not isinstance(result, type)
    plain = dataclasses.asdict(result) if is_noun else result
    typer.echo(json.dumps(plain, default=str, allow_nan=False))


@contextmanager
def _progress() -> Iterator[Progress]:
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
