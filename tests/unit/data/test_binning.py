import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sylvian.data.corpora.binning import (
    bin_spike_times,
    bins_to_join,
    rebin_counts,
)
from sylvian.errors import ConfigError, DataError


def test_a_bin_holds_its_start_and_not_its_end():
    counts = bin_spike_times([np.array([0.0, 0.5, 1.0, 2.0])], start_s=0.0, stop_s=2.0, bin_s=1.0)
    np.testing.assert_array_equal(counts, [[2.0], [1.0]])
    assert counts.dtype == np.float32


def test_spikes_outside_the_window_and_a_cut_bin_are_left_out():
    counts = bin_spike_times([np.array([-1.0, 0.05, 9.0])], start_s=0.0, stop_s=0.07)
    np.testing.assert_array_equal(counts, [[0.0], [0.0], [1.0]])
    assert bin_spike_times([np.zeros(3)] * 2, start_s=1.0, stop_s=1.01).shape == (0, 2)


def test_rounding_costs_no_bin():
    """0.7 / 0.02 is 34.999... in floating point."""
    assert len(bin_spike_times([np.zeros(0)], start_s=0.0, stop_s=0.7)) == 35
    assert len(bin_spike_times([np.zeros(0)], start_s=1234.5, stop_s=1235.2)) == 35


@given(
    times=st.lists(st.floats(-5, 25), max_size=50).map(sorted),
    start=st.floats(-3, 10),
    n=st.integers(1, 40),
)
def test_it_agrees_with_counting_one_by_one(times, start, n):
    counts = bin_spike_times([np.array(times)], start_s=start, stop_s=start + n * 0.25, bin_s=0.25)
    edges = start + 0.25 * np.arange(len(counts) + 1)
    expected = [sum(a <= t < b for t in times) for a, b in zip(edges[:-1], edges[1:], strict=True)]
    assert counts[:, 0].tolist() == expected and len(counts) == n


@pytest.mark.parametrize(
    ("times", "message"),
    [
        ([0.1, 0.3, 0.2], r"f.nwb: channel 1: spike times are not sorted, spike 2 at 0.2 s"),
        ([0.1, np.nan], "f.nwb: channel 1: spike 1 is at nan s"),
        ([np.inf], "f.nwb: channel 1: spike 0 is at inf s"),
    ],
)
def test_times_that_cannot_be_are_named(times, message):
    with pytest.raises(DataError, match=message):
        bin_spike_times([np.zeros(1), np.array(times)], start_s=0.0, stop_s=1.0, where="f.nwb")


def test_a_window_that_is_not_a_number_is_named():
    with pytest.raises(DataError, match="f.nwb: window from 0.0 to nan s"):
        bin_spike_times([np.zeros(1)], start_s=0.0, stop_s=float("nan"), where="f.nwb")


def test_joined_bins_keep_every_count_but_an_unfinished_rest():
    counts = np.arange(14, dtype=np.uint8).reshape(7, 2) + 200
    joined = rebin_counts(counts, 3)
    np.testing.assert_array_equal(joined, [counts[:3].sum(0), counts[3:6].sum(0)])
    assert joined.dtype == np.float32 and joined.max() > 255  # no overflow of uint8
    np.testing.assert_array_equal(rebin_counts(counts, 1), counts)


@pytest.mark.parametrize("factor", [0, -2])
def test_bins_are_never_divided(factor):
    with pytest.raises(ConfigError, match="joined, not divided"):
        rebin_counts(np.ones((4, 2)), factor)
    with pytest.raises(ConfigError, match="give a positive width"):
        bin_spike_times([np.zeros(1)], start_s=0.0, stop_s=1.0, bin_s=0.0)


def test_only_bins_that_divide_ours_are_joined():
    assert [bins_to_join(b, where="f") for b in (0.001, 0.01, 0.02)] == [20, 2, 1]
    assert bins_to_join(0.015, bin_s=0.045, where="f") == 3
    for wrong in (0.015, 0.032, 0.0, -1.0, float("nan")):
        with pytest.raises(DataError, match="f: bins of .* ms do not make up the 20 ms"):
            bins_to_join(wrong, where="f")
