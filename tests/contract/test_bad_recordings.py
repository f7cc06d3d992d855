"""What spoils training is refused by name, or reported, whatever corpus it comes from."""

from dataclasses import replace

import h5py
import numpy as np
import pytest

from layouts.every import EVERY
from sylvian.data import PreparedCorpus, prepare
from sylvian.data.corpora import CORPORA
from sylvian.errors import DataError
from sylvian.types import Trial


class Spoiled:
    """A corpus whose reader gives out something else than its files hold."""

    def __init__(self, corpus, change):
        self._corpus, self._change = corpus, change
        self.facts = corpus.facts

    def sessions(self):
        return self._corpus.sessions()[:1]

    def trials(self, session):
        trials = list(self._corpus.trials(session))
        return iter([self._change(place, trial) for place, trial in enumerate(trials)])


@pytest.fixture(scope="module", params=EVERY, ids=lambda make: make.__name__)
def corpus(request, tmp_path_factory):
    """Read only: nothing here changes its files."""
    return request.param(tmp_path_factory.mktemp("raw") / "raw", np.random.default_rng(3))


def first_file(corpus):
    session = corpus.sessions()[0]
    return next(iter({**session.paths, **session.files}.values()))


def with_features(trial, features):
    return Trial(replace(trial.info, n_bins=len(features)), np.ascontiguousarray(features))


def last(change):
    """Change the second trial of a session."""
    return lambda place, trial: change(trial) if place == 1 else trial


def poisoned(trial):
    features = trial.features.copy()
    features[0, -1] = np.nan
    return with_features(trial, features)


REFUSED = {
    "dead": (
        lambda place, trial: with_features(trial, 0 * trial.features),
        r"all values of all \d+ channels are 0: the arrays are dead",
    ),
    "stuck": (
        lambda place, trial: with_features(trial, 0 * trial.features + 7),
        r"all values of all \d+ channels never change: the arrays are dead",
    ),
    "a channel less": (
        last(lambda trial: with_features(trial, trial.features[:, :-1])),
        r"features have shape \(\d+, \d+\), expected \(\d+ bins, \d+ channels\)",
    ),
    "no bins": (last(lambda trial: with_features(trial, trial.features[:0])), "it has no bins"),
    "no number": (last(poisoned), r"1 values are not finite, the first \(nan\) at bin 0"),
    "another rate": (
        last(lambda trial: Trial(replace(trial.info, bin_s=0.5), trial.features)),
        "bins of 500 ms, those of the session's other trials are",
    ),
}


@pytest.mark.parametrize("kind", REFUSED)
def test_unusable_recordings_are_refused_by_file_and_session(corpus, tmp_path, kind):
    change, message = REFUSED[kind]
    session = corpus.sessions()[0]
    with pytest.raises(DataError, match=message) as caught:
        prepare(Spoiled(corpus, change), tmp_path / "data")
    told = str(caught.value)
    assert session.session in told and session.participant in told
    assert any(str(path) in told for path in (*session.paths.values(), *session.files.values()))
    assert not list((tmp_path / "data").rglob("*.h5*"))


def test_a_session_without_a_trial_is_refused(corpus, tmp_path):
    empty = Spoiled(corpus, None)
    empty.trials = lambda session: iter(())
    with pytest.raises(DataError, match="the raw files of this session hold no trial"):
        prepare(empty, tmp_path / "data")
    assert not list((tmp_path / "data").rglob("*.h5*"))


def test_a_recording_of_another_rate_is_kept_labelled_and_reported(corpus, tmp_path):
    wide = Spoiled(corpus, lambda _, trial: Trial(replace(trial.info, bin_s=0.064), trial.features))
    report = prepare(wide, tmp_path / "data")
    told = [line for line in report.warnings if "bins of 64 ms, where the corpus has" in line]
    assert len(told) == report.n_sessions == 1
    prepared = PreparedCorpus.open(tmp_path / "data", corpus.facts.name)
    assert {info.bin_s for info in prepared.infos} == {0.064}


# -------------------------------------------------------------- files of spike times

SPIKES = ("churchland2012", "evenchen2019", "perich2018", "mc_maze", "mc_rtt")
FALCON = ("falcon_h1", "falcon_m1", "falcon_m2")
TABLES = (*SPIKES, "falcon", "falcon_m1", "falcon_m2", "temmar2025")


def spoil(corpus, change):
    """Change the first file of a corpus in place; return its path."""
    path = first_file(corpus)
    with h5py.File(path, "r+") as file:
        change(file)
    return path


def replaced(file, name, change):
    values = change(file[name][()])
    del file[name]
    file[name] = values


def in_milliseconds(file):
    replaced(file, "units/spike_times", lambda times: 1000 * times)


def elsewhere(file):
    replaced(file, "units/spike_times", lambda times: times + 5e4)


def before_the_clock(file):
    replaced(file, "units/spike_times", lambda times: times - 5e4)


def not_a_number(file):
    replaced(file, "units/spike_times", lambda times: np.where(times == times[7], np.nan, times))


def swapped(file):
    def change(times):
        times[[3, 9]] = times[[9, 3]]
        return times

    replaced(file, "units/spike_times", change)


def without_trials(file):
    for name in list(file["intervals/trials"]):
        replaced(file, f"intervals/trials/{name}", lambda column: column[:0])


def without_units(file):
    replaced(file, "units/spike_times", lambda times: times[:0])
    replaced(file, "units/spike_times_index", lambda ends: ends[:0])


def made(name, tmp_path):
    (make,) = [make for make in EVERY if make.__name__ == name]
    return make(tmp_path / "raw", np.random.default_rng(3))


def refused(corpus, path, message, tmp_path):
    with pytest.raises(DataError, match=message) as caught:
        prepare(corpus, tmp_path / "data")
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("change", [in_milliseconds, elsewhere, before_the_clock])
@pytest.mark.parametrize("name", [*SPIKES, *FALCON])
def test_spikes_of_another_clock_are_refused(name, change, tmp_path):
    corpus = made(name, tmp_path)
    message = r"spikes are from .* to .*, the recording is from .*; are both in seconds\?"
    refused(corpus, spoil(corpus, change), message, tmp_path)


@pytest.mark.parametrize("name", [*SPIKES, *FALCON])
def test_spikes_at_no_time_are_refused(name, tmp_path):
    corpus = made(name, tmp_path)
    refused(corpus, spoil(corpus, not_a_number), r"unit \d+: spike \d+ is at nan s", tmp_path)


@pytest.mark.parametrize("name", SPIKES)
def test_spikes_out_of_order_are_refused(name, tmp_path):
    corpus = made(name, tmp_path)
    refused(corpus, spoil(corpus, swapped), "unit 0: spike times are not sorted", tmp_path)


@pytest.mark.parametrize("name", FALCON)
def test_spikes_that_falcon_has_out_of_order_are_put_in_order(name, tmp_path):
    corpus = made(name, tmp_path)
    before = [trial.features for trial in corpus.trials(corpus.sessions()[0])]
    spoil(corpus, swapped)
    after = [trial.features for trial in corpus.trials(corpus.sessions()[0])]
    for one, other in zip(before, after, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("name", [*SPIKES, *FALCON])
def test_a_recording_without_units_is_refused(name, tmp_path):
    corpus = made(name, tmp_path)
    refused(corpus, spoil(corpus, without_units), "holds no unit|marks of 0 units", tmp_path)


@pytest.mark.parametrize("name", TABLES)
def test_a_recording_without_trials_is_refused(name, tmp_path):
    corpus = made(name, tmp_path)
    message = "intervals/trials is empty|holds no trial of one bin or more"
    refused(corpus, spoil(corpus, without_trials), message, tmp_path)


@pytest.mark.parametrize(
    ("name", "times"),
    [
        ("falcon", "acquisition/binned_spikes/timestamps"),
        ("temmar2025", "analysis/ThresholdCrossings/timestamps"),
        ("odoherty2017", None),
    ],
)
def test_counts_of_another_rate_are_refused(name, times, tmp_path):
    corpus = made(name, tmp_path)

    def slower(file):
        replaced(file, times or "t", lambda values: 2.5 * values)

    message = {"odoherty2017": "are both in seconds"}.get(name, r"bins of 50 ms")
    refused(corpus, spoil(corpus, slower), message, tmp_path)


def test_every_layout_that_tells_its_rate_or_holds_spike_times_is_among_them():
    """MATLAB layouts with a width of their own are spoiled beside their other tests."""
    here = {*SPIKES, *FALCON, *TABLES, "odoherty2017"}
    beside = {"chowdhury2020", "ma2023", "golub2018", "kunz2025", "willett2021"}
    silent = {"card2024", "willett2023", "fan2023", "degenhart2020", "hennig2018"}
    assert here | beside | silent | {"synthetic"} == set(CORPORA)
