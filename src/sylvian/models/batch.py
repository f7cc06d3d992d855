"""Trials side by side in one tensor, as training and decoding hand them to a model."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Float, Int64
from torch import Tensor

from sylvian.errors import ConfigError, DataError
from sylvian.text import Vocabulary
from sylvian.types import Trial, TrialKey


@dataclass(frozen=True, slots=True)
class Batch:
    """Some trials of one channel count and one bin width.

    Attributes:
        features: Zero-padded to the longest trial; encoders never read the padding.
        n_bins: Length of each trial in bins, at least 1.
        session: Index of each trial's recording day among the encoder's sessions.
        labels: Token columns of each trial, padded with 0 (the blank, never a label).
        n_labels: Number of labels; 0 where the release withholds them.
        keys: Address of each trial.
        bin_s: Width of a bin in seconds, the same for all trials.
    """

    features: Float[Tensor, "batch bins channels"]
    n_bins: Int64[Tensor, " batch"]
    session: Int64[Tensor, " batch"]
    labels: Int64[Tensor, "batch labels"]
    n_labels: Int64[Tensor, " batch"]
    keys: tuple[TrialKey, ...]
    bin_s: float = 0.02

    def __len__(self) -> int:
        return len(self.keys)

    def to(self, device: torch.device | str) -> Batch:
        """Return the batch with its tensors on `device`."""
        names = ("features", "n_bins", "session", "labels", "n_labels")
        moved = {name: getattr(self, name).to(device, non_blocking=True) for name in names}
        return replace(self, **moved)

    def only(self, rows: Sequence[int]) -> Batch:
        """Return some of the trials; the padding stays as long as it was."""
        chosen = torch.tensor(rows, dtype=torch.int64, device=self.n_bins.device)
        names = ("features", "n_bins", "session", "labels", "n_labels")
        picked = {name: getattr(self, name)[chosen] for name in names}
        return replace(self, keys=tuple(self.keys[row] for row in rows), **picked)


def make_batch(
    trials: Sequence[Trial], *, session_index: Mapping[str, int], vocabulary: Vocabulary | None
) -> Batch:
    """Put trials side by side.

    Args:
        trials: Trials with as many channels and bins as wide, each with at least one bin.
        session_index: Session path to index, from `Encoder.session_index` or `Encoder.locate`.
        vocabulary: Where phonemes are looked up; trials without phonemes get no labels. None: none
            does.

    Raises:
        ConfigError: a session is not in `session_index`, or the trials mix bin widths.
        DataError: a trial is empty, differs in channels, or has a label outside the vocabulary.
    """
    if not trials:
        raise DataError("a batch needs at least one trial")
    _check_alike(trials)
    labels = [_encode(trial, vocabulary) for trial in trials]
    return Batch(
        features=_pad_features(trials),
        n_bins=torch.tensor([len(trial.features) for trial in trials]),
        session=torch.tensor([_index(trial.key, session_index) for trial in trials]),
        labels=_pad_labels(labels),
        n_labels=torch.tensor([len(own) for own in labels]),
        keys=tuple(trial.key for trial in trials),
        bin_s=trials[0].info.bin_s,
    )


def _check_alike(trials: Sequence[Trial]) -> None:
    first = trials[0]
    for trial in trials:
        key = trial.key
        if trial.info.bin_s != first.info.bin_s:
            raise ConfigError(f"{key}: bins of {trial.info.bin_s} s beside {first.info.bin_s} s")
        if len(trial.features) == 0:
            raise DataError(f"{key}: the trial has no bins; leave it out or prepare it again")
        if trial.features.shape[1] != first.features.shape[1]:
            raise DataError(
                f"{key}: {trial.features.shape[1]} channels, but {first.key} has "
                f"{first.features.shape[1]}; batch sessions of different channels apart, or "
                "prepare the corpus again"
            )


def _index(key: TrialKey, session_index: Mapping[str, int]) -> int:
    try:
        return session_index[key.session_path]
    except KeyError:
        known = ", ".join(sorted(session_index))
        raise ConfigError(
            f"{key}: the model has no layers for session {key.session_path}; train with it or look "
            f"it up with Encoder.locate(..., unseen='nearest'). Known: {known}"
        ) from None


def _encode(trial: Trial, vocabulary: Vocabulary | None) -> tuple[int, ...]:
    if vocabulary is None:
        return ()
    try:
        return vocabulary.encode(trial.info.phonemes or ())
    except DataError as failure:
        raise DataError(f"{trial.key}: {failure}") from None


def _pad_features(trials: Sequence[Trial]) -> Tensor:
    longest = max(len(trial.features) for trial in trials)
    padded = torch.zeros(len(trials), longest, trials[0].features.shape[1])
    view = padded.numpy()
    for row, trial in enumerate(trials):
        view[row, : len(trial.features)] = trial.features
    return padded


def _pad_labels(labels: Sequence[tuple[int, ...]]) -> Tensor:
    padded = np.zeros((len(labels), max(1, *map(len, labels), 0)), dtype=np.int64)
    for row, own in enumerate(labels):
        padded[row, : len(own)] = own
    return torch.from_numpy(padded)
