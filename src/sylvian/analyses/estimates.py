"""A number with what it takes to believe it, and what every analysis checks first."""

from __future__ import annotations

import dataclasses
import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Float64

from sylvian.errors import DataError

NAN = math.nan


@dataclass(frozen=True, slots=True)
class Estimate:
    """A statistic, or an honest blank.

    Attributes:
        value: The statistic; NaN where there is none.
        low: Lower end of its 95 % interval.
        high: Upper end.
        p: One-sided p-value of the permutations, never below 1 / (permutations + 1).
        n: Sentences, words or trials it is of.
        null_low: 2.5th percentile of the permutations.
        null_high: Their 97.5th percentile.
        note: Why there is no value, or what to keep in mind; empty where all is well.
    """

    value: float
    low: float
    high: float
    p: float
    n: int
    null_low: float = NAN
    null_high: float = NAN
    note: str = ""

    @classmethod
    def blank(cls, n: int, note: str) -> Estimate:
        """Say why there is no number."""
        return cls(NAN, NAN, NAN, NAN, n, note=note)

    def columns(self, name: str) -> dict[str, object]:
        """Give its part of one line of a table, the value under a name."""
        return {
            name: self.value,
            "low": self.low,
            "high": self.high,
            "p": self.p,
            "n": self.n,
            "null_low": self.null_low,
            "null_high": self.null_high,
        }

    @property
    def is_blank(self) -> bool:
        """Whether there is no value."""
        return math.isnan(self.value)


def checked_rows(values: Float[np.ndarray, "_ _"], what: str) -> Float64[np.ndarray, "rows width"]:
    """Give a matrix in double precision.

    Raises:
        DataError: it is empty, or holds NaN or infinity.
    """
    if values.size == 0:
        raise DataError(f"{what}: {values.shape[0]} rows of {values.shape[1]} numbers; give some")
    finite = np.isfinite(values).all(axis=1)
    if not finite.all():
        row = int(np.argmin(finite))
        raise DataError(f"{what}: row {row} holds NaN or infinity; check the recording or the run")
    return values.astype(np.float64)


def same_length(n: int, other: int, what: str) -> None:
    """Raise DataError unless two things are of as many items."""
    if n != other:
        raise DataError(f"{what}: {n} and {other}; give both for the same items in one order")


def all_alike(values: Float64[np.ndarray, "rows width"]) -> bool:
    """Say whether every row is the same, up to rounding."""
    return bool(np.allclose(values, values[0], rtol=1e-9, atol=0.0))


def interval(values: Float64[np.ndarray, " resamples"]) -> tuple[float, float]:
    """Give the middle 95 % of resampled statistics; those without a value are left out."""
    known = values[np.isfinite(values)]
    if len(known) < 2:
        return NAN, NAN
    low, high = np.percentile(known, [2.5, 97.5])
    return float(low), float(high)


def p_value(null: Float64[np.ndarray, " permutations"], observed: float) -> float:
    """Share of permutations that reach the observed statistic, the observed one counted in."""
    reached: Bool[np.ndarray, " permutations"] = null >= observed - 1e-6 * max(abs(observed), 1e-6)
    return float((1 + int(reached.sum())) / (1 + len(null)))


def plain(value: Any) -> Any:
    """Turn results into JSON values; NaN becomes null."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        names = [each.name for each in dataclasses.fields(value)]
        return {name: plain(getattr(value, name)) for name in names}
    if isinstance(value, dict):
        return {str(key): plain(each) for key, each in value.items()}
    if isinstance(value, np.ndarray):
        return plain(value.tolist())
    if isinstance(value, (list, tuple)):
        return [plain(each) for each in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
