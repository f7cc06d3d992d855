import json
import multiprocessing
import pickle
from concurrent.futures import ThreadPoolExecutor

import h5py
import numpy as np
import pytest

from sylvian.data import NormalizeConfig, PreparedCorpus, prepare
from sylvian.data.corpora import Card2024, ParticipantFacts, Willett2023
from sylvian.errors import DataError
from sylvian.types import TrialKey


@pytest.fixture
def data(t15_raw, few_t15, tmp_path):
    prepare(Card2024(t15_raw, facts=few_t15), tmp_path / "data")
    return tmp_path / "data"


def test_infos_are_sorted_and_facts_come_back(data, few_t15):
    corpus = PreparedCorpus.open(data, "card2024")
    keys = [info.key for info in corpus.infos]
    assert keys == sorted(keys) and len(keys) == 11
    assert corpus.facts == few_t15
    assert corpus.channels == {"T15": 6}
    assert set(corpus.contents) == set(keys) and len(set(corpus.contents.values())) == 11


def test_reading_is_float32_and_the_caller_may_write_to_it(data):
    corpus = PreparedCorpus.open(data, "card2024", normalize=NormalizeConfig(kind="none"))
    key = corpus.infos[0].key
    first = corpus.read(key).features
    assert first.dtype == np.float32 and first.flags["C_CONTIGUOUS"]
    first[:] = 0
    assert corpus.read(key).features.any()


def test_a_pickled_corpus_reads_the_same(data):
    corpus = PreparedCorpus.open(data, "card2024", normalize=NormalizeConfig(kind="block"))
    key = corpus.infos[3].key
    expected = corpus.read(key).features  # loads the session's statistics, which must not travel
    copy = pickle.loads(pickle.dumps(corpus))
    assert copy.infos == corpus.infos and copy.digest == corpus.digest
    np.testing.assert_array_equal(copy.read(key).features, expected)


@pytest.mark.parametrize("start", ["fork", "spawn"])
@pytest.mark.filterwarnings("ignore:.*multi-threaded:DeprecationWarning")
def test_workers_read_the_same_as_the_parent(data, start):
    corpus = PreparedCorpus.open(data, "card2024", normalize=NormalizeConfig(kind="rolling"))
    keys = [info.key for info in corpus.infos]
    expected = [corpus.read(key).features for key in keys]
    with multiprocessing.get_context(start).Pool(2) as pool:
        got = pool.map(corpus.read, keys, chunksize=4)
    for mine, theirs in zip(got, expected, strict=True):
        np.testing.assert_array_equal(mine.features, theirs)


def test_threads_read_the_same_as_one(data):
    corpus = PreparedCorpus.open(data, "card2024", normalize=NormalizeConfig(kind="block"))
    keys = [info.key for info in corpus.infos] * 20
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda key: corpus.read(key).features, keys))
    for key, got in zip(keys, together, strict=True):
        np.testing.assert_array_equal(got, corpus.read(key).features)


def test_no_file_stays_open(data):
    psutil = pytest.importorskip("psutil")
    corpus = PreparedCorpus.open(data, "card2024", normalize=NormalizeConfig(kind="block"))
    for info in corpus.infos:
        corpus.read(info.key)
    assert not [f for f in psutil.Process().open_files() if f.path.startswith(str(data))]


def test_sees_future_adds_what_the_release_did_and_what_we_do(data, t12_raw, few_t12, few_t15):
    def sees(name, kind):
        corpus = PreparedCorpus.open(data, name, normalize=NormalizeConfig(kind=kind))
        return corpus.sees_future, corpus.lookahead_bins

    prepare(Willett2023(t12_raw, facts=few_t12), data)
    assert sees("willett2023", "none") == (False, 0)
    assert sees("willett2023", "rolling") == (False, 0)
    assert sees("willett2023", "block") == sees("willett2023", "auto") == (True, None)
    told = few_t15.participants["T15"].model_copy(update={"sees_future": True})
    z_scored = few_t15.model_copy(update={"participants": {"T15": told}, "name": "z"})
    raw = data.parent / "raw"
    prepare(Card2024(raw, facts=z_scored), data)
    assert sees("z", "auto") == (True, 0)  # ours adds nothing, but the release had looked ahead


def test_unknown_trials_and_corpora_are_named(data):
    with pytest.raises(DataError, match=r"nothing is prepared there; run 'sylvian prepare other'"):
        PreparedCorpus.open(data, "other")
    key = TrialKey("card2024", "T15", "2030-01-01", 1, 1)
    with pytest.raises(DataError, match="card2024/T15/2030-01-01/b01/t001: no such trial"):
        PreparedCorpus.open(data, "card2024").read(key)


def test_a_session_file_that_is_missing_or_cut_short_is_named(data):
    corpus = PreparedCorpus.open(data, "card2024", normalize=NormalizeConfig(kind="none"))
    path = data / "card2024/T15/2023-08-13.h5"
    key = corpus.infos[-1].key
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 3])
    with pytest.raises(DataError, match=rf"2023-08-13.h5: ends inside {key}; remove the file"):
        corpus.read(key)
    with pytest.raises(DataError, match="2023-08-13.h5: cannot be read"):
        PreparedCorpus.open(data, "card2024")
    path.unlink()
    with pytest.raises(DataError, match="2023-08-13.h5: cannot be read"):
        corpus.read(key)


def zeroed(raw, channels):
    """Rewrite the first session with channels that never change."""
    for path in (raw / "hdf5_data_final/t15.2023.08.11").iterdir():
        with h5py.File(path, "r+") as file:
            for group in file.values():
                for channel in channels:
                    group["input_features"][:, channel] = 2.5


@pytest.fixture
def one_dead(t15_raw, few_t15, tmp_path):
    zeroed(t15_raw, [4])
    prepare(Card2024(t15_raw, facts=few_t15), tmp_path / "data")
    return tmp_path / "data"


@pytest.mark.parametrize("kind", ["none", "block", "rolling"])
def test_a_single_dead_channel_becomes_the_mean_of_the_living(one_dead, kind):
    def read(key, policy):
        config = NormalizeConfig(kind=kind, dead_channels=policy)
        return PreparedCorpus.open(one_dead, "card2024", normalize=config).read(key).features

    keys = [info.key for info in PreparedCorpus.open(one_dead, "card2024").infos]
    first, other = read(keys[0], "keep"), read(keys[-1], "keep")
    assert np.ptp(first[:, 4]) == 0
    got = read(keys[0], "repair")
    alive = [0, 1, 2, 3, 5]
    np.testing.assert_array_equal(got[:, alive], first[:, alive])
    np.testing.assert_allclose(got[:, 4], first[:, alive].mean(axis=1), rtol=1e-6)
    np.testing.assert_array_equal(read(keys[-1], "repair"), other)


def test_a_session_with_two_dead_channels_is_left_out_and_named(t15_raw, few_t15, tmp_path):
    zeroed(t15_raw, [1, 4])
    prepare(Card2024(t15_raw, facts=few_t15), tmp_path / "data")
    repair = NormalizeConfig(dead_channels="repair")
    corpus = PreparedCorpus.open(tmp_path / "data", "card2024", normalize=repair)
    assert corpus.left_out == ("card2024/T15/2023-08-11",)
    assert {info.key.session for info in corpus.infos} == {"2023-08-13"}
    assert set(corpus.session_channels) == {"card2024/T15/2023-08-13"}
    assert PreparedCorpus.open(tmp_path / "data", "card2024").left_out == ()


def test_a_corpus_with_no_session_to_repair_is_refused(one_dead, t15_raw, few_t15, tmp_path):
    zeroed(t15_raw, [1, 4])
    (t15_raw / "hdf5_data_final/t15.2023.08.13").rename(tmp_path / "away")
    prepare(Card2024(t15_raw, facts=few_t15), tmp_path / "two")
    with pytest.raises(DataError, match=r"every session has two dead .*dead_channels='keep'"):
        PreparedCorpus.open(
            tmp_path / "two", "card2024", normalize=NormalizeConfig(dead_channels="repair")
        )


def test_an_index_from_before_dead_channels_were_counted_is_refused(one_dead):
    path = one_dead / "card2024/index.json"
    told = json.loads(path.read_text())
    for session in told["sessions"]:
        del session["dead"]
    path.write_text(json.dumps(told))
    PreparedCorpus.open(one_dead, "card2024")
    with pytest.raises(DataError, match="card2024/T15/2023-08-11: prepared by a version"):
        PreparedCorpus.open(one_dead, "card2024", normalize=NormalizeConfig(dead_channels="repair"))


def test_sessions_of_a_participant_may_differ_in_channels(
    tmp_path, few_t15, make_t15, make_t15_trial, rng
):
    """As sorted units do, where the facts leave the number open."""
    told = ParticipantFacts(n_channels=None)
    facts = few_t15.model_copy(update={"participants": {"T15": told}})
    for date, width in (("2023-08-11", 3), ("2023-08-13", 5)):
        rows = [make_t15_trial(1, n, rng.normal(size=(9, width))) for n in range(2)]
        make_t15(tmp_path, date, train=rows)
    report = prepare(Card2024(tmp_path, facts=facts), tmp_path / "data")
    assert not any("channels" in line for line in report.warnings)
    corpus = PreparedCorpus.open(tmp_path / "data", "card2024")
    assert corpus.channels == {"T15": 5}
    assert corpus.session_channels == {
        "card2024/T15/2023-08-11": 3,
        "card2024/T15/2023-08-13": 5,
    }
    assert [corpus.read(info.key).features.shape[1] for info in corpus.infos] == [3, 3, 5, 5]


def test_trials_of_one_session_may_not_differ_in_channels(
    tmp_path, few_t15, make_t15, make_t15_trial, rng
):
    told = ParticipantFacts(n_channels=None)
    facts = few_t15.model_copy(update={"participants": {"T15": told}})
    rows = [make_t15_trial(1, n, rng.normal(size=(9, 3 + n))) for n in range(2)]
    make_t15(tmp_path, "2023-08-11", train=rows)
    with pytest.raises(DataError, match=r"b01/t001: .*expected \(9 bins, 3 channels\)"):
        prepare(Card2024(tmp_path, facts=facts), tmp_path / "data")


ACROSS_DAYS = NormalizeConfig(kind="participant")


def test_participant_z_scores_all_days_by_the_same_statistics(data):
    raw = PreparedCorpus.open(data, "card2024", normalize=NormalizeConfig(kind="none"))
    corpus = PreparedCorpus.open(data, "card2024", normalize=ACROSS_DAYS)
    keys = [info.key for info in corpus.infos]
    assert len({key.session for key in keys}) == 2
    every = np.concatenate([raw.read(key).features for key in keys]).astype(np.float64)
    got = [corpus.read(key).features for key in keys]
    assert got[0].dtype == np.float32
    expected = (every - every.mean(0)) / (every.std(0) + 1e-8)
    np.testing.assert_allclose(np.concatenate(got), expected, atol=1e-4)
    copy = pickle.loads(pickle.dumps(corpus))
    np.testing.assert_array_equal(copy.read(keys[-1]).features, got[-1])
    assert corpus.lookahead_bins is None


def test_a_channel_that_is_dead_on_one_day_is_at_the_mean_of_all_days(one_dead):
    corpus = PreparedCorpus.open(one_dead, "card2024", normalize=ACROSS_DAYS)
    first, last = (corpus.read(corpus.infos[n].key).features for n in (0, -1))
    assert not first[:, 4].any() and first[:, 3].any() and last[:, 4].any()


def test_no_statistics_over_days_whose_columns_are_other_units(
    tmp_path, few_t15, make_t15, make_t15_trial, rng
):
    facts = few_t15.model_copy(update={"participants": {"T15": ParticipantFacts(n_channels=None)}})
    for date, width in (("2023-08-11", 3), ("2023-08-13", 5)):
        make_t15(tmp_path, date, train=[make_t15_trial(1, 0, rng.normal(size=(9, width)))])
    prepare(Card2024(tmp_path, facts=facts), tmp_path / "data")
    with pytest.raises(DataError, match=r"T15: sessions have 3 to 5 channels.*kind=block"):
        PreparedCorpus.open(tmp_path / "data", "card2024", normalize=ACROSS_DAYS)
