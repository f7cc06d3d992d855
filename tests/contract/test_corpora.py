"""What every corpus reader owes its callers, whatever its files look like."""

import hashlib
import re

import numpy as np
import pytest

from layouts.every import BENCHMARKS, EVERY
from sylvian.data import NormalizeConfig, PreparedCorpus, check, prepare
from sylvian.data.corpora import Corpus
from sylvian.errors import DataError
from sylvian.text import PHONES, SIL, is_cue
from sylvian.types import Strategy, TrialKey

SPOKEN = {Strategy.ATTEMPTED, Strategy.VOCALIZED, Strategy.SILENT, Strategy.IMAGINED}


@pytest.fixture(params=EVERY, ids=lambda make: make.__name__)
def corpus(request, tmp_path):
    return request.param(tmp_path / "raw", np.random.default_rng(11))


@pytest.fixture(params=BENCHMARKS, ids=lambda make: make.__name__)
def benchmark(request, tmp_path):
    return request.param(tmp_path / "raw", np.random.default_rng(11))


def everything(corpus):
    return [(session, list(corpus.trials(session))) for session in corpus.sessions()]


def content(folder):
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path: hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def test_it_is_a_corpus_with_sorted_sessions_its_facts_know(corpus):
    assert isinstance(corpus, Corpus)
    places = [(session.participant, session.session) for session in corpus.sessions()]
    assert places == sorted(set(places)) and places
    for participant, session in places:
        known = corpus.facts.participants[participant].sessions
        assert session in known or not known


def test_trials_are_what_the_facts_promise(corpus):
    for session, trials in everything(corpus):
        facts = corpus.facts.participants[session.participant]
        assert trials and len({trial.key for trial in trials}) == len(trials)
        for trial in trials:
            key = TrialKey.parse(str(trial.key))
            assert key == trial.key
            assert (
                key.session_path == f"{corpus.facts.name}/{session.participant}/{session.session}"
            )
            assert trial.info.split in corpus.facts.splits and trial.info.split in session.paths
            n_channels = facts.n_channels or trials[0].features.shape[1]
            assert trial.features.shape == (trial.info.n_bins, n_channels)
            assert trial.features.dtype == np.float32 and np.isfinite(trial.features).all()
            assert trial.info.bin_s == corpus.facts.bin_s
            assert isinstance(trial.info.strategy, Strategy)


def test_phonemes_are_known_closed_by_sil_and_of_what_was_said(corpus):
    for _, trials in everything(corpus):
        for info in (trial.info for trial in trials):
            if info.phonemes is not None:
                assert set(info.phonemes) <= {*PHONES, SIL} and info.phonemes[-1] == SIL
                assert info.sentence is not None and info.strategy in SPOKEN
            elif info.sentence is not None:  # what was written or heard, or an instruction
                assert info.strategy not in SPOKEN or is_cue(info.sentence)


def test_one_split_of_a_benchmark_is_withheld(benchmark):
    infos = [trial.info for _, trials in everything(benchmark) for trial in trials]
    hidden = [info for info in infos if info.sentence is None]
    assert hidden and all(info.phonemes is None for info in hidden)
    assert len({(info.key.participant, info.split) for info in hidden}) == len(
        {info.key.participant for info in hidden}
    )


def test_trials_stream_and_reading_again_gives_the_same(corpus):
    session = corpus.sessions()[0]
    stream = corpus.trials(session)
    assert iter(stream) is stream
    first = next(stream)
    again = next(iter(corpus.trials(session)))
    assert again.info == first.info
    np.testing.assert_array_equal(again.features, first.features)


def test_reading_leaves_the_raw_folder_alone(corpus, tmp_path):
    before = content(tmp_path / "raw")
    everything(corpus)
    prepare(corpus, tmp_path / "data")
    assert content(tmp_path / "raw") == before


def test_it_prepares_and_comes_back_whole(corpus, tmp_path):
    report = prepare(corpus, tmp_path / "data")
    published = [trial for _, trials in everything(corpus) for trial in trials]
    assert sum(report.trials.values()) == len(published)
    name = corpus.facts.name
    as_it_was = NormalizeConfig(kind="none")
    prepared = PreparedCorpus.open(tmp_path / "data", name, normalize=as_it_was)
    assert len(prepared.infos) == len(published)
    for trial in published:
        got = prepared.read(trial.key)
        assert got.info == trial.info
        np.testing.assert_array_equal(got.features, trial.features)
    assert prepared.sees_future == corpus.facts.sees_future
    for rule in ("benchmark", "bit", "blocks"):
        divided = prepared.splits(rule)
        assert sum(map(len, divided.values())) == len(published) and divided["train"]
    assert check(name, tmp_path / "data").problems == tuple(
        line for line in report.warnings if "facts" in line or "missing" in line
    )


def test_a_benchmarks_train_and_val_trials_are_labelled(benchmark, tmp_path):
    prepare(benchmark, tmp_path / "data")
    splits = PreparedCorpus.open(tmp_path / "data", benchmark.facts.name).splits("benchmark")
    assert all(info.sentence for split in ("train", "val") for info in splits[split])


def test_every_file_is_told_so_that_a_change_is_seen(corpus, tmp_path):
    """What `prepare` fingerprints is what is read, whatever else lies around."""
    told = {
        path for ref in corpus.sessions() for path in (*ref.paths.values(), *ref.files.values())
    }
    assert all(path.is_file() for path in told)
    (tmp_path / "raw/notes.mat").write_bytes(b"not a recording")
    (tmp_path / "raw/sub-X_ses-20200101_ecephys.nwb").write_bytes(b"not one of ours")
    assert {
        path for ref in corpus.sessions() for path in (*ref.paths.values(), *ref.files.values())
    } == told


def test_a_file_cut_short_is_named(corpus, tmp_path):
    """The first file loses its second half, as when a download breaks off."""
    session = corpus.sessions()[0]
    path = next(iter({**session.paths, **session.files}.values()))
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(DataError, match=re.escape(path.name)):
        prepare(corpus, tmp_path / "data")
