"""Recordings that temporaldata itself wrote, as brainsets' pipelines lay them out."""

import sys

import h5py
import numpy as np
import pytest
from temporaldata import Data, Interval

from layouts import brainsets as layout
from layouts.monkeys import spike_times
from sylvian.data import NormalizeConfig, PreparedCorpus, check, prepare
from sylvian.data.corpora import Corpus, corpus_class
from sylvian.data.corpora.brainset import Brainset
from sylvian.data.mix import MixConfig, Mixture
from sylvian.errors import ConfigError, DataError
from sylvian.types import Strategy

STEM = "c_20131003_center_out_reaching"
SESSION = "2013-10-03-center_out_reaching"


def everything(corpus):
    return [trial for session in corpus.sessions() for trial in corpus.trials(session)]


def bare(folder, times, domain, *, stem=STEM, spiking=None, **changes):
    """A recording of nothing but spikes, by `layout.described` but for the changes."""
    spikes, units = layout.spikes_and_units(times, domain=domain if spiking is None else spiking)
    told = layout.described(layout.NAME, "c", stem) | {"spikes": spikes, "units": units} | changes
    told = {name: value for name, value in told.items() if value is not None}
    return layout.save(folder, stem, Data(domain=domain, **told))


def opened(folder):
    return Brainset(folder, name=layout.NAME)


def test_spikes_are_counted_as_the_library_itself_slices_them(tmp_path, rng):
    """The oracle: temporaldata cuts out a window, and its spikes are counted by hand."""
    path = layout.recording(tmp_path, spike_times(rng, n_units=5, stop=30.0))
    trials = everything(opened(tmp_path))
    assert [trial.info.n_bins for trial in trials] == [500, 500, 199]
    with Data.load(path) as data:
        start = max(data.domain.start[0], data.spikes.domain.start[0])
        for number, trial in enumerate(trials):
            window = data.slice(
                start + 10 * number, start + 10 * number + 0.02 * len(trial.features)
            )
            place = np.floor(window.spikes.timestamps / 0.02).astype(int), window.spikes.unit_index
            expected = np.zeros((len(trial.features), 5))
            np.add.at(expected, place, 1)
            # A spike within rounding of a bin's edge may lie on either side of it.
            assert np.abs(np.cumsum(trial.features - expected, axis=0)).max() <= 1
            np.testing.assert_array_equal(trial.features.sum(0), expected.sum(0))


def test_a_brainset_is_prepared_checked_and_opened_by_its_name(tmp_path, rng):
    raw, data = tmp_path / "processed", tmp_path / "data"
    layout.recording(raw / layout.NAME, spike_times(rng, n_units=4, stop=30.0))
    layout.recording(raw / layout.NAME, spike_times(rng, n_units=3, stop=30.0), date="20131004")
    layout.recording(
        raw / layout.NAME, spike_times(rng, n_units=6, stop=30.0), subject="m", date="20140203"
    )
    layout.recording(raw / "our_2026", spike_times(rng, n_units=2, stop=30.0), name="our_2026")
    name = f"brainset-{layout.NAME}"
    for one in (name, "brainset-our_2026"):
        corpus = corpus_class(one)(raw)
        assert isinstance(corpus, Corpus) and corpus.facts.name == one
        assert not prepare(corpus, data).warnings and not check(one, data).problems
    prepared = PreparedCorpus.open(data, name, normalize=NormalizeConfig(kind="block"))
    assert prepared.session_channels == {
        f"{name}/c/{SESSION}": 4,
        f"{name}/c/2013-10-04-center_out_reaching": 3,
        f"{name}/m/2014-02-03-center_out_reaching": 6,
    }
    assert str(prepared.infos[0].key) == f"{name}/c/{SESSION}/b01/t000"
    assert prepared.infos[0].prompt_set == "REACHING"
    assert {len(part) for part in prepared.splits("blocks").values()} == {6, 3, 0}
    assert len(PreparedCorpus.open(data, "brainset-our_2026").infos) == 3


def test_intervals_that_are_apart_are_trials_of_their_own(tmp_path, rng):
    """As in churchland_shenoy_neural_2012, where spikes are valid within trials only."""
    times = spike_times(rng, n_units=3, stop=60.0)
    recorded = Interval(np.array([0.0, 20.0, 30.0]), np.array([12.5, 21.0, 60.0]))
    spiking = Interval(np.array([1.0, 20.5, 30.0]), np.array([5.0, 20.51, 30.75]))
    bare(tmp_path, times, recorded, spiking=spiking)
    trials = everything(opened(tmp_path))
    assert [trial.info.n_bins for trial in trials] == [200, 37]  # the one of 10 ms gives none
    inside = np.searchsorted(times[1], [1.0, 5.0, 30.0, 30.74])
    assert [trial.features[:, 1].sum() for trial in trials] == [
        inside[1] - inside[0],
        inside[3] - inside[2],
    ]


def test_units_that_never_fire_within_the_recording_are_no_channels(tmp_path, rng):
    late = [np.array([55.0, 56.0])]
    between = [np.array([12.0, 13.0])]
    steady = spike_times(rng, n_units=3, stop=60.0)
    bare(
        tmp_path,
        [*steady[:2], [], *late, *between, steady[2]],
        Interval(np.array([0.0, 14.0]), np.array([10.0, 24.0])),
    )
    first = everything(opened(tmp_path))[0]
    expected = [np.searchsorted(times, 10.0) for times in steady]
    np.testing.assert_array_equal(first.features.sum(0), expected)


@pytest.mark.parametrize(
    ("task", "strategy"),
    [
        ("REACHING", Strategy.REACHING),
        ("CONTINUOUS_SPEAKING_SENTENCE", Strategy.ATTEMPTED),
        ("DISCRETE_WRITING_LINE", Strategy.HANDWRITING),
    ],
)
def test_the_task_tells_the_strategy(tmp_path, rng, task, strategy):
    layout.recording(tmp_path, spike_times(rng, n_units=2, stop=14.0), stop=13.0, task=task)
    corpus = opened(tmp_path)
    assert corpus.facts.participants["c"].strategies == (strategy,)
    assert {trial.info.strategy for trial in everything(corpus)} == {strategy}


@pytest.mark.parametrize(
    ("told", "species"),
    [
        ("Macaca mulatta", "monkey"),
        ("MACACA_FASCICULARIS", "monkey"),
        ("NCBITaxon_9544", "monkey"),
        ("Homo sapiens", "human"),
        ("NCBITaxon_9606", "human"),
        ("RATTUS_NORVEGICUS", "other"),
    ],
)
def test_the_subject_tells_the_species(tmp_path, rng, told, species):
    layout.recording(tmp_path, spike_times(rng, n_units=2), stop=14.0, species=told)
    assert opened(tmp_path).facts.participants["c"].species == species


@pytest.mark.parametrize(
    ("description", "species"),
    [
        ("Sorted units of a macaque performing a delayed reaching task.", "monkey"),
        ("Recordings of non-human primates (Monkeys C and M).", "monkey"),
        ("A human participant attempted to write.", "human"),
        ("Humans and monkeys moved a cursor.", "other"),
        ("Grid cells.", "other"),
    ],
)
def test_without_a_subject_the_description_tells(tmp_path, rng, description, species):
    """As in pei_pandarinath_nlb_2021."""
    about = Data(id=layout.NAME, description=description)
    domain = Interval(0.0, 9.0)
    bare(tmp_path, spike_times(rng, n_units=2), domain, subject=None, brainset=about)
    assert opened(tmp_path).facts.participants["c"].species == species


def test_a_mix_takes_brainsets_by_their_species_beside_ours(tmp_path, rng):
    for name, species in (("ours", "Macaca mulatta"), ("rats", "Rattus"), ("people", "Homo")):
        times = spike_times(rng, n_units=3, stop=60.0)
        layout.recording(tmp_path / name, times, stop=60.0, name=name, species=species)
        prepare(Brainset(tmp_path / name, name=name), tmp_path / "data")
    rest = {"monkey": {"ours/c"}, "human": {"people/c"}, "all": {"ours/c", "people/c", "rats/c"}}
    for species, names in rest.items():
        mix = Mixture.open(MixConfig(species=species), tmp_path / "data")
        assert {one.name for one in mix.sources} == {f"brainset-{name}" for name in names}
        assert mix.train and np.isfinite(mix.read(mix.train[0].key).features).all()


@pytest.mark.parametrize(
    ("stem", "changes", "participant", "session"),
    [
        ("jenkins_maze_train", {"subject": None}, "c", "2013-10-03-jenkins_maze_train"),
        ("c_20131003_02", {}, "c", "2013-10-03-02"),
        ("c_20131003", {}, "c", "2013-10-03"),
        ("cat_2", {}, "c", "2013-10-03-cat_2"),
        ("c_1", {"session": Data(id="c_1")}, "c", "c_1"),
        ("s", {"subject": Data(id="lab/rat 7")}, "lab-rat-7", "2013-10-03-s"),
    ],
)
def test_files_are_named_after_their_day(tmp_path, rng, stem, changes, participant, session):
    bare(tmp_path, spike_times(rng, n_units=2), Interval(0.0, 9.0), stem=stem, **changes)
    (found,) = opened(tmp_path).sessions()
    assert (found.participant, found.session) == (participant, session)


def test_sessions_are_sorted_by_participant_whatever_their_files_are_called(tmp_path, rng):
    for stem, subject in (("a", "z"), ("b", "y")):
        times, domain = spike_times(rng, n_units=2), Interval(0.0, 9.0)
        bare(tmp_path, times, domain, stem=stem, subject=Data(id=subject))
    assert [session.participant for session in opened(tmp_path).sessions()] == ["y", "z"]


def overlapping(path):
    with h5py.File(path, "r+") as file:
        file["domain/start"][1] = 3.0


def endless(path):
    with h5py.File(path, "r+") as file:
        file["domain/end"][1] = np.inf


def foreign(path):
    with h5py.File(path, "r+") as file:
        file["spikes/unit_index"][4] = 3


def unsorted(path):
    with h5py.File(path, "r+") as file:
        file["spikes/timestamps"][6] = 0.0


def unlisted(path):
    with h5py.File(path, "r+") as file:
        del file["units"]


def halved(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (overlapping, "the intervals of domain overlap, are out of order or not finite"),
        (endless, "the intervals of domain overlap, are out of order or not finite"),
        (foreign, "spikes.unit_index is from 0 to 3, but there are 3 units; prepare it again"),
        (unsorted, "spike times are not sorted"),
        (unlisted, "lists no units; prepare it again"),
        (halved, "cannot be read"),
    ],
)
def test_a_damaged_recording_is_refused_by_its_name(tmp_path, rng, damage, message):
    domain = Interval(np.array([0.0, 6.0]), np.array([4.0, 10.0]))
    path = bare(tmp_path, spike_times(rng, n_units=3), domain)
    damage(path)
    with pytest.raises(DataError, match=f"{STEM}.h5.*{message}"):
        everything(opened(tmp_path))


def test_a_recording_with_nothing_to_learn_from_is_refused(tmp_path, rng):
    times = spike_times(rng, n_units=2)
    bare(tmp_path / "brief", times, Interval(0.0, 0.01))
    bare(tmp_path / "silent", [np.empty(0), np.empty(0)], Interval(0.0, 9.0))
    bare(tmp_path / "clock", [1000 * one for one in times], Interval(0.0, 10.0))
    no_spikes = Data(**layout.described(layout.NAME, "c", STEM), domain=Interval(0.0, 9.0))
    layout.save(tmp_path / "field", STEM, no_spikes)
    for folder, message in {
        "brief": "empty, the recording is shorter than a bin",
        "silent": "no unit has a spike within the recording",
        "clock": "are both in seconds",
        "field": "has no spikes; only brainsets of spikes can be read",
    }.items():
        with pytest.raises(DataError, match=f"{folder}/{STEM}.h5: .*{message}"):
            everything(opened(tmp_path / folder))


def test_a_folder_holds_one_brainset_each_recording_once(tmp_path, rng):
    times, domain = spike_times(rng, n_units=2), Interval(0.0, 9.0)
    with pytest.raises(DataError, match="no recording .* run 'brainsets prepare perich_miller"):
        opened(tmp_path)
    bare(tmp_path, times, domain)
    with pytest.raises(DataError, match=f"{STEM}.h5: of brainset '{layout.NAME}', not 'ours'"):
        Brainset(tmp_path, name="ours")
    bare(tmp_path, times, domain, stem="20131003_center_out_reaching")
    with pytest.raises(DataError, match=f"cannot be told from .*c/{SESSION}; rename one"):
        opened(tmp_path)


def test_a_file_of_somebody_else_is_refused(tmp_path):
    with h5py.File(tmp_path / "a.h5", "w") as file:
        file["spikes/times"] = [1.0]
    with pytest.raises(DataError, match=r"a\.h5: cannot be read .* 'brainsets prepare'"):
        opened(tmp_path)


def test_nobody_to_be_told_is_refused(tmp_path, rng):
    path = bare(
        tmp_path, spike_times(rng, n_units=2), Interval(0.0, 9.0), subject=None, device=None
    )
    with pytest.raises(DataError, match=f"{path.name}: tells neither subject.id nor device.id"):
        opened(tmp_path)


@pytest.mark.parametrize("name", ["brainset-", "brainset-../x", "brainset-a/b"])
def test_a_name_that_is_none_is_refused(tmp_path, name):
    with pytest.raises(ConfigError, match="give the brainset's name"):
        corpus_class(name)(tmp_path)


def test_a_missing_package_says_how_to_get_it(tmp_path, rng, monkeypatch):
    bare(tmp_path, spike_times(rng, n_units=2), Interval(0.0, 9.0))
    for package in ("temporaldata", "torch_brain", "torch_brain.data"):
        monkeypatch.setitem(sys.modules, package, None)
    with pytest.raises(ConfigError, match=r"pip install 'sylvian\[brainsets\]'"):
        opened(tmp_path)
