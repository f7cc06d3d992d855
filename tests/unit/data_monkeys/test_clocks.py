import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sylvian.data.corpora.clocks import epochs, spikes_of_epochs


@pytest.mark.parametrize(
    ("starts", "parts"),
    [
        ([1.0, 2.0, 3.0], [[1.0, 2.0, 3.0]]),
        ([1.0, 2.0, 0.5, 4.0, 0.1], [[1.0, 2.0], [0.5, 4.0], [0.1]]),
        ([1.0, 1.0], [[1.0, 1.0]]),
    ],
)
def test_a_clock_begins_anew_where_a_trial_precedes_the_one_before(starts, parts):
    starts = np.array(starts)
    assert [starts[part].tolist() for part in epochs(starts)] == parts


@given(
    st.lists(
        st.lists(st.floats(0.0, 1.0), max_size=6).map(sorted).map(np.array), min_size=1, max_size=4
    )
)
def test_every_run_of_spikes_finds_its_epoch(of_each):
    """Epochs that do not overlap in time, each before the one that precedes it."""
    spans = [(10.0 * place, 10.0 * place + 1) for place in reversed(range(len(of_each)))]
    times = [first + run for (first, _), run in zip(spans, of_each, strict=True)]
    got = spikes_of_epochs(np.concatenate([np.empty(0), *times]), spans)
    assert got is not None
    for mine, theirs in zip(got, times, strict=True):
        np.testing.assert_array_equal(mine, theirs)


@pytest.mark.parametrize(
    "times",
    [
        [1.0, 50.0],  # outside either epoch
        [11.0, 1.0, 0.5],  # three runs in two epochs
        [1.0, 11.0],  # one run over both
    ],
)
def test_spikes_that_fit_nowhere_are_not_guessed_at(times):
    assert spikes_of_epochs(np.array(times), [(10.0, 12.0), (0.0, 2.0)]) is None
