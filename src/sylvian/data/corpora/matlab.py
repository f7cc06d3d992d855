"""Variables of MATLAB files, version 5 or 7.3."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import h5py
import numpy as np
from jaxtyping import Float32

from sylvian.data.corpora.reading import as_float32, reading
from sylvian.errors import DataError

Features = Float32[np.ndarray, "bins channels"]


def area_features(path: Path, names: Sequence[str], n_columns: int) -> list[Features]:
    """Read per-trial matrices of several variables and set their first columns side by side.

    The variables are read one after the other and cut to the wanted columns at once, so that a
    file is never in memory whole.

    Args:
        path: MATLAB file.
        names: Variables; each a cell of `[bins columns]` per trial.
        n_columns: How many columns to keep of each: the first half, area 6v.

    Returns:
        One matrix a trial with `len(names) * n_columns` columns.

    Raises:
        DataError: the file is damaged, a variable is missing or of another shape.
    """
    parts = [_cut(path, name, n_columns) for name in names]
    lengths = [[len(matrix) for matrix in part] for part in parts]
    if any(length != lengths[0] for length in lengths):
        raise DataError(
            f"{path}: {' and '.join(names)} differ in trials or bins; download it again"
        )
    return [np.concatenate(matrices, axis=1) for matrices in zip(*parts, strict=True)]


def block_numbers(path: Path, n_trials: int) -> list[int]:
    """Read `blockIdx`.

    Raises:
        DataError: the file is damaged, or there is not one number a trial.
    """
    blocks = np.ravel(read_variable(path, "blockIdx"))
    if len(blocks) != n_trials:
        raise DataError(f"{path}: blockIdx has {len(blocks)} numbers for {n_trials} trials")
    with reading(path):
        return [int(block) for block in blocks]


def char_rows(path: Path, name: str) -> list[str]:
    """Read a character matrix or a cell of strings as one string a row, without padding.

    Raises:
        DataError: the file is damaged or the variable is not text.
    """
    rows = read_variable(path, name)
    if rows.dtype == object:  # a cell of strings: each holds one text, or nothing
        rows = np.array(["".join(map(str, np.ravel(cell))) for cell in np.ravel(rows)], str)
    if rows.dtype.kind != "U":
        raise DataError(f"{path}: {name} is not text but {rows.dtype}")
    return [str(row).rstrip("\0 ") for row in np.ravel(rows)]


def _cut(path: Path, name: str, n_columns: int) -> list[Features]:
    cells = np.ravel(read_variable(path, name))
    for place, matrix in enumerate(cells):
        if np.ndim(matrix) != 2 or np.shape(matrix)[1] != 2 * n_columns:
            raise DataError(
                f"{path}: {name} of trial {place} has shape {np.shape(matrix)}, "
                f"not (bins, {2 * n_columns} channels)"
            )
    with reading(path):
        return [as_float32(matrix[:, :n_columns]) for matrix in cells]


def read_variable(path: Path, name: str) -> np.ndarray[Any, np.dtype[Any]]:
    """Read one variable with the axes as MATLAB shows them; a cell becomes an object array.

    Raises:
        DataError: the file is damaged, or has no such variable.
    """
    value = read_optional(path, name)
    if value is None:
        raise DataError(f"{path}: variable {name!r} is missing; the file is not of this layout")
    return value


def read_optional(path: Path, name: str) -> np.ndarray[Any, np.dtype[Any]] | None:
    """Read one variable as `read_variable` does, or None if the file has none of that name.

    Raises:
        DataError: the file is damaged.
    """
    with reading(path):
        if h5py.is_hdf5(path):
            with h5py.File(path, "r") as file:
                return _from_hdf5(file, name) if name in file else None
        found: np.ndarray[Any, np.dtype[Any]] | None = _from_version_5(path, name)
        return found


def read_numbers(path: Path, name: str) -> np.ndarray[Any, np.dtype[np.int64]]:
    """Read a row or column of whole numbers.

    Raises:
        DataError: the file is damaged, has no such variable, or it holds something else.
    """
    values = np.ravel(read_variable(path, name))
    with reading(path), np.errstate(invalid="raise"):
        numbers = values.astype(np.int64)
        if not (numbers == values).all():
            raise DataError(f"{path}: {name} holds numbers that are not whole")
    return numbers


def _from_version_5(path: Path, name: str) -> Any:
    from scipy.io import loadmat  # a third of this package's import time, for one corpus
    from scipy.io.matlab import MatReadError

    try:
        return loadmat(path, variable_names=[name]).get(name)
    except MatReadError as failure:
        raise ValueError(str(failure)) from failure


def _from_hdf5(file: h5py.File, name: str) -> np.ndarray[Any, np.dtype[Any]]:
    """Read one variable of a version 7.3 file, which stores every array transposed."""
    data = file[name]
    if data.dtype == h5py.ref_dtype:
        cells = np.empty(data.size, object)
        for place, reference in enumerate(np.ravel(data[()])):
            cells[place] = _plain(file[reference])
        return cells
    return _plain(data)


def _plain(data: h5py.Dataset) -> np.ndarray[Any, np.dtype[Any]]:
    if data.attrs.get("MATLAB_empty"):  # what is stored then is the shape
        return np.empty(0)
    values = np.asarray(data[()]).T
    if data.attrs.get("MATLAB_class") == b"char":
        return np.array(["".join(map(chr, row)) for row in np.atleast_2d(values)])
    return values
