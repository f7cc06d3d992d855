"""Spike times and fine bins to the bins we prepare; never the other way round."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float32, Num

from sylvian.errors import ConfigError, DataError

Counts = Float32[np.ndarray, "bins channels"]
BIN_S = 0.02
# A stop time that lies this little before a bin's end, in bins, still closes the bin.
_SLACK = 1e-6


def bin_spike_times(
    spike_times: Sequence[Num[np.ndarray, " _spikes"]],
    *,
    start_s: float,
    stop_s: float,
    bin_s: float = BIN_S,
    where: str = "spike times",
    is_sorted: bool = False,
) -> Counts:
    """Count the spikes of each channel in the whole bins between two moments.

    A bin holds its start and not its end. A last bin that `stop_s` cuts is left out, because its
    count would be of less time than the others'. Spikes outside the window are not counted, so one
    list of spike times serves all trials of a session.

    Args:
        spike_times: One array a channel, in seconds, in the order of time.
        start_s: Start of the first bin.
        stop_s: End of the window.
        bin_s: Width of a bin in seconds.
        where: What begins an error message: the file, and the trial if there is one.
        is_sorted: `refuse_disorder` has seen the times, which takes longer than to bin one trial.

    Returns:
        Counts; no bins if the window is shorter than one.

    Raises:
        ConfigError: the bin has no width.
        DataError: a time is not finite, or times are not sorted; or the window is not finite.
    """
    if not bin_s > 0:
        raise ConfigError(f"a bin of {bin_s} s: give a positive width")
    if not np.isfinite([start_s, stop_s]).all():
        raise DataError(f"{where}: window from {start_s} to {stop_s} s; the file is damaged")
    n_bins = max(0, int(np.floor((stop_s - start_s) / bin_s + _SLACK)))
    edges = start_s + bin_s * np.arange(n_bins + 1)
    counts = np.zeros((n_bins, len(spike_times)), np.float32)
    for channel, times in enumerate(spike_times):
        if not is_sorted:
            refuse_disorder(times, f"{where}: channel {channel}")
        counts[:, channel] = np.diff(np.searchsorted(times, edges))
    return counts


def refuse_disorder(times: Num[np.ndarray, " spikes"], where: str) -> None:
    """Raise if times are not finite and in order.

    Raises:
        DataError: names the first offender.
    """
    if not np.isfinite(times).all():
        place = int(np.flatnonzero(~np.isfinite(times))[0])
        raise DataError(f"{where}: spike {place} is at {times[place]} s; download the file again")
    back = np.flatnonzero(np.diff(times) < 0)
    if len(back):
        place = int(back[0]) + 1
        raise DataError(
            f"{where}: spike times are not sorted, spike {place} at {times[place]} s follows "
            f"{times[place - 1]} s; the file is damaged, download it again"
        )


def rebin_counts(
    counts: Num[np.ndarray, "bins channels"], factor: int
) -> Float32[np.ndarray, "joined channels"]:
    """Add up every `factor` neighbouring bins; a rest that fills no bin is left out.

    Raises:
        ConfigError: `factor` is not a positive whole number.
    """
    if factor < 1 or factor != int(factor):
        raise ConfigError(f"{factor} bins to one: bins can be joined, not divided")
    n_bins = len(counts) // factor
    whole = counts[: n_bins * factor].reshape(n_bins, factor, counts.shape[1])
    return np.asarray(whole.sum(axis=1, dtype=np.float32))


def bins_to_join(published_s: float, *, bin_s: float = BIN_S, where: str) -> int:
    """Say how many published bins make one of ours.

    Args:
        published_s: Width of a published bin in seconds.
        bin_s: Width of a bin we prepare.
        where: What begins the error message.

    Raises:
        DataError: the published bins do not divide ours; they are never cut finer.
    """
    factor = round(bin_s / published_s) if published_s > 0 else 0
    if factor < 1 or abs(factor * published_s - bin_s) > 0.01 * bin_s:
        raise DataError(
            f"{where}: bins of {published_s * 1000:g} ms do not make up the {bin_s * 1000:g} ms "
            "that the facts say; is the file of this release?"
        )
    return factor
