"""Puts a model card together, section by section."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from sylvian import config
from sylvian.cards.stages import corpora_of, data_of, seeds_of
from sylvian.decoding import Basis, basis
from sylvian.errors import ConfigError
from sylvian.evaluate.files import write_text
from sylvian.evaluate.protocol import Protocol
from sylvian.evaluate.report import ALL, UNITS, ScoreReport
from sylvian.evaluate.table import percent
from sylvian.jobs import Trainings, trainings
from sylvian.runs import RunFolder

if TYPE_CHECKING:
    from sylvian.models.encoder import Encoder

NAME = "card.md"

INTENDED = (
    "Research on decoding speech from intracortical recordings, and communication aids for the "
    "participant it was trained on, used with that person's say. It knows this participant's "
    "electrodes; on anybody else's recordings it is meaningless.",
    "It is no medical device. Its sentences can be fluent and wrong; show them as a guess, with "
    "their confidence, to the person who meant them, before anybody else.",
    "Never to read what somebody did not mean to say: no decoding while the person has it switched "
    "off, no storing of what was not released by them.",
)
RECORDED = (
    "The recordings of people are of people who consented to research with them and to their "
    "publication under the licences above; that is consent neither to surveillance nor to decoding "
    "of inner speech."
)
SIMULATED = (
    "The recordings are simulated: nobody was recorded. Error rates on them say that the software "
    "works, and nothing about any person."
)
UNRECORDED = (
    "What the first training used is not on record here; those recordings may be of people."
)
CONSENT = (
    "Whoever runs this model on a living person needs that person's own consent, which they can "
    "take back at any time, and a way for them to switch it off.",
    "The weights hold traces of the training recordings and sentences. Ask the data's owner before "
    "publishing weights trained on recordings that are not public.",
)


@dataclass(frozen=True, slots=True)
class CardResult:
    """A model card on disk."""

    run: str
    card: str


def write_card(
    run: RunFolder, out: Path | None = None, *, licence: str | None = None
) -> CardResult:
    """Write the card of a run's model.

    Args:
        run: A finished run.
        out: The file; None for `card.md` in the run folder.
        licence: Licence of the weights; None: the card says that none was granted.

    Raises:
        CheckpointError: training has not finished, or the model cannot be read.
        ConfigError: the run only pretrained.
    """
    path = out or run.path / NAME
    write_text(path, model_card(run, licence=licence))
    return CardResult(str(run.path), str(path))


def model_card(run: RunFolder, *, licence: str | None = None) -> str:
    """Put together everything one should know before using a run's model, as plain text.

    Args:
        run: A finished run.
        licence: Licence of the weights.

    Raises:
        CheckpointError: training has not finished, or the model cannot be read.
        ConfigError: the run only pretrained.
    """
    if run.is_pretraining:
        raise ConfigError(f"{run.path}: pretrained only; it says nothing yet, so it has no card")
    past = trainings(run)
    sections: Mapping[str, Iterable[str]] = {
        "What it is": _model(run),
        "Data": data_of(past),
        "Choices": Protocol.open(run.path).notes(),
        "Error rates": _rates(run),
        "Decoder": _decoders(run),
        "Causality": _causality(run),
        "Seeds": seeds_of(past),
        "Files": _files(run.best),
        "Licence": [
            f"Weights: {licence}." if licence else "Weights: none granted; ask whoever made them.",
            "Software: Apache-2.0.",
        ],
        "Intended use": INTENDED,
        "Consent": (*_recorded(past), *CONSENT),
    }
    body = "\n\n".join(f"## {title}\n\n{_listed(lines)}" for title, lines in sections.items())
    return f"# {run.path.name}\n\n{body}\n"


def _listed(lines: Iterable[str]) -> str:
    """Make list items of sentences; table rows, headings and blank lines stay as they are."""
    return "\n".join(x if not x or x.startswith(("|", "###")) else f"- {x}" for x in lines)


def _model(run: RunFolder) -> Iterator[str]:
    recipe, environment, outcome = run.recipe, run.environment, run.training
    yield (
        f"Turns recordings into phonemes: {recipe.encoder.kind} encoder, "
        f"{outcome['n_parameters']:,} trained parameters, best of {outcome['epochs']} epochs "
        f"({outcome['best_epoch']})."
    )
    if recipe.end_to_end is not None:
        yield (
            f"A language model, {recipe.end_to_end.llm.name}, reads its latents and writes "
            "sentences; its own weights, their licence and its faults are its makers'."
        )
    yield f"Recipe {recipe.name}, digest {config.digest(recipe)}; begun {environment['started']}."
    start = environment.get("start")
    told = f"{start['path']} (sha256 {start['sha256']})" if start else "random weights"
    yield f"Started from {told}."
    packages = environment["packages"]
    yield (
        f"Made by sylvian {packages['sylvian']} at commit {environment['commit'] or 'unknown'}, "
        f"torch {packages['torch']}, Python {environment['python']}: `{environment['command']}`."
    )


def _decoders(run: RunFolder) -> Iterator[str]:
    """Say what found the words of each scored split; equal decoders in one line."""
    yield "Phonemes are the encoder's own, read greedily."
    by: dict[str, list[str]] = {}
    for split in run.scored:
        if found := basis(run, split):
            by.setdefault(_decoder(found), []).append(split)
    for told, splits in by.items():
        yield f"Words of {', '.join(splits)}: {told}."


def _decoder(found: Basis) -> str:
    sources = ", ".join(one.told() for one in found.sources)
    weights = ", ".join(f"{name}={value:.4g}" for name, value in found.weights.items())
    how = f"{found.how}: {weights}" if weights else found.how
    return "; ".join(part for part in (sources, how) if part)


def _rates(run: RunFolder) -> Iterator[str]:
    if not run.scored:
        yield "Not scored yet on any split."
        return
    yield "In percent, all errors over all reference tokens; in brackets 95 % bootstrap intervals."
    yield ""
    yield "| split | trials | PER | WER | CER |"
    yield "|---|---|---|---|---|"
    for split in run.scored:
        report = ScoreReport.read(run.split(split) / "scores.json")
        apart = report.groups("strategy:")
        alone = ", zero-shot" if report.zero_shot and len(apart) == 1 else ""
        yield _rate(f"{split}{alone}", report, ALL)
        for group in apart if len(apart) > 1 else ():
            name = group.partition(":")[2]
            told = f"{name}, zero-shot" if name in report.zero_shot else name
            yield _rate(f"{split}, {told}", report, group)


def _rate(name: str, report: ScoreReport, group: str) -> str:
    scores = [report.find(unit, group) for unit in UNITS]
    n = max(score.n_trials if score else 0 for score in scores)
    return f"| {name} | {n} | {' | '.join(map(percent, scores))} |"


def _causality(run: RunFolder) -> Iterator[str]:
    encoder = _encoder(run)
    seen = encoder.lookahead_bins
    told = "the whole trial" if seen is None else f"{seen} bins beyond its own"
    yield f"A frame of {encoder.frame_bins} bins depends on {told}."
    if run.environment["corpus"]["sees_future"]:
        yield (
            "Features were normalised with bins from their future, so error rates are offline "
            "rates; real time would need another normalisation."
        )
    else:
        yield "Features were normalised with nothing from their future."
    yield "The n-gram search is left to right; rescoring reads whole sentences."


def _encoder(run: RunFolder) -> Encoder:
    from sylvian.models.speechllm_files import load_ctc

    return load_ctc(run.best).encoder


def _recorded(past: Trainings) -> Iterator[str]:
    """Say whether anybody was recorded, in any of the trainings."""
    yield SIMULATED if corpora_of(past) == {"synthetic"} else RECORDED
    if past.lost:
        yield UNRECORDED


def _files(folder: Path) -> Iterator[str]:
    yield "sha256 of `checkpoint/best`:"
    yield ""
    yield "| file | sha256 |"
    yield "|---|---|"
    for path in sorted(path for path in folder.iterdir() if path.is_file()):
        with path.open("rb") as file:
            yield f"| {path.name} | {hashlib.file_digest(file, 'sha256').hexdigest()} |"
