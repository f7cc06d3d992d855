import math

import numpy as np
import pytest

from sylvian.errors import DataError
from sylvian.evaluate import bootstrap_seeds, paired_bootstrap_seeds
from sylvian.evaluate.intervals import LEAST_TRIALS
from sylvian.evaluate.systems import compare_systems
from sylvian.types import EditCounts

Edits = dict[int, list[EditCounts]]


def system(*rates: float, n: int = 60, length: int = 20, seeds: tuple[int, ...] = ()) -> Edits:
    """One run a rate; some trials are hard for everybody."""
    hard = np.random.default_rng(3).uniform(-0.05, 0.05, size=n)
    rng = np.random.default_rng([7, *(int(1000 * rate) for rate in rates)])
    return {
        seed: [EditCounts(int(rng.binomial(length, rate + own)), 0, 0, length) for own in hard]
        for seed, rate in zip(seeds or range(len(rates)), rates, strict=True)
    }


def test_equal_seeds_give_what_a_study_gives() -> None:
    both = {"base": system(0.3, 0.31, 0.28), "new": system(0.22, 0.23, 0.21)}
    found = compare_systems(both, against="base")
    runs = {name: list(edits.values()) for name, edits in both.items()}
    assert (found["new"].low, found["new"].high) == pytest.approx(
        bootstrap_seeds(runs["new"]), abs=0.003
    )
    ours, known = found["new"].change, paired_bootstrap_seeds(runs["new"], runs["base"])
    assert ours is not None
    assert ours[:3] == pytest.approx(known[:3], abs=0.003)
    assert ours.p < 0.01
    assert found["base"].change is None
    assert found["new"].seeds == (0, 1, 2)


def test_other_seeds_are_drawn_apart_and_may_differ_in_number() -> None:
    one, other = system(0.2, 0.3), system(0.2, 0.3, seeds=(5, 6))
    together = compare_systems({"a": one, "b": dict(one)}, against="a")["b"].change
    apart = compare_systems({"a": one, "b": other}, against="a")["b"].change
    single = compare_systems({"a": one, "b": {0: one[0]}}, against="a")["b"].change
    assert together is not None
    assert apart is not None
    assert single is not None
    assert (together.low, together.high, together.p) == (0, 0, 1)
    assert apart.low < -0.05 < 0.05 < apart.high
    assert single.low < single.difference < single.high


def test_the_order_of_seeds_does_not_matter() -> None:
    edits = system(0.2, 0.3)
    turned = {seed: edits[seed] for seed in (1, 0)}
    change = compare_systems({"a": edits, "b": turned}, against="a")["b"].change
    assert change is not None
    assert (change.low, change.high) == (0, 0)


def test_too_few_sentences_have_rates_and_no_statistic() -> None:
    few = {name: system(rate, n=LEAST_TRIALS - 1) for name, rate in (("a", 0.3), ("b", 0.1))}
    found = compare_systems(few, against="a")["b"]
    assert found.n_trials == LEAST_TRIALS - 1
    assert found.change is not None
    assert found.change.difference < 0
    assert all(map(math.isnan, (found.low, found.high, *found.change[1:])))
    enough = {name: system(rate, n=LEAST_TRIALS) for name, rate in (("a", 0.3), ("b", 0.1))}
    assert math.isfinite(compare_systems(enough)["b"].low)


def test_trials_without_a_reference_are_not_counted() -> None:
    padded = {0: [*system(0.2, n=5)[0], *[EditCounts(0, 0, 1, 0)] * 20]}
    found = compare_systems({"a": padded})["a"]
    assert found.n_trials == 5
    assert math.isnan(found.low)


def test_two_systems_without_an_error_differ_by_nothing_that_can_be_tested() -> None:
    right = {0: [EditCounts(0, 0, 0, 4)] * 30}
    change = compare_systems({"a": right, "b": right}, against="a")["b"].change
    assert change is not None
    assert change.difference == 0
    assert math.isnan(change.p)


def test_whom_nobody_is_compared_with_may_be_absent() -> None:
    assert compare_systems({"a": system(0.2)}, against="b")["a"].change is None


def test_runs_of_other_trials_are_refused_by_name() -> None:
    with pytest.raises(DataError, match=r"b, seed 4: 5 trials .* same trials"):
        compare_systems({"a": system(0.2), "b": system(0.2, n=5, seeds=(4,))})
    with pytest.raises(DataError, match="a: no run"):
        compare_systems({"a": {}})
