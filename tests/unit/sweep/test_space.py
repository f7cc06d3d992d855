"""A search space: its text, its bounds, and draws that a seed fixes."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as some

from sylvian.errors import ConfigError
from sylvian.sweep import TABLE_12, Choice, LogUniform, Uniform, draw_values, parse_space
from sylvian.sweep.space import as_overrides

SEED_0 = [
    ("train.batch_size=64", "train.learning_rate=0.0001122", "train.weight_decay=6.827e-05"),
    ("train.batch_size=32", "train.learning_rate=0.0002654", "train.weight_decay=0.02202"),
]


def test_without_text_it_is_table_12() -> None:
    assert parse_space([]) is TABLE_12
    assert str(TABLE_12) == (
        "train.batch_size=choice(8,16,32,64)  train.learning_rate=loguniform(5e-05,0.001)  "
        "train.weight_decay=loguniform(5e-05,0.1)"
    )


def test_text_becomes_distributions() -> None:
    space = parse_space(
        [
            "train.learning_rate = loguniform(5e-5, 1e-3)",
            "encoder.mask_ratio=uniform(0,0.5)",
            "train.precision=choice(fp32,bf16)",
            "train.clip_norm=choice(null,1.0,10)",
            "encoder.sizes=choice([1,2],[3])",
        ]
    )
    assert space.keys == {
        "train.learning_rate": LogUniform(low=5e-5, high=1e-3),
        "encoder.mask_ratio": Uniform(low=0, high=0.5),
        "train.precision": Choice(values=("fp32", "bf16")),
        "train.clip_norm": Choice(values=(None, 1.0, 10)),
        "encoder.sizes": Choice(values=([1, 2], [3])),
    }


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("train.learning_rate", "write key=choice"),
        ("train.learning_rate=0.001", "write key=choice"),
        ("train.learning_rate=normal(0,1)", "no distribution 'normal'"),
        ("train.learning_rate=loguniform(1e-3)", "wants two numbers, not (1e-3)"),
        ("train.learning_rate=uniform(a,b)", "wants two numbers"),
        ("train.learning_rate=uniform(true,2)", "wants two numbers"),
        ("train.learning_rate=loguniform(0,1)", "must be positive"),
        ("train.learning_rate=loguniform(1e-3,1e-5)", "below the second"),
        ("train.learning_rate=uniform(NaN,1)", "train.learning_rate"),
        ("train.batch_size=choice()", "train.batch_size"),
        ("splits=choice(bit,benchmark)", "cannot be compared"),
        ("__import__('os').system('true')=choice(1)", "write key=choice"),
    ],
)
def test_other_text_is_refused(text: str, told: str) -> None:
    with pytest.raises(ConfigError) as caught:
        parse_space([text])
    assert told in str(caught.value)


def test_a_key_comes_once() -> None:
    with pytest.raises(ConfigError, match="given twice"):
        parse_space(["train.seed=choice(1,2)", "train.seed=choice(3,4)"])


def test_a_seed_fixes_the_draws_and_more_draws_keep_the_first() -> None:
    drawn = draw_values(TABLE_12, 30, seed=3)
    assert draw_values(TABLE_12, 30, seed=3) == drawn
    assert draw_values(TABLE_12, 40, seed=3)[:30] == drawn
    assert draw_values(TABLE_12, 30, seed=4) != drawn
    turned = TABLE_12.model_copy(update={"keys": dict(reversed(TABLE_12.keys.items()))})
    assert draw_values(turned, 30, seed=3) == drawn


def test_the_published_draws_of_seed_0_stay() -> None:
    """A sweep that is continued with a later version must find the same draws."""
    assert [as_overrides(values) for values in draw_values(TABLE_12, 2, seed=0)] == SEED_0


def test_draws_fill_the_space() -> None:
    drawn = draw_values(TABLE_12, 400, seed=0)
    assert {values["train.batch_size"] for values in drawn} == {8, 16, 32, 64}
    for key, low, high in (
        ("train.learning_rate", 5e-5, 1e-3),
        ("train.weight_decay", 5e-5, 0.1),
    ):
        found = [float(str(values[key])) for values in drawn]
        assert low <= min(found) and max(found) <= high
        middle = math.sqrt(low * high)
        assert 150 < sum(value < middle for value in found) < 250  # uniform in the logarithm
        assert all(f"{value:.4g}" == f"{value:.12g}" for value in found)


def test_draws_differ_and_a_space_too_small_says_so() -> None:
    space = parse_space(["train.batch_size=choice(8,16)", "train.seed=choice(1,2)"])
    drawn = draw_values(space, 4, seed=0)
    assert len({as_overrides(values) for values in drawn}) == 4
    with pytest.raises(ConfigError, match="only 4 different"):
        draw_values(space, 5, seed=0)


@given(some.floats(1e-12, 1e12), some.floats(1.0001, 1e6), some.integers(0, 2**32))
def test_rounding_stays_within_bounds(low: float, ratio: float, seed: int) -> None:
    space = parse_space([f"x=loguniform({low!r},{low * ratio!r})"])
    (value,) = draw_values(space, 1, seed=seed)
    assert low <= float(str(value["x"])) <= low * ratio


def test_draws_become_overrides_as_a_person_would_write_them() -> None:
    values = {"train.precision": "bf16", "train.clip_norm": None, "train.learning_rate": 0.0002}
    assert as_overrides(values) == (
        "train.precision=bf16",
        "train.clip_norm=null",
        "train.learning_rate=0.0002",
    )
