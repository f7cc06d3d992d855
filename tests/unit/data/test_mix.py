"""What a mix of corpora holds, how it is read, and what it refuses."""

import json
import multiprocessing
import pickle
import tracemalloc
from collections.abc import Iterator
from dataclasses import dataclass, field
from itertools import groupby

import numpy as np
import pytest

from sylvian.config import dump, load, override
from sylvian.data import MixConfig, Mixture, NormalizeConfig, PreparedCorpus, prepare
from sylvian.data.corpora import (
    CORPORA,
    FACTS,
    ChannelGroup,
    CorpusFacts,
    ParticipantFacts,
    SessionRef,
    Synthetic,
)
from sylvian.data.synthetic import (
    LatentConfig,
    MonkeyConfig,
    SyntheticConfig,
    WriterConfig,
    simulate,
)
from sylvian.errors import ConfigError, DataError
from sylvian.types import Strategy, Trial, TrialInfo, TrialKey

SPIKES, POWER = "threshold crossings", "spike-band power"
HIDDEN = {"holdout"}


def groups(*features, width=3):
    return tuple(
        ChannelGroup(array="A", feature=feature, start=width * n, stop=width * (n + 1))
        for n, feature in enumerate(features)
    )


@dataclass
class Toy:
    """A corpus made up here: participant -> session -> split -> blocks of trial lengths."""

    name: str
    people: dict[str, ParticipantFacts]
    days: dict[str, dict[str, dict[str, list[list[int]]]]]
    splits: tuple[str, ...] = ("train", "val", "test", "holdout")
    widths: dict[str, int] = field(default_factory=dict)
    bin_s: dict[str, float] = field(default_factory=dict)
    dead: dict[str, list[int]] = field(default_factory=dict)
    strategies: dict[int, Strategy] = field(default_factory=dict)
    same: dict[str, np.ndarray] = field(default_factory=dict)

    @property
    def facts(self) -> CorpusFacts:
        return CorpusFacts(
            name=self.name, title=self.name, participants=self.people, splits=self.splits
        )

    def sessions(self) -> tuple[SessionRef, ...]:
        return tuple(SessionRef(who, day, {}) for who, days in self.days.items() for day in days)

    def trials(self, session: SessionRef) -> Iterator[Trial]:
        told = self.people[session.participant]
        day = session.session
        n_channels = self.widths.get(day) or told.n_channels
        seed = [*f"{self.name}{session.participant}{day}".encode()]
        rng = np.random.default_rng(seed)
        numbers = iter(range(1, 99))
        for split, blocks in self.days[session.participant][day].items():
            for lengths, block in zip(blocks, numbers, strict=False):
                for place, n_bins in enumerate(lengths):
                    key = TrialKey(self.name, session.participant, day, block, place)
                    features = rng.poisson(5 + block, (n_bins, n_channels)).astype(np.float32)
                    features[:, self.dead.get(day, [])] = 2
                    features = self.same.get(str(key), features)
                    yield Trial(self._info(key, split, len(features)), features)

    def _info(self, key, split, n_bins):
        labelled = split not in HIDDEN and self.people[key.participant].species == "human"
        return TrialInfo(
            key,
            split,
            n_bins,
            bin_s=self.bin_s.get(key.session, 0.02),
            sentence="Hip." if labelled else None,
            strategy=self.strategies.get(key.block, Strategy.ATTEMPTED),
        )


def human(n_channels=6, **told):
    told = {"channels": groups(SPIKES, POWER)} | told
    return ParticipantFacts(n_channels=n_channels, **told)


def monkey(n_channels=4, **told):
    return ParticipantFacts(n_channels=n_channels, species="monkey", **told)


FOUR = [[20] * 5] * 4  # blocks of a session


def speech(name="speech", **changes):
    """Speaker A of a benchmark with hidden trials."""
    day = {"train": FOUR, "test": [[30] * 3], "holdout": [[40] * 2]}
    return Toy(name, {"A": human()}, {"A": {"2030-01-01": day, "2030-01-02": day}}, **changes)


def reaching(name="reaching", **changes):
    """Monkeys C and D, the units of D sorted anew every day."""
    people = {"C": monkey(), "D": monkey(None)}
    day = {"train": FOUR}
    days = {who: {"2031-01-01": day, "2031-01-02": day} for who in people}
    return Toy(name, people, days, widths={"2031-01-02": 4, "2031-01-01": 4}, **changes)


@pytest.fixture
def data(tmp_path):
    prepare(speech(), tmp_path)
    prepare(reaching(), tmp_path)
    return tmp_path


def opened(data, *, to=None, **config):
    return Mixture.open(MixConfig(**config), data, target=to)


def names(mix):
    return [source.name for source in mix.sources]


ALL = ["reaching/C", "reaching/D", "speech/A"]


def test_everything_that_is_prepared_is_in_the_mix(data):
    mix = opened(data)
    assert names(mix) == ALL
    assert [s.species for s in mix.sources] == ["monkey", "monkey", "human"]
    assert [(s.n_train, s.n_val, s.share) for s in mix.sources] == [(30, 10, 1)] * 3
    assert mix.sources[0].hours == pytest.approx(30 * 20 * 0.02 / 3600)
    assert len(mix.train) == 90 and list(mix.train) == sorted(mix.train, key=lambda i: i.key)
    assert set(mix.facts) == {"reaching", "speech"} and mix.sees_future
    paths = {info.key.session_path for info in (*mix.train, *mix.val)}
    assert mix.session_channels == {p: 3 if p.startswith("speech") else 4 for p in paths}


def test_the_last_block_of_every_session_is_what_is_selected_by(data):
    mix = opened(data)
    for _, session in groupby(
        sorted([*mix.train, *mix.val], key=lambda i: i.key), key=lambda i: i.key.session_path
    ):
        infos = [*session]
        last = max(info.key.block for info in infos)
        assert {info.key.block for info in infos if info in mix.val} == {last}


@pytest.mark.parametrize("unlabelled", [False, True])
def test_no_labelled_trial_that_a_release_holds_out_enters(data, unlabelled):
    mix = opened(data, unlabelled=unlabelled)
    assert {info.split for info in mix.val} == {"train"}
    entered = {"train", "holdout"} if unlabelled else {"train"}
    assert {info.split for info in mix.train} == entered
    held = [i for i in PreparedCorpus.open(data, "speech").infos if i.split not in entered]
    assert len(held) == (6 if unlabelled else 10)
    for info in held:
        with pytest.raises(DataError, match=rf"{info.key}: not in the mix"):
            mix.read(info.key)
    told = [line for line in mix.left_out if line.startswith("speech")]
    expected = "6 test trials" if unlabelled else "4 holdout and 6 test trials"
    assert told == [f"speech: {expected}, held out by the release"]


def test_a_hidden_split_with_labels_is_not_unlabelled(tmp_path):
    """As that of falcon, and as `test` where it is the labelled part."""
    day = {"held_in_calib": FOUR, "minival": [[9]], "held_out_calib": [[9]]}
    splits = ("held_in_calib", "minival", "held_out_calib")
    prepare(Toy("falcon_m9", {"M": monkey()}, {"M": {"2030-01-01": day}}, splits), tmp_path)
    prepare(speech(), tmp_path)
    mix = opened(tmp_path, unlabelled=True)
    assert {i.split for i in mix.train} == {"held_in_calib", "train", "holdout"}


def test_features_are_those_of_the_prepared_corpus_chosen_and_clipped(data):
    whole = PreparedCorpus.open(data, "speech", normalize=NormalizeConfig(kind="participant"))
    mix = opened(data, clip=1.5)
    key = mix.train[-1].key
    got = mix.read(key)
    assert key.corpus == "speech" and got.info == mix.train[-1]
    assert got.features.dtype == np.float32 and got.features.flags.c_contiguous
    expected = whole.read(key).features[:, :3]
    np.testing.assert_array_equal(got.features, np.clip(expected, -1.5, 1.5))
    assert np.abs(expected).max() > 1.5
    np.testing.assert_array_equal(opened(data, clip=None).read(key).features, expected)
    assert opened(data, features="all").read(key).features.shape == (20, 6)


@pytest.mark.parametrize(
    ("feature", "is_kept"),
    [
        ("threshold crossings (-4.5 RMS)", True),
        ("threshold crossings or sorted spikes", True),
        ("Spike counts", True),
        ("sorted units", True),
        ("spike-band power", False),
        ("local field potential", False),
    ],
)
def test_spikes_are_told_by_the_name_of_the_feature(tmp_path, feature, is_kept):
    day = {"2030-01-01": {"train": FOUR}}
    told = human(channels=groups(feature, POWER))
    prepare(Toy("one", {"A": told}, {"A": day}), tmp_path)
    prepare(Toy("two", {"B": monkey()}, {"B": day}), tmp_path)
    mix = opened(tmp_path)
    assert mix.session_channels.get("one/A/2030-01-01") == (3 if is_kept else None)
    assert any("one: no spikes among its features" in line for line in mix.left_out) != is_kept


def test_columns_that_are_not_neighbours_are_chosen(tmp_path):
    told = human(9, channels=groups(SPIKES, POWER, SPIKES))
    prepare(Toy("one", {"A": told}, {"A": {"2030-01-01": {"train": FOUR}}}), tmp_path)
    whole, mix = opened(tmp_path, features="all"), opened(tmp_path)
    key = mix.train[0].key
    expected = whole.read(key).features[:, [0, 1, 2, 6, 7, 8]]
    np.testing.assert_array_equal(mix.read(key).features, expected)


def test_facts_that_describe_more_columns_than_there_are_are_refused(tmp_path):
    told = ParticipantFacts(n_channels=None, channels=groups(SPIKES, POWER))
    day = {"2030-01-01": {"train": FOUR}}
    prepare(Toy("one", {"A": told}, {"A": day}, widths={"2030-01-01": 5}), tmp_path)
    with pytest.raises(DataError, match="one/A/2030-01-01: 5 channels on disk, the facts .* 6"):
        opened(tmp_path)


def test_auto_is_across_days_where_channels_last_and_by_session_where_units_do_not(data):
    mix = opened(data, clip=None)
    for who, kind in (("C", "participant"), ("D", "session")):
        config = NormalizeConfig(kind=kind)
        infos = [i for i in mix.train if i.key.participant == who]
        sessions = {"C": ("2031-01-01", "2031-01-02"), "D": ("2031-01-01",)}[who]
        raw = PreparedCorpus.open(data, "reaching", normalize=NormalizeConfig(kind="none"))
        every = np.concatenate(
            [
                raw.read(i.key).features
                for i in raw.infos
                if i.key.participant == who and i.key.session in sessions
            ]
        ).astype(np.float64)
        expected = (raw.read(infos[0].key).features - every.mean(0)) / (every.std(0) + 1e-8)
        np.testing.assert_allclose(mix.read(infos[0].key).features, expected, atol=1e-4)
        assert config.resolve(mix.facts["reaching"].participants[who]) == kind


def test_features_that_were_z_scored_by_the_release_are_left_alone(tmp_path):
    told = human(sees_future=True)
    prepare(Toy("one", {"A": told}, {"A": {"2030-01-01": {"train": FOUR}}}), tmp_path)
    mix = opened(tmp_path, clip=None)
    raw = PreparedCorpus.open(tmp_path, "one", normalize=NormalizeConfig(kind="none"))
    key = mix.train[0].key
    np.testing.assert_array_equal(mix.read(key).features, raw.read(key).features[:, :3])
    assert mix.sees_future


def test_a_mix_is_causal_only_if_all_of_it_is(data, tmp_path):
    assert not opened(data, normalize=NormalizeConfig(kind="rolling")).sees_future
    told = human(sees_future=True)
    prepare(Toy("one", {"A": told}, {"A": {"2030-01-01": {"train": FOUR}}}), data)
    assert opened(data, normalize=NormalizeConfig(kind="rolling")).sees_future


@pytest.mark.parametrize(
    ("config", "expected"),
    [
        ({"species": "human"}, ["speech/A"]),
        ({"species": "monkey"}, ["reaching/C", "reaching/D"]),
        ({"corpora": ("speech",)}, ["speech/A"]),
        ({"participants": ("C", "speech/A")}, ["reaching/C", "speech/A"]),
        ({"exclude": ("reaching/C",)}, ["reaching/D", "speech/A"]),
        ({"exclude": ("reaching", "card2024")}, ["speech/A"]),
        ({"monkey_fraction": 0}, ["speech/A"]),
        ({"weights": {"reaching": 0}}, ["speech/A"]),
        ({"weights": {"reaching": 0, "reaching/D": 2}}, ["reaching/D", "speech/A"]),
        ({"target": "exclude", "to": ("speech", ("A",))}, ["reaching/C", "reaching/D"]),
        ({"target": "exclude", "to": ("speech", ())}, ["reaching/C", "reaching/D"]),
        ({"target": "exclude", "to": ("inner", ("A",))}, ALL),
        ({"target": "only", "to": ("inner", ("A",))}, ["speech/A"]),
        ({"target": "only", "to": ("reaching", ())}, ["reaching/C", "reaching/D"]),
        ({"target": "include", "to": ("speech", ("A",))}, ALL),
    ],
)
def test_who_is_in_is_chosen_by_config_and_whoever_is_not_is_named(data, config, expected):
    mix = opened(data, **config)
    assert names(mix) == expected
    told = " ".join(mix.left_out)
    scope = ALL if "corpora" not in config else expected
    assert all(name in told or name.split("/")[0] + ":" in told for name in {*scope} - {*expected})


def test_an_animal_that_is_neither_is_in_all_and_thinned_with_the_monkeys(data):
    other = ParticipantFacts(n_channels=4, species="other")
    prepare(Toy("mouse", {"X": other}, {"X": {"2030-01-01": {"train": FOUR}}}), data)
    assert names(opened(data)) == ["mouse/X", *ALL]
    for species in ("human", "monkey"):
        told = f"mouse: neither human nor monkey, the mix takes {species} recordings"
        assert told in opened(data, species=species).left_out
    mix = opened(data, monkey_fraction=0.2)
    assert mix.sources[0].species == "other" and mix.sources[0].n_train == 3
    assert "mouse: monkey_fraction is 0" in opened(data, monkey_fraction=0).left_out


def test_reasons_are_sentences(data):
    mix = opened(data, species="human")
    assert mix.left_out == (
        "reaching: a monkey, the mix takes human recordings",
        "speech: 4 holdout and 6 test trials, held out by the release",
    )


def test_recordings_of_another_bin_width_stay_out_and_are_named(tmp_path):
    days = ("2031-01-01", "2031-01-02")
    prepare(speech(), tmp_path)
    coarse = Toy(
        "coarse",
        {"E": monkey(), "F": monkey()},
        {"E": {days[0]: {"train": FOUR}}, "F": {day: {"train": FOUR} for day in days}},
        bin_s={days[0]: 0.045},
    )
    prepare(coarse, tmp_path)
    mix = opened(tmp_path)
    assert names(mix) == ["coarse/F", "speech/A"]
    assert "coarse/E: bins of 45 ms, the mix takes 20 ms" in mix.left_out
    assert (
        "coarse/F: 1 of 2 sessions (2031-01-01): bins of 45 ms, the mix takes 20 ms" in mix.left_out
    )
    alone = Toy("alone", {"F": monkey()}, {"F": {days[1]: {"train": FOUR}}})
    alone.name = "coarse"
    prepare(alone, tmp_path / "other")
    key = TrialKey("coarse", "F", days[1], 1, 0)  # the coarse day is not in its statistics
    expected = opened(tmp_path / "other").read(key).features
    np.testing.assert_array_equal(mix.read(key).features, expected)
    assert names(opened(tmp_path, bin_s=0.045)) == ["coarse/E", "coarse/F"]


def test_sessions_with_two_dead_channels_stay_out_and_one_is_repaired(tmp_path):
    days = ("2031-01-01", "2031-01-02", "2031-01-03")
    toy = Toy(
        "one",
        {"A": human()},
        {"A": {day: {"train": FOUR} for day in days}},
        dead={days[0]: [0, 2], days[1]: [1, 4]},  # channel 4 is none of the spikes
    )
    prepare(toy, tmp_path)
    mix = opened(tmp_path, clip=None)
    assert set(mix.session_channels) == {f"one/A/{day}" for day in days[1:]}
    assert mix.left_out == (
        "one: 1 of 3 sessions (2031-01-01): two dead channels or more; "
        "normalize.dead_channels=keep reads them as they are",
    )
    got = mix.read(TrialKey("one", "A", days[1], 1, 0)).features
    np.testing.assert_allclose(got[:, 1], got[:, [0, 2]].mean(axis=1), rtol=1e-6)
    keep = opened(tmp_path, normalize=NormalizeConfig())
    assert len(keep.session_channels) == 3 and keep.left_out == ()
    assert not keep.read(TrialKey("one", "A", days[1], 1, 0)).features[:, 1].any()


def test_an_index_from_before_dead_channels_were_counted_is_named(data):
    rewrite(data, "reaching", lambda told: [entry.pop("dead") for entry in told["sessions"]])
    with pytest.raises(DataError, match="reaching/C/2031-01-01: prepared by a version .*dead"):
        opened(data)
    assert names(opened(data, normalize=NormalizeConfig())) == ALL


def rewrite(data, corpus, change):
    path = data / corpus / "index.json"
    told = json.loads(path.read_text())
    change(told)
    path.write_text(json.dumps(told))


def test_an_index_from_before_species_were_told_opens_but_is_not_mixed(data):
    rewrite(
        data,
        "reaching",
        lambda told: [facts.pop("species") for facts in told["facts"]["participants"].values()],
    )
    told = PreparedCorpus.open(data, "reaching").facts.participants["C"]
    assert told.species == "human"  # the default, wrong here
    with pytest.raises(DataError, match=r"index.json: written .* whether C is a person .*'sylvian"):
        opened(data)
    assert names(opened(data, exclude=("reaching",))) == ["speech/A"]
    report = prepare(reaching(), data)
    assert report.n_reused == 4 and names(opened(data)) == ALL


def test_only_trials_of_the_strategies_asked_for(tmp_path):
    toy = speech(strategies={2: Strategy.IMAGINED, 3: Strategy.IMAGINED, 4: Strategy.PERCEIVED})
    prepare(toy, tmp_path)
    mix = opened(tmp_path, strategies=(Strategy.IMAGINED,))
    assert {info.strategy for info in (*mix.train, *mix.val)} == {Strategy.IMAGINED}
    assert {info.key.block for info in mix.val} == {3}
    assert "speech: 10 attempted and 10 perceived trials, the mix takes imagined" in mix.left_out
    with pytest.raises(DataError, match="no recordings match.*no trial to train on among 50"):
        opened(tmp_path, strategies=(Strategy.REACHING,))


def test_a_fraction_is_a_nested_part_that_depends_on_nobody_else(data):
    def kept(fraction, **config):
        mix = opened(data, monkey_fraction=fraction, **config)
        assert len(mix.val) == len(opened(data, **config).val)
        return {i.key for i in mix.train if i.key.corpus == "reaching"}

    parts = [kept(fraction) for fraction in (0.1, 0.25, 0.5, 1)]
    assert [len(part) for part in parts] == [6, 16, 30, 60]
    assert all(small < large for small, large in zip(parts, parts[1:], strict=False))
    assert kept(0.5, exclude=("reaching/D", "speech")) == {
        key for key in parts[2] if key.participant == "C"
    }
    assert kept(0.5, seed=1) != parts[2]
    assert len(kept(1e-6)) == 2  # at least one of each
    left = opened(data, monkey_fraction=0.25).left_out
    assert "reaching: 22 of 30 training trials; monkey_fraction=0.25" in left
    half = opened(data, human_fraction=0.5)
    assert [source.n_train for source in half.sources] == [30, 30, 15]


def test_shares_follow_weights_and_caps(data):
    hours = 30 * 20 * 0.02 / 3600
    mix = opened(data, weights={"reaching": 3, "reaching/D": 0.5}, cap_hours=hours / 4)
    assert [s.share for s in mix.sources] == pytest.approx([0.75, 0.125, 0.25])
    assert mix.share(mix.train[0]) == pytest.approx(0.75)
    assert [s.share for s in opened(data, cap_hours=1).sources] == [1, 1, 1]
    stranger = TrialInfo(TrialKey("speech", "B", "2030-01-01", 1, 1), "train", 9)
    with pytest.raises(DataError, match="speech/B/2030-01-01/b01/t001: not in the mix"):
        mix.share(stranger)


def test_summary_is_plain_data(data):
    mix = opened(data)
    rows = json.loads(json.dumps(mix.summary()))
    assert rows == mix.summary()
    assert rows[-1] == {
        "name": "speech/A",
        "species": "human",
        "channels": [3],
        "train": 30,
        "val": 10,
        "hours": pytest.approx(1 / 300),
        "share": 1.0,
    }


def test_digest_follows_files_and_what_is_used_of_them(data):
    first = opened(data).digest
    assert len(first) == 8 and int(first, 16) >= 0
    assert opened(data, corpora=("reaching", "speech")).digest == first  # the same, spelt out
    changes = [
        {"species": "human"},
        {"monkey_fraction": 0.5},
        {"monkey_fraction": 0.5, "seed": 1},
        {"weights": {"speech": 2}},
        {"clip": None},
        {"features": "all"},
        {"unlabelled": True},
    ]
    digests = {opened(data, **change).digest for change in changes}
    assert len(digests) == len(changes) and first not in digests
    toy = reaching(same={"reaching/C/2031-01-01/b01/t000": np.ones((20, 4), np.float32)})
    for path in (data / "reaching").rglob("*.h5"):
        path.unlink()
    prepare(toy, data)
    assert opened(data).digest != first


def test_a_recording_that_is_held_out_under_another_name_is_not_trained_on(tmp_path, rng):
    """Whether its release is in the mix, or is only what will be fine-tuned."""
    taken = {n: rng.poisson(5, (20, 6)).astype(np.float32) for n in range(2)}
    held = {"speech/A/2030-01-01/b05/t000": taken[0], "speech/A/2030-01-01/b04/t001": taken[1]}
    prepare(speech(same=held), tmp_path)
    copies = {"again/A/2030-01-02/b01/t002": taken[0], "again/A/2030-01-02/b02/t003": taken[1]}
    prepare(speech("again", same=copies), tmp_path)
    mix = opened(tmp_path)
    keys = {str(info.key) for info in mix.train}
    assert not keys & {*copies} and len(keys) == 58
    line = "again: {} trials whose recording is held out or selected by, here or elsewhere"
    assert line.format(2) in mix.left_out
    for config in ({"target": "exclude"}, {"exclude": ("speech",)}):
        mix = opened(tmp_path, to=("speech", ("A",)), **config)
        assert line.format(1) in mix.left_out
        assert "again/A/2030-01-02/b01/t002" not in {str(info.key) for info in mix.train}


@pytest.mark.parametrize("start", ["fork", "spawn"])
@pytest.mark.filterwarnings("ignore:.*multi-threaded:DeprecationWarning")
def test_workers_read_the_same_as_the_parent(data, start):
    mix = opened(data)
    keys = [info.key for info in (*mix.train[::20], *mix.val[::9])]
    expected = [mix.read(key).features for key in keys]
    with multiprocessing.get_context(start).Pool(1) as pool:
        got = pool.map(mix.read, keys)
    for mine, theirs in zip(got, expected, strict=True):
        np.testing.assert_array_equal(mine.features, theirs)


def test_reading_leaves_nothing_behind_that_grows_with_the_recordings(tmp_path):
    """Neither features nor the moments of every trial; see also benchmarks/mix_memory.py."""
    days = {f"2030-01-{n:02d}": {"train": [[50] * 10] * 4} for n in range(1, 4)}
    people = {"A": monkey(64), "B": monkey(None)}
    toy = Toy("one", people, dict.fromkeys(people, days), widths=dict.fromkeys(days, 64))
    prepare(toy, tmp_path, jobs=1)
    mix = opened(tmp_path)
    for path in mix.session_channels:  # statistics are one mean and one scale a session
        mix.read(next(info.key for info in mix.train if info.key.session_path == path))
    tracemalloc.start()
    try:
        for info in (*mix.train, *mix.val):
            mix.read(info.key)
        left_behind = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    assert len(mix.train) + len(mix.val) == 240
    assert left_behind < 20_000  # a trial fills 12,800 bytes and its moments fill 1,024


def test_a_mix_travels_without_features_and_without_open_files(data):
    psutil = pytest.importorskip("psutil")
    mix = opened(data)
    before = len(pickle.dumps(mix))
    for info in (*mix.train, *mix.val):
        mix.read(info.key)
    assert len(pickle.dumps(mix)) < before + 20_000  # the moments over days, no features
    assert not [f for f in psutil.Process().open_files() if f.path.startswith(str(data))]
    copy = pickle.loads(pickle.dumps(mix))
    assert copy.train == mix.train and copy.digest == mix.digest and copy.sources == mix.sources


@pytest.mark.parametrize(
    ("config", "kind", "message"),
    [
        ({"corpora": ("speech", "speech")}, ConfigError, "'speech' is named 2 times"),
        ({"corpora": ("perich2018",)}, DataError, "perich2018: not prepared; run 'sylvian prepare"),
        ({"weights": {"speec": 2}}, ConfigError, "weights: 'speec' is nobody here.*speech/A"),
        ({"weights": {"speech/B": 2}}, ConfigError, "weights: 'speech/B' is nobody here"),
        ({"weights": {"speech": 0, "reaching": 0}}, ConfigError, "a mix with zero weight: nothing"),
        ({"exclude": ("speech/T1",)}, ConfigError, "exclude: 'speech/T1' is nobody here"),
        ({"exclude": ("speec",)}, ConfigError, "exclude: 'speec' is nobody here"),
        ({"participants": ("T99",)}, ConfigError, "participants: 'T99' is nobody here"),
        ({"target": "exclude"}, ConfigError, "target='exclude', but who is to be fine-tuned"),
        ({"target": "only"}, ConfigError, "target='only', but who is to be fine-tuned"),
        (
            {"bin_s": 0.045},
            DataError,
            "no recordings match the mix; prepared are: .*speech: bins of 20 ms, the mix takes 45",
        ),
        (
            {"human_fraction": 0, "monkey_fraction": 0},
            DataError,
            "no recordings match .*monkey_fraction is 0.*human_fraction is 0",
        ),
    ],
)
def test_what_cannot_be_mixed_is_refused_by_name(data, config, kind, message):
    with pytest.raises(kind, match=message):
        opened(data, **config)


@pytest.mark.parametrize(
    "told",
    [
        {"weights": {"speech": -1.0}},
        {"weights": {"speech": "x"}},
        {"cap_hours": 0},
        {"monkey_fraction": 1.5},
        {"human_fraction": -0.1},
        {"clip": -1},
        {"bin_s": 0},
        {"colour": "red"},
    ],
)
def test_a_config_that_makes_no_sense_is_refused(told):
    with pytest.raises(ConfigError, match=next(iter(told))):
        load(MixConfig, told)


def test_a_config_comes_back_from_json_and_takes_overrides():
    config = MixConfig(weights={"a/b": 0.5}, strategies=(Strategy.IMAGINED,), corpora=("a",))
    assert load(MixConfig, json.loads(json.dumps(dump(config)))) == config
    changed = override(config, ['weights={"a": 2}', "species=monkey", "cap_hours=3"])
    assert changed.weights == {"a": 2} and changed.species == "monkey" and changed.cap_hours == 3


def test_two_folders_with_corpora_of_one_name_are_refused(data):
    (data / "speech").rename(data / "mine")
    assert names(opened(data)) == ALL  # the name is the one in the index
    prepare(speech(), data)
    with pytest.raises(DataError, match=r"speech: a corpus called speech, as is .*mine; remove"):
        opened(data)


def test_an_empty_folder_is_named(tmp_path):
    with pytest.raises(DataError, match="nothing is prepared there; run 'sylvian prepare CORPUS'"):
        opened(tmp_path)


PEOPLE = {
    "card2024": "T15",
    "willett2023": "T12",
    "willett2021": "T5",
    "fan2023": "T5",
    "falcon": "T5",
    "falcon_h1": "HumanPitt",
    "kunz2025": "T12 T15 T16 T17",
}


def test_the_facts_tell_people_from_monkeys():
    for name in FACTS:
        people = set(PEOPLE.get(name, "").split())
        told = {who: facts.species for who, facts in FACTS[name].participants.items()}
        assert told == {who: "human" if who in people else "monkey" for who in told}, name


def test_simulated_species_mix(tmp_path):
    moves = {"sessions": 2, "blocks": 3, "block_trials": 3, "latent": LatentConfig(sharing=0.5)}
    people = (
        MonkeyConfig(name="M1", electrodes=24, **moves),
        WriterConfig(name="H5", **moves),
    )
    simulate(SyntheticConfig(participants=people), tmp_path / "raw")
    prepare(Synthetic(tmp_path / "raw"), tmp_path / "data")
    mix = opened(tmp_path / "data", normalize=NormalizeConfig())
    told = [(s.name, s.species, s.n_channels) for s in mix.sources]
    assert told == [
        ("synthetic/H5", "human", (192,)),
        ("synthetic/M1", "monkey", (24,)),
    ]
    for info in (*mix.train, *mix.val):
        trial = mix.read(info.key)
        assert trial.features.shape == (info.n_bins, mix.session_channels[info.key.session_path])
        assert np.abs(trial.features).max() <= 10 and trial.features.any()


def test_real_recordings_mix_by_the_width_of_their_bins(shared_data, tmp_path):
    for name, folder in {
        "hennig2018": "monkey_bci_hennig2018",
        "golub2018": "monkey_bci_golub2018",
        "mc_maze": "monkey_mcmaze_small_test",
    }.items():
        prepare(CORPORA[name](shared_data / folder), tmp_path)
    mix = opened(tmp_path, bin_s=0.045)
    assert names(mix) == ["golub2018/MonkeyJ", "hennig2018/MonkeyL"]
    assert [source.n_channels for source in mix.sources] == [(86,), (87,)]
    assert "mc_maze: bins of 20 ms, the mix takes 45 ms" in mix.left_out
    fine = opened(tmp_path, unlabelled=True)  # only the hidden part of mc_maze is at hand
    assert names(fine) == ["mc_maze/Jenkins"] and fine.sources[0].n_train == 100
    assert "hennig2018: bins of 45 ms, the mix takes 20 ms" in fine.left_out
    features = np.concatenate([fine.read(info.key).features for info in fine.train])
    assert abs(features.mean()) < 0.05 and 0.8 < features.std() < 1.1
