import pytest
from hypothesis import given
from hypothesis import strategies as st

from sylvian.data.corpora.windows import windows


@given(n_bins=st.integers(0, 5000), length=st.integers(1, 600))
def test_windows_touch_and_leave_nothing_out(n_bins, length):
    cut = list(windows(n_bins, bin_s=0.02, window_s=0.02 * length))
    bins = [place for window in cut for place in range(n_bins)[window]]
    assert bins == list(range(n_bins))
    assert all(window.stop - window.start <= 1.1 * length for window in cut)
    assert all(window.stop - window.start >= 0.1 * length for window in cut[1:])


@pytest.mark.parametrize(
    ("n_bins", "bin_s", "lengths"),
    [
        (1000, 0.02, [500, 500]),  # ten seconds unless told otherwise
        (1049, 0.02, [500, 549]),  # less than a second more joins the last one
        (1050, 0.02, [500, 500, 50]),
        (500, 0.045, [222, 222, 56]),
        (3, 0.02, [3]),
        (0, 0.02, []),
    ],
)
def test_a_short_rest_joins_the_window_before_it(n_bins, bin_s, lengths):
    assert [window.stop - window.start for window in windows(n_bins, bin_s=bin_s)] == lengths
