"""Spike times by trial, through the readers that do nothing else."""

from bisect import bisect_left

import h5py
import numpy as np
import pytest

from layouts import monkeys
from sylvian.data import prepare
from sylvian.data.corpora import CORPORA
from sylvian.errors import DataError

PERICH = "sub-C_ses-CO-20131003_behavior+ecephys.nwb"
SPANS = ((1.0, 2.0), (2.5, 3.6), (5.0, 6.21))


def one_by_one(units, start, n_bins):
    """Count with a list and a bisection."""
    edges = [start + 0.02 * place for place in range(n_bins + 1)]
    return [
        [bisect_left(times, b) - bisect_left(times, a) for times in units]
        for a, b in zip(edges[:-1], edges[1:], strict=True)
    ]


def test_every_trial_holds_its_spikes_and_no_others(tmp_path, rng, read):
    units = monkeys.spike_times(rng, n_units=9)
    units[3] = np.empty(0)
    monkeys.write_nwb(tmp_path / PERICH, units=units, trials=monkeys.table(*SPANS))
    trials = read("perich2018", tmp_path)
    assert [trial.info.n_bins for trial in trials] == [50, 55, 60]
    assert [trial.info.split for trial in trials] == ["train"] * 3
    for trial, (start, _) in zip(trials, SPANS, strict=True):
        expected = one_by_one([times.tolist() for times in units], start, trial.info.n_bins)
        np.testing.assert_array_equal(trial.features, expected)
        assert (trial.info.sentence, trial.info.phonemes, trial.info.bin_s) == (None, None, 0.02)


def test_a_trial_without_one_whole_bin_gives_nothing(tmp_path, rng, read):
    spans = (1.0, 2.0), (2.0, 2.0), (3.0, 3.019), (4.0, 4.02)
    units = monkeys.spike_times(rng, n_units=4)
    monkeys.write_nwb(tmp_path / PERICH, units=units, trials=monkeys.table(*spans))
    trials = read("perich2018", tmp_path)
    assert [(trial.key.trial, trial.info.n_bins) for trial in trials] == [(0, 50), (1, 1)]


def test_sessions_may_have_other_numbers_of_units(tmp_path, rng):
    monkeys.perich2018(tmp_path / "raw", rng)
    report = prepare(CORPORA["perich2018"](tmp_path / "raw"), tmp_path / "data")
    assert not any("channels" in line for line in report.warnings)
    assert any("109 of 111" in line or "66 of 68" in line for line in report.warnings)


def test_a_session_of_other_channels_than_the_facts_say_is_refused(tmp_path, rng):
    path = tmp_path / "sub-Jenkins_ses-20090912_behavior+ecephys.nwb"
    monkeys.session_of_spikes(path, rng, n_units=191)
    with pytest.raises(DataError, match=r"ses-20090912.*b01/t000: .*expected \(50 bins, 192 chan"):
        prepare(CORPORA["churchland2012"](tmp_path), tmp_path / "data")


def without(name):
    return lambda file: file.__delitem__(name)


def put(name, values):
    def change(file):
        del file[name]
        file[name] = np.asarray(values)

    return change


def scaled(name, factor):
    return lambda file: file[name].__setitem__(..., file[name][()] * factor)


def shuffled(file):
    file["units/spike_times"][10:12] = file["units/spike_times"][10:12][::-1]


def in_milliseconds(file):
    for name in ("start_time", "stop_time"):
        scaled(f"intervals/trials/{name}", 1000.0)(file)


def emptied(file):
    del file["intervals/trials"]
    for name in ("start_time", "stop_time"):
        file[f"intervals/trials/{name}"] = np.empty(0)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (without("units"), "'units/spike_times' is missing"),
        (without("units/spike_times_index"), "'units/spike_times_index' is missing"),
        (put("units/spike_times_index", [5, 4]), "spike_times_index does not fit"),
        (put("units/spike_times_index", np.empty(0, int)), "holds no unit"),
        (without("intervals"), "table 'intervals/trials' is missing"),
        (
            without("intervals/trials/stop_time"),
            "column 'stop_time' of intervals/trials is missing",
        ),
        (put("intervals/trials/stop_time", [2.0, 3.6]), "columns of intervals/trials differ"),
        (put("intervals/trials/stop_time", [2.0, 2.4, 6.0]), "trial 1 is from 2.5 to 2.4 s"),
        (put("intervals/trials/start_time", [1.0, np.nan, 5.0]), "trial 1 is from nan to 3.6 s"),
        (shuffled, "unit 0: spike times are not sorted, spike 11"),
        (scaled("units/spike_times", np.nan), "unit 0: spike 0 is at nan s"),
        (scaled("units/spike_times", 1000.0), "spikes are from .* are both in seconds"),
        (in_milliseconds, "spikes are from .* are both in seconds"),
        (emptied, "intervals/trials is empty"),
    ],
)
def test_a_file_that_breaks_the_layout_is_named(tmp_path, rng, read, change, message):
    path = tmp_path / PERICH
    monkeys.session_of_spikes(path, rng, n_units=2)
    with h5py.File(path, "r+") as file:
        change(file)
    with pytest.raises(DataError, match=message) as caught:
        read("perich2018", tmp_path)
    assert str(path) in str(caught.value)


def test_a_file_whose_trials_are_all_too_short_is_named(tmp_path, rng, read):
    units = monkeys.spike_times(rng, n_units=2)
    trials = monkeys.table((1.0, 1.001), (9.0, 9.001))
    monkeys.write_nwb(tmp_path / PERICH, units=units, trials=trials)
    with pytest.raises(DataError, match=f"{PERICH[:10]}.*holds no trial of one bin or more"):
        read("perich2018", tmp_path)
