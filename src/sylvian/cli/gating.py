"""Verbs of the keyword gate: gate learn, gate run."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sylvian.cli.shared import Json, MaybeData, Run, Runs, Split, drawn_progress, finish

Lexicon = Annotated[
    Path | None, typer.Option("--lexicon", help="Pronunciations; default: CMUdict.")
]


def learn(
    run: Run,
    keyword: Annotated[
        str, typer.Option("--keyword", help="What unlocks: a whole utterance, one word or more.")
    ],
    split: Split = "val",
    most_false: Annotated[
        float,
        typer.Option("--most-false", help="Share of other utterances that may unlock, at 95 %."),
    ] = 0.05,
    lexicon: Lexicon = None,
    out: Annotated[
        Path | None, typer.Option("--out", help="Figure (PDF); default: beside the split's files.")
    ] = None,
    data: MaybeData = None,
    runs: Runs = Path("runs"),
    json: Json = False,
) -> None:
    """Learn on the val split from which score on a keyword unlocks; leaves gate.json."""
    from sylvian import pipeline
    from sylvian.gating import learn_gate

    with drawn_progress() as progress:
        result = learn_gate(
            pipeline.open_run(run, runs),
            keyword,
            split=split,
            most_false=most_false,
            lexicon=lexicon,
            out=out,
            data=data,
            progress=progress,
        )
    finish(result, json, result.text())


def run_gate(
    run: Run,
    split: Split,
    out: Annotated[
        Path | None, typer.Option("--out", help="JSON lines; default: the split's gated.jsonl.")
    ] = None,
    keyword: Annotated[
        str | None, typer.Option("--keyword", help="What is meant to unlock; default: as learnt.")
    ] = None,
    open_s: Annotated[
        float, typer.Option("--open-s", help="Seconds it stays open after the last utterance.")
    ] = 30.0,
    lock_word: Annotated[
        str | None, typer.Option("--lock-word", help="A sentence that locks at once.")
    ] = None,
    pause_s: Annotated[
        float, typer.Option("--pause-s", help="Seconds between trials of a block.")
    ] = 3.0,
    block_pause_s: Annotated[
        float, typer.Option("--block-pause-s", help="Seconds between blocks.")
    ] = 120.0,
    lm: Annotated[str | None, typer.Option("--lm", help="As for decode.")] = None,
    lexicon: Lexicon = None,
    overrides: Annotated[
        list[str] | None, typer.Option("--set", help="Decoder key=value, as for decode.")
    ] = None,
    off: Annotated[
        bool, typer.Option("--off", help="Switched off: nothing is heard, decoded or stored.")
    ] = False,
    data: MaybeData = None,
    runs: Runs = Path("runs"),
    json: Json = False,
) -> None:
    """Play a split's recordings to the locked gate; only what it lets through is decoded."""
    from sylvian import config, pipeline
    from sylvian.gating import ClockConfig
    from sylvian.gating import run_gate as play

    with drawn_progress() as progress:
        result = play(
            pipeline.open_run(run, runs),
            split,
            out=out,
            keyword=keyword,
            open_s=open_s,
            lock_word=lock_word,
            clock=config.load(ClockConfig, {"pause_s": pause_s, "block_pause_s": block_pause_s}),
            lm=lm,
            lexicon=lexicon,
            overrides=overrides or (),
            data=data,
            off=off,
            progress=progress,
        )
    finish(result, json, result.text())
