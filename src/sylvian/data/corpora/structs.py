"""Struct arrays of MATLAB files, version 5."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

from sylvian.errors import DataError

Array = np.ndarray[Any, np.dtype[Any]]


def fields(struct: Array, *names: str, where: Path | str) -> Iterator[tuple[Array, ...]]:
    """Give some fields of each element of a struct array.

    Raises:
        DataError: it is no struct, or lacks a field.
    """
    told = struct.dtype.names or ()
    missing = [name for name in names if name not in told]
    if missing:
        raise DataError(f"{where}: field {missing[0]!r} is missing; is the file of this release?")
    for element in np.ravel(struct):
        yield tuple(np.asarray(element[name]) for name in names)


def only(struct: Array, *names: str, where: Path | str) -> tuple[Array, ...]:
    """Give some fields of a struct that is no array.

    Raises:
        DataError: it is no struct, has several elements, or lacks a field.
    """
    elements = list(fields(struct, *names, where=where))
    if len(elements) != 1:
        raise DataError(f"{where}: {len(elements)} structs where one belongs; download it again")
    return elements[0]


def number(value: Array, where: Path | str) -> float:
    """Read a number.

    Raises:
        DataError: it is something else.
    """
    if value.size != 1 or value.dtype.kind not in "iufb":
        raise DataError(f"{where}: not a number but {value.dtype} of shape {value.shape}")
    return float(value.item())


def text(value: Array) -> str:
    """Read a text, which may be empty."""
    return "".join(map(str, np.ravel(value)))
