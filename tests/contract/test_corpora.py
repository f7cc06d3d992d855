"""What every corpus reader owes its callers, whatever its files look like."""

import hashlib
import pickle
import re
from dataclasses import replace

import numpy as np
import pytest

from layouts.every import BENCHMARKS, EVERY
from sylvian.data import NormalizeConfig, PreparedCorpus, check, prepare
from sylvian.data.corpora import CORPORA, FACTS, Corpus, Willett2023
from sylvian.errors import DataError
from sylvian.text import PHONES, SIL, Lexicon, is_cue
from sylvian.types import Strategy, Trial, TrialKey

SPOKEN = {Strategy.ATTEMPTED, Strategy.VOCALIZED, Strategy.SILENT, Strategy.IMAGINED}


@pytest.fixture(scope="module", params=EVERY, ids=lambda make: make.__name__)
def corpus(request, tmp_path_factory):
    """Read only."""
    return request.param(tmp_path_factory.mktemp("raw") / "raw", np.random.default_rng(11))


@pytest.fixture(params=EVERY, ids=lambda make: make.__name__)
def fresh(request, tmp_path):
    """With its files in `raw`, for a test to change."""
    return request.param(tmp_path / "raw", np.random.default_rng(11))


@pytest.fixture(params=BENCHMARKS, ids=lambda make: make.__name__)
def benchmark(request, tmp_path):
    return request.param(tmp_path / "raw", np.random.default_rng(11))


def everything(corpus):
    return [(session, list(corpus.trials(session))) for session in corpus.sessions()]


def content(folder):
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path: hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def test_every_corpus_is_held_to_this_contract():
    assert {make.__name__ for make in EVERY} == {*CORPORA, "synthetic_species", "brainset"}


@pytest.mark.parametrize("name", CORPORA)
def test_facts_say_what_it_is_whose_it_is_and_how_to_get_it(name, tmp_path):
    facts = FACTS[name]
    assert facts.name == name and facts.title and facts.citation and facts.licence
    if name != "synthetic":  # its facts are whatever was simulated
        assert f"fetch {name} " in facts.directions or "download" in facts.directions
        assert "--raw" in facts.directions and "http" in facts.directions
        assert facts.participants
        with pytest.raises(DataError, match=re.escape(facts.directions)):
            CORPORA[name](tmp_path).sessions()


def test_its_channels_are_told_without_gap_or_overlap(corpus):
    """Where a corpus has a layout of columns at all."""
    for facts in corpus.facts.participants.values():
        if facts.channels:
            edges = [(group.start, group.stop) for group in facts.channels]
            assert edges[0][0] == 0 and edges[-1][1] == facts.n_channels
            assert all(one[1] == other[0] for one, other in zip(edges, edges[1:], strict=False))


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


def test_it_can_be_handed_to_another_process(corpus):
    session = corpus.sessions()[-1]
    copy, session_there = pickle.loads(pickle.dumps((corpus, session)))
    assert session_there == session and copy.facts == corpus.facts
    for here, there in zip(corpus.trials(session), copy.trials(session_there), strict=True):
        assert here.info == there.info
        np.testing.assert_array_equal(here.features, there.features)


def test_reading_leaves_the_raw_folder_alone(fresh, tmp_path):
    before = content(tmp_path / "raw")
    everything(fresh)
    prepare(fresh, tmp_path / "data")
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


class WithAConstantChannel:
    """A corpus whose first column stands still, at a value no float32 sum is exact for."""

    def __init__(self, corpus):
        self._corpus, self.facts, self.sessions = corpus, corpus.facts, corpus.sessions

    def trials(self, session):
        for trial in self._corpus.trials(session):
            features = trial.features.copy()
            features[:, 0] = 0.1
            yield Trial(replace(trial.info), features)


def test_a_channel_that_never_changes_comes_out_as_zeros(corpus, tmp_path):
    prepare(WithAConstantChannel(corpus), tmp_path / "data")
    name = corpus.facts.name
    for kind in ("block", "block_and_day", "session", "rolling"):
        prepared = PreparedCorpus.open(
            tmp_path / "data", name, normalize=NormalizeConfig(kind=kind)
        )
        for info in prepared.infos[:6]:
            features = prepared.read(info.key).features
            assert np.isfinite(features).all() and not features[:, 0].any()


class Overheard(Lexicon):
    """A lexicon that remembers what it was asked to pronounce."""

    def phonemes(self, sentence):
        self.asked = [*getattr(self, "asked", ()), sentence]
        return super().phonemes(sentence)


def test_a_withheld_sentence_never_reaches_the_lexicon(tmp_path):
    (make,) = [make for make in EVERY if make.__name__ == "willett2023"]
    make(tmp_path / "raw", np.random.default_rng(11))
    lexicon = Overheard({word: [["AA"]] for word in ("he", "said", "so", "did", "too")})
    trials = [
        t for _, part in everything(Willett2023(tmp_path / "raw", lexicon=lexicon)) for t in part
    ]
    told = [t.info.sentence for t in trials if t.info.split != "holdout"]
    assert lexicon.asked == told and len(told) == 4 and len(trials) == 6


def test_a_benchmarks_train_and_val_trials_are_labelled(benchmark, tmp_path):
    prepare(benchmark, tmp_path / "data")
    splits = PreparedCorpus.open(tmp_path / "data", benchmark.facts.name).splits("benchmark")
    assert all(info.sentence for split in ("train", "val") for info in splits[split])


def test_every_file_is_told_so_that_a_change_is_seen(fresh, tmp_path):
    """What `prepare` fingerprints is what is read, whatever else lies around."""
    told = {path for ref in fresh.sessions() for path in (*ref.paths.values(), *ref.files.values())}
    assert all(path.is_file() for path in told)
    (tmp_path / "raw/notes.mat").write_bytes(b"not a recording")
    (tmp_path / "raw/sub-X_ses-20200101_ecephys.nwb").write_bytes(b"not one of ours")
    assert {
        path for ref in fresh.sessions() for path in (*ref.paths.values(), *ref.files.values())
    } == told


def test_a_file_cut_short_is_named(fresh, tmp_path):
    """The first file loses its second half, as when a download breaks off."""
    session = fresh.sessions()[0]
    path = next(iter({**session.paths, **session.files}.values()))
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    with pytest.raises(DataError, match=re.escape(path.name)):
        prepare(fresh, tmp_path / "data")
