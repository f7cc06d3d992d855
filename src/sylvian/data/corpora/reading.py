"""What the readers share: session folders by date, and one kind of error for a damaged file."""

from __future__ import annotations

import re
import zlib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import date
from pathlib import Path
from typing import Any

import numpy as np

from sylvian.data.corpora.base import CorpusFacts
from sylvian.errors import DataError

# Everything h5py and scipy were seen to raise on files that were cut short or had bytes flipped.
DAMAGE = (
    OSError,
    ValueError,
    TypeError,
    LookupError,
    NameError,
    RuntimeError,
    ArithmeticError,
    AttributeError,
    EOFError,
    MemoryError,
    zlib.error,
)


@contextmanager
def reading(
    where: Path | str, *, advice: str = "the file is damaged, download it again"
) -> Iterator[None]:
    """Turn what a file library raises inside the block into a DataError that names `where`.

    Raises:
        DataError: anything inside raised; one that already is a DataError passes unchanged.
    """
    try:
        yield
    except DAMAGE as failure:
        reason = " ".join(str(failure).split()) or type(failure).__name__
        raise DataError(f"{where}: cannot be read ({reason}); {advice}") from failure


def as_float32(values: Any) -> Any:
    """Convert features; what float32 cannot hold becomes infinite, which `prepare` refuses."""
    with np.errstate(over="ignore"):
        return np.asarray(values, np.float32)


def dated(names: Iterable[str], prefix: str) -> dict[str, str]:
    """Pick the names of the form `prefix.YYYY.MM.DD` and map their ISO date to them."""
    pattern = re.compile(rf"{re.escape(prefix)}\.(\d{{4}})\.(\d\d)\.(\d\d)")
    matches = (pattern.fullmatch(name) for name in sorted(names))
    return {
        "-".join(match.groups()): match.string
        for match in matches
        if match is not None and _is_date(*match.groups())
    }


def iso_date(digits: str) -> str | None:
    """Write `YYYYMMDD` as an ISO date; None if there is no such day."""
    parts = digits[:4], digits[4:6], digits[6:]
    return "-".join(parts) if _is_date(*parts) else None


def no_sessions(raw: Path, facts: CorpusFacts, expected: str) -> DataError:
    """Make the error for a folder without a single session of the release."""
    return DataError(f"{raw}: no {expected} found; {facts.directions or 'check the folder'}")


def _is_date(*parts: str) -> bool:
    try:
        date(*map(int, parts))
    except ValueError:
        return False
    return True
