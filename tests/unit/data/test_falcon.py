import numpy as np
import pytest

from layouts.human import h1_file, h2_file, reaches_file, write_nwb
from sylvian.data import PreparedCorpus, prepare
from sylvian.data.corpora import FALCON, FALCON_H1, FALCON_M1, FALCON_M2, Falcon, corpus_class
from sylvian.data.corpora.falcon_facts import HELD_IN, HELD_OUT, MINIVAL
from sylvian.errors import DataError
from sylvian.types import Strategy

N_CHANNELS = 6


def few(facts):
    """The facts of a set, with six channels."""
    ((name, person),) = facts.participants.items()
    person = person.model_copy(update={"n_channels": N_CHANNELS})
    return facts.model_copy(update={"participants": {name: person}})


def read(corpus):
    return [trial for session in corpus.sessions() for trial in corpus.trials(session)]


def h2(tmp_path, rng, parts=(("held-in-calib", "20220518", 5),), change=None):
    for part, day, block in parts:
        datasets = h2_file(rng, n_channels=N_CHANNELS, block=block) | (change or {})
        datasets = {name: values for name, values in datasets.items() if values is not None}
        write_nwb(tmp_path / f"sub-T5-{part}" / f"sub-T5-{part}_ses-{day}.nwb", datasets)
    return Falcon(tmp_path, facts=few(FALCON))


def test_h2_keeps_counts_cut_by_the_table_of_trials(tmp_path, rng):
    datasets = h2_file(rng, n_channels=N_CHANNELS)
    write_nwb(tmp_path / "sub-T5-held-in-calib" / "sub-T5-held-in-calib_ses-20220518.nwb", datasets)
    trials = read(Falcon(tmp_path, facts=few(FALCON)))
    counts = datasets["acquisition/binned_spikes/data"]
    for place, trial in enumerate(trials):  # 40 bins a trial, of which 30, 31 and 32 are in it
        np.testing.assert_array_equal(trial.features, counts[40 * place :][: 30 + place])
    assert [trial.info.sentence for trial in trials] == ["he said so.", "too?", "stop."]
    assert {(t.key.block, t.info.split, t.info.strategy) for t in trials} == {
        (5, HELD_IN, Strategy.HANDWRITING)
    }


def test_a_bin_goes_to_the_moment_it_is_nearest_to(tmp_path, rng):
    jitter = rng.uniform(-0.009, 0.009, 3)
    starts = 10.0 * np.arange(3)
    change = {
        "intervals/trials/start_time": starts + 0.1 + jitter,
        "intervals/trials/stop_time": starts + 0.3 - jitter,
    }
    assert [t.info.n_bins for t in read(h2(tmp_path, rng, change=change))] == [10] * 3


def test_folders_are_the_published_splits(tmp_path, rng):
    parts = (
        ("held-in-minival", "20220518", 4),
        ("held-in-calib", "20220518", 5),
        ("held-out-calib", "20230417", 2),
    )
    corpus = h2(tmp_path, rng, parts)
    assert [(s.session, list(s.paths)) for s in corpus.sessions()] == [
        ("2022-05-18", [MINIVAL, HELD_IN]),
        ("2023-04-17", [HELD_OUT]),
    ]
    prepare(corpus, tmp_path / "data")
    splits = PreparedCorpus.open(tmp_path / "data", "falcon").splits("benchmark")
    assert {name: {i.split for i in infos} for name, infos in splits.items()} == {
        "train": {HELD_IN},
        "val": {MINIVAL},
        "test": {HELD_OUT},
    }


def test_what_dandi_downloads_is_found_below_its_number(tmp_path, rng):
    h2(tmp_path / "000950", rng)
    assert len(Falcon(tmp_path, facts=few(FALCON)).sessions()) == 1
    with pytest.raises(DataError, match=r"no sub-.*DANDI:000950"):
        Falcon(tmp_path / "absent").sessions()


def test_a_second_file_of_a_split_and_day_is_never_dropped_in_silence(tmp_path, rng):
    corpus = h2(tmp_path, rng)
    folder = tmp_path / "sub-T5-held-in-calib"
    twin = folder / "sub-T5-held-in-calib_ses-20220518_copy.nwb"
    twin.write_bytes((folder / "sub-T5-held-in-calib_ses-20220518.nwb").read_bytes())
    with pytest.raises(DataError, match="the day has another file"):
        corpus.sessions()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"acquisition/binned_spikes/data": None}, "binned_spikes/data' is missing"),
        ({"acquisition/binned_spikes/timestamps": None}, "starting_time' is missing"),
        ({"intervals/trials/cue": None}, "column 'cue' of intervals/trials is missing"),
        ({"intervals/trials/block_num": None}, "column 'block_num' of intervals/trials is missing"),
        ({"acquisition/binned_spikes/timestamps": 0.045 * np.arange(120)}, "bins of 45 ms, facts"),
        (
            {"acquisition/binned_spikes/timestamps": np.arange(120)[::-1] * 0.02},
            "timestamps do not increase",
        ),
        ({"acquisition/binned_spikes/timestamps": np.arange(7) * 0.02}, "has 120 values but 7"),
    ],
)
def test_h2_files_that_break_the_layout_are_named(tmp_path, rng, change, message):
    with pytest.raises(DataError, match=message) as caught:
        read(h2(tmp_path, rng, change=change))
    assert "sub-T5-held-in-calib_ses-20220518.nwb" in str(caught.value)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"intervals/trials/stop_time": [0.6, 10.0, 20.6]}, "b05/t001: empty, it has no bins"),
        ({"acquisition/binned_spikes/data": np.full((120, 6), np.nan)}, "t000: 180 values are not"),
        ({"acquisition/binned_spikes/data": np.ones((120, 5))}, r"shape \(30, 5\), expected"),
    ],
)
def test_h2_trials_that_are_unusable_are_named(tmp_path, rng, change, message):
    with pytest.raises(DataError, match=message):
        prepare(h2(tmp_path, rng, change=change), tmp_path / "data")


# ----------------------------------------------------------------------------- spike times


def counted(datasets, start, stop):
    """Count spikes one by one in the bins of 20 ms from `start` to `stop`."""
    ends = datasets["units/spike_times_index"]
    times = np.split(datasets["units/spike_times"], ends[:-1])
    edges = start + 0.02 * np.arange(round((stop - start) / 0.02) + 1)
    return np.stack([np.histogram(unit, edges)[0] for unit in times], axis=1)


def h1(tmp_path, runs):
    for part, time, (datasets, attributes) in runs:
        folder = f"sub-HumanPitt-{part}"
        path = tmp_path / folder / f"{folder}_ses-19250101T{time}.nwb"
        write_nwb(path, datasets, attributes)
    return Falcon(tmp_path, facts=few(FALCON_H1))


def test_h1_is_cut_by_trial_numbers_in_bins_told_by_their_end(tmp_path, rng):
    made = h1_file(rng, n_channels=N_CHANNELS)
    trials = read(h1(tmp_path, [("held-in-calib", "111740", made)]))
    assert [trial.info.n_bins for trial in trials] == [40, 40, 40]
    for place, trial in enumerate(trials):
        np.testing.assert_array_equal(
            trial.features, counted(made[0], 0.8 * place, 0.8 * (place + 1))
        )
    assert {(t.info.sentence, t.info.strategy) for t in trials} == {(None, Strategy.REACHING)}


def test_h1_reads_a_rate_as_the_standard_has_it_too(tmp_path, rng):
    datasets, attributes = h1_file(rng, n_channels=N_CHANNELS)
    expected = read(h1(tmp_path / "period", [("held-in-calib", "111740", (datasets, attributes))]))
    attributes = [(name, key, 50.0 if key == "rate" else v) for name, key, v in attributes]
    got = read(h1(tmp_path / "rate", [("held-in-calib", "111740", (datasets, attributes))]))
    for mine, theirs in zip(got, expected, strict=True):
        np.testing.assert_array_equal(mine.features, theirs.features)


def test_runs_of_a_day_are_blocks_of_one_session(tmp_path, rng):
    made = [h1_file(rng, n_channels=N_CHANNELS) for _ in range(2)]
    corpus = h1(
        tmp_path, [("held-in-calib", t, m) for t, m in zip(("112404", "111740"), made, strict=True)]
    )
    (session,) = corpus.sessions()
    assert [path.stem[-6:] for path in session.files.values()] == ["111740", "112404"]
    trials = read(corpus)
    assert [(t.key.block, t.key.trial) for t in trials] == [
        (b, n) for b in (1, 2) for n in range(3)
    ]
    np.testing.assert_array_equal(trials[3].features, counted(made[0][0], 0.0, 0.8))


def test_what_minival_repeats_is_given_out_once_and_never_leaks(tmp_path, rng):
    datasets, attributes = h1_file(rng, n_channels=N_CHANNELS)
    short = dict(datasets)
    for part in ("TrialNum", "OpenLoopKinematics", "eval_mask"):  # the second trial is cut
        short[f"acquisition/{part}/data"] = datasets[f"acquisition/{part}/data"][:70]
    runs = [
        ("held-in-calib", "111740", (datasets, attributes)),
        ("held-in-minival", "111740", (short, attributes)),
    ]
    corpus = h1(tmp_path, runs)
    told = [(t.info.split, t.info.n_bins) for t in read(corpus)]
    assert told == [(MINIVAL, 40), (MINIVAL, 30), (HELD_IN, 40)]
    prepare(corpus, tmp_path / "data")
    splits = PreparedCorpus.open(tmp_path / "data", "falcon_h1").splits("benchmark")
    assert (len(splits["train"]), len(splits["val"])) == (1, 2)


def reaches(tmp_path, rng, facts, name, change=None):
    datasets = reaches_file(rng, n_channels=N_CHANNELS) | (change or {})
    datasets = {key: values for key, values in datasets.items() if values is not None}
    write_nwb(tmp_path / name.split("_")[0] / f"{name}_behavior+ecephys.nwb", datasets)
    return Falcon(tmp_path, facts=few(facts)), datasets


M1_NAME = "sub-MonkeyL-held-in-calib_ses-20120924"


def test_overlapping_trials_share_no_bin(tmp_path, rng):
    corpus, datasets = reaches(tmp_path, rng, FALCON_M1, M1_NAME)
    trials = read(corpus)
    for trial, (start, stop) in zip(trials, [(0, 1.2), (1.2, 2.2), (2.2, 3.2)], strict=True):
        np.testing.assert_array_equal(trial.features, counted(datasets, start, stop))


def test_units_joined_end_to_end_are_put_in_order(tmp_path, rng):
    expected = read(reaches(tmp_path / "sorted", np.random.default_rng(3), FALCON_M1, M1_NAME)[0])
    datasets = reaches_file(np.random.default_rng(3), n_channels=N_CHANNELS)
    ends = datasets["units/spike_times_index"]
    times = np.split(datasets["units/spike_times"], ends[:-1])
    change = {"units/spike_times": np.concatenate([np.roll(unit, 2) for unit in times])}
    corpus, _ = reaches(tmp_path / "rolled", np.random.default_rng(3), FALCON_M1, M1_NAME, change)
    for mine, theirs in zip(read(corpus), expected, strict=True):
        np.testing.assert_array_equal(mine.features, theirs.features)


def test_m2_names_runs(tmp_path, rng):
    for run in ("Run2", "Run1"):
        name = f"sub-MonkeyN-held-in-calib_ses-2020-10-19-{run}"
        corpus, _ = reaches(tmp_path, rng, FALCON_M2, name)
    (session,) = corpus.sessions()
    assert session.session == "2020-10-19"
    assert ["Run1" in path.name for path in session.files.values()] == [True, False]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"units/spike_times": None}, "'units/spike_times' is missing"),
        ({"units/spike_times_index": [1, 2]}, "spike_times_index does not fit"),
        ({"units/spike_times_index": np.empty(0, int)}, "holds no unit"),
        ({"intervals/trials/start_time": None}, "column 'start_time' of intervals/trials is miss"),
        ({"intervals/trials/start_time": [0.0, np.nan, 2.0]}, "trial 1 is from nan to 2.2 s"),
    ],
)
def test_files_of_spike_times_that_break_the_layout_are_named(tmp_path, rng, change, message):
    corpus, _ = reaches(tmp_path, rng, FALCON_M1, M1_NAME, change)
    with pytest.raises(DataError, match=message) as caught:
        read(corpus)
    assert M1_NAME in str(caught.value)


def test_a_spike_time_that_is_no_number_is_named(tmp_path, rng):
    times = reaches_file(np.random.default_rng(5), n_channels=N_CHANNELS)["units/spike_times"]
    times[-1] = np.nan
    corpus, _ = reaches(
        tmp_path, np.random.default_rng(5), FALCON_M1, M1_NAME, {"units/spike_times": times}
    )
    with pytest.raises(DataError, match=r"unit 5: spike \d+ is at nan s"):
        read(corpus)


def test_a_clock_that_disagrees_with_the_facts_is_refused(tmp_path, rng):
    datasets, attributes = h1_file(rng, n_channels=N_CHANNELS)
    attributes = [(name, key, 0.03 if key == "rate" else v) for name, key, v in attributes]
    with pytest.raises(DataError, match=r"bins of 30 ms, facts say 20 ms"):
        read(h1(tmp_path, [("held-in-calib", "111740", (datasets, attributes))]))


def test_the_facts_are_the_published_ones():
    h2 = FALCON.participants["T5"]
    assert len(h2.sessions) == 26
    assert sum(counts[HELD_IN] for counts in h2.sessions.values()) == 671
    assert sum(counts[HELD_OUT] for counts in h2.sessions.values()) == 15
    channels = {
        facts.name: next(iter(facts.participants.values())).n_channels
        for facts in (FALCON, FALCON_H1, FALCON_M1, FALCON_M2)
    }
    assert channels == {"falcon": 192, "falcon_h1": 176, "falcon_m1": 64, "falcon_m2": 96}


@pytest.mark.parametrize("name", ["falcon", "falcon_h1", "falcon_m1", "falcon_m2"])
def test_every_set_is_a_corpus_by_name(name, tmp_path):
    assert corpus_class(name)(tmp_path).facts.name == name
