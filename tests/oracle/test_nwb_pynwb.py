"""Our NWB reader against pynwb, the reference, on a real file and on one that pynwb wrote."""

import warnings
from datetime import UTC, datetime

import numpy as np
import pytest

from sylvian.data.corpora.nwb import open_nwb

with warnings.catch_warnings():
    warnings.simplefilter("ignore")
    pynwb = pytest.importorskip("pynwb", reason="pynwb is not installed")

# pynwb warns about fields that newer versions of the standard renamed.
pytestmark = pytest.mark.filterwarnings("ignore")


@pytest.fixture
def written(tmp_path):
    """A file with every kind of thing we read, one unit without spikes among them."""
    rng = np.random.default_rng(4)
    file = pynwb.NWBFile("a day", "id", datetime(2022, 5, 18, 12, tzinfo=UTC))
    for n in (5, 0, 3):
        file.add_unit(spike_times=np.sort(rng.uniform(0, 9, n)))
    file.add_trial_column("cue", "prompt")
    for start in range(3):
        file.add_trial(
            start_time=start * 2.0, stop_time=start * 2.0 + 1.5, cue=f"sentence>{start}~"
        )
    counts = rng.poisson(1, (30, 4))
    times = 0.02 * np.arange(30) + 7
    series = {"unit": "counts", "data": counts}
    file.add_acquisition(pynwb.TimeSeries("stamped", timestamps=times, **series))
    file.add_acquisition(pynwb.TimeSeries("steady", starting_time=7.0, rate=50.0, **series))
    path = tmp_path / "day.nwb"
    with pynwb.NWBHDF5IO(path, "w") as io:
        io.write(file)
    return path


def compare(path):
    with pynwb.NWBHDF5IO(path, "r") as io, open_nwb(path) as ours:
        theirs = io.read()
        mine = ours.spike_times()
        assert len(mine) == len(theirs.units)
        for place, times in enumerate(mine):
            np.testing.assert_array_equal(times, theirs.units["spike_times"][place])
        trials = ours.table("intervals/trials")
        frame = theirs.trials.to_dataframe()
        assert set(frame.columns) <= set(trials)
        for name in frame.columns:
            assert list(trials[name]) == list(frame[name]), name
        for name, series in theirs.acquisition.items():
            got = ours.series(f"acquisition/{name}")
            np.testing.assert_array_equal(got.data[()], series.data[()])
            np.testing.assert_allclose(got.times_s, series.get_timestamps(), rtol=0, atol=1e-12)
        assert ours.text("session_start_time").startswith(f"{theirs.session_start_time:%Y-%m-%d}")


def test_we_read_what_pynwb_reads_of_a_file_it_wrote(written):
    compare(written)


def test_we_read_what_pynwb_reads_of_a_real_file(shared_data):
    compare(
        shared_data / "monkey_mcmaze_small_test" / "sub-Jenkins_ses-small_desc-test_ecephys.nwb"
    )
