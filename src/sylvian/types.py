"""The nouns that flow between rooms: small, frozen, and the only things that cross a door."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float

from sylvian.errors import DataError
from sylvian.text import Vocabulary

_KEY = re.compile(r"([^/]+)/([^/]+)/([^/]+)/b(\d+)/t(\d+)")


class Strategy(StrEnum):
    """What the participant was asked to do during a trial."""

    ATTEMPTED = "attempted"  # attempted speech, the release does not say whether voiced
    VOCALIZED = "vocalized"
    SILENT = "silent"
    IMAGINED = "imagined"
    HANDWRITING = "handwriting"
    REACHING = "reaching"
    PERCEIVED = "perceived"  # listened or read, nothing was attempted


@dataclass(frozen=True, order=True, slots=True)
class TrialKey:
    """The address of one trial; sorts by corpus, participant, session (ISO date), block, trial."""

    corpus: str
    participant: str
    session: str
    block: int
    trial: int

    def __str__(self) -> str:
        return f"{self.session_path}/b{self.block:02d}/t{self.trial:03d}"

    @property
    def session_path(self) -> str:
        """`corpus/participant/session`: the name of a recording day among all corpora."""
        return f"{self.corpus}/{self.participant}/{self.session}"

    @classmethod
    def parse(cls, text: str) -> TrialKey:
        """Read back what `str` printed.

        Raises:
            DataError: `text` is not a trial key.
        """
        match = _KEY.fullmatch(text)
        if match is None:
            raise DataError(f"{text!r} is not a trial key like card2024/T15/2023-08-11/b03/t017")
        corpus, participant, session, block, trial = match.groups()
        return cls(corpus, participant, session, int(block), int(trial))


@dataclass(frozen=True, slots=True)
class TrialInfo:
    """Everything about a trial except its features.

    Attributes:
        key: Address of the trial.
        split: The split the corpus published the trial in (`train`, `val`, `test`, `holdout`).
        n_bins: Length of the recording in bins.
        bin_s: Width of a bin in seconds.
        sentence: The prompt as published, readable; None where the release withholds it.
        phonemes: ARPABET phones without stress, `SIL` closing each word; None where unknown.
        strategy: What the participant did.
        prompt_set: Name of the text the prompt came from (`Switchboard`, `50-Word`), or of the task
            (`CO`, `perturbationEvaluation`), if known.
    """

    key: TrialKey
    split: str
    n_bins: int
    bin_s: float = 0.02
    sentence: str | None = None
    phonemes: tuple[str, ...] | None = None
    strategy: Strategy = Strategy.ATTEMPTED
    prompt_set: str | None = None


@dataclass(frozen=True, slots=True)
class Trial:
    """One cued attempt: its description and its feature matrix (float32)."""

    info: TrialInfo
    features: Float[np.ndarray, "bins channels"]

    @property
    def key(self) -> TrialKey:
        """Address of the trial."""
        return self.info.key


@dataclass(frozen=True, slots=True)
class Logits:
    """What an encoder's head says about one trial, before any decoding.

    Attributes:
        key: Address of the trial.
        values: Unnormalised log scores; decoders take the log-softmax themselves.
        frame_s: Time from one frame to the next, in seconds.
        vocabulary: Names of the token columns.
    """

    key: TrialKey
    values: Float[np.ndarray, "frames tokens"]
    frame_s: float
    vocabulary: Vocabulary


@dataclass(frozen=True, slots=True)
class Scores:
    """The parts of a hypothesis' score, kept apart, in natural logarithms (nats).

    Attributes:
        acoustic: Log-likelihood of the frames, with the acoustic scale divided out again.
        ngram: Log-probability of the words under the n-gram (the decoding graph's other costs,
            such as optional silence, included).
        n_words: Number of words, for the word bonus.
        llm: Log-probability under a rescoring language model; None before rescoring.
        end_to_end: Log-probability of the sentence given the recording, by an end-to-end model;
            None where none was asked.
    """

    acoustic: float
    ngram: float = 0.0
    n_words: int = 0
    llm: float | None = None
    end_to_end: float | None = None


@dataclass(frozen=True, slots=True)
class Hypothesis:
    """One candidate for a trial.

    Attributes:
        text: Words joined by spaces, normalised; empty for a phoneme-only decoder.
        tokens: Phonemes (and `SIL`) without blanks or repeats.
        scores: The parts of the score.
        frames: Frame at which each token starts; empty where the decoder does not know.
    """

    text: str
    tokens: tuple[str, ...]
    scores: Scores
    frames: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class NBest:
    """The candidates for one trial, best first, never empty."""

    key: TrialKey
    hypotheses: tuple[Hypothesis, ...]

    def __post_init__(self) -> None:
        if not self.hypotheses:
            raise ValueError(f"{self.key}: an n-best list needs at least one hypothesis")

    @property
    def best(self) -> Hypothesis:
        """The first candidate."""
        return self.hypotheses[0]


@dataclass(frozen=True, slots=True)
class EditCounts:
    """Edits between hypothesis and reference, addable over trials; rates are derived last."""

    substitutions: int = 0
    deletions: int = 0
    insertions: int = 0
    n_reference: int = 0

    def __add__(self, other: EditCounts) -> EditCounts:
        return EditCounts(
            self.substitutions + other.substitutions,
            self.deletions + other.deletions,
            self.insertions + other.insertions,
            self.n_reference + other.n_reference,
        )

    @property
    def n_errors(self) -> int:
        """S + D + I."""
        return self.substitutions + self.deletions + self.insertions

    @property
    def rate(self) -> float:
        """(S + D + I) / N; NaN when there is no reference at all."""
        return self.n_errors / self.n_reference if self.n_reference else float("nan")


@dataclass(frozen=True, slots=True)
class Score:
    """An error rate of a group of trials with its 95 % interval.

    Attributes:
        unit: `per`, `wer` or `cer`.
        group: What the trials have in common (`all`, a session, a prompt set, `seen`).
        counts: Summed edits.
        low: Lower end of the 95 % bootstrap interval (fraction).
        high: Upper end of the 95 % bootstrap interval (fraction).
        n_trials: Number of trials.
    """

    unit: str
    group: str
    counts: EditCounts
    low: float
    high: float
    n_trials: int

    @property
    def rate(self) -> float:
        """The error rate as a fraction."""
        return self.counts.rate


@runtime_checkable
class Progress(Protocol):
    """How a long task says where it is: stage, steps done, steps in all, a short note."""

    def __call__(self, stage: str, done: int, total: int, note: str = "") -> None:
        """Take note of the progress."""


def silent(stage: str, done: int, total: int, note: str = "") -> None:
    """Progress nobody watches."""
