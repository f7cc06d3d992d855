"""Every trial once an epoch, one participant a batch, little padding, the same order when asked."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sylvian.train.sampler import EvaluationSampler, GroupSampler, Shard
from sylvian.types import TrialInfo, TrialKey


def infos_of(*counts: int, seed: int = 0) -> list[TrialInfo]:
    rng = np.random.default_rng(seed)
    return [
        TrialInfo(TrialKey("toy", f"P{p}", "2024-01-01", 1, t), "train", int(rng.integers(1, 900)))
        for p, count in enumerate(counts)
        for t in range(count)
    ]


def flat(sampler):
    return [index for group in sampler for part in group.micro_batches for index in part]


@settings(max_examples=60, deadline=None)
@given(
    counts=st.lists(st.integers(1, 40), min_size=1, max_size=3),
    batch_size=st.integers(1, 7),
    accumulate=st.integers(1, 4),
    bucket_batches=st.integers(1, 5),
    epoch=st.integers(0, 3),
)
def test_every_trial_once_in_batches_of_one_participant(
    counts, batch_size, accumulate, bucket_batches, epoch
):
    infos = infos_of(*counts)
    sampler = GroupSampler(
        infos,
        batch_size=batch_size,
        accumulate=accumulate,
        bucket_batches=bucket_batches,
        seed=3,
    )
    sampler.set_epoch(epoch)
    groups = list(sampler)

    assert sorted(flat(groups)) == list(range(len(infos)))
    assert len(groups) == len(sampler)
    for group in groups:
        members = [index for part in group.micro_batches for index in part]
        assert len({infos[index].key.participant for index in members}) == 1
        assert all(len(part) == batch_size for part in group.micro_batches[:-1])
        assert 1 <= len(group.micro_batches) <= accumulate
    sizes = [sum(map(len, group.micro_batches)) for group in groups]
    n_short = sum(size < batch_size * accumulate for size in sizes)
    assert n_short <= len(counts)


def test_order_depends_on_seed_and_epoch_only():
    infos = infos_of(30, 20)

    def order(seed, epoch):
        sampler = GroupSampler(infos, batch_size=4, seed=seed)
        sampler.set_epoch(epoch)
        return [group.micro_batches for group in sampler]

    assert order(1, 2) == order(1, 2)
    assert order(1, 2) != order(1, 3)
    assert order(1, 2) != order(2, 2)
    late = GroupSampler(infos, batch_size=4, seed=1, first_epoch=2)
    assert [group.micro_batches for group in late] == order(1, 2)
    late.set_epoch(1)
    assert [group.micro_batches for group in late] == order(1, 3)


def test_accumulation_only_splits_the_same_groups():
    infos = infos_of(29, 10)
    whole = GroupSampler(infos, batch_size=6, accumulate=1, seed=5)
    parts = GroupSampler(infos, batch_size=2, accumulate=3, seed=5)
    for one, many in zip(whole, parts, strict=True):
        assert one.micro_batches[0] == sum(many.micro_batches, ())


def test_done_groups_of_the_first_epoch_come_empty():
    infos = infos_of(20)
    fresh = list(GroupSampler(infos, batch_size=3, seed=1, first_epoch=4))
    sampler = GroupSampler(infos, batch_size=3, seed=1, first_epoch=4, first_group=2)
    resumed = list(sampler)
    assert [group.micro_batches for group in resumed[:2]] == [(), ()]
    assert resumed[2:] == fresh[2:]
    sampler.set_epoch(1)
    assert sorted(flat(sampler)) == list(range(20))


def test_buckets_waste_little_padding():
    infos = infos_of(2000)
    lengths = np.array([info.n_bins for info in infos])

    def waste(bucket_batches):
        sampler = GroupSampler(infos, batch_size=32, bucket_batches=bucket_batches, seed=0)
        padded = sum(lengths[list(g.micro_batches[0])].max() * 32 for g in sampler)
        return 1 - lengths.sum() / padded

    assert waste(16) < 0.08
    assert waste(1) > 0.3


def test_groups_of_a_bucketed_epoch_still_vary():
    infos = infos_of(640)
    sampler = GroupSampler(infos, batch_size=32, bucket_batches=4, seed=0)
    first = {frozenset(group.micro_batches[0]) for group in sampler}
    sampler.set_epoch(1)
    assert not first & {frozenset(group.micro_batches[0]) for group in sampler}


@pytest.mark.parametrize("n", [24, 25, 31])
def test_ranks_share_every_group_and_step_together(n):
    infos = infos_of(n, 5)
    ranks = [
        list(GroupSampler(infos, batch_size=2, accumulate=2, seed=1, shard=Shard(rank, 3)))
        for rank in range(3)
    ]
    for groups in zip(*ranks, strict=True):
        assert len({len(group.micro_batches) for group in groups}) == 1
    counted = [
        index
        for groups in ranks
        for group in groups
        for part in group.micro_batches[: -1 if group.idle else None]
        for index in part
    ]
    assert sorted(counted) == list(range(n + 5))
    assert any(group.idle for groups in ranks for group in groups) == (n > 24)


@pytest.mark.parametrize("world", [1, 2, 3, 8])
def test_ranks_take_turns_in_evaluation(world):
    infos = infos_of(10, 7)  # 3 + 2 batches
    ranks = [
        list(EvaluationSampler(infos, batch_size=4, shard=Shard(rank, world)))
        for rank in range(world)
    ]
    assert {len(groups) for groups in ranks} == {-(-5 // world)}
    counted = [flat(group for group in groups if not group.idle) for groups in ranks]
    assert sorted(index for own in counted for index in own) == list(range(17))


def test_evaluation_takes_everything_once_in_a_fixed_order():
    infos = infos_of(10, 7)
    sampler = EvaluationSampler(infos, batch_size=4)
    assert sorted(flat(sampler)) == list(range(17))
    assert list(sampler) == list(sampler)
    assert len(sampler) == len(list(sampler)) == 3 + 2
