from collections import Counter

import h5py
import numpy as np
import pytest

from layouts import monkeys
from sylvian.data import PreparedCorpus, prepare
from sylvian.data.corpora import CORPORA
from sylvian.errors import DataError


def test_both_files_of_a_session_are_its_blocks_with_the_published_splits(tmp_path, rng, read):
    monkeys.mc_maze(tmp_path, rng)
    small = [t for t in read("mc_maze", tmp_path) if t.key.session == "2009-09-28"]
    assert [(t.key.block, t.info.split) for t in small] == [
        (1, "train"),
        (1, "val"),
        (1, "train"),  # which the benchmark uses for nothing
        (1, "train"),
        (2, "test"),
        (2, "test"),
    ]


def test_units_that_the_test_file_withholds_are_left_out(tmp_path, rng, read):
    monkeys.mc_maze(tmp_path, rng)
    path = next(tmp_path.rglob("*small_desc-train*"))
    with h5py.File(path) as file:
        ends = file["units/spike_times_index"][()].astype(int)
        units = np.split(file["units/spike_times"][()], ends[:-1])
    kept = [units[unit] for unit in range(11) if unit not in (0, 4, 10)]
    first = read("mc_maze", tmp_path)[-6]
    assert first.key.session == "2009-09-28" and first.features.shape == (100, 8)
    expected = [((t >= 1.0) & (t < 3.0)).sum() for t in kept]
    np.testing.assert_array_equal(first.features.sum(axis=0), expected)


def test_sizes_are_sessions_with_their_own_units(tmp_path, rng):
    monkeys.mc_maze(tmp_path / "raw", rng)
    prepare(CORPORA["mc_maze"](tmp_path / "raw"), tmp_path / "data")
    prepared = PreparedCorpus.open(tmp_path / "data", "mc_maze")
    assert prepared.session_channels == {
        "mc_maze/Jenkins/2009-09-25": 9,
        "mc_maze/Jenkins/2009-09-28": 8,
    }
    splits = prepared.splits("benchmark")
    assert {name: len(trials) for name, trials in splits.items()} == {
        "train": 6,
        "val": 2,
        "test": 2,
    }


def test_rtt_trials_are_thirty_bins(tmp_path, rng, read):
    monkeys.mc_rtt(tmp_path, rng)
    assert [trial.features.shape for trial in read("mc_rtt", tmp_path)] == [(30, 6)] * 6


def test_two_files_for_one_part_are_refused(tmp_path, rng, read):
    monkeys.mc_rtt(tmp_path / "one", rng)
    monkeys.mc_rtt(tmp_path / "two", rng)
    with pytest.raises(DataError, match=r"two/.*desc-test.*: test of 2016-06-30, as is .*one/"):
        read("mc_rtt", tmp_path)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("intervals/trials/split", "column 'split' of intervals/trials is missing"),
        ("session_start_time", "'session_start_time' is missing"),
    ],
)
def test_a_file_that_breaks_the_layout_is_named(tmp_path, rng, read, name, message):
    monkeys.mc_rtt(tmp_path, rng)
    path = next(tmp_path.rglob("*train*.nwb"))
    with h5py.File(path, "r+") as file:
        del file[name]
    with pytest.raises(DataError, match=message) as caught:
        read("mc_rtt", tmp_path)
    assert str(path) in str(caught.value)


def test_a_file_whose_trials_are_all_too_short_is_named(tmp_path, rng, read):
    monkeys.mc_rtt(tmp_path, rng)
    path = next(tmp_path.rglob("*test*.nwb"))
    with h5py.File(path, "r+") as file:
        file["intervals/trials/stop_time"][...] = file["intervals/trials/start_time"][()] + 0.01
        file["intervals/trials/stop_time"][-1] = file["intervals/trials/start_time"][-1] + 0.019
    with pytest.raises(DataError, match="holds no trial of one bin or more") as caught:
        read("mc_rtt", tmp_path)
    assert str(path) in str(caught.value)


def test_marks_of_other_units_are_refused(tmp_path, rng, read):
    monkeys.mc_rtt(tmp_path, rng)
    with h5py.File(next(tmp_path.rglob("*train*.nwb")), "r+") as file:
        del file["units/heldout"]
        file["units/heldout"] = [True] * 3
    with pytest.raises(DataError, match="3 marks of 7 units"):
        read("mc_rtt", tmp_path)


def test_the_real_test_file_of_mc_maze_small(shared_data, read):
    """Every one of its 32,897 spikes is in some bin of its 100 trials."""
    raw = shared_data / "monkey_mcmaze_small_test"
    if not raw.is_dir():
        pytest.skip(f"no {raw}")
    trials = read("mc_maze", raw)
    assert Counter(trial.features.shape for trial in trials) == {(35, 107): 100}
    assert {(t.key.participant, t.key.session, t.info.split) for t in trials} == {
        ("Jenkins", "2009-09-28", "test")
    }
    assert sum(trial.features.sum() for trial in trials) == 32_897
