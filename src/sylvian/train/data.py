"""From descriptions of trials to batches on their way into a model."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from lightning.pytorch import LightningDataModule
from torch.utils.data import DataLoader

from sylvian.errors import SylvianError
from sylvian.train.config import AugmentConfig, TrainConfig
from sylvian.train.dataset import CachedReader, GroupDataset, Loaded, Passes, Read, unchanged
from sylvian.train.sampler import EvaluationSampler, GroupSampler, Pool, Shard, pools_of
from sylvian.train.seeds import generator_at
from sylvian.train.state import RunState
from sylvian.train.tasks import Task
from sylvian.types import TrialInfo


class TrainingData(LightningDataModule):
    """The two loaders of a run; there is no test loader on purpose.

    Args:
        train: Training trials.
        val: Validation trials.
        pools: Who may share a batch, among the training and among the validation trials.
        config: Batch sizes, seed, loading.
        state: Where the run stands; its first epoch starts there.
    """

    def __init__(
        self,
        train: GroupDataset,
        val: GroupDataset,
        *,
        pools: tuple[Sequence[Pool], Sequence[Pool]],
        config: TrainConfig,
        state: RunState,
    ) -> None:
        super().__init__()
        self._train, self._val, self._config, self._pools = train, val, config, pools
        self._first = (state.epoch, state.group)

    def train_dataloader(self) -> DataLoader[Loaded]:
        """Return the loader of augmented, shuffled groups."""
        config = self._config
        sampler = GroupSampler(
            self._train.infos,
            batch_size=config.batch_size,
            pools=self._pools[0],
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
        sampler = EvaluationSampler(
            self._val.infos,
            batch_size=self._config.batch_size,
            pools=self._pools[1],
            shard=Shard(*self._place()),
        )
        return self._loader(self._val, sampler)

    def on_before_batch_transfer(self, batch: Loaded, dataloader_idx: int) -> Passes:
        """Raise what went wrong while loading."""
        if isinstance(batch, SylvianError):
            raise batch
        return batch

    def transfer_batch_to_device(
        self, batch: Passes, device: torch.device, dataloader_idx: int
    ) -> Passes:
        """Move the micro-batches of a group."""
        return batch.to(device)

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
            collate_fn=unchanged,
            generator=generator_at(self._config.seed, "loader"),
            **extra,
        )


def training_data(
    train: Sequence[TrialInfo],
    val: Sequence[TrialInfo],
    *,
    read: Read,
    task: Task,
    config: TrainConfig,
    augment: AugmentConfig,
    share: Callable[[TrialInfo], float] | None,
    state: RunState,
) -> TrainingData:
    """Wire reader, cache and datasets together.

    Each loader process remembers trials by itself, so the budget is divided among them.

    Raises:
        ConfigError: the encoder has no layers for a trial's session.
    """
    paths = {info.key.session_path for info in (*train, *val)}
    index, vocabulary = task.encoder.locate(sorted(paths)), task.vocabulary
    pools = (
        pools_of(train, together=task.together, share=share),
        pools_of(val, together=task.together),
    )
    n_loaders = config.devices * (2 * config.n_workers or 1)
    cached = CachedReader(read, budget_bytes=config.cache_mb * 2**20 // n_loaders)
    return TrainingData(
        GroupDataset(train, cached, index, vocabulary, augment, config.seed),
        GroupDataset(val, cached, index, vocabulary),
        pools=pools,
        config=config,
        state=state,
    )
