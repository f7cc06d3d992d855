"""Training and judging the rows of a study."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from sylvian import pipeline
from sylvian.errors import CheckpointError, ConfigError
from sylvian.evaluate.report import plain
from sylvian.recipes import EarlierTask, Phonemes, Pretraining, Recipe, build_recipe
from sylvian.studies.cells import RULE, Cell, columns, grouped, said
from sylvian.studies.choosing import STUDIES, only, overrides_of, possible
from sylvian.studies.judging import judge
from sylvian.studies.lines import LanguageModels, Line, Study
from sylvian.studies.outcome import StudyResult, StudyRow, winners
from sylvian.types import EditCounts, Progress, silent

if TYPE_CHECKING:
    from sylvian.runs import RunFolder


def run_study(
    name: str,
    overrides: Sequence[str],
    *,
    data: Path,
    runs: Path,
    seeds: int = 3,
    rows: Sequence[str] = (),
    models: LanguageModels | None = None,
    out: Path | None = None,
    progress: Progress = silent,
) -> StudyResult:
    """Run one of the paper's tables on a prepared corpus.

    Args:
        name: One of `STUDIES`.
        overrides: `corpus=NAME` and whatever `sylvian train` takes; `start.*` reaches the rows
            that start from another training, `encoder.*` the Transformers, and `ROW:key=value` one
            row or group of rows alone.
        data: Folder of prepared corpora.
        runs: Folder of runs.
        seeds: Trainings of each row, seeds 0, 1, ...; earlier stages are repeated with each, and
            shared by the rows of one seed.
        rows: Labels of the rows to run, beside the row that is compared with; none: all.
        models: Whom studies of sentences ask.
        out: JSON file for the table.
        progress: Told how far it is.

    Raises:
        ConfigError: no such study, row, corpus, or key.
        SylvianError: as `pipeline.train`.
    """
    if name not in STUDIES:
        raise ConfigError(f"no study {name!r}; studies are: {', '.join(STUDIES)}")
    models = models or LanguageModels()
    study, notes = possible(only(STUDIES[name], rows), overrides, models, data)
    asked = _Asked(tuple(overrides), data, runs, "test", models)
    return _run(study, asked, seeds=seeds, notes=notes, out=out, progress=progress)


def probe(
    checkpoints: Sequence[str],
    overrides: Sequence[str],
    *,
    data: Path,
    runs: Path,
    seeds: int = 3,
    epochs: int = 10,
    out: Path | None = None,
    progress: Progress = silent,
) -> StudyResult:
    """Fine-tune saved trunks briefly under one budget, beside the same encoder from scratch.

    Judged on `val`, because whoever compares trunks is choosing one.

    Args:
        checkpoints: Pretraining runs, or folders of saved models, of one encoder size.
        overrides: `corpus=NAME` and whatever `sylvian train` takes.
        data: Folder of prepared corpora.
        runs: Folder of runs.
        seeds: Fine-tunings of each.
        epochs: The budget: passes over the labelled training trials.
        out: JSON file for the table.
        progress: Told how far it is.

    Raises:
        CheckpointError: there is no such model, or the trunks differ in size.
        ConfigError: no such corpus or key.
    """
    from sylvian.models.pretrained import trunk_sizes
    from sylvian.training import saved_model

    if not checkpoints:
        raise ConfigError("probe: which trunk? name at least one pretraining run")
    folders = [saved_model(name, runs) for name in checkpoints]
    trunks = [trunk_sizes(folder) for folder in folders]
    sizes = [f"encoder.{key}={value}" for key, value in trunks[0].items()]
    for folder, trunk in zip(folders, trunks, strict=True):
        if trunk != trunks[0]:
            raise ConfigError(
                f"{folder}: a trunk of other sizes than {folders[0]}; probe them apart, each "
                "beside its own encoder from scratch"
            )
    labels = _names(folders)
    starts = [json.dumps({"kind": "checkpoint", "path": str(f.resolve())}) for f in folders]
    lines = [Line("from scratch", "tfs", (*sizes,))]
    lines += [
        Line(label, "tfs", (*sizes, f"start={start}"))
        for label, start in zip(labels, starts, strict=True)
    ]
    study = Study(f"Probe: {epochs} epochs of fine-tuning", tuple(lines), against="from scratch")
    budget = [f"train.epochs={epochs}", *overrides]
    asked = _Asked(tuple(budget), data, runs, "val", LanguageModels())
    return _run(study, asked, seeds=seeds, notes=(), out=out, progress=progress)


def _names(folders: Sequence[Path]) -> list[str]:
    """Call runs by their names, and other models by their folders."""
    return [
        folder.parent.parent.name if folder.parent.name == "checkpoint" else folder.name
        for folder in folders
    ]


@dataclass(frozen=True, slots=True)
class _Asked:
    """What all rows of a study share."""

    overrides: tuple[str, ...]
    data: Path
    runs: Path
    split: str
    models: LanguageModels

    @property
    def corpus(self) -> str:
        found = said(self.overrides, "corpus")
        if found is None:
            raise ConfigError("which corpus? add corpus=NAME, e.g. corpus=card2024")
        return found


def _run(
    study: Study,
    asked: _Asked,
    *,
    seeds: int,
    notes: tuple[str, ...],
    out: Path | None,
    progress: Progress,
) -> StudyResult:
    started = time.perf_counter()
    if seeds < 1:
        raise ConfigError("a study needs at least one seed; three tell something about training")
    cells, left_out = columns(study, asked.corpus, asked.overrides, asked.data, split=asked.split)
    n_all, done = len(cells) * seeds, 0
    rows: list[StudyRow] = []
    for column in grouped(cells):
        measured: list[_Measured] = []
        for cell in column:
            found = []
            for seed in range(seeds):
                note = f"{cell.participant} {cell.line.label} seed {seed}"
                told = _Told(progress, f"{done + 1}/{n_all} {note}")
                found.append(_train_one(cell, asked, seed, told))
                done += 1
            measured.append(_Measured(cell, tuple(found)))
        rows += _rows(measured, study)
    result = StudyResult(
        title=study.title,
        corpus=asked.corpus,
        split=asked.split,
        against=study.against,
        seeds=tuple(range(seeds)),
        overrides=asked.overrides,
        rows=tuple(rows),
        seconds=time.perf_counter() - started,
        file=None if out is None else str(out),
        notes=(*(winners(rows, study.against) if study.unit == "wer" else ()), *notes, *left_out),
    )
    if out is not None:
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(json.dumps(plain(result), indent=1, allow_nan=False) + "\n")
    return result


@dataclass(frozen=True, slots=True)
class _Found:
    run: RunFolder
    counts: tuple[EditCounts, ...]
    seconds: float
    hours: float | None
    r2: float | None


@dataclass(frozen=True, slots=True)
class _Measured:
    cell: Cell
    found: tuple[_Found, ...]

    @property
    def counts(self) -> list[tuple[EditCounts, ...]]:
        return [one.counts for one in self.found]


@dataclass(frozen=True, slots=True)
class _Told:
    """Pass progress on under one heading."""

    progress: Progress
    heading: str

    def __call__(self, stage: str, done: int, total: int, note: str = "") -> None:
        self.progress(f"{self.heading}: {stage}", done, total, note)


def _train_one(cell: Cell, asked: _Asked, seed: int, progress: Progress) -> _Found:
    run = _trained(_recipe_of(cell, asked, seed), asked, progress)
    hours, r2 = _pretraining_of(run)
    split = cell.judged(asked.split)
    judged = judge(run, cell.line.system, split, asked.models, progress, only=cell.only)
    return _Found(judged.run, judged.counts, judged.run.training["seconds"], hours, r2)


def _recipe_of(cell: Cell, asked: _Asked, seed: int) -> tuple[str, list[str]]:
    """Give a row's recipe and all its overrides, earlier stages seeded as it is."""
    name = cell.line.recipe
    start = build_recipe(name, [f"corpus={asked.corpus}"])
    strategies, other = (json.dumps([*map(str, own)]) for own in (cell.taught, cell.other))
    chosen = [
        f"splits={RULE}",
        *overrides_of(cell.line, asked.overrides, start, asked.models),
        f"participant={cell.participant}",
        f"strategies={strategies}",
        f"train.seed={seed}",
        *([f"splits={cell.rule}"] if cell.rule else []),
    ]
    if isinstance(start.start, EarlierTask):
        chosen.append(f"start.strategies={other}")
    if isinstance(start.start, Pretraining):
        chosen.append(f"start.train.seed={seed}")
    if isinstance(start.start, Phonemes):
        chosen.append(_seeded(build_recipe(name, chosen), seed))
    return name, chosen


def _seeded(recipe: Recipe, seed: int) -> str:
    """Seed the phoneme stage of an end-to-end recipe, and its pretraining."""
    start = recipe.start
    assert isinstance(start, Phonemes)
    before = build_recipe(start.recipe, [f"corpus={recipe.corpus}", *start.overrides])
    own = [*start.overrides, f"train.seed={seed}"]
    own += [f"start.train.seed={seed}"] if isinstance(before.start, Pretraining) else []
    return f"start.overrides={json.dumps(own)}"


def _trained(named: tuple[str, list[str]], asked: _Asked, progress: Progress) -> RunFolder:
    """Train, or go on where an interrupted study stopped."""
    from sylvian.runs import RunFolder

    recipe, overrides = named
    wanted = build_recipe(recipe, overrides)
    data, runs = asked.data, asked.runs
    for path in sorted(runs.glob(f"{recipe}-*/recipe.json")):
        begun: Recipe | None = None
        run = RunFolder(path.parent)
        with suppress(CheckpointError):  # of another version: not the one that is wanted
            begun = None if run.is_finished else run.recipe
        if begun is not None and _is(begun, wanted):
            result = pipeline.train(
                recipe, (), data=data, runs=runs, resume=str(run.path), progress=progress
            )
            return RunFolder(Path(result.run))
    result = pipeline.train(recipe, overrides, data=data, runs=runs, progress=progress)
    return RunFolder(Path(result.run))


def _is(begun: Recipe, wanted: Recipe) -> bool:
    """Whether a run is of a recipe; end to end, the encoder is that of its phoneme stage."""
    if wanted.end_to_end is not None:
        begun = begun.model_copy(update={"encoder": wanted.encoder})
    return begun == wanted


def _pretraining_of(run: RunFolder) -> tuple[float | None, float | None]:
    """Find the pretraining behind a run, its own or that of the stage it started from."""
    from sylvian.runs import RunFolder

    start = run.environment.get("start")
    if not start:
        return None, None
    stage = RunFolder(Path(start["path"]).parent.parent)
    if not (stage.path / "recipe.json").is_file():
        return None, None
    if not stage.is_pretraining:
        return _pretraining_of(stage)
    return stage.training["hours"], stage.training["val_r2"]


def _rows(measured: Sequence[_Measured], study: Study) -> Iterator[StudyRow]:
    from sylvian.evaluate import bootstrap_seeds, paired_bootstrap_seeds, seeds_rate

    base = next((one for one in measured if one.cell.line.label == study.against), None)
    for one in measured:
        low, high = bootstrap_seeds(one.counts)
        row = StudyRow(
            participant=one.cell.participant,
            speech=one.cell.speech,
            label=one.cell.line.label,
            group=one.cell.line.group,
            unit=study.unit,
            n_seeds=len(one.found),
            n_trials=len(one.counts[0]),
            counts=sum((count for run in one.counts for count in run), EditCounts()),
            rate=seeds_rate(one.counts),
            low=low,
            high=high,
            difference=None,
            difference_low=None,
            difference_high=None,
            p=None,
            hours=one.found[0].hours,
            r2=_mean([found.r2 for found in one.found if found.r2 is not None]),
            seconds=sum(found.seconds for found in one.found) / len(one.found),
            runs=tuple(str(found.run.path) for found in one.found),
        )
        if base is not None and one is not base:
            gain = paired_bootstrap_seeds(one.counts, base.counts)
            row = replace(
                row,
                difference=gain.difference,
                difference_low=gain.low,
                difference_high=gain.high,
                p=gain.p,
            )
        yield row


def _mean(values: Sequence[float]) -> float | None:
    return sum(values) / len(values) if values else None
