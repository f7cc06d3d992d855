"""Tensors out of CTranslate2's `model.bin`: a plain binary file, read within its own bounds.

Layout (CTranslate2's `model_spec.py`, versions 4 to 6; little-endian): version, name of the
architecture, its revision, then each variable as name, dimensions, type, size and values, then
aliases as pairs of names. Names have a two-byte length that counts a closing zero. Nothing in it
can run.
"""

from __future__ import annotations

import math
import struct
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from sylvian.errors import CheckpointError

VERSIONS = range(4, 7)
_TYPES = ("f4", "i1", "i2", "i4", "f2", "bf16")
_SCALE = "_scale"

Array = npt.NDArray[Any]


@dataclass(frozen=True, slots=True)
class Ctranslate2File:
    """What a `model.bin` holds.

    Attributes:
        architecture: Name of the specification, such as `WhisperSpec`.
        tensors: By name; quantised weights as float32, aliases resolved, numbers of no dimension
            as arrays of no dimension.
    """

    architecture: str
    tensors: dict[str, Array]


def read_ctranslate2(path: Path) -> Ctranslate2File:
    """Read every tensor.

    Raises:
        CheckpointError: the file is missing, cut short, of an unknown version or contradicts
            itself.
    """
    try:
        content = path.read_bytes()
    except OSError as failure:
        raise CheckpointError(f"{path}: cannot read it ({failure.strerror})") from None
    read = _Reader(path, memoryview(content))
    if (version := read.number("I")) not in VERSIONS:
        raise CheckpointError(
            f"{path}: no model.bin of CTranslate2 that is known here (version {version}, known "
            f"are {VERSIONS[0]} to {VERSIONS[-1]})"
        )
    architecture = read.text()
    read.number("I")  # revision
    stored = dict(read.variable() for _ in range(read.number("I")))
    for _ in range(read.number("I")):
        alias, name = read.text(), read.text()
        if name not in stored:
            raise read.damaged(f"{alias!r} is to be {name!r}, which is not there")
        stored[alias] = stored[name]
    if read.place != len(content):
        raise read.damaged(f"{len(content) - read.place} bytes are left over")
    return Ctranslate2File(architecture, _whole_numbers_scaled(path, stored))


@dataclass(slots=True)
class _Reader:
    path: Path
    content: memoryview
    place: int = field(default=0)

    def take(self, size: int) -> memoryview:
        if self.place + size > len(self.content):
            raise self.damaged(f"{size} bytes wanted behind byte {self.place}, the file ends first")
        self.place += size
        return self.content[self.place - size : self.place]

    def number(self, kind: str) -> int:
        (found,) = struct.unpack(f"<{kind}", self.take(struct.calcsize(f"<{kind}")))
        return int(found)

    def text(self) -> str:
        raw = bytes(self.take(self.number("H")))
        try:
            return raw.removesuffix(b"\0").decode()
        except UnicodeDecodeError:
            raise self.damaged(f"no name before byte {self.place}") from None

    def variable(self) -> tuple[str, Array]:
        name = self.text()
        shape = tuple(self.number("I") for _ in range(self.number("B")))
        kind, size = self.number("B"), self.number("I")
        if kind >= len(_TYPES):
            raise self.damaged(f"{name!r} is of an unknown type ({kind})")
        values = _values(self.take(size), _TYPES[kind])
        if values is None or len(values) != math.prod(shape):
            raise self.damaged(f"{name!r} has {size} bytes, which do not fill {shape}")
        return name, values.reshape(shape)

    def damaged(self, why: str) -> CheckpointError:
        return CheckpointError(f"{self.path}: damaged ({why}); copy the model again")


def _values(raw: memoryview, kind: str) -> Array | None:
    stored = np.dtype("<u2" if kind == "bf16" else f"<{kind}")
    if len(raw) % stored.itemsize:
        return None
    values = np.frombuffer(raw, stored)
    return (values.astype("<u4") << 16).view("<f4") if kind == "bf16" else values


def _whole_numbers_scaled(path: Path, stored: dict[str, Array]) -> dict[str, Array]:
    """Divide quantised weights by their scales: one of the tensor, or one of each row."""
    tensors = {}
    for name, values in stored.items():
        if name.endswith(_SCALE) and name.removesuffix(_SCALE) in stored:
            continue
        scale = stored.get(f"{name}{_SCALE}")
        tensors[name] = values if scale is None else _unscaled(path, name, values, scale)
    return tensors


def _unscaled(path: Path, name: str, values: Array, scale: Array) -> Array:
    rows = scale.reshape(scale.shape + (1,) * (values.ndim - scale.ndim))
    if scale.shape not in ((), (1,), values.shape[:1]) or not (scale > 0).all():
        raise CheckpointError(
            f"{path}: damaged ({name!r} has {values.shape} values and {scale.shape} scales, which "
            "must be positive); copy the model again"
        )
    return values.astype(np.float32) / rows.astype(np.float32)
