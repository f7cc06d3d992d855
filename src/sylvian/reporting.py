"""Gather from a run folder everything its report says."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal, NamedTuple

from sylvian import config
from sylvian.decoding import compare, read_decodes
from sylvian.errors import DataError
from sylvian.evaluate import Confusions, Protocol, ScoreReport, count_confusions
from sylvian.figures.report import Decode, RunReport, SplitScores, epoch_rows
from sylvian.jobs import Job
from sylvian.runs import RunFolder
from sylvian.text import normalize_sentence


def run_report(run: RunFolder) -> RunReport:
    """Collect recipe, environment, curves, scores, confusions and decodes of a finished run.

    What was not scored is left out; the report says so where it would have stood.

    Raises:
        CheckpointError: training has not finished.
    """
    outcome = run.training
    recipe = run.recipe
    scores = tuple(_scores(run))
    shown = _reported(scores)
    job = _job(run, shown) if shown else None
    examples = _decodes(job) if job else _Examples(None, (), "words", "greedy")
    return RunReport(
        name=run.path.name,
        participants=tuple(run.environment["corpus"]["participants"])
        if recipe.participant is None
        else (recipe.participant,),
        encoder=recipe.encoder.kind,
        decoder=examples.decoder,
        scores=scores,
        recipe=tuple((key, str(value)) for key, value in config.flatten(recipe)),
        environment=tuple(_environment(run.environment)),
        metrics=epoch_rows(_metrics(run.path / "metrics.csv")),
        confusions=examples.confusions,
        confusions_split=shown or "val",
        decodes=examples.decodes,
        decodes_split=shown or "val",
        decodes_unit=examples.unit,
        protocol=tuple(Protocol.open(run.path).notes()),
        warnings=tuple(_warnings(run, job)),
        seconds=outcome["seconds"],
        trial=job.corpus.read(job.infos[0].key) if job else None,
        channels=_channels(job),
    )


def _scores(run: RunFolder) -> Iterator[SplitScores]:
    for split in run.scored:
        made = (run.read_optional(f"{split}/decode.json") or {})["result"]
        seconds = made["seconds_encoder"] + made["seconds_search"]
        yield SplitScores(split, ScoreReport.read(run.split(split) / "scores.json"), seconds)


def _reported(scores: tuple[SplitScores, ...]) -> str | None:
    """Choose the split whose decodes are shown: the reporting one where it was scored."""
    found = [one.split for one in scores]
    for name in ("test", "val", "train"):
        own = [split for split in found if split.partition("/")[0] == name]
        if own:
            return own[0]
    return None


def _job(run: RunFolder, split: str) -> Job | None:
    """Open the split's trials; None where the recordings are no longer at hand."""
    try:
        return Job.open(run, split)
    except DataError:
        return None


class _Examples(NamedTuple):
    confusions: Confusions | None
    decodes: tuple[Decode, ...]
    unit: Literal["words", "phonemes"]
    decoder: str


def _decodes(job: Job) -> _Examples:
    found = read_decodes(job)
    decoder = found.decoder.replace("ngram", "n-gram")
    phonemes = [
        (info.phonemes, found.greedy[info.key].best.tokens) for info in job.infos if info.phonemes
    ]
    results = compare(job, found.greedy, found.nbest)
    decodes = tuple(
        Decode(
            key=str(result.info.key),
            truth=normalize_sentence(result.reference),
            hypothesis=result.hypothesis,
            n_errors=result.wer_counts.n_errors,
        )
        for result in results
        if result.wer_counts is not None
    )
    if decodes:
        return _Examples(count_confusions(phonemes), decodes, "words", decoder)
    spelled = (
        Decode(
            key=str(result.info.key),
            truth=" ".join(result.info.phonemes or ()),
            hypothesis=" ".join(found.greedy[result.info.key].best.tokens),
            n_errors=result.per_counts.n_errors,
        )
        for result in results
        if result.per_counts is not None
    )
    return _Examples(count_confusions(phonemes), tuple(spelled), "phonemes", decoder)


def _environment(environment: dict[str, Any]) -> Iterator[tuple[str, str]]:
    plain = ("command", "started", "commit", "python", "platform", "n_cpus", "data_digest")
    yield from ((name, str(environment[name])) for name in plain)
    yield from ((name, str(version)) for name, version in environment["packages"].items())
    start = environment.get("start")
    yield "trunk from", f"{start['path']} ({start['sha256'][:8]})" if start else "random weights"
    corpus = environment["corpus"]
    yield from ((name, str(corpus[name])) for name in ("title", "licence", "citation"))


def _metrics(path: Path) -> list[dict[str, str]]:
    if not path.is_file():
        return []
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def _warnings(run: RunFolder, job: Job | None) -> Iterator[str]:
    impossible = run.training["n_impossible"]
    if impossible:
        yield (
            f"{impossible} training trials have fewer frames than their labels need and taught "
            "the model nothing."
        )
    made = run.read_optional(f"{job.split}/decode.json") if job else None
    yield from made["result"]["warnings"] if made else ()
    yield from job.learnt.unknown if job else ()
    if job is None and run.scored:
        yield "The prepared recordings are no longer at hand, so no decode can be shown."


def _channels(job: Job | None) -> tuple[tuple[str, str, int, int], ...]:
    if job is None:
        return ()
    facts = job.corpus.facts.participants[job.infos[0].key.participant]
    return tuple((g.array, g.feature, g.start, g.stop) for g in facts.channels)
