"""The verb that assembles an audio-LLM where no published one can be fetched."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from sylvian.cli.shared import Json, drawn_progress, finish, once


def audio_llm(
    whisper: Annotated[
        Path,
        typer.Option("--whisper", help="Folder of a Whisper model: *.safetensors or model.bin."),
    ],
    text: Annotated[
        list[Path], typer.Option("--text", help="Text to be said aloud, one sentence a line.")
    ],
    out: Annotated[Path, typer.Option("--out", help="Folder to write: an audio-LLM.")],
    llm: Annotated[
        str, typer.Option("--llm", help="`smollm2`, a folder, or a hub's name.")
    ] = "smollm2",
    sentences: Annotated[
        int | None, typer.Option("--sentences", help="Sentences to say, held-out ones too.")
    ] = None,
    minutes: Annotated[
        float | None, typer.Option("--minutes", help="Most minutes for the second stage.")
    ] = None,
    seed: Annotated[int | None, typer.Option("--seed")] = None,
    overrides: Annotated[
        list[str] | None,
        typer.Option("--set", help="Other settings of HearingConfig, e.g. voice=flite/rms."),
    ] = None,
    json: Json = False,
) -> None:
    """Join Whisper's encoder to a language model, aligned on synthetic speech.

    Needs a synthesiser: flite (Debian) or hibari-tts (PyPI). What was heard is kept in OUT.heard,
    and a second call goes on from there.
    """
    from sylvian.audiollm import make_audio_llm

    once("audio-llm")
    named = {"sentences": sentences, "minutes": minutes, "seed": seed}
    settings = [f"{key}={value}" for key, value in named.items() if value is not None]
    with drawn_progress() as progress:
        result = make_audio_llm(
            whisper,
            llm,
            text,
            out=out,
            overrides=[*(overrides or ()), *settings],
            progress=progress,
        )
    finish(result, json, result.table())
