"""Getting an experiment done: made now, gone on with, or found; and first what it starts from.

A recipe may start from a pretraining or from an earlier task. Both are experiments with run folders
of their own, shared by whoever needs the same one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sylvian.errors import CheckpointError, ConfigError
from sylvian.outcomes import PretrainResult, TrainResult
from sylvian.recipes import EarlierTask, Phonemes, Pretraining, PretrainingRecipe, Recipe
from sylvian.runs import RunFolder, alone
from sylvian.types import Progress, silent

if TYPE_CHECKING:
    from sylvian.data.mixconfig import Target
    from sylvian.training import Experiment


def make_start(
    recipe: Recipe, *, data: Path, runs: Path, progress: Progress = silent
) -> Path | None:
    """Make, or find, the model whose trunk a recipe starts from; None: random weights.

    Raises:
        ConfigError: the recipe's encoder has no trunk, its mix contradicts itself, its language
            model is no name, or it speaks and would start from what knows no phonemes.
        CheckpointError: there is no such model.
        DataError: nothing that is prepared matches, or a sentence does not suit the language model.
    """
    from sylvian.models.opening import check_backbone
    from sylvian.training import begin_experiment, saved_model

    start = recipe.start
    if recipe.end_to_end is not None:
        check_backbone(recipe.end_to_end.llm)  # before hours of work for nothing
        if isinstance(start, Pretraining):
            raise ConfigError(
                "start.kind=pretraining: end_to_end starts from phonemes; use start.kind=phonemes, "
                "which pretrains first (start.recipe=all)"
            )
    if start is None:
        return None
    if recipe.encoder.kind != "transformer" and not isinstance(start, Phonemes):
        raise ConfigError("only a Transformer's trunk can start from another; use start=null")
    if isinstance(start, Pretraining):
        target = recipe.corpus, (recipe.participant,) if recipe.participant else ()
        stage = start.recipe(recipe.encoder)
        done = run_pretraining(stage, target, data=data, runs=runs, progress=progress)
        return RunFolder(Path(done.run)).best
    if isinstance(start, Phonemes):
        return _phonemes(recipe, start, data=data, runs=runs, progress=progress)
    if isinstance(start, EarlierTask):
        changes: dict[str, Any] = {"name": "tfs", "start": None, "strategies": start.strategies}
        changes |= {"corpus": start.corpus or recipe.corpus}
        changes |= {"splits": start.splits or recipe.splits, "end_to_end": None}
        _rehearse(recipe, data)
        earlier = recipe.model_copy(update=changes)
        experiment = begin_experiment(earlier, data=data, runs=runs, start=None)
        return _resumable(experiment, data=data, progress=progress)
    found = saved_model(start.path, runs)
    if recipe.end_to_end is not None:
        _check_phonemes(start.path, found)
    return found


def settled(recipe: Recipe, start: Path | None) -> Recipe:
    """Give an end-to-end recipe the encoder it really starts from, time masking apart.

    Raises:
        CheckpointError: there is no phoneme model in `start`.
    """
    from sylvian.models.speechllm_files import load_ctc
    from sylvian.models.transformer import TransformerConfig

    if recipe.end_to_end is None or start is None:
        return recipe
    found, wanted = load_ctc(start).encoder.config, recipe.encoder
    if isinstance(found, TransformerConfig) and isinstance(wanted, TransformerConfig):
        found = found.model_copy(update={"mask_ratio": wanted.mask_ratio})
    return recipe.model_copy(update={"encoder": found})


def _phonemes(
    recipe: Recipe, start: Phonemes, *, data: Path, runs: Path, progress: Progress
) -> Path:
    """Make, or find, the phoneme stage of an end-to-end recipe, on the same trials."""
    from sylvian.recipes import build_recipe
    from sylvian.training import begin_experiment

    earlier = build_recipe(start.recipe, [f"corpus={recipe.corpus}", *start.overrides])
    if earlier.end_to_end is not None:
        raise ConfigError(f"start.recipe={start.recipe}: learns sentences; name one of phonemes")
    _rehearse(recipe, data)
    same = ("participant", "strategies", "splits", "normalize")
    earlier = earlier.model_copy(update={name: getattr(recipe, name) for name in same})
    before = make_start(earlier, data=data, runs=runs, progress=progress)
    experiment = begin_experiment(earlier, data=data, runs=runs, start=before)
    return _resumable(experiment, data=data, progress=progress)


def _rehearse(recipe: Recipe, data: Path) -> None:
    """See that encoder, language model and sentences suit one another, before any stage begins."""
    from sylvian.jobs import labelled_trials, open_corpus
    from sylvian.speakers import rehearse

    if recipe.end_to_end is not None:
        rehearse(recipe, *labelled_trials(recipe, open_corpus(recipe, data)))


def _check_phonemes(name: str, found: Path) -> None:
    """Refuse a saved model that end-to-end training cannot start from."""
    from sylvian.models.artefact import standing_folder
    from sylvian.models.speechllm_files import FILE

    if not any((standing_folder(found) / file).is_file() for file in ("model.json", FILE)):
        there = f'["start.kind=checkpoint","start.path={name}"]'
        raise ConfigError(
            f"start.path={name}: a pretraining knows no phonemes, which end_to_end starts from; "
            f"use start.kind=phonemes 'start.overrides={there}', or name a run that learnt them"
        )


def _resumable(experiment: Experiment, *, data: Path, progress: Progress) -> Path:
    """Run an experiment that another one starts from, going on where it was interrupted."""
    again = experiment.run.is_begun and not experiment.run.is_finished
    run_experiment(replace(experiment, resumed=again), data=data, progress=progress)
    return experiment.run.best


def target_of(overrides: Sequence[str]) -> Target | None:
    """Read from the command line for whom a pretraining is meant; None where it does not say."""
    said = dict(item.split("=", 1) for item in overrides if "=" in item)
    if "corpus" not in said:
        return None
    return said["corpus"], (said["participant"],) if "participant" in said else ()


def run_pretraining(
    recipe: PretrainingRecipe,
    target: Target | None,
    *,
    data: Path,
    runs: Path,
    progress: Progress,
) -> PretrainResult:
    """Pretrain, go on with what was interrupted, or return what a finished run found.

    Raises:
        ConfigError: the mix contradicts itself, or needs to know who will be fine-tuned, or another
            command is at work on the same pretraining.
        DataError: nothing that is prepared matches.
    """
    from sylvian.pretraining import fit_pretraining, mix_summary, open_pretraining

    run, mixture = open_pretraining(recipe, target, data=data, runs=runs)
    if run.is_finished:
        return PretrainResult(**run.training)
    with alone(run.path):
        begun = run.is_begun
        facts = mix_summary(mixture)
        run.create(recipe, data=data, data_digest=mixture.digest, facts=facts)
        result = fit_pretraining(run, recipe, mixture, resume=begun, progress=progress)
        run.finish(asdict(result))
    return result


def run_experiment(experiment: Experiment, *, data: Path, progress: Progress) -> TrainResult:
    """Train on labels, or return what a finished run found.

    Raises:
        CheckpointError: the run was begun and not finished, and `experiment` does not go on.
        ConfigError: another command is at work in the run's folder, or its labels do not suffice.
    """
    from sylvian.jobs import labelled_trials
    from sylvian.train.processes import leads
    from sylvian.training import corpus_summary, fit_experiment, start_facts

    recipe, run, corpus = experiment.recipe, experiment.run, experiment.corpus
    if run.is_finished:
        return TrainResult(**run.training)
    trials = labelled_trials(recipe, corpus)
    with alone(run.path):
        if leads() and run.is_begun and not experiment.resumed:
            raise CheckpointError(
                f"{run.path}: this experiment was begun and not finished; continue it with "
                f"'sylvian train {recipe.name} --resume {run.path}', or delete the folder"
            )
        if not experiment.resumed:
            run.create(
                recipe,
                data=data,
                data_digest=corpus.digest,
                facts=corpus_summary(corpus),
                start=start_facts(experiment.start),
            )
        result = fit_experiment(experiment, trials, progress=progress)
        run.finish(asdict(result))
    return result
