"""Reading, disturbing and batching trials: the part that loader processes import."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch.utils.data import Dataset

from sylvian.errors import SylvianError
from sylvian.models.batch import Batch, make_batch
from sylvian.text import Vocabulary
from sylvian.train.augment import augment_trial
from sylvian.train.config import AugmentConfig
from sylvian.train.sampler import Group
from sylvian.types import Trial, TrialInfo, TrialKey

Read = Callable[[TrialKey], Trial]


@dataclass(frozen=True, slots=True)
class Passes:
    """The batches of a group; none where the group was done before a resume.

    Attributes:
        batches: One for each pass through the model.
        idle: The last of them weighs nothing, see `Group`.
    """

    batches: tuple[Batch, ...]
    idle: bool = False

    def __bool__(self) -> bool:
        return bool(self.batches)

    @property
    def counted(self) -> tuple[Batch, ...]:
        """The batches that weigh something."""
        return self.batches[:-1] if self.idle else self.batches

    def to(self, device: torch.device) -> Passes:
        """Move every batch."""
        return replace(self, batches=tuple(batch.to(device) for batch in self.batches))


Loaded = Passes | SylvianError


class CachedReader:
    """Remember trials until a budget is used up; what came first stays.

    Why here: every epoch asks for every trial once, and there a least-recently-used cache that does
    not hold everything holds nothing of use.

    Args:
        read: Reads one trial from disk.
        budget_bytes: Memory for features in this process.
    """

    def __init__(self, read: Read, *, budget_bytes: int) -> None:
        self._read = read
        self._left = budget_bytes
        self._known: dict[TrialKey, Trial] = {}

    def __call__(self, key: TrialKey) -> Trial:
        """Return the trial; its features are shared, so never write to them."""
        trial = self._known.get(key)
        if trial is None:
            trial = self._read(key)
            if trial.features.nbytes <= self._left:
                self._left -= trial.features.nbytes
                self._known[key] = trial
        return trial


@dataclass(frozen=True)
class GroupDataset(Dataset[Loaded]):
    """Read, disturb and batch the trials of a group.

    A bad trial's error is returned, not raised: raised in a loader process it would reach the user
    wrapped in a traceback. `TrainingData` raises it.

    Attributes:
        infos: What the indices of a group refer to.
        read: Reads one normalised trial.
        session_index: Session path to index, as the encoder has it.
        vocabulary: Where phonemes are looked up; None: no labels are wanted.
        augment: How to disturb trials; None for evaluation.
        seed: Seed of the run.
    """

    infos: Sequence[TrialInfo]
    read: Read
    session_index: Mapping[str, int]
    vocabulary: Vocabulary | None
    augment: AugmentConfig | None = None
    seed: int = 0

    def __getitem__(self, group: Group) -> Loaded:
        try:
            batches = tuple(self._batch(part, group.epoch) for part in group.micro_batches)
        except SylvianError as failure:
            return failure
        return Passes(batches, group.idle)

    def _batch(self, trials: Sequence[int], epoch: int) -> Batch:
        return make_batch(
            [self._trial(index, epoch) for index in trials],
            session_index=self.session_index,
            vocabulary=self.vocabulary,
        )

    def _trial(self, index: int, epoch: int) -> Trial:
        trial = self.read(self.infos[index].key)
        if self.augment is None:
            return trial
        return augment_trial(trial, self.augment, seed=self.seed, epoch=epoch)


def unchanged(group: Any) -> Any:
    """Collate nothing: a group already is what the model eats."""
    return group
