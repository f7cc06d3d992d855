import numpy as np
import pytest

from sylvian.errors import DataError
from sylvian.evaluate import count_edits
from sylvian.evaluate.phoneme_errors import PhonemeErrors

CLEAN = (("AA", "B", "SIL"), ("AA", "B", "SIL"))


def always_p_for_b() -> PhonemeErrors:
    return PhonemeErrors.count([(("AA", "B", "SIL"), ("AA", "P", "SIL"))] * 60)


def simulated(
    errors: PhonemeErrors, tokens: tuple[str, ...], n: int = 300
) -> list[tuple[str, ...]]:
    rng = np.random.default_rng(0)
    return [errors.simulate(tokens, rng) for _ in range(n)]


def test_rows_are_probabilities() -> None:
    errors = PhonemeErrors.count([CLEAN, (("AA", "B", "SIL"), ("AA", "P", "T"))])
    np.testing.assert_allclose(errors.becomes.sum(axis=1), 1.0)
    assert errors.inserted.sum() == pytest.approx(1.0)


def test_what_is_always_misheard_is_misheard() -> None:
    heard = simulated(always_p_for_b(), ("AA", "B", "SIL"))
    share = np.mean([own == ("AA", "P", "SIL") for own in heard])
    assert share > 0.85


def test_rates_of_simulated_trials_are_those_of_the_counted() -> None:
    rng = np.random.default_rng(1)
    tokens = ("AA", "B", "SIL", "T") * 5
    trials = []
    for worse in (0.0, 0.0, 0.3) * 60:
        heard = ["P" if token == "B" and rng.random() < worse else token for token in tokens]
        heard = [token for token in heard if not (token == "T" and rng.random() < worse)]
        trials.append((tokens, tuple(heard)))
    real = [count_edits(*trial).rate for trial in trials]
    errors = PhonemeErrors.count(trials)
    rates = [count_edits(tokens, own).rate for own in simulated(errors, tokens, 600)]
    assert np.mean(rates) == pytest.approx(np.mean(real), rel=0.35)
    assert np.std(rates) > 0.7 * np.std(real)  # bad trials are bad throughout
    assert np.mean([rate == 0 for rate in rates]) > 0.4


def test_scaling_moves_the_rate_and_not_the_confusions() -> None:
    errors = PhonemeErrors.count([(("B", "T"), ("B", "T"))] * 3 + [(("B", "T"), ("P", "T"))] * 3)
    half = errors.scaled(0.5)
    assert half.error_rate < errors.error_rate < errors.scaled(2.0).error_rate
    row, p, t = (errors.labels.index(label) for label in ("B", "P", "T"))
    assert half.becomes[row, p] / half.becomes[row, t] == pytest.approx(
        errors.becomes[row, p] / errors.becomes[row, t]
    )


def test_insertions_are_simulated_at_their_rate() -> None:
    errors = PhonemeErrors.count([(("B", "T"), ("B", "K", "T"))] * 50 + [(("B", "T"),) * 2] * 50)
    longer = np.mean([len(own) - 2 for own in simulated(errors, ("B", "T"), 1000)])
    assert longer == pytest.approx(0.5, abs=0.15)


def test_an_unknown_token_stays_and_an_empty_sequence_may_stay_empty() -> None:
    errors = PhonemeErrors.count([CLEAN] * 200)
    assert set(simulated(errors, ("ZH",), 20)) == {("ZH",)}
    assert () in simulated(errors, (), 5)


def test_the_generator_decides() -> None:
    errors = always_p_for_b()
    assert simulated(errors, ("AA", "B") * 4) == simulated(errors, ("AA", "B") * 4)


def test_nothing_to_count_is_an_error() -> None:
    with pytest.raises(DataError, match="true phonemes"):
        PhonemeErrors.count([])
