"""Time masking: hide spans of frames from the encoder, at random or the same ones every time."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool
from torch import Tensor

from sylvian.types import Trial


def span_mask(
    lengths: Sequence[int],
    *,
    ratio: float,
    max_span: int,
    generator: torch.Generator | None = None,
) -> Bool[Tensor, " rows"]:
    """Draw which frames of packed trials to hide.

    Every trial draws its own span length, uniform from 1 to `max_span`, and hides exactly its share
    of frames in spans that do not overlap; the share is rounded up or down at random, so that it
    is `ratio` on average at any length. A trial counts as a circle, so that its ends are hidden as
    often as its middle; a span may therefore be cut in two by them.

    Args:
        lengths: Frames of each trial.
        ratio: Share of frames to hide, 0 to 1.
        max_span: Longest span in frames.
        generator: Source of randomness; None is torch's own, the one dropout draws from.

    Returns:
        True where a frame is hidden, trial after trial.

    Source: dossier §3.2. Why here: reference spans overlap (hiding less than asked), share one
    length over the batch and fall on padding.
    """
    n_trials = len(lengths)
    spans = torch.randint(1, max_span + 1, (n_trials,), generator=generator).tolist()
    rounding, turning = torch.rand(2, n_trials, generator=generator).tolist()
    pieces: list[Bool[np.ndarray, " frames"]] = []
    for length, span, up, turn in zip(lengths, spans, rounding, turning, strict=True):
        mask = _mask_one(length, int(ratio * length + up), span, generator)
        cut = length - int(turn * length)
        pieces += [mask[cut:], mask[:cut]]
    return torch.from_numpy(np.concatenate(pieces))


def _mask_one(
    length: int, n_hidden: int, span: int, generator: torch.Generator | None
) -> Bool[np.ndarray, " frames"]:
    """Shuffle the visible frames with the spans (the last one cut to fit) and lay them out.

    Why here: only the draws are torch's; NumPy lays out such small arrays several times faster.
    """
    n_spans = -(-n_hidden // span)
    order = torch.randperm(length - n_hidden + n_spans, generator=generator).numpy()
    shut = order < n_spans
    sizes = np.where(shut, span, 1)
    if n_spans:
        sizes[order == 0] = n_hidden - (n_spans - 1) * span
    return np.repeat(shut, sizes)


def fixed_masks(
    keys: Sequence[str], lengths: Sequence[int], *, ratio: float, max_span: int, seed: int
) -> Bool[Tensor, " rows"]:
    """Hide the same frames of a trial every time, whoever asks and whatever it is batched with.

    Args:
        keys: Names of the trials; a mask depends on the name and the seed alone.
        lengths: Frames of each trial.
        ratio: Share of frames to hide, 0 to 1.
        max_span: Longest span in frames.
        seed: Another seed gives other masks.

    Returns:
        True where a frame is hidden, trial after trial.

    Why here: models, epochs and baselines can be compared only on the same bins.
    """
    masks = [
        span_mask([length], ratio=ratio, max_span=max_span, generator=_generator(f"{seed}/{key}"))
        for key, length in zip(keys, lengths, strict=True)
    ]
    return torch.cat(masks)


@dataclass(frozen=True, slots=True)
class BinMasks:
    """Which bins of a trial `fixed_masks` hides: the same for models and their baselines.

    Attributes:
        ratio: Share of frames hidden.
        max_span: Longest hidden span in frames.
        patch_bins: Bins of a frame.
        seed: Another seed hides other bins.
    """

    ratio: float
    max_span: int
    patch_bins: int
    seed: int

    def __call__(self, trial: Trial) -> Bool[np.ndarray, " bins"]:
        """Mark the hidden bins of a trial."""
        n_bins = len(trial.features)
        n_frames = -(-n_bins // self.patch_bins)
        frames = fixed_masks(
            [str(trial.key)], [n_frames], ratio=self.ratio, max_span=self.max_span, seed=self.seed
        )
        return np.repeat(frames.numpy(), self.patch_bins)[:n_bins]


def _generator(name: str) -> torch.Generator:
    digest = hashlib.blake2b(name.encode(), digest_size=8).digest()
    return torch.Generator().manual_seed(int.from_bytes(digest, "big") >> 1)
