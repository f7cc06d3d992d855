import numpy as np
import pytest

from layouts import monkeys
from sylvian.data import prepare
from sylvian.data.corpora import CORPORA
from sylvian.errors import DataError

NAME = "sub-Nitschke_ses-20090910_behavior+ecephys.nwb"
SPANS = ((100.0, 101.0), (102.0, 103.5), (7.0, 8.0), (8.0, 9.0))


def restarted(path, of_epochs):
    """A recording whose clock began anew after two of four trials."""
    units = [np.concatenate(both) for both in zip(*of_epochs, strict=True)]
    monkeys.write_nwb(path, units=units, trials=monkeys.table(*SPANS))


@pytest.fixture
def of_epochs(rng):
    return (
        monkeys.spike_times(rng, n_units=192, start=100.0, stop=104.0),
        monkeys.spike_times(rng, n_units=192, start=7.0, stop=9.5),
    )


def test_each_part_of_a_restarted_clock_is_a_block_with_its_own_spikes(tmp_path, of_epochs, read):
    restarted(tmp_path / NAME, of_epochs)
    trials = read("churchland2012", tmp_path)
    assert [(t.key.block, t.key.trial) for t in trials] == [(1, 0), (1, 1), (2, 0), (2, 1)]
    for trial, (start, stop), epoch in zip(trials, SPANS, (0, 0, 1, 1), strict=True):
        expected = [((start <= t) & (t < stop)).sum() for t in of_epochs[epoch]]
        np.testing.assert_array_equal(trial.features.sum(axis=0), expected)


def test_the_person_is_told(tmp_path, of_epochs):
    restarted(tmp_path / "raw" / NAME, of_epochs)
    report = prepare(CORPORA["churchland2012"](tmp_path / "raw"), tmp_path / "data")
    assert any("the clock was started anew 1 times" in line for line in report.warnings)


def test_a_unit_may_be_silent_in_a_part(tmp_path, of_epochs, read):
    of_epochs[0][5] = np.empty(0)
    restarted(tmp_path / NAME, of_epochs)
    trials = read("churchland2012", tmp_path)
    assert [trial.features[:, 5].any() for trial in trials] == [False, False, True, True]


def test_a_unit_whose_spikes_cannot_be_told_apart_is_silent(tmp_path, of_epochs, read):
    of_epochs[0][5] = np.array([100.5, 100.4])
    restarted(tmp_path / NAME, of_epochs)
    trials = read("churchland2012", tmp_path)
    assert not any(trial.features[:, 5].any() for trial in trials)
    assert all(trial.features[:, 4].any() for trial in trials)


def test_a_recording_in_which_none_can_is_refused(tmp_path, of_epochs, read):
    jumbled = tuple([times[::-1] for times in epoch] for epoch in of_epochs)
    restarted(tmp_path / NAME, jumbled)
    with pytest.raises(DataError, match=f"{NAME[:10]}.*the spikes of no unit can be told apart"):
        read("churchland2012", tmp_path)


def test_overlapping_trials_are_no_new_clock(tmp_path, rng, read):
    units = monkeys.spike_times(rng, n_units=192)
    trials = monkeys.table((1.0, 3.0), (2.5, 4.0))
    monkeys.write_nwb(tmp_path / NAME, units=units, trials=trials)
    assert [(t.key.block, t.key.trial) for t in read("churchland2012", tmp_path)] == [
        (1, 0),
        (1, 1),
    ]
