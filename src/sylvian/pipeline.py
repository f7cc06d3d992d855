"""The whole story, one function a verb. Read this file first.

| verb      | reads                  | leaves                                              |
|-----------|------------------------|-----------------------------------------------------|
| `fetch`   | an archive             | published files                                     |
| `prepare` | published files        | `data/<corpus>/`                                    |
| `pretrain`| `data/*/`              | `runs/pretraining-<digest>/checkpoint`              |
| `train`   | `data/<corpus>/`       | `runs/<recipe>-<digest>/checkpoint`                 |
| `decode`  | checkpoint, recordings | `<split>/{logits.safetensors, greedy, nbest}.jsonl` |
| `rescore` | `<split>/nbest.jsonl`  | the same lists with a language model's scores       |
| `tune`    | `val/nbest.jsonl`      | `decoder.json`                                      |
| `score`   | `<split>/*.jsonl`      | `<split>/scores.json`, `protocol.json`              |
| `report`  | run folders            | one HTML file                                       |

Each verb reads the files of the verbs before it, so it can be repeated alone.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from sylvian import config
from sylvian.errors import ConfigError
from sylvian.outcomes import ReportResult, ScoreResult
from sylvian.types import Progress, silent

if TYPE_CHECKING:
    from sylvian.data.check import CheckReport
    from sylvian.data.fetch import FetchReport
    from sylvian.data.prepare import PrepareReport
    from sylvian.outcomes import (
        DecodeResult,
        LmResult,
        PretrainResult,
        RescoreResult,
        TrainResult,
        TuneResult,
    )
    from sylvian.runs import RunFolder
    from sylvian.showing import Shown


# ---------------------------------------------------------------- recordings


def fetch_corpus(
    name: str, *, raw: Path, only: str | None = None, jobs: int = 4, progress: Progress = silent
) -> FetchReport:
    """Download the published files of a corpus, check them and unpack the archives.

    Args:
        name: The corpus.
        raw: Folder for the files; what is there is checked and kept.
        only: Pattern of the files wanted; None for those our reader needs.
        jobs: Files downloaded at the same time.
        progress: Told how far it is, in megabytes.

    Raises:
        ConfigError: no archive is known for this corpus.
        DataError: the archive wants a login or does not answer, a file is not the published one,
            or the disk has no room.
    """
    from sylvian.data.fetch import FetchConfig, fetch, home_of

    def megabytes(stage: str, done: int, total: int, note: str = "") -> None:
        progress(f"{stage} (MB)", done // 10**6, total // 10**6, note)

    careful = config.load(FetchConfig, {"jobs": jobs})
    return fetch(home_of(name), raw, only=only, config=careful, progress=megabytes)


def prepare_corpus(
    name: str, *, raw: Path, data: Path, jobs: int | None = None, progress: Progress = silent
) -> PrepareReport:
    """Read the published files of a corpus and store them, one HDF5 file per session.

    `synthetic` is simulated into `raw` first when nothing was simulated there yet.

    Args:
        name: The corpus.
        raw: Folder of the published files.
        data: Folder for prepared corpora.
        jobs: Processes, one session each; None for all cores, fewer for a small corpus.
        progress: Told how far it is.

    Raises:
        ConfigError: no corpus has this name, or `jobs` is not positive.
        DataError: a file is missing, damaged or not in the published layout.
    """
    from sylvian.data.corpora import corpus_class
    from sylvian.data.prepare import prepare
    from sylvian.data.synthetic import SyntheticConfig, simulate

    kind = corpus_class(name)
    if name == "synthetic" and not (raw / "synthetic.json").is_file():
        simulate(SyntheticConfig(), raw, progress=_staged(progress, "simulate"))
    return prepare(kind(raw), data, jobs=jobs, progress=_staged(progress, "prepare"))


def check_corpus(name: str, *, data: Path, progress: Progress = silent) -> CheckReport:
    """Hold the prepared files against their checksums and the corpus' published facts.

    Raises:
        DataError: nothing is prepared there, or its index is damaged.
    """
    from sylvian.data.check import check

    return check(name, data, progress=_staged(progress, "check"))


def _staged(progress: Progress, stage: str) -> Callable[[str, int, int], None]:
    """Report a room's own steps as the notes of one stage."""
    return lambda note, done, total: progress(stage, done, total, note)


# ------------------------------------------------------------------ training


def train(
    name: str,
    overrides: Sequence[str] = (),
    *,
    data: Path,
    runs: Path,
    resume: str | None = None,
    progress: Progress = silent,
) -> TrainResult:
    """Train an encoder by a recipe; choose the best epoch by phoneme error rate on `val`.

    What the recipe starts from is made first, or found: a pretraining, or an earlier task. The
    training loop is handed the train and val trials and nothing else. Repeating a finished
    experiment on the same data returns what it found.

    Raises:
        ConfigError: unknown recipe or key, other overrides than the run to resume, a folder in use.
        CheckpointError: the run was begun and not finished, and `resume` does not name it.
        DataError: the corpus is not prepared, or changed since the run to resume began.
    """
    from sylvian.jobs import labelled_trials, open_corpus
    from sylvian.recipes import build_recipe
    from sylvian.starting import make_start, run_experiment, settled
    from sylvian.training import begin_experiment, resume_experiment

    if resume is not None:
        experiment = resume_experiment(name, overrides, runs=runs, resume=resume)
    else:
        recipe = build_recipe(name, overrides)
        labelled_trials(recipe, open_corpus(recipe, data))  # before hours of work for nothing
        start = make_start(recipe, data=data, runs=runs, progress=progress)
        recipe = settled(recipe, start)
        experiment = begin_experiment(recipe, data=data, runs=runs, start=start)
    return run_experiment(experiment, data=data, progress=progress)


def pretrain(
    name: str,
    overrides: Sequence[str] = (),
    *,
    data: Path,
    runs: Path,
    progress: Progress = silent,
) -> PretrainResult:
    """Run the first stage of a recipe alone: learn from recordings without labels.

    `train` does so by itself. Repeating an interrupted pretraining continues it.

    Args:
        name: A recipe that pretrains.
        overrides: `corpus=NAME` and `participant=NAME` for whom it is meant, where the mix depends
            on that, and `mix.*`, `objective.*`, `encoder.*`, `train.*`.
        data: Folder of prepared corpora.
        runs: Folder of runs.
        progress: Told how far it is.

    Raises:
        ConfigError: unknown recipe or key, a mix that contradicts itself, or a folder in use.
        DataError: nothing that is prepared matches.
    """
    from sylvian.recipes import build_pretraining
    from sylvian.starting import run_pretraining, target_of

    own = [item for item in overrides if not item.startswith("participant=")]
    recipe = build_pretraining(name, own)
    return run_pretraining(recipe, target_of(overrides), data=data, runs=runs, progress=progress)


# ------------------------------------------------------------------ decoding


def build_lm(
    text: Sequence[Path], *, order: int, out: Path, progress: Progress = silent
) -> LmResult:
    """Estimate an n-gram with Kneser-Ney smoothing from text files, one sentence a line.

    Sentences are normalised as the benchmarks normalise transcripts.

    Raises:
        DataError: a file cannot be read, or holds no sentence.
    """
    from sylvian.decoding import train_lm

    return train_lm(text, order=order, out=out, progress=progress)


def decode(
    run: RunFolder,
    split: str,
    *,
    lm: str | None = None,
    lexicon: Path | None = None,
    overrides: Sequence[str] = (),
    data: Path | None = None,
    progress: Progress = silent,
) -> DecodeResult:
    """Run the best checkpoint over a split, then search: greedily, with an n-gram, or by speaking.

    An end-to-end run generates sentences. `joint=ctc` asks its phoneme head about them, too, and
    `joint=cascade` also an n-gram and the first pass.

    Args:
        run: A finished run.
        split: `train`, `val`, `test` or `holdout`, as the recipe's rule names them.
        lm: An ARPA file; `none`; None for the one it was tuned with, or a trigram of its sentences.
        lexicon: Pronunciations; None for CMUdict, with the model's other words pronounced by rule.
        overrides: Decoder settings, `key=value`; of end-to-end runs also `joint` and `generate.*`.
        data: Prepared corpora; None for where the run was trained from.
        progress: Told how far it is.

    Raises:
        CheckpointError: the run is unfinished or its checkpoint damaged.
        ConfigError: no such split, or an unknown setting.
        DecodeError: the language model or lexicon is unusable.
    """
    from sylvian import decoding
    from sylvian.jobs import Job, encode

    job = Job.open(run, split, data=data)
    setting = decoding.resolve(job, lm=lm, lexicon=lexicon, overrides=overrides)
    logits, seconds = encode(job, progress)
    find = decoding.search if setting.end_to_end is None else decoding.speak
    found = find(job, logits, setting, progress)
    return decoding.write_decodes(job, setting, found, seconds_encoder=seconds)


def rescore(
    run: RunFolder,
    split: str,
    *,
    llm: str | None = None,
    overrides: Sequence[str] = (),
    progress: Progress = silent,
) -> RescoreResult:
    """Have a causal language model read a split's n-bests; its scores stand beside the others.

    Args:
        run: A run whose split was decoded.
        split: The split.
        llm: `smollm2`, a folder or a hub's name; `none` takes the scores away again; None for the
            one the run was tuned with.
        overrides: How it reads, `key=value`.
        progress: Told how far it is.

    Raises:
        DataError: the split was not decoded with an n-gram.
        ConfigError, CheckpointError: no model is named, or none can be opened by that name.
    """
    from sylvian.jobs import Job
    from sylvian.rescoring import rescore_split

    return rescore_split(Job.open(run, split), llm=llm, overrides=overrides, progress=progress)


def tune(run: RunFolder, split: str = "val", *, progress: Progress = silent) -> TuneResult:
    """Choose the weights of acoustics, language models and words by a split's word error rate.

    Leaves `decoder.json`, which later decodes and scores of this run follow.

    Raises:
        ConfigError: the split is the one kept for reporting.
        DataError: the split was not decoded with an n-gram, or has no sentences.
    """
    from sylvian.jobs import Job
    from sylvian.tuning import tune_weights

    if split != "val":
        raise ConfigError(f"tune on val: {split} is for reporting and may choose nothing")
    return tune_weights(Job.open(run, split), progress)


# ------------------------------------------------------------------- scoring


def score(run: RunFolder, split: str) -> ScoreResult:
    """Hold a split's decodes against its labels; the protocol notes that it was looked at.

    Raises:
        DataError: the split was not decoded, or its labels are withheld.
    """
    from sylvian import decoding
    from sylvian.evaluate import Protocol
    from sylvian.jobs import Job

    job = Job.open(run, split)
    decodes = decoding.read_decodes(job)
    report, plain = decoding.rate(job, decodes)
    report.write(job.folder / "scores.json")
    plain.write(job.folder / "scores-greedy.json")
    protocol = Protocol.open(run.path)
    protocol.opened(split, [info.key for info in job.infos])
    notes = (*protocol.notes(split), *decodes.notes)
    return ScoreResult(str(run.path), split, decodes.decoder, report, plain, notes)


# ----------------------------------------------------------------- reporting


def report(runs: Sequence[RunFolder], out: Path) -> ReportResult:
    """Write one HTML file about runs: rates, curves, sessions, confusions, example decodes.

    Raises:
        ConfigError: a run is given twice.
        CheckpointError: a run is unfinished or damaged.
    """
    from sylvian.comparing import comparison_sheet
    from sylvian.figures.report import build_report
    from sylvian.reporting import run_report

    build_report([run_report(run) for run in runs], out, comparison=comparison_sheet(runs))
    return ReportResult(str(out), len(runs))


def open_run(name: str, runs: Path) -> RunFolder:
    """Find a run by its path or its name below `runs`.

    Raises:
        CheckpointError: there is no such run.
    """
    from sylvian.runs import RunFolder

    return RunFolder.open(name, runs)


def show(what: str, overrides: Sequence[str] = (), *, runs: Path) -> Shown:
    """Explain what there is: `corpora`, `recipes`, or one corpus, recipe or run by name.

    Raises:
        ConfigError: nothing has that name.
    """
    from sylvian import showing

    return showing.show(what, overrides, runs=runs)
