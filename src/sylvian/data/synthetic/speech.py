"""From phonemes to a trajectory of the articulators: when each gesture happens, how it blends."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from jaxtyping import Float32, Int

from sylvian.data.synthetic.articulation import (
    FEATURES,
    SEGMENTS,
    gestures,
    gestures_alike,
    relative_durations,
    segment_ids,
)
from sylvian.data.synthetic.traits import SpeechConfig

BIN_MS = 20.0
N_LATENTS = 2 * len(FEATURES)  # posture and its rate of change

_PHONES_PER_WORD = 3.6  # of both prompt sets together; fixes the mean phone from the word rate
_SHORTEST_BINS = 5  # so that patches of 100 ms always have a frame for every label
_SILENCE = len(SEGMENTS) - 1


@dataclass(frozen=True, slots=True)
class Utterance:
    """One attempt to speak, in time.

    Attributes:
        segments: Row in `articulation.SEGMENTS` of each stretch, silences around it included.
        edges: First bin of each stretch, and the number of bins at the end.
        jitter: Private error of each stretch's gesture.
        posture: Articulators' trajectory.
    """

    segments: Int[np.ndarray, " stretches"]
    edges: Int[np.ndarray, " stretches_and_one"]
    jitter: Float32[np.ndarray, "stretches features"]
    posture: Float32[np.ndarray, "bins features"]

    @property
    def n_bins(self) -> int:
        """Length in bins."""
        return int(self.edges[-1])

    def latents(self) -> Float32[np.ndarray, "bins latents"]:
        """Return posture and its rate of change side by side."""
        return with_change(self.posture)


def speak(phonemes: Sequence[str], config: SpeechConfig, rng: np.random.Generator) -> Utterance:
    """Act out a label sequence.

    Args:
        phonemes: Phones, each word closed by `SIL`, as the labels are. Empty for a trial in which
            nothing is said.
        config: Manner of speaking.
        rng: Source of randomness.
    """
    ids = segment_ids(phonemes)
    low, high = (ms / BIN_MS for ms in config.silence_ms)
    before, after = rng.uniform(low, high, 2)
    bins = np.concatenate([[before], _durations(ids, config, rng)])
    if len(ids):
        bins[-1] = max(after, _SHORTEST_BINS)  # the closing SIL is the silence after speech
    else:
        bins = rng.uniform(2, 5, 1) * 1000 / BIN_MS
    segments = np.concatenate([[_SILENCE], ids])
    edges = np.concatenate([[0], np.cumsum(np.maximum(np.rint(bins), 1).astype(np.intp))])
    jitter = rng.standard_normal((len(segments), len(FEATURES)), np.float32) * config.jitter
    jitter[segments == _SILENCE] = 0
    targets = _targets(segments, edges, jitter, gestures_of(config))
    return Utterance(segments, edges, jitter, blend(targets, config))


def gestures_of(config: SpeechConfig) -> Float32[np.ndarray, "segments halves features"]:
    """Return the gestures somebody makes for every row of `articulation.SEGMENTS`."""
    if config.alike is None:
        return gestures()
    return gestures_alike(config.alike.pairs, config.alike.share)


def blend(
    targets: Float32[np.ndarray, "bins features"], config: SpeechConfig
) -> Float32[np.ndarray, "bins features"]:
    """Let neighbouring gestures run into each other (coarticulation); linear in `targets`."""
    from scipy.ndimage import gaussian_filter1d  # slow to import, and only a simulation needs it

    width_bins = config.coarticulation_ms / BIN_MS
    smooth: np.ndarray[Any, np.dtype[np.float32]] = gaussian_filter1d(
        targets, width_bins, axis=0, mode="nearest", truncate=3.0
    )
    return smooth


def with_change(
    posture: Float32[np.ndarray, "bins features"],
) -> Float32[np.ndarray, "bins latents"]:
    """Set beside each posture the change since the bin before; linear in `posture`."""
    change = np.diff(posture, axis=0, prepend=posture[:1])
    return np.concatenate([posture, change], axis=1)


def halves(edges: Int[np.ndarray, " stretches_and_one"]) -> Int[np.ndarray, " halves_and_one"]:
    """Cut every stretch in the middle: the first bin of each half, and the end."""
    starts, stops = edges[:-1], edges[1:]
    inner = np.stack([starts, (starts + stops) // 2], axis=1).ravel()
    return np.append(inner, edges[-1])


def _durations(
    ids: Int[np.ndarray, " labels"], config: SpeechConfig, rng: np.random.Generator
) -> np.ndarray[Any, np.dtype[np.float64]]:
    word_bins = 60_000 / config.words_per_minute / BIN_MS
    phone_bins = word_bins * (1 - config.pause_share) / _PHONES_PER_WORD
    typical = np.where(
        ids == _SILENCE, word_bins * config.pause_share, phone_bins * relative_durations()[ids]
    )
    spread = config.duration_spread * rng.standard_normal(len(ids))
    tempo = config.tempo_spread * rng.standard_normal()
    return np.asarray(np.maximum(typical * np.exp(spread + tempo), _SHORTEST_BINS), np.float64)


def _targets(
    segments: Int[np.ndarray, " stretches"],
    edges: Int[np.ndarray, " stretches_and_one"],
    jitter: Float32[np.ndarray, "stretches features"],
    table: Float32[np.ndarray, "_ halves features"],
) -> Float32[np.ndarray, "bins features"]:
    wanted = (table[segments] + jitter[:, None]).reshape(-1, len(FEATURES))
    return np.repeat(wanted, np.diff(halves(edges)), axis=0)
