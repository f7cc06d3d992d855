import numpy as np
import pytest
from scipy import stats

from sylvian.data.synthetic import NeuralConfig, ParticipantConfig
from sylvian.data.synthetic.electrodes import N_ELECTRODES, first_day
from sylvian.data.synthetic.recording import (
    PER_CROSSING,
    Drive,
    Recording,
    log_likelihood,
    noise_drive,
    record,
    speech_drive,
)
from sylvian.data.synthetic.speech import speak
from sylvian.text import Lexicon

SENTENCE = "She thought that my brother was going to the restaurant yesterday."


@pytest.fixture
def config():
    return ParticipantConfig(name="S12", layout="willett2023")


@pytest.fixture
def tuning(config):
    return first_day(config, np.random.default_rng(0))


def still(n_bins):
    return Drive(*(np.zeros((n_bins, N_ELECTRODES), np.float32) for _ in range(2)))


def calm():
    return np.zeros(N_ELECTRODES, np.float32)


def test_crossings_are_poisson_at_the_baseline_rate(tuning):
    seen = record(still(6_000), tuning, calm(), np.random.default_rng(1))
    alive = ~tuning.dead
    rate = np.exp(tuning.log_rate[alive])
    counts = seen.crossings[:, alive].astype(float)
    np.testing.assert_allclose(counts.mean(0), rate, rtol=0.12)
    fano = counts.var(0) / counts.mean(0)
    assert fano.mean() == pytest.approx(1, abs=0.01)
    electrode = int(np.argmin(np.abs(rate - 0.5)))
    expected = stats.poisson.pmf(np.arange(4), rate[electrode]) * 6_000
    found = np.bincount(counts[:, electrode].astype(int), minlength=5)[:4]
    assert stats.chisquare(found, expected * found.sum() / expected.sum()).pvalue > 1e-3


def test_the_gamma_of_the_log_power_is_nearly_one(tuning):
    seen = record(still(20_000), tuning, calm(), np.random.default_rng(2))
    electrode = int(np.flatnonzero(~tuning.dead)[0])
    quiet = seen.power[seen.crossings[:, electrode] == 0, electrode]
    above = (np.log(quiet) - 3) / 0.12
    shape = float(tuning.background[electrode])
    assert above.mean() == pytest.approx(shape, rel=0.02)
    assert above.std() == pytest.approx(np.sqrt(shape), rel=0.03)
    assert stats.kstest(above, stats.gamma(shape).cdf).statistic < 0.02


def test_offsets_and_drive_move_rates_by_their_exponential(tuning):
    rng = np.random.default_rng(3)
    lifted = Drive(still(3_000).crossings + 0.5, still(3_000).power)
    alive = ~tuning.dead
    base = record(still(3_000), tuning, calm(), rng).crossings[:, alive].mean()
    by_drive = record(lifted, tuning, calm(), rng).crossings[:, alive].mean()
    by_offset = record(still(3_000), tuning, calm() + 0.5, rng).crossings[:, alive].mean()
    assert by_drive / base == pytest.approx(np.exp(0.5), rel=0.03)
    assert by_offset / base == pytest.approx(np.exp(0.5), rel=0.03)


def test_dead_electrodes_record_zeros(tuning):
    seen = record(still(50), tuning, calm(), np.random.default_rng(0))
    assert tuning.dead.any()
    assert not seen.crossings[:, tuning.dead].any() and not seen.power[:, tuning.dead].any()
    assert (seen.power[:, ~tuning.dead] > 0).all() and np.isfinite(seen.power).all()


def test_shared_noise_has_the_size_and_memory_asked_for(tuning):
    config = NeuralConfig(noise=0.3, noise_ms=200)
    tuning = first_day(
        ParticipantConfig(name="S1", layout="card2024", neural=config), np.random.default_rng(1)
    )
    noise = noise_drive(60_000, tuning, config, np.random.default_rng(2)).crossings
    assert noise.std() == pytest.approx(0.3, rel=0.15)
    lag = 10  # 200 ms
    correlation = np.mean(noise[lag:] * noise[:-lag]) / np.mean(noise**2)
    assert correlation == pytest.approx(np.exp(-1), abs=0.05)
    assert np.linalg.matrix_rank(noise[:500]) == config.noise_rank


def test_without_sources_there_is_no_shared_noise():
    config = ParticipantConfig(name="S1", layout="card2024", neural=NeuralConfig(noise_rank=0))
    tuning = first_day(config, np.random.default_rng(1))
    assert not noise_drive(20, tuning, config.neural, np.random.default_rng(2)).crossings.any()


def test_the_likelihood_is_that_of_the_distributions_by_scipy(config, tuning):
    rng = np.random.default_rng(5)
    alive = tuning.only(~tuning.dead)
    n = len(alive.log_rate)
    offset = 0.1 * rng.standard_normal(n, np.float32)
    drives = [Drive(*(0.4 * rng.standard_normal((2, 30, n), np.float32))) for _ in range(2)]
    seen = record(drives[0], alive, offset, rng)

    def truth(drive):
        rate = np.exp(drive.crossings + alive.log_rate + offset)
        shape = alive.background * np.exp(drive.power + offset) + PER_CROSSING * seen.crossings
        root = np.cbrt((np.log(seen.power) - 3) / 0.12)
        normal = stats.norm(np.cbrt(shape) * (1 - 1 / (9 * shape)), shape ** (-1 / 6) / 3)
        return stats.poisson.logpmf(seen.crossings, rate) + normal.logpdf(root)

    both = Drive(*(np.stack([getattr(d, k) for d in drives]) for k in ("crossings", "power")))
    got = log_likelihood(seen, both, alive, offset)
    np.testing.assert_allclose(got[0] - got[1], truth(drives[0]) - truth(drives[1]), atol=2e-3)


def test_a_trial_looks_like_the_real_one_of_t12(shared_data, config):
    """Statistics of the one real trial: log1p and z-scored, 128 rows of counts, 128 of power."""
    real = np.load(shared_data / "t12_single_trial" / "t12_trial_zscored.npy")
    counts = np.concatenate([real[:64], real[128:192]])
    power = np.concatenate([real[64:128], real[192:]])
    simulated = [_statistics(*_simulated(config, seed)) for seed in range(4)]
    got = {name: np.mean([one[name] for one in simulated]) for name in simulated[0]}
    for name, value in _statistics(counts, power).items():
        tolerance = {"rate": 0.15, "fano": 0.1, "both": 0.08, "skew": 0.25}.get(name, 0.05)
        assert got[name] == pytest.approx(value, abs=tolerance), (name, value, got[name])


def _simulated(config, seed):
    rng = np.random.default_rng(seed)
    tuning = first_day(config, rng)
    said = speak(Lexicon.cmudict().phonemes(SENTENCE), config.speech, rng)
    noise = noise_drive(said.n_bins, tuning, config.neural, rng)
    drive = speech_drive(said.latents(), tuning, config.neural) + noise
    seen: Recording = record(drive, tuning, calm(), rng)
    alive = np.flatnonzero(~tuning.dead[:128])
    return np.log1p(seen.crossings[:, alive].T), np.log1p(seen.power[:, alive].T)


def _statistics(counts, power):
    whole = np.array([_as_counts(row) for row in counts])
    return {
        "rate": np.median(whole.mean(1)),
        "fano": np.median(whole.var(1) / whole.mean(1)),
        "counts lag 1": np.mean([_correlation(row, 1) for row in counts]),
        "counts lag 5": np.mean([_correlation(row, 5) for row in counts]),
        "power lag 1": np.mean([_correlation(row, 1) for row in power]),
        "power lag 5": np.mean([_correlation(row, 5) for row in power]),
        "skew": np.median(stats.skew(power, axis=1)),
        "both": np.median([np.corrcoef(a, b)[0, 1] for a, b in zip(counts, power, strict=True)]),
        "counts shared": np.corrcoef(counts)[np.triu_indices(len(counts), 1)].mean(),
        "power shared": np.corrcoef(power)[np.triu_indices(len(power), 1)].mean(),
        "first component": np.linalg.eigvalsh(np.corrcoef(power))[-1] / len(power),
    }


def _as_counts(row):
    """Undo any affine map of log1p(counts): the smallest step is from no crossing to one."""
    values = np.unique(row)
    return np.rint(np.expm1((row - values[0]) * np.log(2) / (values[1] - values[0])))


def _correlation(row, lag):
    centred = row - row.mean()
    return (centred[lag:] * centred[:-lag]).sum() / (centred**2).sum()
