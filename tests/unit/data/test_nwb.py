import h5py
import numpy as np
import pytest

from sylvian.data.corpora.nwb import open_nwb
from sylvian.errors import DataError


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "day.nwb"
    with h5py.File(path, "w") as file:
        file["session_start_time"] = "2022-05-18T12:00:00+00:00"
        file["units/id"] = np.arange(3)
        file["units/spike_times"] = np.array([0.1, 0.2, 0.9, 1.5])
        file["units/spike_times_index"] = np.array([2, 2, 4], np.uint8)
        trials = file.create_group("intervals/trials")
        trials["start_time"], trials["stop_time"] = [0.0, 1.0], [0.5, 2.0]
        trials["cue"] = ["a>b~", "c?"]
        trials["tags"], trials["tags_index"] = ["x", "y", "z"], [1, 3]
        trials.create_group("not_a_column")
        file["acquisition/counts/data"] = np.arange(12).reshape(6, 2)
        file["acquisition/counts/timestamps"] = np.arange(6) * 0.02
        file["analysis/steady/data"] = np.arange(4)
        file["analysis/steady/starting_time"] = 3.0
        file["analysis/steady/starting_time"].attrs["rate"] = 50.0
    return path


def test_units_keep_their_places_even_without_spikes(path):
    with open_nwb(path) as file:
        times = file.spike_times()
    assert [list(unit) for unit in times] == [[0.1, 0.2], [], [0.9, 1.5]]


def test_a_table_has_its_plain_columns(path):
    with open_nwb(path) as file:
        table = file.table("intervals/trials")
        assert file.names("intervals") == ["trials"] and file.names("no such group") == []
        assert file.text("session_start_time").startswith("2022-05-18")
    assert set(table) == {"start_time", "stop_time", "cue"}
    assert list(table["cue"]) == ["a>b~", "c?"]


def test_series_have_times_stamped_or_steady(path):
    with open_nwb(path) as file:
        stamped, steady = file.series("acquisition/counts"), file.series("analysis/steady")
        np.testing.assert_array_equal(stamped.data[1:3], [[2, 3], [4, 5]])
    np.testing.assert_allclose(stamped.times_s, 0.02 * np.arange(6))
    np.testing.assert_allclose(steady.times_s, [3.0, 3.02, 3.04, 3.06])


def change(path, name, value):
    with h5py.File(path, "a") as file:
        del file[name]
        if value is not None:
            file[name] = value


@pytest.mark.parametrize(
    ("name", "value", "read", "message"),
    [
        ("units/spike_times", None, lambda f: f.spike_times(), "'units/spike_times' is missing"),
        ("units/spike_times_index", None, lambda f: f.spike_times(), "spike_times_index' is miss"),
        ("units/spike_times_index", [2, 2, 9], lambda f: f.spike_times(), "does not fit the 4 val"),
        ("units/spike_times_index", [3, 2, 4], lambda f: f.spike_times(), "does not fit the 4 val"),
        ("intervals/trials", None, lambda f: f.table("intervals/trials"), "table 'intervals/trial"),
        (
            "intervals/trials/stop_time",
            [1.0],
            lambda f: f.table("intervals/trials"),
            "columns of intervals/trials differ in length",
        ),
        (
            "acquisition/counts/timestamps",
            [1.0],
            lambda f: f.series("acquisition/counts"),
            "has 6 values but 1 timestamps",
        ),
        (
            "acquisition/counts/timestamps",
            None,
            lambda f: f.series("acquisition/counts"),
            "'acquisition/counts/starting_time' is missing",
        ),
        ("acquisition/counts/data", None, lambda f: f.series("acquisition/counts"), "data' is mis"),
        (
            "analysis/steady/starting_time",
            3.0,
            lambda f: f.series("analysis/steady"),
            "cannot be read",
        ),
    ],
)
def test_what_is_missing_or_damaged_is_named(path, name, value, read, message):
    change(path, name, value)
    with open_nwb(path) as file, pytest.raises(DataError, match=message) as caught:
        read(file)
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("content", [b"", b"not hdf5 at all", b"\x89HDF\r\n\x1a\n cut short"])
def test_a_file_that_is_no_nwb_file_is_named(path, content):
    path.write_bytes(content)
    with pytest.raises(DataError, match="day.nwb: cannot be read"), open_nwb(path):
        pass
