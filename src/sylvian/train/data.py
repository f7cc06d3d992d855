"""From descriptions of trials to batches on their way into a model."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from lightning.pytorch import LightningDataModule
from torch.utils.data import DataLoader, Dataset

from sylvian.errors import SylvianError
from sylvian.models.batch import Batch, make_batch
from sylvian.models.ctc import CtcModel
from sylvian.text import Vocabulary
from sylvian.train.augment import AugmentConfig, augment_trial
from sylvian.train.config import TrainConfig
from sylvian.train.sampler import EvaluationSampler, Group, GroupSampler, Shard
from sylvian.train.seeds import generator_at
from sylvian.train.state import RunState
from sylvian.types import Trial, TrialInfo, TrialKey

Read = Callable[[TrialKey], Trial]
Batches = tuple[Batch, ...]
Loaded = Batches | SylvianError


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
        vocabulary: Where phonemes are looked up.
        augment: How to disturb trials; None for evaluation.
        seed: Seed of the run.
    """

    infos: Sequence[TrialInfo]
    read: Read
    session_index: Mapping[str, int]
    vocabulary: Vocabulary
    augment: AugmentConfig | None = None
    seed: int = 0

    def __getitem__(self, group: Group) -> Loaded:
        try:
            return tuple(self._batch(part, group.epoch) for part in group.micro_batches)
        except SylvianError as failure:
            return failure

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


class TrainingData(LightningDataModule):
    """The two loaders of a run; there is no test loader on purpose.

    Args:
        train: Training trials.
        val: Validation trials.
        config: Batch sizes, seed, loading.
        state: Where the run stands; its first epoch starts there.
    """

    def __init__(
        self, train: GroupDataset, val: GroupDataset, *, config: TrainConfig, state: RunState
    ) -> None:
        super().__init__()
        self._train, self._val, self._config = train, val, config
        self._first = (state.epoch, state.group)

    def train_dataloader(self) -> DataLoader[Loaded]:
        """Return the loader of augmented, shuffled groups."""
        config = self._config
        sampler = GroupSampler(
            self._train.infos,
            batch_size=config.batch_size,
            accumulate=config.accumulate,
            bucket_batches=config.bucket_batches,
            seed=config.seed,
            first_epoch=self._first[0],
            first_group=self._first[1],
            shard=Shard(*self._place()),
        )
        return self._loader(self._train, sampler)

    def val_dataloader(self) -> DataLoader[Loaded]:
        """Return the loader of untouched validation trials."""
        sampler = EvaluationSampler(self._val.infos, batch_size=self._config.batch_size)
        return self._loader(self._val, sampler)

    def on_before_batch_transfer(self, batch: Loaded, dataloader_idx: int) -> Batches:
        """Raise what went wrong while loading."""
        if isinstance(batch, SylvianError):
            raise batch
        return batch

    def transfer_batch_to_device(
        self, batch: Batches, device: torch.device, dataloader_idx: int
    ) -> Batches:
        """Move the micro-batches of a group."""
        return tuple(part.to(device) for part in batch)

    def _place(self) -> tuple[int, int]:
        trainer = self.trainer
        return (0, 1) if trainer is None else (trainer.global_rank, trainer.world_size)

    def _loader(
        self, dataset: GroupDataset, sampler: GroupSampler | EvaluationSampler
    ) -> DataLoader[Loaded]:
        n_workers = self._config.n_workers
        # "spawn": a forked child would share HDF5 handles, thread pools and the CUDA context
        extra: dict[str, Any] = (
            {
                "prefetch_factor": self._config.prefetch,
                "persistent_workers": True,
                "multiprocessing_context": "spawn",
            }
            if n_workers
            else {}
        )
        return DataLoader(
            dataset,
            sampler=sampler,
            batch_size=None,
            num_workers=n_workers,
            collate_fn=_unchanged,
            generator=generator_at(self._config.seed, "loader"),
            **extra,
        )


def training_data(
    train: Sequence[TrialInfo],
    val: Sequence[TrialInfo],
    *,
    read: Read,
    model: CtcModel,
    config: TrainConfig,
    augment: AugmentConfig,
    state: RunState,
) -> TrainingData:
    """Wire reader, cache and datasets together.

    Each loader process remembers trials by itself, so the budget is divided among them.

    Raises:
        ConfigError: the encoder has no layers for a trial's session.
    """
    paths = {info.key.session_path for info in (*train, *val)}
    index, vocabulary = model.encoder.locate(sorted(paths)), model.vocabulary
    n_processes = 2 * config.n_workers or 1
    cached = CachedReader(read, budget_bytes=config.cache_mb * 2**20 // n_processes)
    return TrainingData(
        GroupDataset(train, cached, index, vocabulary, augment, config.seed),
        GroupDataset(val, cached, index, vocabulary),
        config=config,
        state=state,
    )


def _unchanged(batch: Any) -> Any:
    return batch
