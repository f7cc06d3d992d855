"""Imagined speech: some sessions, weaker and partly turned, and nothing else is moved by it."""

import hashlib
import json

import numpy as np
import pytest

from sylvian.config import digest, dump, load
from sylvian.data import PreparedCorpus, prepare
from sylvian.data.corpora import Synthetic
from sylvian.data.synthetic import (
    ImaginedConfig,
    LatentConfig,
    ParticipantConfig,
    SharedSpeaker,
    SyntheticConfig,
    ceiling,
    simulate,
)
from sylvian.data.synthetic.participant import days, participants
from sylvian.errors import ConfigError, DataError
from sylvian.types import Strategy

SHAPE = {
    "sessions": 3,
    "train_trials": 3,
    "eval_trials": 2,
    "hidden_trials": 2,
    "max_words": 4,
    "train_only_sessions": (),
}
IMAGINED = ImaginedConfig(sessions=(1, 2))


def people(imagined):
    shared = LatentConfig(sharing=0.5)
    return SyntheticConfig(
        seed=3,
        participants=(
            ParticipantConfig(name="S15", layout="card2024", imagined=imagined, **SHAPE),
            SharedSpeaker(
                name="S12", layout="willett2023", imagined=imagined, latent=shared, **SHAPE
            ),
        ),
    )


@pytest.fixture(scope="module")
def raw(tmp_path_factory):
    folder = tmp_path_factory.mktemp("imagined") / "raw"
    simulate(people(IMAGINED), folder)
    return folder


@pytest.fixture(scope="module")
def attempted(tmp_path_factory):
    folder = tmp_path_factory.mktemp("attempted") / "raw"
    simulate(people(None), folder)
    return folder


def hashed(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_imagery_is_told_trial_by_trial_and_survives_preparation(raw, tmp_path):
    corpus = Synthetic(raw)
    both = (Strategy.ATTEMPTED, Strategy.IMAGINED)
    assert {who.strategies for who in corpus.facts.participants.values()} == {both}
    prepare(corpus, tmp_path)
    infos = PreparedCorpus.open(tmp_path, "synthetic").infos
    for info in infos:
        imagined = info.key.session != "2031-01-06"
        assert info.strategy is both[imagined]
        assert info.prompt_set == "50-Word" or not imagined
    held = {info.split for info in infos if info.strategy is Strategy.IMAGINED}
    assert held == {"train", "val", "test", "holdout"}
    assert all(i.phonemes for i in infos if i.split == "train")


def test_a_day_of_attempted_speech_is_the_same_whatever_the_others_are(raw, attempted):
    first = [p.relative_to(raw) for p in sorted(raw.rglob("*01.06*/*.hdf5"))]
    first += [p.relative_to(raw) for p in sorted(raw.rglob("*.01.06.mat"))]
    assert len(first) == 6
    for name in first:
        assert hashed(raw / name) == hashed(attempted / name), name


def test_without_imagery_nothing_new_is_written(attempted):
    manifest = json.loads((attempted / "synthetic.json").read_text())
    assert "imagined" not in json.dumps(manifest) and "strategy" not in json.dumps(manifest)
    strategies = {who.strategies for who in Synthetic(attempted).facts.participants.values()}
    assert strategies == {(Strategy.ATTEMPTED,)}


def test_electrodes_are_shallower_and_the_same_part_of_them_turns_every_day():
    still = ImaginedConfig(sessions=(1, 2), depth=0.4, turnover=0.3, turn=0.6)
    config = people(still).participants[0]
    first, second, third = (day.tuning for day in days(config, np.random.default_rng(0)))
    plain = config.model_copy(update={"imagined": None})
    awake = [day.tuning for day in days(plain, np.random.default_rng(0))]
    np.testing.assert_array_equal(first.crossings, awake[0].crossings)
    turned = []
    for day, usual in ((second, awake[1]), (third, awake[2])):
        np.testing.assert_allclose(day.depth, 0.4 * usual.depth)
        np.testing.assert_array_equal(day.log_rate, usual.log_rate)
        turned.append(np.abs(day.crossings - usual.crossings).max(0) > 1e-4)
        alike = overlap(day, usual)[turned[-1]]
        assert np.mean(alike) == pytest.approx(np.cos(0.6 * np.pi / 2), abs=0.1)
    np.testing.assert_array_equal(*turned)
    assert turned[0].mean() == pytest.approx(0.3, abs=0.08)


def overlap(one, other):
    """Correlation of each electrode's drive under two tunings."""
    return np.einsum("ze,zy,ye->e", one.crossings, one.covariance, other.crossings)


def test_imagery_that_differs_in_nothing_is_attempted_speech():
    same = ImaginedConfig(sessions=(0,), depth=1.0, turnover=0.0)
    assert ceiling(speaker(same), n_trials=2, imagined=True) == ceiling(speaker(same), n_trials=2)


def test_the_ceiling_of_imagined_speech_is_lower_and_that_of_attempted_speech_stays():
    usual = ceiling(speaker(None), n_trials=5)
    config = speaker(ImaginedConfig(sessions=(1,)))
    assert ceiling(config, n_trials=5) == usual
    assert ceiling(config, n_trials=5, imagined=True).per > usual.per + 0.1


def speaker(imagined):
    person = people(imagined).participants[0]
    return person.model_copy(
        update={"neural": person.neural.model_copy(update={"snr": 0.4}), "imagined": imagined}
    )


def test_the_ceiling_of_imagery_needs_imagery():
    with pytest.raises(ConfigError, match="S15: never imagines"):
        ceiling(speaker(None), imagined=True)


def test_configs_survive_being_written_down_and_imagery_changes_their_digest():
    config = people(IMAGINED)
    assert load(SyntheticConfig, dump(config)) == config
    assert digest(config) != digest(people(None))
    assert load(SyntheticConfig, dump(people(None))) == people(None)


@pytest.mark.parametrize("sessions", [(3,), (-1,), ()])
def test_sessions_that_do_not_exist_are_refused(sessions):
    with pytest.raises(ValueError, match="session"):
        people(ImaginedConfig(sessions=sessions))


def test_an_unknown_strategy_in_the_manifest_is_named(raw, tmp_path):
    text = (raw / "synthetic.json").read_text().replace('"strategy": "imagined"', '"strategy": "x"')
    (tmp_path / "synthetic.json").write_text(text)
    with pytest.raises(DataError, match=r"synthetic\.json: damaged.*simulate again"):
        Synthetic(tmp_path)


def test_imagined_trials_follow_the_imagined_electrodes():
    (_, simulated), *_ = participants(people(ImaginedConfig(sessions=(2,), depth=0.0)))
    *_, silent = simulated
    block = next(silent.blocks())
    rates = np.concatenate([trial.recording.crossings for trial in block.trials]).mean(0)
    expected = np.exp(block.tuning.log_rate + block.offset)
    alive = ~block.tuning.dead
    assert not block.tuning.depth.any()
    assert np.corrcoef(rates[alive], expected[alive])[0, 1] > 0.95
