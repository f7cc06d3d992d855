"""What a row's run is worth: edits of every trial, decoded as the row says."""

from __future__ import annotations

from collections.abc import Container
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from sylvian import pipeline
from sylvian.errors import DataError
from sylvian.studies.lines import LanguageModels, System
from sylvian.types import EditCounts, Progress, TrialInfo, TrialKey

if TYPE_CHECKING:
    from sylvian.jobs import Job
    from sylvian.runs import RunFolder

_JOINT = {"alone": "alone", "ctc": "ctc", "joint": "cascade"}


@dataclass(frozen=True, slots=True)
class Judged:
    """What was found, and where.

    Attributes:
        run: Whose decodes were counted: a system's own run, or its phoneme stage.
        counts: Edits, trial by trial in the order of the keys.
    """

    run: RunFolder
    counts: tuple[EditCounts, ...]


def judge(
    run: RunFolder,
    system: System,
    split: str,
    models: LanguageModels,
    progress: Progress,
    *,
    only: Container[TrialKey] | None = None,
) -> Judged:
    """Decode a split as a system does and count its errors.

    Weights are chosen on val wherever a system has several; what an earlier `tune` left in the run
    is replaced. Nothing but `split` is counted, and the protocol notes that it was looked at.

    Args:
        run: A finished run.
        system: How it is decoded.
        split: What is counted.
        models: Whom a system asks.
        progress: Told how far it is.
        only: The split's trials that are counted; None: all.

    Raises:
        SylvianError: as `pipeline.decode`, `pipeline.tune` and `pipeline.rescore`.
    """
    if system == "greedy":
        return Judged(run, _phoneme_edits(run, split, progress, only))
    if system in ("cascade", "rescored"):
        run = stage_of(run)
        _cascade(run, split, models, progress, again=system == "rescored")
    else:
        _speak(run, system, split, models, progress)
    return Judged(run, _word_edits(run, split, only))


def stage_of(run: RunFolder) -> RunFolder:
    """Find the run that another one started from.

    Raises:
        DataError: it started from none.
    """
    from sylvian.runs import RunFolder

    start = run.environment.get("start")
    if not start:
        raise DataError(f"{run.path}: starts from no other run, so there is no cascade to decode")
    return RunFolder(Path(start["path"]).parent.parent)


def _cascade(
    run: RunFolder, split: str, models: LanguageModels, progress: Progress, *, again: bool
) -> None:
    """Decode with an n-gram, and have a language model read the candidates if `again`."""
    _forget(run)
    pipeline.decode(run, "val", lm=_ngram(models), progress=progress)
    pipeline.tune(run, progress=progress)
    if again:  # lists of the penalty that was chosen, read, and weighed anew
        pipeline.decode(run, "val", progress=progress)
        pipeline.rescore(run, "val", llm=models.rescorer, progress=progress)
        pipeline.tune(run, progress=progress)
    pipeline.decode(run, split, progress=progress)
    if again:
        pipeline.rescore(run, split, progress=progress)


def _speak(
    run: RunFolder, system: System, split: str, models: LanguageModels, progress: Progress
) -> None:
    """Generate sentences, and weigh them with what else the system asks."""
    _forget(run)
    told = [f"joint={_JOINT[system]}"]
    if system == "alone":
        pipeline.decode(run, split, overrides=told, progress=progress)
        return
    lm = _ngram(models) if system == "joint" else None
    told += [f"blank_penalty={_penalty(run, models, progress)}"] if system == "joint" else []
    pipeline.decode(run, "val", lm=lm, overrides=told, progress=progress)
    pipeline.tune(run, progress=progress)
    pipeline.decode(run, split, progress=progress)


def _penalty(run: RunFolder, models: LanguageModels, progress: Progress) -> float:
    """Give the blank penalty that the cascade of the same phonemes was tuned to."""
    stage = stage_of(run)
    if stage.read_optional("decoder.json") is None:
        pipeline.decode(stage, "val", lm=_ngram(models), progress=progress)
        pipeline.tune(stage, progress=progress)
    told = stage.read_optional("decoder.json") or {}
    return float(told["decode"]["blank_penalty"])


def _forget(run: RunFolder) -> None:
    """Take away what was tuned before: the same study gives the same numbers."""
    (run.path / "decoder.json").unlink(missing_ok=True)


def _ngram(models: LanguageModels) -> str | None:
    return str(models.ngram) if models.ngram else None


def _word_edits(
    run: RunFolder, split: str, only: Container[TrialKey] | None
) -> tuple[EditCounts, ...]:
    """Count the word errors of what was decoded last; trials without words count nothing."""
    from sylvian.decoding import compare, read_decodes
    from sylvian.evaluate import Protocol
    from sylvian.jobs import Job

    job = Job.open(run, split)
    decodes = read_decodes(job)
    keys = [info.key for info in _counted(job, only)]
    Protocol.open(run.path).opened(split, keys)
    found = {one.info.key: one.wer_counts for one in compare(job, decodes.greedy, decodes.nbest)}
    return tuple(found[key] or EditCounts() for key in sorted(keys))


def _phoneme_edits(
    run: RunFolder, split: str, progress: Progress, only: Container[TrialKey] | None
) -> tuple[EditCounts, ...]:
    """Count the phoneme errors of greedy decoding."""
    from sylvian.decode.greedy import greedy
    from sylvian.evaluate import Protocol, count_edits
    from sylvian.jobs import Job, encode

    job = Job.open(run, split)
    logits = {own.key: own for own in encode(job, progress)[0]}
    infos = _counted(job, only)
    Protocol.open(run.path).opened(split, [info.key for info in infos])
    return tuple(
        count_edits(info.phonemes or (), greedy(logits[info.key]).tokens)
        for info in sorted(infos, key=lambda info: info.key)
    )


def _counted(job: Job, only: Container[TrialKey] | None) -> list[TrialInfo]:
    """List the spoken trials of a split that are meant."""
    from sylvian.jobs import spoken

    meant = [info for info in job.infos if only is None or info.key in only]
    return spoken(meant, job.split)
