"""Monkeys and a writer, read back through the readers of the releases whose layout they have."""

import h5py
import numpy as np
import pytest

from sylvian.config import dump, load
from sylvian.data import PreparedCorpus, check, prepare
from sylvian.data.corpora import Synthetic
from sylvian.data.corpora.willett2021 import Willett2021
from sylvian.data.corpora.willett2021_facts import WILLETT2021
from sylvian.data.synthetic import (
    LatentConfig,
    MonkeyConfig,
    SharedSpeaker,
    SyntheticConfig,
    WriterConfig,
    simulate,
)
from sylvian.data.synthetic.movers import moving_days
from sylvian.data.synthetic.participant import seeded
from sylvian.errors import ConfigError, DataError
from sylvian.types import Strategy

LATENT = LatentConfig(sharing=0.5)
SPEECH = {"sessions": 1, "train_trials": 4, "eval_trials": 4, "hidden_trials": 2, "max_words": 3}
MOVES = {"sessions": 2, "blocks": 3, "block_trials": 3, "latent": LATENT}


@pytest.fixture(scope="module")
def config():
    return SyntheticConfig(
        seed=4,
        participants=(
            SharedSpeaker(
                name="S15", layout="card2024", latent=LATENT, train_only_sessions=(), **SPEECH
            ),
            MonkeyConfig(name="M1", electrodes=24, **MOVES),
            WriterConfig(name="H5", **MOVES),
        ),
    )


@pytest.fixture(scope="module")
def species(config, tmp_path_factory):
    folder = tmp_path_factory.mktemp("species") / "raw"
    simulate(config, folder)
    return folder


@pytest.fixture(scope="module")
def prepared(species, tmp_path_factory):
    data = tmp_path_factory.mktemp("prepared")
    report = prepare(Synthetic(species), data)
    assert report.warnings == () and check("synthetic", data).problems == ()
    return PreparedCorpus.open(data, "synthetic")


def trials_of(corpus, name):
    refs = [ref for ref in corpus.sessions() if ref.participant == name]
    return [trial for ref in refs for trial in corpus.trials(ref)]


def simulated(config, name):
    """Blocks of the first day, as they were before they were written."""
    (mine,) = [(who, rng) for who, rng in seeded(config) if who.name == name]
    doing, _ = mine[1].spawn(2)
    return list(next(iter(moving_days(mine[0], doing))).blocks())


@pytest.mark.parametrize("name", ["M1", "H5"])
def test_the_reader_gives_back_every_count_of_every_trial(config, species, name):
    found = [t for t in trials_of(Synthetic(species), name) if t.key.session == "2031-01-06"]
    place = 0
    for block in simulated(config, name):
        for number, (start, stop) in enumerate(zip(block.starts, block.stops, strict=True)):
            trial = found[place]
            assert (trial.key.block, trial.key.trial) == (block.number, number)
            assert trial.info.prompt_set == block.prompt_set
            if name == "M1" or block.number > 1:  # a letter lasts until the next one's delay
                np.testing.assert_array_equal(trial.features, block.crossings[start:stop])
            else:
                np.testing.assert_array_equal(
                    trial.features[: stop - start], block.crossings[start:stop]
                )
            place += 1
    assert place == len(found) == 9


def test_monkeys_reach_and_say_nothing(species):
    infos = [trial.info for trial in trials_of(Synthetic(species), "M1")]
    assert {info.strategy for info in infos} == {Strategy.REACHING}
    assert {info.prompt_set for info in infos} == {"CO", "RT"}
    assert {(info.sentence, info.phonemes, info.split) for info in infos} == {(None, None, "train")}


def test_the_writer_writes_letters_and_sentences(species):
    infos = [trial.info for trial in trials_of(Synthetic(species), "H5")]
    assert {info.strategy for info in infos} == {Strategy.HANDWRITING}
    assert {info.prompt_set for info in infos} == {"single letters", "sentences"}
    assert all(info.phonemes is None and info.split == "train" for info in infos)
    written = [info.sentence for info in infos if info.prompt_set == "sentences"]
    assert all(set(text) <= {*"abcdefghijklmnopqrstuvwxyz .,'?"} for text in written)
    assert any(" " in text for text in written)


def test_the_reader_of_the_handwriting_release_reads_it_with_facts_of_its_own(species, config):
    facts = WILLETT2021.model_copy(
        update={"participants": {"H5": WILLETT2021.participants["T5"].model_copy()}}
    )
    corpus = Willett2021(species / "H5", facts=facts)
    assert sum(1 for ref in corpus.sessions() for _ in corpus.trials(ref)) == 18


def test_a_monkeys_file_holds_sorted_spikes_in_seconds_and_the_hand(species):
    path = sorted(species.rglob("*.nwb"))[0]
    assert path.name == "sub-M1_ses-20310106T030000_behavior+ecephys.nwb"
    with h5py.File(path) as file:
        ends = file["units/spike_times_index"][:]
        hand = file["processing/behavior/Position/Hand"]
        assert hand["data"].shape == (len(hand["timestamps"]), 2)
        times = np.split(file["units/spike_times"][:], ends[:-1])
        assert len(times) == 24 and all((np.diff(unit) >= 0).all() for unit in times)
        assert max(unit.max() for unit in times if len(unit)) < hand["timestamps"][-1] + 0.02


def test_every_rule_divides_a_corpus_of_speakers_and_others(prepared):
    for rule, val in (("benchmark", 4), ("bit", 2)):
        splits = prepared.splits(rule)
        assert {i.key.participant for i in splits["train"]} == {"S15", "M1", "H5"}
        held = [info for name in splits if name != "train" for info in splits[name]]
        assert {info.key.participant for info in held} == {"S15"} and len(splits["val"]) == val
    blocks = prepared.splits("blocks")
    assert {i.key.participant for i in blocks["val"]} == {"S15", "M1", "H5"}
    assert {i.key.block for i in blocks["val"] if i.key.participant == "M1"} == {3}


def test_channels_are_the_same_on_all_days(prepared):
    assert prepared.channels == {"H5": 192, "M1": 24, "S15": 512}
    facts = prepared.facts.participants["M1"]
    assert facts.n_channels == 24 and facts.channels[0].stop == 24


def test_equal_configs_give_equal_bytes(config, species, tmp_path):
    simulate(config, tmp_path / "again")
    names = sorted(p.relative_to(species) for p in species.rglob("*") if p.is_file())
    assert names == sorted(
        p.relative_to(tmp_path / "again") for p in (tmp_path / "again").rglob("*") if p.is_file()
    )
    for name in names:
        assert (species / name).read_bytes() == (tmp_path / "again" / name).read_bytes(), name


def test_a_strange_recording_in_a_monkeys_folder_is_refused(config, species, tmp_path):
    only = config.model_copy(update={"participants": config.participants[1:2]})
    stranger = tmp_path / "M1/000121/sub-M1/sub-M1_ses-20300101T030000_behavior+ecephys.nwb"
    stranger.parent.mkdir(parents=True)
    stranger.write_bytes(b"")
    with pytest.raises(DataError, match="20300101T030000.*not of this simulation"):
        simulate(only, tmp_path)


@pytest.mark.parametrize("sharing", [0.0, 0.4, 1.0])
def test_the_preset_has_everybody_and_survives_being_written_down(sharing):
    config = SyntheticConfig.species(sharing)
    assert [who.name for who in config.participants] == ["S15", "S12", "M1", "M2", "H5"]
    assert {who.latent.sharing for who in config.participants} == {sharing}
    assert load(SyntheticConfig, dump(config)) == config


def test_the_newcomer_has_few_sentences_and_the_others_clear_recordings():
    config = SyntheticConfig.transfer(0.3, seed=4)
    assert load(SyntheticConfig, dump(config)) == config and config.seed == 4
    newcomer, *others = config.participants
    assert newcomer.sessions * newcomer.train_trials == 40
    assert newcomer.sessions * newcomer.eval_trials == 80
    assert all(one.neural.snr > newcomer.neural.snr for one in others)
    assert {(one.latent.sharing, one.latent.seed) for one in config.participants} == {(0.3, 4)}


@pytest.mark.parametrize("sharing", [-0.1, 1.1])
def test_a_sharing_outside_its_range_is_refused(sharing):
    with pytest.raises(ValueError, match="sharing"):
        SyntheticConfig.species(sharing)


def test_an_unknown_key_of_a_monkey_is_refused(config):
    data = dump(config)
    data["participants"][1]["bananas"] = 3
    with pytest.raises(ConfigError, match="participants.1"):
        load(SyntheticConfig, data)
