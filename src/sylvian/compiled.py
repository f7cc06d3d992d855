"""The one door to Numba: hot loops in plain Python, compiled once and kept on disk."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import TypeVar, cast

import numba

F = TypeVar("F", bound=Callable[..., object])


def compiled(function: F) -> F:
    """Compile a function of arrays and numbers at its first call.

    Machine code is kept beside the source, or in the user's cache folder where that cannot be
    written, so that later processes start at once; where neither can, it is compiled anew.

    Why here: run-time shape checks wrap every function of the package in the tests, and Numba can
    only read the function itself.
    """
    plain = inspect.unwrap(function)
    try:
        return cast(F, numba.njit(cache=True, error_model="numpy")(plain))
    except RuntimeError:  # no folder to keep machine code in
        return cast(F, numba.njit(error_model="numpy")(plain))
