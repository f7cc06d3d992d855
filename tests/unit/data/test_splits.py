from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sylvian.data import PreparedCorpus, prepare, split_trials
from sylvian.data.corpora import Card2024
from sylvian.data.splits import unlabelled_trials
from sylvian.errors import DataError
from sylvian.types import TrialInfo, TrialKey


def trials(counts, corpus="card2024", participant="T15", session="2023-08-13"):
    """Make `counts[split]` trials a split, in blocks of their own."""
    return [
        TrialInfo(TrialKey(corpus, participant, session, block, n), split, 50)
        for block, (split, count) in enumerate(counts.items())
        for n in range(count)
    ]


T15 = {"train": 6, "val": 5, "test": 4}
T12 = {"train": 6, "test": 5, "holdout": 4}


def sizes(splits):
    return {name: len(infos) for name, infos in splits.items()}


def test_benchmark_is_as_published():
    card = split_trials(trials(T15), "benchmark")
    assert {name: {i.split for i in infos} for name, infos in card.items()} == {
        "train": {"train"},
        "val": {"val"},
        "test": {"test"},
    }
    willett = split_trials(trials(T12, "willett2023", "T12"), "benchmark")
    assert {name: {i.split for i in infos} for name, infos in willett.items()} == {
        "train": {"train"},
        "val": {"test"},
        "test": {"holdout"},
    }


FALCON = {"held_in_calib": 6, "minival": 5, "held_out_calib": 4}
KUNZ = {"train": 6, "val_50words": 5}


def test_benchmark_keeps_the_parts_that_other_releases_publish():
    falcon = split_trials(trials(FALCON, "falcon", "T5"), "benchmark")
    assert {name: {i.split for i in infos} for name, infos in falcon.items()} == {
        "train": {"held_in_calib"},
        "val": {"minival"},
        "test": {"held_out_calib"},
    }
    kunz = split_trials(trials(KUNZ, "kunz2025", "T12"), "bit")
    assert sizes(kunz) == {"train": 6, "val": 2, "test": 3, "holdout": 0}
    assert {i.split for i in (*kunz["val"], *kunz["test"])} == {"val_50words"}


def test_a_release_without_splits_is_all_train_for_the_benchmark_rule():
    splits = split_trials(trials({"train": 6}, "willett2021", "T5"), "benchmark")
    assert sizes(splits) == {"train": 6, "val": 0, "test": 0}


def in_blocks(session, lengths):
    return [
        TrialInfo(TrialKey("willett2021", "T5", session, block, n), "train", 50)
        for block, length in enumerate(lengths, start=3)
        for n in range(length)
    ]


@pytest.mark.parametrize(
    ("lengths", "held"),
    [([4, 4, 4], [5]), ([2] * 25, [26, 27]), ([7, 1], [4])],
)
def test_blocks_holds_out_the_last_tenth_of_every_sessions_blocks(lengths, held):
    days = [in_blocks(day, lengths) for day in ("2019-05-08", "2019-11-25")]
    splits = split_trials([*days[1], *days[0]], "blocks")
    for day in days:
        session = day[0].key.session
        assert {i.key.block for i in splits["val"] if i.key.session == session} == set(held)
    assert sorted([*splits["train"], *splits["val"]], key=lambda i: i.key) == [*days[0], *days[1]]


@pytest.mark.parametrize(("n", "held"), [(1, []), (2, [1]), (10, [9]), (30, [27, 28, 29])])
def test_a_session_of_one_block_holds_out_its_last_trials(n, held):
    splits = split_trials(in_blocks("2019-05-08", [n]), "blocks")
    assert [i.key.trial for i in splits["val"]] == held
    assert len(splits["train"]) == n - len(held)


def test_blocks_never_touches_what_was_published_as_held_out():
    infos = [*in_blocks("2023-08-13", [2, 2]), *trials({"val": 3, "test": 2}, session="2023-08-13")]
    infos = [replace(i, key=replace(i.key, corpus="card2024", participant="T15")) for i in infos]
    splits = split_trials(infos, "blocks")
    assert sizes(splits) == {"train": 2, "val": 2, "test": 5}
    assert {i.split for i in splits["test"]} == {"val", "test"}
    assert {i.split for i in splits["val"]} == {"train"}


@pytest.mark.parametrize(("counts", "labelled"), [(T15, "val"), (T12, "test")])
def test_bit_halves_the_labelled_held_out_trials(counts, labelled):
    infos = trials(counts)
    splits = split_trials(infos, "bit")
    assert sizes(splits) == {"train": 6, "val": 2, "test": 3, "holdout": 4}
    assert {i.split for i in (*splits["val"], *splits["test"])} == {labelled}


@pytest.mark.parametrize("n", [1426, 880])
def test_bit_halves_are_those_of_the_published_code(n):
    infos = trials({"train": 1, "val": n, "test": 0})
    splits = split_trials(infos, "bit")
    order = np.random.RandomState(42).permutation(n)  # noqa: NPY002
    held_out = [info for info in infos if info.split == "val"]
    assert len(splits["val"]) == len(splits["test"]) == n // 2
    assert set(splits["val"]) == {held_out[i] for i in order[: n // 2]}
    assert set(splits["test"]) == {held_out[i] for i in order[n // 2 :]}


def test_participants_are_split_each_by_itself():
    mine, other = trials(T15), trials(T12, "card2024", "T99")
    together = split_trials([*other, *mine], "bit")
    for alone in (split_trials(mine, "bit"), split_trials(other, "bit")):
        for name, infos in alone.items():
            assert set(infos) <= set(together[name])


@given(
    counts=st.fixed_dictionaries({s: st.integers(0, 30) for s in ("train", "val", "test")}),
    rule=st.sampled_from(["benchmark", "bit", "blocks"]),
    seed=st.integers(0, 99),
)
def test_every_trial_is_in_exactly_one_split_whatever_the_order(counts, rule, seed):
    infos = trials(counts)
    shuffled = [infos[i] for i in np.random.default_rng(seed).permutation(len(infos))]
    splits = split_trials(shuffled, rule)
    assert sorted(i.key for s in splits.values() for i in s) == [i.key for i in infos]
    assert splits == split_trials(infos, rule)
    for members in splits.values():
        assert list(members) == sorted(members, key=lambda info: info.key)


def test_a_trial_in_two_splits_is_refused():
    infos = trials(T15)
    twice = replace(infos[0], split="val")
    with pytest.raises(
        DataError, match=f"{infos[0].key}: in val, and the same recording is .*train"
    ):
        split_trials([*infos, twice], "benchmark")


def test_one_recording_under_two_names_is_refused_across_splits_only():
    infos = trials(T15)
    contents = {info.key: str(place) for place, info in enumerate(infos)}
    same_split = contents | {infos[1].key: contents[infos[0].key]}
    assert sizes(split_trials(infos, "benchmark", contents=same_split))["train"] == 6
    val = next(info for info in infos if info.split == "val")
    leaking = contents | {val.key: contents[infos[0].key]}
    with pytest.raises(
        DataError, match=f"{val.key}: in val, and the same .* {infos[0].key} in train"
    ):
        split_trials(infos, "benchmark", contents=leaking)


def test_the_same_sentence_in_two_splits_is_allowed():
    infos = [replace(info, sentence="Hello.") for info in trials(T15)]
    assert sizes(split_trials(infos, "bit")) == {"train": 6, "val": 2, "test": 3, "holdout": 4}


def test_a_split_no_rule_knows_is_refused():
    with pytest.raises(DataError, match="split 'dev' beside test, train: no rule says"):
        split_trials(trials({"train": 1, "dev": 1, "test": 1}), "benchmark")


def test_the_store_refuses_a_recording_copied_from_train_to_val(
    tmp_path, few_t15, make_t15, make_t15_trial, rng
):
    copied, own = rng.normal(size=(2, 9, 6))
    train = [make_t15_trial(1, 0, copied), make_t15_trial(1, 1, own)]
    make_t15(tmp_path / "raw", "2023-08-11", train=train)
    make_t15(tmp_path / "raw", "2023-08-13", train=train[1:], val=[make_t15_trial(2, 0, copied)])
    prepare(Card2024(tmp_path / "raw", facts=few_t15), tmp_path)
    corpus = PreparedCorpus.open(tmp_path, "card2024")
    with pytest.raises(
        DataError, match=r"2023-08-13/b02/t000: in val.*2023-08-11/b01/t000 in train"
    ):
        corpus.splits()


def test_unlabelled_trials_are_those_whose_labels_nobody_publishes():
    def hidden(counts, labels=None):
        infos = [replace(info, sentence=labels) for info in trials(counts)]
        return {info.split for info in unlabelled_trials(infos)}

    assert hidden(T15) == {"test"}
    assert hidden(T12) == {"holdout"}
    assert hidden(KUNZ) == hidden(FALCON) == hidden({"train": 6, "test": 2}) == set()
    assert hidden(T15, "Hip.") == set()
    part = trials({"test": 3})
    assert unlabelled_trials(part) == ()  # of willett2023, it would be the labelled part
    assert len(unlabelled_trials(part, published=("train", "val", "test"))) == 3
    assert unlabelled_trials(part, published=("train", "val", "test", "holdout")) == ()
    with pytest.raises(DataError, match="split 'dev'"):
        unlabelled_trials(trials({"train": 6, "dev": 2}))
