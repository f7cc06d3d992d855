"""Long recordings in pieces of a few seconds."""

from __future__ import annotations

from collections.abc import Iterator

WINDOW_S = 10.0
# A rest shorter than this share of a window is joined to the window before it.
_SHORTEST = 0.1


def windows(n_bins: int, *, bin_s: float, window_s: float = WINDOW_S) -> Iterator[slice]:
    """Cut a recording into windows that touch and leave nothing out.

    Args:
        n_bins: Length of the recording in bins.
        bin_s: Width of a bin in seconds.
        window_s: Length of a window in seconds; the last one is shorter, or up to a tenth longer.

    Yields:
        Windows in the order of time; the whole recording if it is shorter than one, nothing if it
        is empty.
    """
    length = max(1, round(window_s / bin_s))
    start = 0
    while start < n_bins:
        stop = start + length
        if n_bins - stop < _SHORTEST * length:
            stop = n_bins
        yield slice(start, stop)
        start = stop
