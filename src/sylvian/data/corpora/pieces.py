"""Trials cut out of longer recordings, before they have a number."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from jaxtyping import Float32

from sylvian.data.corpora.base import CorpusFacts, SessionRef
from sylvian.errors import DataError
from sylvian.types import Strategy, Trial, TrialInfo, TrialKey

_Trial = TypeVar("_Trial")


@dataclass(frozen=True, slots=True)
class Piece:
    """One trial of a release that does not number its trials.

    Attributes:
        split: Split it was published in.
        block: Block it was recorded in.
        features: What is prepared.
        strategy: What the participant did.
        sentence: Prompt, readable, where there was one.
        phonemes: Its phonemes, where it was speech.
        prompt_set: Part of the release it is from, or task.
        bin_s: Width of its bins in seconds, where the release's are not all as the facts say.
    """

    split: str
    block: int
    features: Float32[np.ndarray, "bins channels"]
    strategy: Strategy
    sentence: str | None = None
    phonemes: tuple[str, ...] | None = None
    prompt_set: str | None = None
    bin_s: float | None = None


def numbered(pieces: Iterable[Piece], session: SessionRef, facts: CorpusFacts) -> Iterator[Trial]:
    """Number the pieces of a session within their blocks, in the order they come."""
    counted: Counter[int] = Counter()
    for piece in pieces:
        key = TrialKey(
            facts.name, session.participant, session.session, piece.block, counted[piece.block]
        )
        counted[piece.block] += 1
        info = TrialInfo(
            key,
            piece.split,
            len(piece.features),
            bin_s=facts.bin_s if piece.bin_s is None else piece.bin_s,
            sentence=piece.sentence,
            phonemes=piece.phonemes,
            strategy=piece.strategy,
            prompt_set=piece.prompt_set,
        )
        yield Trial(info, piece.features)


def some(trials: Iterable[_Trial], path: Path) -> Iterator[_Trial]:
    """Give out the trials of a file, and raise at its end if there was none.

    Raises:
        DataError: names the file.
    """
    is_empty = True
    for trial in trials:
        is_empty = False
        yield trial
    if is_empty:
        raise DataError(f"{path}: holds no trial of one bin or more; download it again")


def files_by_block(
    paths: Iterable[Path], blocks: Callable[[Path], Iterable[int]]
) -> dict[int, Path]:
    """Say which file of a day holds each block, for `SessionRef.files`.

    Every path is in the result: one whose blocks are all in earlier files too gets a number of its
    own below zero, so that it is read, and read again when it changes.

    Args:
        paths: Files of a day.
        blocks: Tells the blocks of a file.
    """
    files: dict[int, Path] = {}
    for path in paths:
        for block in blocks(path):
            files.setdefault(int(block), path)
        if path not in files.values():
            files[-1 - len(files)] = path
    return files


def refuse_shape(array: Any, expected: tuple[int | None, ...], where: Path | str) -> None:
    """Raise unless an array has the expected shape; None stands for any length.

    Raises:
        DataError: names both shapes.
    """
    shape = np.shape(array)
    fits = len(shape) == len(expected) and all(
        wanted in (None, found) for found, wanted in zip(shape, expected, strict=True)
    )
    if not fits:
        told = ", ".join("any" if wanted is None else str(wanted) for wanted in expected)
        raise DataError(f"{where} has shape {shape}, not ({told}); is the file of this release?")


def refuse_lengths(where: Path | str, **lengths: int) -> None:
    """Raise unless several variables speak of the same number of trials.

    Raises:
        DataError: names each variable and its length.
    """
    if len(set(lengths.values())) > 1:
        told = ", ".join(f"{name} has {length}" for name, length in lengths.items())
        raise DataError(f"{where}: differing numbers of trials: {told}; download it again")
