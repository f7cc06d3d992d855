"""Noise for training trials, drawn per trial before padding exists.

A trial's draw depends on the run's seed, the epoch and the trial's key, and on nothing else: not on
its batch mates, the loading process or what was drawn before. Padding is never touched because a
trial is augmented before it is padded. (Time masking belongs to the encoder.)
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import torch
from jaxtyping import Float

from sylvian.train.config import AugmentConfig
from sylvian.train.seeds import generator_at
from sylvian.types import Trial

__all__ = ["AugmentConfig", "augment_trial"]


def augment_trial(trial: Trial, config: AugmentConfig, *, seed: int, epoch: int) -> Trial:
    """Return a disturbed copy of `trial`; the original's memory is left alone.

    Args:
        trial: Normalised trial, "bins channels".
        config: Kinds and strengths.
        seed: Seed of the run.
        epoch: Epoch, from 0; the same trial is disturbed differently in each.

    Returns:
        The trial with its own features and, after a cut, its own `n_bins` (at least 1).
    """
    if not config.active:
        return trial
    generator = generator_at(seed, "augment", epoch, str(trial.key))
    clean = trial.features
    if config.random_cut > 1:
        limit = min(config.random_cut, len(clean))
        clean = clean[int(torch.randint(limit, (), generator=generator)) :]
    features = _normal(clean.shape, config.noise_std, generator)
    features += clean
    if config.offset_std > 0:
        features += _normal(clean.shape[1:], config.offset_std, generator)
    return Trial(replace(trial.info, n_bins=len(features)), features)


def _normal(
    shape: tuple[int, ...], std: float, generator: torch.Generator
) -> Float[np.ndarray, ...]:
    """Draw float32 normals; torch does so twice as fast as numpy, and the loader must keep up."""
    if std == 0:
        return np.zeros(shape, dtype=np.float32)
    return torch.empty(shape).normal_(0.0, std, generator=generator).numpy()
