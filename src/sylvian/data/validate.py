"""The door: what a trial must be before it is prepared."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np

from sylvian.data.corpora.base import CorpusFacts, SessionRef
from sylvian.data.moments import Moments
from sylvian.errors import DataError
from sylvian.text import PHONES, SIL
from sylvian.types import Trial, TrialInfo

_KNOWN = frozenset((*PHONES, SIL))


def checked(
    trial: Trial,
    session: SessionRef,
    facts: CorpusFacts,
    *,
    n_channels: int | None = None,
    bin_s: float | None = None,
) -> Moments:
    """Refuse a trial that would spoil training, naming its file and key.

    Args:
        trial: What the reader gave.
        session: The session it was asked for.
        facts: What is known about the release.
        n_channels: Columns of the session's other trials, where the facts leave them open.
        bin_s: Width of their bins in seconds, which all trials of a session share.

    Returns:
        The moments of its features, since they had to be computed to see that all are finite.

    Raises:
        DataError: no bins, or of another width than the session's; another number of channels than
            the facts say, a NaN or infinite value, a label outside the vocabulary, a split the
            release does not have, or another session.
    """
    info = trial.info
    where = f"{session.where(info)}: {info.key}"
    _check_place(info, session, facts, where)
    _check_width(info, bin_s, where)
    n_channels = facts.participants[session.participant].n_channels or n_channels
    n_channels = trial.features.shape[1] if n_channels is None else n_channels
    if trial.features.shape[0] == 0:
        raise DataError(
            f"{where}: empty, it has no bins; remove the trial or download the file again"
        )
    if n_channels == 0:
        raise DataError(f"{where}: no channels at all; download the file again")
    if trial.features.shape != (info.n_bins, n_channels):
        raise DataError(
            f"{where}: features have shape {trial.features.shape}, expected "
            f"({info.n_bins} bins, {n_channels} channels) for {session.participant}"
        )
    unknown = set(info.phonemes or ()) - _KNOWN
    if unknown:
        raise DataError(f"{where}: label {min(unknown)!r} is outside the phoneme vocabulary")
    return _finite_moments(trial, where)


def is_impossible(info: TrialInfo) -> bool:
    """Tell whether a trial is too short for its labels even with one frame a bin.

    CTC needs a frame for each label and a blank between equal neighbours.
    """
    labels = info.phonemes or ()
    return info.n_bins < len(labels) + sum(a == b for a, b in pairwise(labels))


def _check_place(info: TrialInfo, session: SessionRef, facts: CorpusFacts, where: str) -> None:
    expected = facts.name, session.participant, session.session
    if (info.key.corpus, info.key.participant, info.key.session) != expected:
        raise DataError(f"{where}: the reader gave it out for session {'/'.join(expected)}")
    if info.split not in facts.splits:
        raise DataError(
            f"{where}: split {info.split!r} is none of {facts.name}'s: {', '.join(facts.splits)}"
        )


def _check_width(info: TrialInfo, bin_s: float | None, where: str) -> None:
    if not 0 < info.bin_s < math.inf:
        raise DataError(f"{where}: bins of {info.bin_s} s; is the recording's rate right?")
    if bin_s is not None and abs(info.bin_s - bin_s) > 1e-6:
        raise DataError(
            f"{where}: bins of {info.bin_s * 1000:g} ms, those of the session's other trials are "
            f"{bin_s * 1000:g} ms wide; is the file of this session?"
        )


def _finite_moments(trial: Trial, where: str) -> Moments:
    # A mean is finite only if all values are, so the check costs nothing; NaNs are not a warning.
    with np.errstate(invalid="ignore", over="ignore"):
        moments = Moments.of(trial.features)
    if np.isfinite(moments.m2).all():
        return moments
    bins, channels = np.nonzero(~np.isfinite(trial.features))
    if not len(bins):
        raise DataError(f"{where}: values too large to square; are the features in the right unit?")
    value = trial.features[bins[0], channels[0]]
    raise DataError(
        f"{where}: {len(bins)} values are not finite, the first ({value}) at bin {bins[0]}, "
        f"channel {channels[0]}; the file is damaged, download it again"
    )
