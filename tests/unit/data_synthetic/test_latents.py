"""What tasks share is what `sharing` says: nothing at zero, more with more, and nothing else moves.

The measure: a linear autoregressive model of one task's units predicts how another task's units
change from bin to bin. Chance is the same model with its units in another order.
"""

import numpy as np
import pytest

from sylvian.data.synthetic import (
    LatentConfig,
    MonkeyConfig,
    SharedSpeaker,
    SpeechConfig,
    SyntheticConfig,
    ceiling,
)
from sylvian.data.synthetic.latents import N_UNITS, TASKS, latents, space
from sylvian.data.synthetic.movement import reaching_reference
from sylvian.data.synthetic.movers import moving_days
from sylvian.data.synthetic.participant import days
from sylvian.data.synthetic.pen import writing_reference
from sylvian.data.synthetic.speech import speak
from sylvian.errors import ConfigError
from sylvian.text import PHONES, SIL

SEEDS = range(5)
SHARED = (0.0, 0.25, 0.5, 0.75, 1.0)


def behaviour(task, rng):
    if task == "speech":
        words = rng.choice(np.array(PHONES, "U3"), (150, 4))
        words[:, -1] = SIL
        return speak(words.ravel().tolist(), SpeechConfig(), rng).posture
    return {"reaching": reaching_reference, "handwriting": writing_reference}[task](rng)


@pytest.fixture(scope="module")
def units():
    """Units of every task by seed and sharing."""
    made = {}
    for seed in SEEDS:
        for task in TASKS:
            acted = behaviour(task, np.random.default_rng([seed, 7]))
            ends = {s: space(task, seed).units(acted, s) for s in (0.0, 1.0)}
            for s in SHARED:
                made[seed, task, s] = np.sqrt(s) * ends[1.0] + np.sqrt(1 - s) * ends[0.0]
    return made


def fitted(values):
    """Map from a bin to the change until the next, by ridge regression."""
    past, change = values[:-1], np.diff(values, axis=0)
    penalty = 1e-3 * len(past) * np.eye(N_UNITS)
    return np.linalg.solve(past.T @ past + penalty, past.T @ change)


def skill(model, values):
    """Correlation of predicted with true changes."""
    change, told = np.diff(values, axis=0), values[:-1] @ model
    return (change * told).sum() / np.sqrt((change**2).sum() * (told**2).sum())


def transfer(units, source, sharing):
    """Skill of a model of `source` on speech, and of that model with its units shuffled."""
    rng = np.random.default_rng(3)
    found, chance = [], []
    for seed in SEEDS:
        model, speech = fitted(units[seed, source, sharing]), units[seed, "speech", sharing]
        found.append(skill(model, speech))
        for _ in range(5):
            order = rng.permutation(N_UNITS)
            chance.append(skill(model[order][:, order], speech))
    return np.array(found), np.array(chance)


@pytest.mark.parametrize(("source", "least"), [("reaching", 0.3), ("handwriting", 0.2)])
def test_another_tasks_dynamics_predict_speech_only_as_far_as_they_are_shared(units, source, least):
    told = {s: transfer(units, source, s) for s in SHARED}
    found, chance = told[0.0]
    error = np.hypot(found.std() / np.sqrt(len(found) - 1), chance.std() / np.sqrt(len(chance)))
    assert abs(found.mean() - chance.mean()) < 3 * error
    means = [told[s][0].mean() for s in SHARED]
    assert np.all(np.diff(means) > 0)
    assert means[2] > told[0.5][1].mean() + 2 * told[0.5][1].std()
    assert means[-1] > least


def test_speechs_own_dynamics_are_as_predictable_at_every_sharing(units):
    for s in SHARED:
        own = [units[seed, "speech", s] for seed in SEEDS]
        assert np.mean([skill(fitted(x), x) for x in own]) == pytest.approx(0.6, abs=0.08)


@pytest.mark.parametrize("task", TASKS)
def test_sharing_changes_neither_variance_nor_memory(units, task):
    for lag in (1, 5, 10, 20):
        memory = [
            np.mean([autocorrelation(units[seed, task, s], lag) for seed in SEEDS]) for s in SHARED
        ]
        assert np.ptp(memory) < 0.09, (lag, memory)
    spread = [np.mean([units[seed, task, s].var() for seed in SEEDS]) for s in SHARED]
    np.testing.assert_allclose(spread, 1, atol=0.12)


def autocorrelation(x, lag):
    x = x - x.mean(0)
    return np.mean(x[lag:] * x[:-lag]) / np.mean(x**2)


def recorded(kind, sharing):
    """Counts of a few trials of the same person at another sharing."""
    latent = LatentConfig(sharing=sharing)
    rng = np.random.default_rng(6)
    if kind == "monkey":
        config = MonkeyConfig(name="M1", sessions=1, blocks=2, block_trials=40, latent=latent)
        (day,) = moving_days(config, rng)
        return np.concatenate([block.crossings for block in day.blocks()]).astype(float)
    config = SharedSpeaker(
        name="S1", layout="card2024", sessions=1, train_trials=20, eval_trials=0, latent=latent
    )
    (day,) = days(config, rng)
    return np.concatenate(
        [trial.recording.crossings for block in day.blocks() for trial in block.trials]
    ).astype(float)


@pytest.mark.parametrize("kind", ["speaker", "monkey"])
def test_sharing_does_not_show_in_the_statistics_of_channels(kind):
    seen = {s: recorded(kind, s) for s in (0.0, 0.5, 1.0)}
    alive = seen[0.0].mean(0) > 0.05
    rates = np.array([x.mean(0)[alive] for x in seen.values()])
    fano = [np.mean(x.var(0)[alive] / x.mean(0)[alive]) for x in seen.values()]
    assert np.ptp(rates.mean(1)) < 0.03 * rates.mean()
    assert np.ptp(fano) < 0.03
    for lag in (1, 5, 10):
        assert np.ptp([autocorrelation(x[:, alive], lag) for x in seen.values()]) < 0.03


def test_the_common_circuit_is_the_same_for_all_and_private_ones_are_not():
    speech, reaching = space("speech", 0), space("reaching", 0)
    np.testing.assert_array_equal(speech.common.coupling, reaching.common.coupling)
    assert (
        np.abs(np.corrcoef(speech.private.coupling.flat, reaching.private.coupling.flat)[0, 1])
        < 0.1
    )
    assert (
        np.abs(np.corrcoef(speech.private.coupling.flat, speech.common.coupling.flat)[0, 1]) < 0.1
    )


def test_a_private_circuit_is_one_participants_alone():
    first, second = space("speech", 0, "S15"), space("speech", 0, "S12")
    np.testing.assert_array_equal(first.common.coupling, second.common.coupling)
    np.testing.assert_array_equal(first.whiten, second.whiten)
    alike = np.corrcoef(first.private.coupling.flat, second.private.coupling.flat)[0, 1]
    assert np.abs(alike) < 0.1
    assert space("speech", 0, "S15") is first


def test_speakers_of_one_sentence_differ_in_latents_only_by_what_is_private():
    acted = behaviour("speech", np.random.default_rng(0))[:200]
    for sharing, same in ((1.0, True), (0.5, False), (0.0, False)):
        found = [latents("speech", acted, LatentConfig(sharing=sharing), who=w) for w in "AB"]
        assert np.array_equal(*found) == same


def test_at_zero_nothing_depends_on_the_common_circuit_and_at_one_on_nothing_else():
    acted = behaviour("reaching", np.random.default_rng(0))[:200]
    found = space("reaching", 0)
    inputs = (acted - found.centre) @ found.whiten
    np.testing.assert_array_equal(found.units(acted, 0.0), found.private.run(inputs))
    np.testing.assert_array_equal(found.units(acted, 1.0), found.common.run(inputs))
    assert latents("reaching", acted, LatentConfig(sharing=0.5)).shape == (200, 2 * N_UNITS)


def test_the_ceiling_says_that_it_does_not_know_the_common_space():
    with pytest.raises(ConfigError, match="S15: has a latent space"):
        ceiling(SyntheticConfig.species(0.0).participants[0])
