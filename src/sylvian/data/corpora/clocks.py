"""Recordings whose clock was started anew on the way."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float64

from sylvian.data.corpora.nwb import Times

# Spikes may precede the first trial of an epoch, or follow its last, by this many seconds.
_SLACK_S = 1.0


def epochs(starts: Float64[np.ndarray, " trials"]) -> list[slice]:
    """Divide trials where one starts before the one that precedes it: there the clock began anew.

    Args:
        starts: Start of each trial, in the order of recording.

    Returns:
        The trials of each epoch, one for a clock that was never started anew.
    """
    edges = [0, *(np.flatnonzero(np.diff(starts) < 0) + 1).tolist(), len(starts)]
    return [slice(first, last) for first, last in zip(edges[:-1], edges[1:], strict=True)]


def spikes_of_epochs(times: Times, spans: Sequence[tuple[float, float]]) -> list[Times] | None:
    """Divide the spikes of a unit, which are in the order of recording, among the epochs.

    Every run of increasing times belongs to one epoch, the runs in the order of the epochs; an
    epoch in which the unit was silent has none. A run goes to the first epoch it fits into.

    Args:
        times: Spike times in seconds of a clock that was started anew.
        spans: First and last moment of each epoch, in seconds of its own clock.

    Returns:
        The spike times of each epoch; None if some run fits nowhere, so that one cannot tell.
    """
    runs = np.split(times, np.flatnonzero(np.diff(times) < 0) + 1) if len(times) else []
    divided: list[Times] = []
    for first, last in spans:
        fits = bool(runs) and runs[0][0] >= first - _SLACK_S and runs[0][-1] <= last + _SLACK_S
        divided.append(runs.pop(0) if fits else times[:0])
    return None if runs else divided
