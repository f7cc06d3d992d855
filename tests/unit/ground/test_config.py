import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field

from sylvian import config
from sylvian.config import Config, override
from sylvian.errors import ConfigError
from sylvian.models.projectors import StackingConfig
from sylvian.models.sentence_search import GreedyConfig
from sylvian.recipes import Checkpoint, build_recipe


class Inner(Config):
    size: int = 3
    name: str = "x"


class Outer(Config):
    inner: Inner = Inner()
    rate: float = 1e-3
    maybe: Inner | None = None
    flags: tuple[int, ...] = (1, 2)


def test_overrides_are_typed_and_leave_the_original_alone() -> None:
    before = Outer()
    after = config.override(before, ["inner.size=5", "rate=5e-4", "inner.name=7", "flags=[3]"])
    assert (after.inner.size, after.rate, after.inner.name, after.flags) == (5, 5e-4, "7", (3,))
    assert before == Outer()


@pytest.mark.parametrize(
    ("assignment", "told"),
    [
        ("inner.sise=5", "unknown key 'inner.sise'.*size, name"),
        ("rate", "write key=value"),
        ("inner.size=big", r"inner.size: .*integer"),
        ("rate.deeper=1", "single value"),
        ("inner=3", "inner: "),
    ],
)
def test_a_wrong_override_says_what_is_wrong(assignment: str, told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        config.override(Outer(), [assignment])


@given(st.integers(), st.floats(allow_nan=False, allow_infinity=False), st.text())
def test_plain_data_and_back(size: int, rate: float, name: str) -> None:
    made = Outer(inner=Inner(size=size, name=name), rate=rate)
    assert config.load(Outer, config.dump(made)) == made


def test_the_digest_follows_every_value() -> None:
    assert config.digest(Outer()) == config.digest(Outer())
    variants = ["inner.size=4", "rate=0.002", "inner.name=y", "flags=[1]"]
    digests = {config.digest(config.override(Outer(), [v])) for v in variants}
    assert len(digests) == len(variants)
    assert config.digest(Outer()) not in digests


def test_a_later_field_changes_the_digest_only_when_it_says_something() -> None:
    class Earlier(config.Config):
        rate: float = 1.0

    class Grown(Earlier):
        more: str | None = Field(None, json_schema_extra=config.LATER)

    class Before(config.Config):
        part: Earlier = Earlier()

    class Now(config.Config):
        part: Grown = Grown()

    assert config.digest(Now()) == config.digest(Before())
    assert config.digest(config.override(Now(), ["part.more=x"])) != config.digest(Before())
    assert dict(config.flatten(Now())) == {"part.rate": 1.0, "part.more": None}


def test_flatten_names_what_override_takes() -> None:
    keys = dict(config.flatten(Outer()))
    assert keys == {
        "inner.size": 3,
        "inner.name": "x",
        "rate": 1e-3,
        "maybe": None,
        "flags": [1, 2],
    }
    assert config.override(Outer(), [f"{k}={v}" for k, v in keys.items() if v is not None])


def test_another_kind_begins_with_its_own_defaults() -> None:
    recipe = build_recipe("end_to_end", ["corpus=synthetic"])
    spoken = override(
        recipe,
        [
            "end_to_end.speech.projector.frames=3",  # known to the new kind alone
            "end_to_end.speech.projector.kind=stacking",
            "end_to_end.generate.kind=greedy",
            "start.kind=checkpoint",
            "start.path=some/run",
        ],
    )
    assert spoken.end_to_end is not None
    assert spoken.end_to_end.speech.projector == StackingConfig(frames=3)
    assert spoken.end_to_end.generate == GreedyConfig()
    assert spoken.start == Checkpoint(path="some/run")
    same = override(recipe, ["end_to_end.speech.projector.kind=mlp"])
    assert same == recipe  # hidden=256 is kept


def test_an_unknown_key_of_another_kind_is_refused() -> None:
    recipe = build_recipe("end_to_end", ["corpus=synthetic"])
    kind = "end_to_end.speech.projector.kind=linear"
    with pytest.raises(ConfigError, match=r"projector.*depth"):
        override(recipe, [kind, "end_to_end.speech.projector.depth=3"])
