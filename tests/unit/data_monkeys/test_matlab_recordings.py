"""Recordings in MATLAB files of finer bins or spike times: odoherty2017, chowdhury2020, ma2023."""

import h5py
import numpy as np
import pytest

from layouts import monkeys
from layouts.human import write_mat
from sylvian.data.corpora.ma2023 import Ma2023
from sylvian.errors import DataError

TIMES = 500.0 + 0.004 * np.arange(3001)  # twelve seconds
INDY = "indy_20160407_02.mat"
HAN = "H_20171101_TRT_TD.mat"
JANGO = "Jango_20150730_001.mat"


def together(trials):
    return np.concatenate([trial.features for trial in trials])


# --------------------------------------------------------------------------- odoherty2017


def test_all_crossings_of_an_electrode_are_counted_whatever_unit(tmp_path, rng, read):
    cells = monkeys.odoherty_cells(rng)
    monkeys.write_odoherty(tmp_path / INDY, cells, times=TIMES)
    trials = read("odoherty2017", tmp_path)
    assert [trial.info.n_bins for trial in trials] == [500, 100]
    edges = 500.0 + 0.02 * np.arange(601)
    for electrode in (0, 1, 2, 95):
        spikes = np.concatenate([cells[unit][electrode] for unit in range(3)])
        expected = np.histogram(spikes, edges)[0]
        np.testing.assert_array_equal(together(trials)[:, electrode], expected)


def test_an_electrode_without_any_spikes_is_silent(tmp_path, rng, read):
    cells = monkeys.odoherty_cells(rng)
    for row in cells:
        row[7] = np.empty(0)
    monkeys.write_odoherty(tmp_path / INDY, cells, times=TIMES)
    assert not together(read("odoherty2017", tmp_path))[:, 7].any()


def in_milliseconds(cells):
    return [[1000 * spikes for spikes in row] for row in cells]


def backwards(cells):
    return [[spikes[::-1] for spikes in row] for row in cells]


@pytest.mark.parametrize(
    ("change", "times", "n_channels", "message"),
    [
        (in_milliseconds, TIMES, 96, "spikes are from .* are both in seconds"),
        (backwards, TIMES, 96, "electrode 0, unit 1: spike times are not sorted"),
        (None, TIMES[::-1], 96, "t does not increase"),
        (None, TIMES[:1], 96, "t does not increase"),
        (None, TIMES, 97, r"spikes has shape \(3, 97\)"),
    ],
)
def test_a_recording_that_breaks_the_layout_is_named(
    tmp_path, rng, read, change, times, n_channels, message
):
    cells = monkeys.odoherty_cells(rng, n_channels=n_channels)
    cells = change(cells) if change else cells
    monkeys.write_odoherty(tmp_path / INDY, cells, times=times, n_channels=n_channels)
    with pytest.raises(DataError, match=message) as caught:
        read("odoherty2017", tmp_path)
    assert INDY in str(caught.value)


@pytest.mark.parametrize("name", ["spikes", "t"])
def test_a_missing_variable_is_named(tmp_path, rng, read, name):
    monkeys.write_odoherty(tmp_path / INDY, monkeys.odoherty_cells(rng), times=TIMES)
    with h5py.File(tmp_path / INDY, "r+") as file:
        del file[name]
    with pytest.raises(DataError, match=f"{INDY}: variable '{name}' is missing"):
        read("odoherty2017", tmp_path)


# -------------------------------------------------------------------------- chowdhury2020


def test_two_bins_of_ten_milliseconds_make_one(tmp_path, rng, read):
    parts = monkeys.trial_data(rng)
    write_mat(tmp_path / HAN, {"trial_data": parts})
    trials = read("chowdhury2020", tmp_path)
    assert [(t.key.block, t.key.trial, t.info.n_bins) for t in trials] == [
        (1, 0, 500),
        (1, 1, 251),
        (2, 0, 201),
    ]
    assert {(t.key.participant, t.info.prompt_set) for t in trials} == {("Han", "TRT")}
    for part, its in zip(parts.flat, (trials[:2], trials[2:]), strict=True):
        counts = part["S1_spikes"].astype(int)
        expected = [counts[2 * n] + counts[2 * n + 1] for n in range(len(counts) // 2)]
        np.testing.assert_array_equal(together(its), expected)


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ({"bin_size": 0.015}, "bins of 15 ms do not make up the 20 ms"),
        ({"bin_size": 0.05}, "bins of 50 ms do not make up the 20 ms"),
        ({"bin_size": "ten"}, "bin_size: not a number"),
    ],
)
def test_other_bins_are_refused(tmp_path, rng, read, shape, message):
    write_mat(tmp_path / HAN, {"trial_data": monkeys.trial_data(rng, **shape)})
    with pytest.raises(DataError, match=message) as caught:
        read("chowdhury2020", tmp_path)
    assert HAN in str(caught.value)


def test_a_recording_shorter_than_a_bin_is_refused(tmp_path, rng, read):
    write_mat(tmp_path / HAN, {"trial_data": monkeys.trial_data(rng, n_bins=(1, 0))})
    with pytest.raises(DataError, match=f"{HAN}: holds no trial of one bin or more"):
        read("chowdhury2020", tmp_path)


def test_a_file_of_something_else_is_refused(tmp_path, rng, read):
    write_mat(tmp_path / HAN, {"trial_data": np.ones(3)})
    with pytest.raises(DataError, match=f"{HAN}: trial_data: field 'S1_spikes' is missing"):
        read("chowdhury2020", tmp_path)
    write_mat(tmp_path / HAN, {"td": np.ones(3)})
    with pytest.raises(DataError, match=f"{HAN}: variable 'trial_data' is missing"):
        read("chowdhury2020", tmp_path)


# -------------------------------------------------------------------------------- ma2023


def test_twenty_bins_of_a_millisecond_make_one_in_either_version(tmp_path, rng, read):
    fields = monkeys.xds(rng, n_bins=61_010, n_channels=3)  # over two strips
    monkeys.write_xds_7_3(tmp_path / "new" / JANGO, fields)
    write_mat(tmp_path / "old" / JANGO, {"xds": fields})
    new, old = (read("ma2023", tmp_path / version) for version in ("new", "old"))
    assert [trial.info for trial in new] == [trial.info for trial in old]
    assert [trial.info.n_bins for trial in new] == [500] * 6 + [50]
    expected = fields["spike_counts"][:61_000].reshape(3050, 20, 3).sum(axis=1)
    np.testing.assert_array_equal(together(new), expected)
    np.testing.assert_array_equal(together(old), expected)


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("Greyson_20190812_Key_001.mat", ("Greyson", "2019-08-12", None)),
        ("Mihili_20131207_001_RT.mat", ("Mihili", "2013-12-07", "RT")),
        ("Spike_20120823_003.mat", ("Spike", "2012-08-23", None)),
    ],
)
def test_names_as_they_were_published(tmp_path, rng, read, name, told):
    monkeys.write_xds_7_3(tmp_path / name, monkeys.xds(rng, n_bins=400, n_channels=2))
    (trial,) = read("ma2023", tmp_path)
    assert (trial.key.participant, trial.key.session, trial.info.prompt_set) == told


@pytest.mark.parametrize("write", ["new", "old"])
@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"bin_width": 0.002}, "bin_width is 0.002 s, but time_frame goes in steps of 0.001 s"),
        ({"time_frame": 0.001 * np.arange(99)[:, None]}, "spike_counts has 400, time_frame has 99"),
        ({"time_frame": np.zeros((1, 1))}, "time_frame has 1 moments"),
        ({"width": 0.003}, "bins of 3 ms do not make up the 20 ms"),
        ({"spike_counts": None}, "spike_counts"),
    ],
)
def test_an_xds_that_breaks_the_layout_is_named(tmp_path, rng, read, write, changes, message):
    changes = dict(changes)
    fields = monkeys.xds(rng, n_bins=400, n_channels=2, width=changes.pop("width", 0.001))
    fields = {k: v for k, v in (fields | changes).items() if v is not None}
    if write == "new":
        monkeys.write_xds_7_3(tmp_path / JANGO, fields)
    else:
        write_mat(tmp_path / JANGO, {"xds": fields})
    with pytest.raises(DataError, match=message) as caught:
        read("ma2023", tmp_path)
    assert JANGO in str(caught.value)


def test_every_published_file_has_a_name_the_reader_knows():
    names = "Chewie_20160927_001.mat", "Jango_20151102_001.mat", "Mihili_20140203_001.mat"
    assert all(Ma2023.pattern.fullmatch(name) for name in names)
    assert not Ma2023.pattern.fullmatch("Jango_2015_001.mat")
