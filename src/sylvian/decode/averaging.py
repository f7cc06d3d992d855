"""Several encoders, one set of logits: what they say of each frame, averaged."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal

import numpy as np

from sylvian.decode.greedy import log_softmax
from sylvian.errors import DecodeError
from sylvian.types import Logits

Mean = Literal["geometric", "arithmetic"]


def average(members: Sequence[Logits], *, mean: Mean = "geometric") -> Logits:
    """Average the CTC distributions of several encoders frame by frame.

    The geometric mean of probabilities is the mean of their logarithms: a token needs the consent
    of all. The arithmetic mean lets one confident encoder carry a token. The result is normalised.

    Args:
        members: One trial's logits by each encoder; equal weights.
        mean: Which mean.

    Raises:
        DecodeError: no members, other trials, vocabularies, frame periods or numbers of frames, or
            a NaN or infinite logit.
    """
    if not members:
        raise DecodeError("nothing to average: give the logits of two or more encoders")
    for other in members[1:]:
        _require_alike(members[0], other)
    log_p = np.stack([log_softmax(one) for one in members])
    if mean == "geometric":
        mixed = log_p.mean(axis=0)
        mixed -= np.logaddexp.reduce(mixed, axis=1, keepdims=True)
    else:
        mixed = np.logaddexp.reduce(log_p, axis=0) - math.log(len(members))
    first = members[0]
    return Logits(first.key, mixed.astype(np.float32), first.frame_s, first.vocabulary)


def _require_alike(first: Logits, other: Logits) -> None:
    if other.key != first.key:
        raise DecodeError(f"{first.key}: cannot be averaged with {other.key}, another trial")
    if other.vocabulary.tokens != first.vocabulary.tokens:
        raise DecodeError(
            f"{first.key}: one encoder speaks {len(first.vocabulary)} tokens, another "
            f"{len(other.vocabulary)}, or in another order; average encoders of one vocabulary"
        )
    if not math.isclose(other.frame_s, first.frame_s, rel_tol=1e-9):
        raise DecodeError(
            f"{first.key}: frames of {first.frame_s:g} s and of {other.frame_s:g} s; average "
            "encoders of one frame period, or merge their sentences instead (--by mbr)"
        )
    if len(other.values) != len(first.values):
        raise DecodeError(
            f"{first.key}: {len(first.values)} and {len(other.values)} frames; average encoders "
            "that read recordings alike, or merge their sentences instead (--by mbr)"
        )
