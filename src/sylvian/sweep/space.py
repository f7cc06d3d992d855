"""Which values are tried: distributions by dotted recipe key, and seeded draws from them."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterable, Mapping
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field, JsonValue, field_validator, model_validator

from sylvian import config
from sylvian.config import Config
from sylvian.errors import ConfigError

DIGITS = 4  # of a drawn number: what a person can copy, far finer than any effect
ATTEMPTS = 1000  # draws in a row that only repeat earlier ones before we call a space too small
# These decide which trials are validated, and rates on different trials cannot be compared.
FIXED = ("name", "corpus", "participant", "strategies", "splits")


class Choice(Config):
    """One of a few values, each as likely."""

    kind: Literal["choice"] = "choice"
    values: tuple[JsonValue, ...] = Field(min_length=1, description="the values")

    def draw(self, rng: np.random.Generator) -> JsonValue:
        """Pick one."""
        return self.values[int(rng.integers(len(self.values)))]

    def __str__(self) -> str:
        return f"choice({','.join(_plain(value) for value in self.values)})"


class _Interval(Config):
    low: float = Field(allow_inf_nan=False, description="smallest value")
    high: float = Field(allow_inf_nan=False, description="largest value")

    @model_validator(mode="after")
    def _ordered(self) -> _Interval:
        if not self.low < self.high:
            raise ValueError("the first bound must be below the second")
        return self

    def _rounded(self, value: float) -> float:
        return min(max(float(f"{value:.{DIGITS}g}"), self.low), self.high)


class Uniform(_Interval):
    """A number between two bounds, each as likely."""

    kind: Literal["uniform"] = "uniform"

    def draw(self, rng: np.random.Generator) -> float:
        """Draw one, to four digits."""
        return self._rounded(rng.uniform(self.low, self.high))

    def __str__(self) -> str:
        return f"uniform({self.low:g},{self.high:g})"


class LogUniform(_Interval):
    """A positive number between two bounds whose logarithm is uniform."""

    kind: Literal["loguniform"] = "loguniform"

    @field_validator("low")
    @classmethod
    def _positive(cls, value: float) -> float:
        if value <= 0:
            raise ValueError("a log-uniform bound must be positive")
        return value

    def draw(self, rng: np.random.Generator) -> float:
        """Draw one, to four digits."""
        return self._rounded(math.exp(rng.uniform(math.log(self.low), math.log(self.high))))

    def __str__(self) -> str:
        return f"loguniform({self.low:g},{self.high:g})"


Distribution = Annotated[Choice | Uniform | LogUniform, Field(discriminator="kind")]


class Space(Config):
    """Distributions by dotted recipe key."""

    keys: dict[str, Distribution] = Field(min_length=1, description="what is searched")

    def __str__(self) -> str:
        return "  ".join(f"{key}={how}" for key, how in self.keys.items())


TABLE_12 = Space(
    keys={
        "train.batch_size": Choice(values=(8, 16, 32, 64)),
        "train.learning_rate": LogUniform(low=5e-5, high=1e-3),
        "train.weight_decay": LogUniform(low=5e-5, high=0.1),
    }
)
"""What BIT's authors searched for phonemes on attempted speech (paper.md section 3.4)."""

_SYNTAX = re.compile(r"(?P<key>[\w.]+)\s*=\s*(?P<kind>\w+)\s*\((?P<inside>.*)\)", re.DOTALL)


def parse_space(assignments: Iterable[str]) -> Space:
    """Read a space from text; Table 12 where there is none.

    Args:
        assignments: `key=choice(a,b,...)`, `key=uniform(low,high)` or `key=loguniform(low,high)`;
            the values of a choice are JSON or plain words.

    Raises:
        ConfigError: the text is none of these, a key comes twice or may not be searched, or a
            distribution is impossible.
    """
    found: dict[str, dict[str, Any]] = {}
    for text in assignments:
        key, plain = _parse(text)
        if key in found:
            raise ConfigError(f"--space {key}: given twice; say once what it is drawn from")
        if key in FIXED:
            raise ConfigError(
                f"--space {key}: error rates on different trials cannot be compared; give "
                f"{key}=VALUE as an override, and sweep each one apart"
            )
        found[key] = plain
    return config.load(Space, {"keys": found}) if found else TABLE_12


def _parse(text: str) -> tuple[str, dict[str, Any]]:
    match = _SYNTAX.fullmatch(text.strip())
    if not match:
        raise ConfigError(f"--space {text!r}: write {_FORMS}, e.g. {_EXAMPLE}")
    key, kind, values = match["key"], match["kind"], _values(match["inside"])
    if kind == "choice":
        return key, {"kind": kind, "values": values}
    if kind not in ("uniform", "loguniform"):
        raise ConfigError(f"--space {key}: no distribution {kind!r}; write {_FORMS}")
    if len(values) != 2 or not all(type(value) in (int, float) for value in values):
        raise ConfigError(f"--space {key}: {kind} wants two numbers, not ({match['inside']})")
    return key, {"kind": kind, "low": values[0], "high": values[1]}


_FORMS = "key=choice(a,b,...), key=uniform(low,high) or key=loguniform(low,high)"
_EXAMPLE = "'train.learning_rate=loguniform(5e-5,1e-3)'"


def _values(inside: str) -> list[Any]:
    """Read comma-separated values as one JSON list, or else each one by itself."""
    try:
        return list(json.loads(f"[{inside}]"))
    except json.JSONDecodeError:
        return [_value(part.strip()) for part in inside.split(",") if part.strip()]


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError:
        return text


def draw_values(space: Space, n: int, *, seed: int) -> list[dict[str, JsonValue]]:
    """Draw `n` different points of a space.

    The first ones do not depend on how many are asked for, nor on the order of the keys.

    Raises:
        ConfigError: there are not so many different points.
    """
    drawn: list[dict[str, JsonValue]] = []
    for index in range(n):
        rng = np.random.default_rng([seed, index])
        for _ in range(ATTEMPTS):
            point = {key: space.keys[key].draw(rng) for key in sorted(space.keys)}
            if point not in drawn:
                break
        else:
            raise ConfigError(
                f"{n} draws asked for, but the space seems to hold only {len(drawn)} different "
                f"ones ({space}); ask for --draws {len(drawn)}, or search more keys"
            )
        drawn.append({key: point[key] for key in space.keys})
    return drawn


def as_overrides(point: Mapping[str, JsonValue]) -> tuple[str, ...]:
    """Write a point as the command line's `key=value`."""
    return tuple(f"{key}={_plain(value)}" for key, value in point.items())


def _plain(value: JsonValue) -> str:
    return value if isinstance(value, str) else json.dumps(value)
