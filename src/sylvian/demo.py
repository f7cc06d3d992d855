"""The main job on simulated participants: every verb once, on files in the published layouts."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path
from tempfile import TemporaryFile
from typing import TYPE_CHECKING

from sylvian import pipeline
from sylvian.errors import SylvianError
from sylvian.types import Progress, silent

if TYPE_CHECKING:
    from rich.table import Table

    from sylvian.data.synthetic import SyntheticConfig
    from sylvian.evaluate import ScoreReport
    from sylvian.runs import RunFolder

RECIPES = ("rnn", "all")
QUICK = ("rnn", "tfs")
SPLIT = "test"  # weights and epochs are chosen on val
_LLM = (  # a language model that reads phonemes after two minutes on one core
    "width=96",
    "layers=2",
    "vocabulary=1000",
    "learning_rate=6e-3",
    "batch_tokens=320",
    "epochs=3",
    "heard=0.9",
    "prompted=0.05",
)


@dataclass(frozen=True, slots=True)
class Row:
    """One line of `results.json`; rates are fractions, None where there was nothing to score."""

    participant: str
    recipe: str
    decoder: str
    split: str
    per: float | None
    wer: float | None
    wer_low: float | None
    wer_high: float | None
    n_trials: int
    seconds: float


@dataclass(frozen=True, slots=True)
class DemoResult:
    """What the demonstration made."""

    rows: tuple[Row, ...]
    results: str
    report: str
    seconds: float

    def tables(self) -> Table:
        """Draw the rows for the terminal."""
        from rich.table import Table

        table = Table(
            title=f"Simulated participants, {SPLIT} split: nothing was chosen on these trials",
            caption=f"In brackets: 95 % bootstrap intervals over trials. {self.seconds:.0f} s in "
            f"all.\n{self.report}\n{self.results}",
            title_justify="left",
            caption_justify="left",
        )
        for name in ("who", "recipe", "decoder"):
            table.add_column(name, no_wrap=True)
        for name in ("trials", "PER %", "WER %", "seconds"):
            table.add_column(name, justify="right", no_wrap=True)
        previous = ""
        for row in self.rows:
            if previous and previous != row.participant:
                table.add_section()
            previous = row.participant
            table.add_row(*_cells(row))
        return table


def run_demo(out: Path, *, quick: bool = False, progress: Progress = silent) -> DemoResult:
    """Simulate, prepare, pretrain, train, build language models, decode, tune, score, report.

    What an earlier demonstration left in `out` is used again, so that an interrupted one goes on.

    Args:
        out: Folder for everything: raw, data, runs, report.html and results.json.
        quick: One participant who speaks fewer and shorter sentences, without pretraining and
            without going end to end, in under two minutes.
        progress: Told how far each stage is.

    Raises:
        SylvianError: `out` holds something else, or cannot be written.
    """
    from sylvian.data.synthetic import MonkeyConfig, SyntheticConfig

    started = time.perf_counter()
    config = SyntheticConfig.quick() if quick else SyntheticConfig.demo()
    lm = _recordings(out, config, progress)
    runs: list[RunFolder] = []
    rows: list[Row] = []
    text = lm.with_name("prompts.txt")
    with nullcontext() if quick else taught_beside(text, out / "lm" / "small") as taught:
        for participant in config.participants:
            if isinstance(participant, MonkeyConfig):
                continue  # is pretrained on, and says nothing
            for recipe in QUICK if quick else RECIPES:
                runs.append(_train(out, recipe, _overrides(participant.name), progress))
                rows += _decode(runs[-1], participant.name, recipe, lm, progress)
            if taught is not None:
                spoken = [*_overrides(participant.name), *_end_to_end(runs[-1], taught())]
                runs.append(_train(out, "end_to_end", spoken, progress))
                rows += _speak(runs[-1], participant.name, lm, progress)
    results, report = out / "results.json", out / "report.html"
    pipeline.report(runs, report)
    results.write_text(json.dumps([asdict(row) for row in rows], indent=1) + "\n")
    seconds = time.perf_counter() - started
    return DemoResult(tuple(rows), str(results), str(report), seconds)


def _recordings(out: Path, config: SyntheticConfig, progress: Progress) -> Path:
    """Simulate the corpus, prepare it, and build an n-gram of text in the prompts' style."""
    from sylvian.data.store import PreparedCorpus
    from sylvian.data.synthetic import lm_text, simulate

    raw, data = out / "raw", out / "data"
    if not (raw / "synthetic.json").is_file():
        simulate(config, raw, progress=lambda note, done, all_: progress("simulate", done, all_))
    pipeline.prepare_corpus("synthetic", raw=raw, data=data, progress=progress)
    lm = out / "lm" / "prompts-3gram.arpa.gz"
    if not lm.is_file():
        lm.parent.mkdir(parents=True, exist_ok=True)
        infos = PreparedCorpus.open(data, "synthetic").infos
        held_out = {i.sentence for i in infos if i.split != "train" and i.sentence}
        text = lm.with_name("prompts.txt")
        text.write_text("\n".join(lm_text(20_000, seed=config.seed, exclude=held_out)) + "\n")
        pipeline.build_lm([text], order=3, out=lm, progress=progress)
    return lm


@contextmanager
def taught_beside(
    text: Path, folder: Path, overrides: Sequence[str] = _LLM
) -> Iterator[Callable[[], Path]]:
    """Teach a small language model a text, and to read it from what is heard of it, meanwhile.

    It learns on one core by a command of its own, while encoders are trained; what is given waits
    for it. Leaving before it is done ends it.

    Args:
        text: Sentences.
        folder: Where the model is saved; one that is there is used again.
        overrides: Settings of `sylvian llm`.

    Raises:
        SylvianError: it failed; raised by what is given.
    """
    if (folder / "smalllm.json").is_file():
        yield lambda: folder
        return
    start = "from sylvian.cli import main; main()"
    command = [sys.executable, "-c", start, "llm", str(text), "--out", str(folder), *overrides]
    with TemporaryFile("w+", encoding="utf-8") as said:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=said,
            env=os.environ | {"OMP_NUM_THREADS": "1"},
        )

        def waited() -> Path:
            if process.wait():
                said.seek(0)
                raise SylvianError(said.read().strip().removeprefix("sylvian: "))
            return folder

        try:
            yield waited
        finally:
            process.terminate()
            process.wait()


def _overrides(participant: str) -> list[str]:
    return ["corpus=synthetic", f"participant={participant}", "splits=bit"]


def _end_to_end(phonemes: RunFolder, llm: Path) -> list[str]:
    """Go on from a run that learnt phonemes, before a language model that reads them."""
    return [
        "start.kind=checkpoint",
        f"start.path={phonemes.path.resolve()}",
        f"end_to_end.llm.name={llm.resolve()}",
        "end_to_end.speech.projector.kind=phonemes",
        "end_to_end.n_validated=32",
        "train.epochs=6",
    ]


def _train(out: Path, recipe: str, overrides: Sequence[str], progress: Progress) -> RunFolder:
    """Train by one recipe for one participant, or go on where an interrupted demo stopped."""
    from sylvian.recipes import build_recipe
    from sylvian.runs import RunFolder

    data, runs = out / "data", out / "runs"
    begun = [run for run in _begun(runs) if run.recipe == build_recipe(recipe, overrides)]
    name = f"{recipe} {overrides[1].partition('=')[2]}"
    result = pipeline.train(
        recipe,
        () if begun else overrides,
        data=data,
        runs=runs,
        resume=str(begun[0].path) if begun else None,
        progress=lambda stage, done, total, note="": progress(
            f"{name}: {stage}", done, total, note
        ),
    )
    return RunFolder.open(result.run, runs)


def _begun(runs: Path) -> Iterator[RunFolder]:
    from sylvian.runs import RunFolder

    for path in sorted(runs.glob("*/recipe.json")):
        run = RunFolder.open(path.parent, runs)
        if not run.is_pretraining:
            yield run


def _decode(
    run: RunFolder, participant: str, recipe: str, lm: Path, progress: Progress
) -> Iterator[Row]:
    """Choose the weights on val, then decode and score the reporting split once."""
    if run.read_optional("decoder.json") is None:
        pipeline.decode(run, "val", lm=str(lm), progress=progress)
        pipeline.tune(run, progress=progress)
    decoded = pipeline.decode(run, SPLIT, progress=progress)
    score = pipeline.score(run, SPLIT)
    trained = run.training["seconds"] + decoded.seconds_encoder
    yield _row(participant, recipe, "greedy", score.greedy, trained)
    yield _row(participant, recipe, "ngram", score.report, trained + decoded.seconds_search)


def _speak(run: RunFolder, participant: str, lm: Path, progress: Progress) -> Iterator[Row]:
    """Score what the language model says alone, and, weighed on val, together with the cascade."""
    if run.read_optional("decoder.json") is None:
        pipeline.decode(run, "val", lm=str(lm), overrides=["joint=cascade"], progress=progress)
        pipeline.tune(run, progress=progress)
    for decoder, joint in (("alone", "alone"), ("with ngram", "cascade")):
        decoded = pipeline.decode(run, SPLIT, overrides=[f"joint={joint}"], progress=progress)
        seconds = run.training["seconds"] + decoded.seconds_encoder + decoded.seconds_search
        yield _row(
            participant, run.recipe.name, decoder, pipeline.score(run, SPLIT).report, seconds
        )


def _row(participant: str, recipe: str, decoder: str, report: ScoreReport, seconds: float) -> Row:
    rates = {row["unit"]: row for row in report.to_json()["scores"] if row["group"] == "all"}
    return Row(
        participant=participant,
        recipe=recipe,
        decoder=decoder,
        split=SPLIT,
        per=rates["per"]["rate"],
        wer=rates["wer"]["rate"],
        wer_low=rates["wer"]["low"],
        wer_high=rates["wer"]["high"],
        n_trials=report.n_trials,
        seconds=round(seconds, 1),
    )


def _cells(row: Row) -> Iterator[str]:
    yield from (row.participant, row.recipe, row.decoder, str(row.n_trials), _percent(row.per))
    interval = f"({_percent(row.wer_low)}\N{EN DASH}{_percent(row.wer_high)})"
    yield f"{_percent(row.wer)} {interval}"
    yield f"{row.seconds:.0f}"


def _percent(rate: float | None) -> str:
    return "\N{EN DASH}" if rate is None else f"{100 * rate:.1f}"
