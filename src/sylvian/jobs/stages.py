"""What a model was taught before: every training its weights went through, and with which labels.

A run may begin with another one's weights, and that one with a third's. What any of them learnt
with labels, the last one knows.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from sylvian.errors import CheckpointError, ConfigError, DataError
from sylvian.jobs.trials import divide, open_corpus
from sylvian.text import is_cue
from sylvian.types import Strategy, TrialInfo, TrialKey

if TYPE_CHECKING:
    from sylvian.data.store import PreparedCorpus
    from sylvian.runs import RunFolder


@dataclass(frozen=True, slots=True)
class Lost:
    """A saved model that a run began with, and whose own training is not on record here.

    Attributes:
        model: Its folder, which may be gone, too.
        labelled: Whether it may have learnt from labels; a pretraining did not.
    """

    model: Path
    labelled: bool


@dataclass(frozen=True, slots=True)
class Trainings:
    """The trainings a run's weights went through.

    Attributes:
        runs: Their folders, the last training first; of an ensemble those of all its members.
        lost: What the first of them began with, where that is not on record here.
    """

    runs: tuple[RunFolder, ...]
    lost: tuple[Lost, ...] = ()


@dataclass(frozen=True, slots=True)
class Learnt:
    """What labels taught a model, in all its trainings.

    Attributes:
        trials: Each trial that was trained on with its label, once.
        maybe: Strategies it may have learnt besides, in trainings whose trials are not at hand.
        unknown: Says which trainings those are, a sentence each.
    """

    trials: tuple[TrialInfo, ...] = field(default=(), repr=False)
    maybe: frozenset[Strategy] = frozenset()
    unknown: tuple[str, ...] = ()

    @property
    def keys(self) -> frozenset[TrialKey]:
        """Names of the trials."""
        return frozenset(info.key for info in self.trials)

    @property
    def strategies(self) -> frozenset[Strategy]:
        """Strategies it learnt, or may have learnt."""
        return self.maybe.union(info.strategy for info in self.trials)


def trainings(run: RunFolder) -> Trainings:
    """Follow a run back to the first weights it goes on with.

    A run folder that is not where it was is looked for beside the run that began with it.

    Raises:
        CheckpointError: a run that an ensemble averages is gone.
    """
    if members := run.members:
        parts = [trainings(member) for member in members]
        every = {one.path.resolve(): one for part in parts for one in part.runs}
        lost = dict.fromkeys(one for part in parts for one in part.lost)
        return Trainings(tuple(every.values()), tuple(lost))
    found = [run]
    while start := found[-1].environment.get("start"):
        before = _run_of(Path(start["path"]), found[-1].path.parent)
        if before is None:
            return Trainings(tuple(found), (_lost(Path(start["path"]), found[-1]),))
        found.append(before)
    return Trainings(tuple(found))


def _lost(model: Path, heir: RunFolder) -> Lost:
    from sylvian.recipes import Pretraining

    if (model / "pretraining.json").is_file():
        return Lost(model, labelled=False)
    try:
        return Lost(model, labelled=not isinstance(heir.recipe.start, Pretraining))
    except CheckpointError:  # another version's
        return Lost(model, labelled=True)


def _run_of(model: Path, home: Path) -> RunFolder | None:
    """Find the run folder that a saved model lies in; None where there is none that can be read."""
    from sylvian.runs import RunFolder

    folder = model.parent.parent
    for run in (RunFolder(folder), RunFolder(home / folder.name)):
        if model.parent.name != "checkpoint" or not run.is_begun:
            continue
        try:
            _ = run.environment, run.is_pretraining
        except CheckpointError:
            continue
        return run
    return None


def learnt(run: RunFolder, corpus: PreparedCorpus, data: Path) -> Learnt:
    """Collect the labels that taught a run's model, or one that it began with.

    Pretraining learns from recordings without labels and adds nothing.

    Args:
        run: A finished run.
        corpus: Recordings that are open already.
        data: Prepared corpora, for trainings on others that are no longer where they were.
    """
    past = trainings(run)
    trials: dict[TrialKey, TrialInfo] = {}
    maybe: set[Strategy] = set()
    unknown = []
    for one in past.runs:
        if one.is_pretraining:
            continue
        found = _taught(one, corpus, data)
        if found is None:
            maybe |= _named(one)
            unknown.append(_untold(f"{one.path}: its recordings are not at hand"))
            continue
        trials |= {info.key: info for info in found}
    for lost in past.lost:
        if lost.labelled:
            maybe |= set(Strategy)
            unknown.append(_untold(f"{lost.model}: the run it was saved by is not at hand"))
    return Learnt(tuple(trials.values()), frozenset(maybe), tuple(unknown))


def _untold(why: str) -> str:
    return f"{why}, so sentences that the model learnt there may count as not seen."


def _named(run: RunFolder) -> set[Strategy]:
    """Give the strategies a recipe asks for; where it names none, it may have learnt every one."""
    try:
        return set(run.recipe.strategies or Strategy)
    except CheckpointError:
        return set(Strategy)


def _taught(run: RunFolder, corpus: PreparedCorpus, data: Path) -> list[TrialInfo] | None:
    """List the labelled trials a run was trained on; None where they are not at hand."""
    try:
        recipe = run.recipe
    except CheckpointError:  # another version's
        return None
    alike = (recipe.corpus, recipe.normalize) == (corpus.facts.name, corpus.normalize)
    if alike and corpus.digest == run.environment["data_digest"]:
        return _labelled(divide(recipe, corpus)["train"])
    for folder in (Path(run.environment["data"]), data):
        try:
            return _labelled(divide(recipe, open_corpus(recipe, folder))["train"])
        except (ConfigError, DataError):
            continue
    return None


def _labelled(infos: tuple[TrialInfo, ...]) -> list[TrialInfo]:
    return [info for info in infos if info.phonemes and not is_cue(info.sentence or "")]
