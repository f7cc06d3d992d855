"""Compiled helpers that several loops of the search share."""

from __future__ import annotations

from typing import Any

import numpy as np

from sylvian.compiled import compiled

__all__ = ["compiled", "longer"]


@compiled
def longer(array: Any, size: int) -> Any:
    """Copy an array into a longer one."""
    copy = np.empty(size, array.dtype)
    for i in range(len(array)):  # a slice would take a second more to compile
        copy[i] = array[i]
    return copy
