"""Verbs from runs to sentences and rates: lm build, decode, rescore, tune, score, report."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sylvian.cli.shared import Json, MaybeData, Run, Runs, Split, drawn_progress, finish
from sylvian.text import counted


def lm_build(
    text: Annotated[list[Path], typer.Option("--text", help="Text, one sentence a line.")],
    out: Annotated[Path, typer.Option("--out", help="ARPA file to write (.gz compresses).")],
    order: Annotated[int, typer.Option("--order", min=1, max=5)] = 3,
    json: Json = False,
) -> None:
    """Estimate a Kneser-Ney n-gram from text files and write it as ARPA."""
    from sylvian import pipeline

    with drawn_progress() as progress:
        result = pipeline.build_lm(text, order=order, out=out, progress=progress)
    counts = ", ".join(f"{n:,} {k}-grams" for k, n in enumerate(result.n_ngrams, start=1))
    finish(result, json, f"{out}: {result.n_sentences:,} sentences; {counts}")


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
        list[str] | None,
        typer.Option(
            "--set",
            help="Decoder key=value, e.g. acoustic_scale=0.5 or word_set=50-word (no other words); "
            "of an end-to-end run generate.*, words, llm.name and llm.dtype (where the language "
            "model is now), and joint=alone, ctc or cascade: what else is asked about its "
            "sentences.",
        ),
    ] = None,
    data: MaybeData = None,
    runs: Runs = Path("runs"),
    json: Json = False,
) -> None:
    """Turn a split's recordings into phonemes and sentences, n-best with scores apart."""
    from sylvian import pipeline

    with drawn_progress() as progress:
        result = pipeline.decode(
            pipeline.open_run(run, runs),
            split,
            lm=lm,
            lexicon=lexicon,
            overrides=overrides or (),
            data=data,
            progress=progress,
        )
    done = f"{counted(result.n_trials, 'trial')} of {split} decoded into {result.nbest}"
    finish(result, json, "\n".join([done, *result.warnings]))


def rescore(
    run: Run,
    split: Split,
    llm: Annotated[
        str | None,
        typer.Option(
            "--llm",
            help="`smollm2`, a folder of safetensors, a .gguf file, a hub's name such as "
            "facebook/opt-6.7b, or `none` to undo; default: the one the run was tuned with.",
        ),
    ] = None,
    overrides: Annotated[
        list[str] | None, typer.Option("--set", help="How it reads, key=value, e.g. style=plain.")
    ] = None,
    runs: Runs = Path("runs"),
    json: Json = False,
) -> None:
    """Let a causal language model read a split's n-bests; `tune` then chooses its weight."""
    from sylvian import pipeline

    with drawn_progress() as progress:
        result = pipeline.rescore(
            pipeline.open_run(run, runs),
            split,
            llm=llm,
            overrides=overrides or (),
            progress=progress,
        )
    finish(result, json, result.text())


def tune(
    run: Run,
    split: Split = "val",
    runs: Runs = Path("runs"),
    json: Json = False,
) -> None:
    """Choose the decoder's weights on the n-bests of the val split."""
    from sylvian import pipeline

    with drawn_progress() as progress:
        result = pipeline.tune(pipeline.open_run(run, runs), split, progress=progress)
    finish(result, json, result.text())


def score(
    run: Run,
    split: Split,
    runs: Runs = Path("runs"),
    json: Json = False,
) -> None:
    """Compare decodes with the truth: PER, WER, CER with 95 % intervals, by group."""
    from sylvian import pipeline

    result = pipeline.score(pipeline.open_run(run, runs), split)
    finish(result.summary(), json, result.table())


def report(
    run: Annotated[list[str], typer.Argument(help="One or more runs.")],
    out: Annotated[Path, typer.Option("--out", help="HTML file to write.")],
    runs: Runs = Path("runs"),
    json: Json = False,
) -> None:
    """Write one HTML file: curves, error rates by session, confusions, example decodes."""
    from sylvian import pipeline

    written = pipeline.report([pipeline.open_run(name, runs) for name in run], out)
    finish(written, json, f"{written.report}: {counted(written.n_runs, 'run')}")
