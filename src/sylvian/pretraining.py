"""One pretraining: whose recordings, which run folder, and how well hidden bins are filled in."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sylvian.errors import ConfigError
from sylvian.outcomes import BaselineScore, PretrainResult, ReconstructionScore
from sylvian.recipes import PretrainingRecipe
from sylvian.runs import RunFolder
from sylvian.types import Progress, TrialInfo

if TYPE_CHECKING:
    from sylvian.data.mix import Mixture
    from sylvian.data.mixconfig import Target
    from sylvian.models.baselines import Baseline
    from sylvian.models.masking import BinMasks
    from sylvian.models.pretraining import PretrainingModel
    from sylvian.models.reconstruction import ReconstructionSums
    from sylvian.models.sessions import SessionSpec

BATCH = 32  # trials per forward pass when nothing is learnt
BASELINE_TRIALS = 200  # of a participant; more change the linear baseline in the third digit


def open_pretraining(
    recipe: PretrainingRecipe, target: Target | None, *, data: Path, runs: Path
) -> tuple[RunFolder, Mixture]:
    """Choose the recordings and name the run: equal pretrainings on equal data share a folder.

    Raises:
        ConfigError: the mix contradicts itself, or needs to know who will be fine-tuned.
        DataError: nothing that is prepared matches.
    """
    from sylvian.data.mix import Mixture

    mixture = Mixture.open(recipe.mix, data, target=target)
    # Whom `exclude` and `only` mean is in the mix' digest; the recipe itself stays the same.
    return RunFolder.place(recipe, mixture.digest, runs), mixture


def mix_summary(mixture: Mixture) -> dict[str, Any]:
    """Give the facts of the mix that a reader of the run should see."""
    citations = [facts.citation for facts in mixture.facts.values()]
    return {
        "name": " + ".join(mixture.facts),
        "title": f"{sum(source.hours for source in mixture.sources):.2f} h for pretraining",
        "licence": "; ".join(f"{name}: {facts.licence}" for name, facts in mixture.facts.items()),
        "citation": "; ".join(citation for citation in citations if citation),
        "participants": [source.name for source in mixture.sources],
        "sees_future": mixture.sees_future,
        "sources": mixture.summary(),
        "left_out": list(mixture.left_out),
    }


def fit_pretraining(
    run: RunFolder,
    recipe: PretrainingRecipe,
    mixture: Mixture,
    *,
    resume: bool,
    progress: Progress,
) -> PretrainResult:
    """Build the model, pretrain it, and hold the best epoch against the baselines."""
    from sylvian.models.encoder import build_encoder
    from sylvian.models.pretraining import PretrainingModel
    from sylvian.train import AugmentConfig, PretrainingTask, fit

    if not mixture.val:
        raise ConfigError(
            "no recording is long enough to hold some of it out; R² on hidden bins needs blocks or "
            "trials that were not trained on"
        )
    seed = recipe.train.seed
    encoder = build_encoder(recipe.encoder, _sessions(mixture), seed=seed)
    model = PretrainingModel(encoder, recipe.objective, seed=seed)
    outcome = fit(
        PretrainingTask(model, seed=seed),
        train=mixture.train,
        val=mixture.val,
        read=mixture.read,
        config=recipe.train,
        augment=AugmentConfig(noise_std=0.0, offset_std=0.0),  # the objective disturbs by itself
        run=run.path,
        share=mixture.share,
        resume=resume,
        progress=progress,
    )
    scores = judge_pretraining(run, mixture, progress=progress)
    return PretrainResult(
        run=str(run.path),
        best_epoch=outcome.best_epoch,
        val_r2=outcome.best_value,
        epochs=outcome.epochs,
        seconds=outcome.seconds,
        hours=sum(source.hours for source in mixture.sources),
        n_train=len(mixture.train),
        n_val=len(mixture.val),
        n_parameters=sum(parameter.numel() for parameter in model.parameters()),
        sources=mixture.summary(),
        left_out=list(mixture.left_out),
        scores=[_plain(asdict(score)) for score in scores],
    )


def _plain(values: dict[str, Any]) -> dict[str, Any]:
    """Replace what is not a number, which JSON does not know, by None."""
    told: dict[str, Any] = {}
    for name, value in values.items():
        if isinstance(value, float) and math.isnan(value):
            value = None
        elif isinstance(value, (list, tuple)):
            value = [_plain(row) for row in value]
        told[name] = value
    return told


def _sessions(mixture: Mixture) -> list[SessionSpec]:
    from sylvian.models.sessions import SessionSpec

    return [
        SessionSpec(path=path, participant=path.rpartition("/")[0], n_channels=n_channels)
        for path, n_channels in sorted(mixture.session_channels.items())
    ]


# ------------------------------------------------------------------ judgement


def judge_pretraining(
    run: RunFolder, mixture: Mixture, *, progress: Progress
) -> tuple[ReconstructionScore, ...]:
    """Give R² on hidden bins of the held-out blocks, with the baselines on the same bins.

    One score for each participant (for each session where channels differ between days), and one
    for each task where a participant did several. Intervals are over trials.
    """
    from sylvian.models.pretrained import load_pretrained

    model = load_pretrained(run.best)
    groups = _groups(model, mixture)
    scores: list[ReconstructionScore] = []
    for done, (name, (train, val)) in enumerate(groups.items(), start=1):
        scores += _score_group(name, model, mixture, train, val)
        progress("judge", done, len(groups), name)
    return tuple(scores)


_Group = tuple[list[TrialInfo], list[TrialInfo]]


def _groups(model: PretrainingModel, mixture: Mixture) -> dict[str, _Group]:
    """Sort trials by whose channels they share, as the read-outs do."""
    from sylvian.models.sessions import layers_of

    sessions = model.encoder.sessions
    names, of_session = layers_of(sessions, per="auto")
    layer = list(names)
    where = {spec.path: layer[at] for spec, at in zip(sessions, of_session, strict=True)}
    groups: dict[str, _Group] = {name: ([], []) for name in layer}
    for part, infos in enumerate((mixture.train, mixture.val)):
        for info in infos:
            groups[where[info.key.session_path]][part].append(info)
    return {name: group for name, group in groups.items() if group[1]}


def _score_group(
    name: str,
    model: PretrainingModel,
    mixture: Mixture,
    train: Sequence[TrialInfo],
    val: Sequence[TrialInfo],
) -> Iterator[ReconstructionScore]:
    ours = _reconstructed(model, mixture, val)
    theirs: dict[str, list[ReconstructionSums]] = {}
    if model.config.kind == "reconstruction" and train:
        masks = model.bin_masks(seed=0)
        for baseline in _fitted(mixture, train, masks):
            trials = (mixture.read(info.key) for info in val)
            theirs[baseline.name] = list(baseline.reconstruct(trials, masks))
    yield _score(name, None, ours, theirs)
    tasks = sorted({info.prompt_set for info in val if info.prompt_set})
    for task in tasks if len(tasks) > 1 else []:
        own = [at for at, info in enumerate(val) if info.prompt_set == task]
        parts = {known: [sums[at] for at in own] for known, sums in theirs.items()}
        yield _score(name, task, [ours[at] for at in own], parts)


def _reconstructed(
    model: PretrainingModel, mixture: Mixture, infos: Sequence[TrialInfo]
) -> list[ReconstructionSums]:
    from sylvian.models.batch import make_batch
    from sylvian.models.pretraining import reconstruct

    found: list[ReconstructionSums] = []
    index = model.encoder.session_index
    for start in range(0, len(infos), BATCH):
        trials = [mixture.read(info.key) for info in infos[start : start + BATCH]]
        batch = make_batch(trials, session_index=index, vocabulary=None)
        found += reconstruct(model, batch, seed=0)
    return found


def _fitted(mixture: Mixture, train: Sequence[TrialInfo], masks: BinMasks) -> Iterator[Baseline]:
    """Fit each baseline on training trials spread evenly over the recordings."""
    from sylvian.models.baselines import standard_baselines

    step = -(-len(train) // BASELINE_TRIALS)
    for baseline in standard_baselines():
        baseline.fit((mixture.read(info.key) for info in train[::step]), masks)
        yield baseline


def _score(
    name: str,
    task: str | None,
    ours: Sequence[ReconstructionSums],
    theirs: dict[str, list[ReconstructionSums]],
) -> ReconstructionScore:
    from sylvian.models.reconstruction import add_up, bootstrap_r2, bootstrap_r2_gain

    low, high = bootstrap_r2(ours)
    baselines = []
    for baseline, sums in theirs.items():
        gain = bootstrap_r2_gain(ours, sums)
        baselines.append(BaselineScore(baseline, add_up(sums).r2, *gain))
    return ReconstructionScore(
        participant=name,
        task=task,
        n_trials=len(ours),
        r2=add_up(ours).r2,
        low=low,
        high=high,
        baselines=tuple(baselines),
    )
