"""Which trials meet in a batch: alike in shape, of similar length, another order every epoch.

Trials that may share a batch form a *pool*: a participant's, or all recordings with as many
channels. A pool has *sources* whose trials come in every epoch in their own measure: all of them
once, a fresh random part of them, or some of them more than once.

The unit is the *group*: the trials of one optimiser step. It is planned first, sorted by length,
and then cut into micro-batches of `batch_size`. Splitting last makes `accumulate` a pure question
of memory: the same trials meet in the same step whether they pass the model at once or in parts.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Int
from torch.utils.data import Sampler

from sylvian.errors import ConfigError
from sylvian.train.seeds import derive_seed
from sylvian.types import TrialInfo

Indices = Int[np.ndarray, " _"]


@dataclass(frozen=True, slots=True)
class Group:
    """The trials of one optimiser step, cut into micro-batches; empty: already done.

    Attributes:
        epoch: The epoch, from 0.
        micro_batches: Indices of the trials.
        idle: The last micro-batch weighs nothing: other ranks make one more pass than we need.
    """

    epoch: int
    micro_batches: tuple[tuple[int, ...], ...]
    idle: bool = False


@dataclass(frozen=True, slots=True)
class Shard:
    """Which of `world` equal processes we are; every rank takes its share of every group."""

    rank: int = 0
    world: int = 1


@dataclass(frozen=True, slots=True)
class Source:
    """A participant's trials, and how many of them an epoch takes."""

    trials: Indices
    n_drawn: int

    def draw(self, rng: np.random.Generator) -> Indices:
        """Take every trial as often as fits, and a random part of them once more."""
        n = len(self.trials)
        if self.n_drawn == n:
            return self.trials
        rest = rng.choice(self.trials, size=self.n_drawn % n, replace=False)
        return np.concatenate([np.tile(self.trials, self.n_drawn // n), rest])


Pool = tuple[Source, ...]


class GroupSampler(Sampler[Group]):
    """Yield an epoch's groups; every trial occurs exactly once, or in its source's measure.

    Args:
        infos: The trials, in the order that indices refer to.
        pools: Who may share a batch, from `pools_of`; None: each participant apart, all trials.
        batch_size: Trials of a micro-batch (on each rank).
        accumulate: Micro-batches of a group.
        bucket_batches: Groups whose trials are shuffled together before sorting by length.
        seed: Seed of the run.
        first_epoch: Epoch that `set_epoch(0)` means; a resumed run starts later.
        first_group: Groups of the first epoch that are done: they are yielded empty, so that the
            epoch keeps its length and every group its index.
        shard: Share of a distributed run. Where a group does not divide evenly, some ranks pass a
            trial once more that weighs nothing: all make as many passes, every trial counts once.
    """

    def __init__(
        self,
        infos: Sequence[TrialInfo],
        *,
        batch_size: int,
        pools: Sequence[Pool] | None = None,
        accumulate: int = 1,
        bucket_batches: int = 16,
        seed: int = 0,
        first_epoch: int = 0,
        first_group: int = 0,
        shard: Shard | None = None,
    ) -> None:
        self._shard = shard or Shard()
        self._lengths = np.array([info.n_bins for info in infos], dtype=np.int64)
        self._pools = tuple(pools_of(infos) if pools is None else pools)
        self._batch_size = batch_size
        self._group_size = batch_size * accumulate * self._shard.world
        self._bucket_batches = bucket_batches
        self._seed = seed
        self._first = (first_epoch, first_group)
        self._epoch = first_epoch

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch, counted from `first_epoch`; Lightning calls this."""
        self._epoch = self._first[0] + epoch

    def __len__(self) -> int:
        sizes = (sum(source.n_drawn for source in pool) for pool in self._pools)
        return sum(-(-size // self._group_size) for size in sizes)

    def __iter__(self) -> Iterator[Group]:
        n_done = self._first[1] if self._epoch == self._first[0] else 0
        for index, trials in enumerate(self.plan(self._epoch)):
            yield self._group(trials if index >= n_done else trials[:0])

    def plan(self, epoch: int) -> list[Indices]:
        """Return the epoch's groups over all ranks, each sorted by length."""
        rng = np.random.default_rng(derive_seed(self._seed, "plan", epoch))
        groups: list[Indices] = []
        for pool in self._pools:
            own = np.concatenate([source.draw(rng) for source in pool])
            if len(own):
                groups += self._bucket(own, rng)
        return [groups[i] for i in rng.permutation(len(groups))]

    def _bucket(self, own: Indices, rng: np.random.Generator) -> list[Indices]:
        """Shuffle, cut into pools, sort each pool by length, cut into groups.

        Only the last pool holds a short group, at a random place: always cutting it from one end
        would train the longest (or shortest) trials in small groups.
        """
        order = rng.permutation(own)
        n_groups = -(-len(own) // self._group_size)
        n_pools = max(1, round(n_groups / self._bucket_batches))
        sizes = [len(part) for part in np.array_split(np.arange(n_groups), n_pools)]
        ends = np.cumsum(sizes)[:-1] * self._group_size
        groups: list[Indices] = []
        for pool in np.split(order, ends):
            pool = pool[np.argsort(self._lengths[pool], kind="stable")]
            groups += _cut(pool, self._group_size, rng)
        return groups

    def _group(self, trials: Indices) -> Group:
        share = trials[self._shard.rank :: self._shard.world]
        starts = range(0, len(share), self._batch_size)
        parts = [share[start : start + self._batch_size] for start in starts]
        n_passes = -(-len(trials) // (self._shard.world * self._batch_size))
        idle = len(parts) < n_passes
        if idle:
            parts.append(trials[:1])
        return Group(self._epoch, tuple(tuple(part.tolist()) for part in parts), idle)


class EvaluationSampler(Sampler[Group]):
    """Yield every trial of some pools once, shortest first, always in the same batches.

    The ranks of a distributed run take the batches in turns. Where these do not divide evenly, the
    last ranks get one more that is `idle`: all make as many passes, every trial counts once.
    """

    def __init__(
        self,
        infos: Sequence[TrialInfo],
        *,
        batch_size: int,
        pools: Sequence[Pool] | None = None,
        shard: Shard | None = None,
    ) -> None:
        groups: list[Group] = []
        for pool in pools_of(infos) if pools is None else pools:
            own = [index for source in pool for index in source.trials.tolist()]
            order = sorted(own, key=lambda index: infos[index].n_bins)
            parts = (order[at : at + batch_size] for at in range(0, len(order), batch_size))
            groups += [Group(0, (tuple(part),)) for part in parts]
        rank, world = (shard.rank, shard.world) if shard else (0, 1)
        spare = [Group(0, groups[0].micro_batches, idle=True)] * (-len(groups) % world)
        self._groups = [*groups, *spare][rank::world]

    def __len__(self) -> int:
        return len(self._groups)

    def __iter__(self) -> Iterator[Group]:
        return iter(self._groups)


def participant_of(info: TrialInfo) -> tuple[str, str]:
    """Name a trial's participant among all corpora."""
    return info.key.corpus, info.key.participant


def pools_of(
    infos: Sequence[TrialInfo],
    *,
    together: Callable[[TrialInfo], Hashable] = participant_of,
    share: Callable[[TrialInfo], float] | None = None,
) -> list[Pool]:
    """Sort trials into pools of sources.

    Args:
        infos: The trials.
        together: What trials of one batch have in common.
        share: How often an epoch takes a trial on average, the same for all of a participant's;
            None: every trial once.

    Raises:
        ConfigError: no trial would be left.
    """
    found: defaultdict[tuple[str, str], defaultdict[Hashable, list[int]]]
    found = defaultdict(lambda: defaultdict(list))
    for index, info in enumerate(infos):
        found[participant_of(info)][together(info)].append(index)
    pools: dict[Hashable, list[Source]] = {}
    for name in sorted(found):
        for what, indices in found[name].items():
            often = 1.0 if share is None else share(infos[indices[0]])
            source = Source(np.array(indices, dtype=np.int64), round(often * len(indices)))
            pools.setdefault(what, []).append(source)
    if not any(source.n_drawn for pool in pools.values() for source in pool):
        raise ConfigError("an epoch would take no trial at all; raise the weights or the caps")
    return [tuple(pool) for pool in pools.values()]


def _cut(pool: Indices, size: int, rng: np.random.Generator) -> list[Indices]:
    n_groups = -(-len(pool) // size)
    sizes = np.full(n_groups, size)
    sizes[rng.integers(n_groups)] -= n_groups * size - len(pool)
    return np.split(pool, np.cumsum(sizes)[:-1])
