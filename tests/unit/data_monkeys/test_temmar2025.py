import h5py
import numpy as np
import pytest

from layouts import monkeys
from sylvian.data import prepare
from sylvian.data.corpora import CORPORA
from sylvian.errors import DataError

NAME = "sub-Monkey-N_ses-20200127_ecephys.nwb"


def counts(path):
    with h5py.File(path) as file:
        return file["analysis/ThresholdCrossings/data"][()]


def test_trials_are_the_published_counts_each_bin_once(tmp_path, rng, read):
    path = monkeys.link(tmp_path / NAME, rng)
    trials = read("temmar2025", tmp_path)
    assert [trial.info.n_bins for trial in trials] == [50, 50, 50]
    together = np.concatenate([trial.features for trial in trials])
    np.testing.assert_array_equal(together, counts(path))


def test_a_bin_that_two_trials_claim_goes_to_the_first(tmp_path, rng, read):
    path = monkeys.link(tmp_path / NAME, rng)
    with h5py.File(path, "r+") as file:
        starts, stops = (file[f"intervals/trials/{name}_time"] for name in ("start", "stop"))
        stops[:2] = starts[1:]  # a stop that is the next start
    together = np.concatenate([trial.features for trial in read("temmar2025", tmp_path)])
    np.testing.assert_array_equal(together, counts(path))


def test_blocks_begin_where_the_targets_change_style(tmp_path, rng, read):
    monkeys.link(tmp_path / NAME, rng, styles=("CO", "CO", "RD", "CO"))
    told = [(t.key.block, t.key.trial, t.info.prompt_set) for t in read("temmar2025", tmp_path)]
    assert told == [(1, 0, "CO"), (1, 1, "CO"), (2, 0, "RD"), (3, 0, "CO")]


def test_a_gap_divides_a_trial(tmp_path, rng, read):
    monkeys.link(tmp_path / NAME, rng, gap_at=70)
    assert [t.info.n_bins for t in read("temmar2025", tmp_path)] == [50, 20, 30, 50]


@pytest.mark.parametrize("step", [0.02, 0.032])
def test_the_timestamps_say_how_wide_a_bin_is(tmp_path, rng, read, step):
    monkeys.link(tmp_path / NAME, rng, step=step)
    trials = read("temmar2025", tmp_path)
    assert {trial.info.bin_s for trial in trials} == {step}
    assert sum(trial.info.n_bins for trial in trials) == 150


def test_wide_bins_stay_labelled_when_prepared(tmp_path, rng):
    from sylvian.data import PreparedCorpus

    monkeys.link(tmp_path / "raw" / NAME, rng, step=0.032)
    prepare(CORPORA["temmar2025"](tmp_path / "raw"), tmp_path / "data")
    infos = PreparedCorpus.open(tmp_path / "data", "temmar2025").infos
    assert {info.bin_s for info in infos} == {0.032}


def test_counts_may_be_where_the_releases_writer_puts_them(tmp_path, rng, read):
    path = monkeys.link(tmp_path / NAME, rng)
    expected = counts(path)
    with h5py.File(path, "r+") as file:
        file.move("analysis/ThresholdCrossings", "processing/ecephys/ThresholdCrossings")
    together = np.concatenate([trial.features for trial in read("temmar2025", tmp_path)])
    np.testing.assert_array_equal(together, expected)


def backwards(file):
    file["analysis/ThresholdCrossings/timestamps"][5] = 0.0


def without_counts(file):
    del file["analysis/ThresholdCrossings"]


def cut(file):
    times = file["analysis/ThresholdCrossings/timestamps"][:-1]
    del file["analysis/ThresholdCrossings/timestamps"]
    file["analysis/ThresholdCrossings/timestamps"] = times


@pytest.mark.parametrize(
    ("change", "shape", "message"),
    [
        (None, {"step": 0.025}, "bins of 25 ms; the release has 20 ms or 32 ms"),
        (None, {"n_bins": 1, "styles": ("CO",)}, "counts of 1 bins only"),
        (None, {"n_channels": 95}, r"has shape \(150, 95\), not \(any, 96\)"),
        (backwards, {}, "timestamps do not increase"),
        (without_counts, {}, "'analysis/ThresholdCrossings/data' is missing"),
        (cut, {}, "has 150 values but 149 timestamps"),
    ],
)
def test_a_file_that_breaks_the_layout_is_named(tmp_path, rng, read, change, shape, message):
    path = monkeys.link(tmp_path / NAME, rng, **shape)
    if change is not None:
        with h5py.File(path, "r+") as file:
            change(file)
    with pytest.raises(DataError, match=message) as caught:
        read("temmar2025", tmp_path)
    assert str(path) in str(caught.value)
