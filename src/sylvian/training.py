"""One experiment: which recipe, which run folder, which trials, and the training itself."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sylvian import config
from sylvian.errors import ConfigError, DataError
from sylvian.jobs import open_corpus
from sylvian.outcomes import TrainResult
from sylvian.recipes import Recipe, build_recipe
from sylvian.runs import RunFolder
from sylvian.types import EditCounts, Logits, Progress, TrialInfo

if TYPE_CHECKING:
    from sylvian.data.store import PreparedCorpus
    from sylvian.models.sessions import SessionSpec


def open_experiment(
    name: str, overrides: Sequence[str], *, data: Path, runs: Path, resume: str | None
) -> tuple[Recipe, RunFolder, PreparedCorpus]:
    """Resolve a recipe and name its run, or take both from the run to resume.

    Raises:
        ConfigError: unknown recipe or key, or `resume` with other values than the run had.
        CheckpointError: there is no run to resume.
        DataError: the corpus is not prepared, or changed since the run to resume began.
    """
    if resume is None:
        recipe = build_recipe(name, overrides)
        corpus = open_corpus(recipe, data)
        return recipe, RunFolder.place(recipe, corpus.digest, runs), corpus
    run = RunFolder.open(resume, runs)
    recipe = run.recipe
    if recipe.name != name or (overrides and config.override(recipe, overrides) != recipe):
        raise ConfigError(
            f"{run.path}: was begun as '{recipe.name}' with other values; a resumed run keeps its "
            "recipe, so leave the overrides out or start a new run"
        )
    corpus = open_corpus(recipe, Path(run.environment["data"]))
    if corpus.digest != run.environment["data_digest"]:
        raise DataError(
            f"{run.path}: the prepared corpus {recipe.corpus} changed since this run began; "
            "prepare the same files again or start a new run"
        )
    return recipe, run, corpus


def fit_experiment(
    run: RunFolder,
    recipe: Recipe,
    corpus: PreparedCorpus,
    trials: tuple[list[TrialInfo], list[TrialInfo]],
    *,
    resume: bool,
    progress: Progress,
) -> TrainResult:
    """Build the model, train it on `trials` (train, val), and record what val decided."""
    from sylvian.evaluate import Protocol
    from sylvian.models.ctc import CtcModel
    from sylvian.models.encoder import build_encoder
    from sylvian.text import phoneme_vocabulary
    from sylvian.train import CtcTask, fit

    trained, validated = trials
    sessions = _sessions([*trained, *validated], corpus)
    encoder = build_encoder(recipe.encoder, sessions, seed=recipe.train.seed)
    model = CtcModel(encoder, phoneme_vocabulary(), seed=recipe.train.seed)
    outcome = fit(
        CtcTask(model, _greedy_errors),
        train=trained,
        val=validated,
        read=corpus.read,
        config=recipe.train,
        augment=recipe.augment,
        run=run.path,
        resume=resume,
        progress=progress,
    )
    protocol = Protocol.open(run.path)
    protocol.state(split_rule=recipe.splits, sees_future=corpus.sees_future)
    protocol.selected("best epoch by PER", "val", [info.key for info in validated])
    return TrainResult(
        run=str(run.path),
        recipe=recipe.name,
        best_epoch=outcome.best_epoch,
        val_per=outcome.best_value,
        epochs=outcome.epochs,
        seconds=outcome.seconds,
        n_train=len(trained),
        n_val=len(validated),
        n_impossible=outcome.n_impossible,
        n_parameters=sum(parameter.numel() for parameter in model.parameters()),
    )


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
