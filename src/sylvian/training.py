"""One experiment: which recipe, which run folder, what it starts from, and the training itself."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sylvian import config
from sylvian.errors import CheckpointError, ConfigError, DataError
from sylvian.jobs import open_corpus
from sylvian.outcomes import TrainResult
from sylvian.recipes import Checkpoint, EarlierTask, Pretraining, Recipe
from sylvian.runs import RunFolder
from sylvian.types import EditCounts, Logits, Progress, TrialInfo

if TYPE_CHECKING:
    from sylvian.data.store import PreparedCorpus
    from sylvian.models.ctc import CtcModel
    from sylvian.models.sessions import SessionSpec
    from sylvian.train import Task


@dataclass(frozen=True, slots=True)
class Experiment:
    """Everything a training needs to begin or to go on.

    Attributes:
        recipe: What is done.
        run: Where it is written down.
        corpus: The recordings.
        start: Folder of the saved model whose trunk the encoder begins with; None: random weights.
        resumed: Whether the run goes on after an interruption.
    """

    recipe: Recipe
    run: RunFolder
    corpus: PreparedCorpus
    start: Path | None
    resumed: bool


def begin_experiment(recipe: Recipe, *, data: Path, runs: Path, start: Path | None) -> Experiment:
    """Name the run of a recipe, which depends on the data and on what it starts from.

    Raises:
        DataError: the corpus is not prepared.
        CheckpointError: `start` holds no model.
    """
    corpus = open_corpus(recipe, data)
    digest = "" if start is None else weights_digest(start)
    run = RunFolder.place(recipe, corpus.digest, runs, start=digest)
    return Experiment(recipe, run, corpus, start, resumed=False)


def resume_experiment(
    name: str, overrides: Sequence[str], *, runs: Path, resume: str
) -> Experiment:
    """Take recipe, data and start from the run to resume; other processes may share it.

    Raises:
        ConfigError: other values than the run had.
        CheckpointError: there is no run to resume.
        DataError: the corpus is not prepared, or changed since the run began.
    """
    run = RunFolder.open(resume, runs)
    begun = run.recipe
    recipe = config.override(begun, overrides)
    alike = recipe.model_copy(update={"train": begun.train}) == begun
    if begun.name != name or not (alike and recipe.train.continues(begun.train)):
        raise ConfigError(
            f"{run.path}: was begun as '{begun.name}' with other values; a resumed run keeps its "
            "recipe and the trials of a step (batch_size x accumulate x devices x nodes), so leave "
            "the overrides out or start a new run"
        )
    corpus = open_corpus(recipe, Path(run.environment["data"]))
    if corpus.digest != run.environment["data_digest"]:
        raise DataError(
            f"{run.path}: the prepared corpus {recipe.corpus} changed since this run began; "
            "prepare the same files again or start a new run"
        )
    told = run.environment.get("start")
    return Experiment(recipe, run, corpus, Path(told["path"]) if told else None, resumed=True)


def fit_experiment(
    experiment: Experiment,
    trials: tuple[list[TrialInfo], list[TrialInfo]],
    *,
    progress: Progress,
) -> TrainResult:
    """Build the model, train it on `trials` (train, val), and record what val decided.

    Raises:
        CheckpointError: the model to start from does not fit, or changed since the run began.
    """
    from sylvian.evaluate import Protocol
    from sylvian.train import fit
    from sylvian.train.processes import leads

    recipe, run, corpus = experiment.recipe, experiment.run, experiment.corpus
    trained, validated = trials
    task = _task(experiment, _sessions([*trained, *validated], corpus))
    outcome = fit(
        task,
        train=trained,
        val=validated,
        read=corpus.read,
        config=recipe.train,
        augment=recipe.augment,
        run=run.path,
        resume=experiment.resumed,
        progress=progress,
    )
    if leads():
        protocol = Protocol.open(run.path)
        if experiment.start is not None:  # what chose the model we began with has chosen ours, too
            protocol.inherit([Protocol.open(experiment.start.parent.parent)])
        protocol.state(split_rule=recipe.splits, sees_future=corpus.sees_future)
        chosen = [info.key for info in validated]
        protocol.selected(f"best epoch by {task.label}", "val", chosen)
    return TrainResult(
        run=str(run.path),
        recipe=recipe.name,
        best_epoch=outcome.best_epoch,
        val_per=None if recipe.end_to_end else outcome.best_value,
        val_wer=outcome.best_value if recipe.end_to_end else None,
        epochs=outcome.epochs,
        seconds=outcome.seconds,
        n_train=len(trained),
        n_val=len(validated),
        n_impossible=outcome.n_impossible,
        n_parameters=sum(p.numel() for p in task.model.parameters() if p.requires_grad),
        start=None if experiment.start is None else str(experiment.start),
    )


def _task(experiment: Experiment, sessions: Sequence[SessionSpec]) -> Task:
    """Build what is trained: phonemes by CTC, or sentences by a language model."""
    from sylvian.models.ctc import CtcModel
    from sylvian.models.encoder import build_encoder
    from sylvian.speakers import sentence_task
    from sylvian.text import phoneme_vocabulary
    from sylvian.train import CtcTask

    recipe, seed = experiment.recipe, experiment.recipe.train.seed
    encoder = build_encoder(recipe.encoder, sessions, seed=seed)
    model = CtcModel(encoder, phoneme_vocabulary(), seed=seed)
    _load_start(experiment, model)
    if recipe.end_to_end is None:
        return CtcTask(model, _greedy_errors)
    return sentence_task(recipe, model)


# --------------------------------------------------------------------- start


def start_facts(start: Path | None) -> dict[str, Any] | None:
    """Say where the weights to start from are, for the run's records."""
    if start is None:
        return None
    return {"path": str(start.resolve()), "sha256": weights_digest(start)}


def weights_digest(folder: Path) -> str:
    """Digest the weights of a saved model.

    Raises:
        CheckpointError: there are none.
    """
    path = folder / "weights.safetensors"
    if not path.is_file():
        raise CheckpointError(
            f"{folder}: no saved model there (weights.safetensors); name a run folder or a folder "
            "of a saved model"
        )
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def saved_model(name: str, runs: Path) -> Path:
    """Find the saved model of a run (its best epoch), or in a folder of its own.

    Raises:
        CheckpointError: there is none.
    """
    for folder in (Path(name), runs / name):
        if (folder / "recipe.json").is_file():
            run = RunFolder(folder)
            _ = run.training  # a run that is not finished has no best epoch yet
            return run.best
        if (folder / "weights.safetensors").is_file():
            return folder
    known = sorted(path.parent.name for path in runs.glob("*/trained.json"))
    raise CheckpointError(
        f"{name}: neither a finished run nor a saved model; finished runs below {runs}: "
        f"{', '.join(known[:8]) or 'none'}"
    )


def _load_start(experiment: Experiment, model: CtcModel) -> None:
    """Bring the trunk over, or all of a phoneme model; every tensor is compared after loading."""
    from sylvian.models.pretrained import copy_read_ins, load_trunk
    from sylvian.speakers import take_phonemes

    start = experiment.start
    if start is None:
        return
    known = experiment.run.environment["start"]
    if known["sha256"] != weights_digest(start):
        raise CheckpointError(
            f"{start}: changed since {experiment.run.path} began with it; begin a new run"
        )
    wanted = experiment.recipe.start
    how = wanted.read_ins if isinstance(wanted, (Checkpoint, Pretraining)) else "new"
    encoder = model.encoder
    if isinstance(wanted, EarlierTask) and wanted.keep == "model":
        names = take_phonemes(model, start, read_ins=True)
    elif experiment.recipe.end_to_end is not None:
        names = take_phonemes(model, start, read_ins=how == "same")
    else:
        names = load_trunk(encoder, start, read_ins=how == "same")
    copied = copy_read_ins(encoder, start, _spikes(experiment.corpus)) if how == "spikes" else ()
    told = {"tensors": list(names), "read_ins": list(copied)}
    experiment.run.write("start.json", known | told)


def _spikes(corpus: PreparedCorpus) -> dict[str, list[int]]:
    """List the columns of every participant that count spikes."""
    from sylvian.data.mixsource import is_spikes

    return {
        f"{corpus.facts.name}/{name}": [
            column
            for group in facts.channels
            if is_spikes(group.feature)
            for column in range(group.start, group.stop)
        ]
        for name, facts in corpus.facts.participants.items()
    }


def _sessions(infos: Iterable[TrialInfo], corpus: PreparedCorpus) -> list[SessionSpec]:
    from sylvian.models.sessions import SessionSpec

    found = {info.key.session_path: info.key for info in infos}
    return [
        SessionSpec(
            path=path,
            participant=f"{key.corpus}/{key.participant}",
            n_channels=corpus.session_channels[path],
        )
        for path, key in sorted(found.items())
    ]


def _greedy_errors(logits: Logits, reference: Sequence[str]) -> EditCounts:
    from sylvian.decode.greedy import greedy
    from sylvian.evaluate import count_edits

    return count_edits(reference, greedy(logits).tokens)


def corpus_summary(corpus: PreparedCorpus) -> dict[str, Any]:
    """Give the facts of the data that a reader of the run should see."""
    facts = corpus.facts
    return {
        "name": facts.name,
        "title": facts.title,
        "licence": facts.licence,
        "citation": facts.citation,
        "participants": list(corpus.channels),
        "sees_future": corpus.sees_future,
    }
