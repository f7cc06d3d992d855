"""A gate before the decoder: nothing is decoded or kept until a keyword unlocks it, for a while.

While the gate is locked only the keyword is looked for: an utterance yields one number, which is
compared with a threshold and forgotten. The decoder is not called, so that nothing that was thought
beside the keyword can be shown, stored or leak.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from pydantic import Field

from sylvian.config import Config
from sylvian.decode.config import DecodeConfig
from sylvian.decode.ctcscore import CtcScorer
from sylvian.errors import DecodeError
from sylvian.text import Lexicon, normalize_sentence
from sylvian.types import Logits, NBest

Spot = Callable[[Logits], float]
Decode = Callable[[Logits], NBest]


class GateConfig(Config):
    """When a gate opens, and for how long."""

    keyword: str = Field(min_length=1, description="What unlocks, such as a rare phrase.")
    threshold: float = Field(
        description="Least keyword score that unlocks (see `KeywordSpotter`); chosen on recordings "
        "of the keyword and of other speech by `evaluate.detection.choose_threshold`."
    )
    open_s: float = Field(
        default=30.0, gt=0, description="Seconds it stays open after the last utterance."
    )
    lock_word: str | None = Field(
        default=None, description="A sentence that locks at once; null: only time does."
    )


@dataclass(frozen=True, slots=True)
class GateState:
    """All that a gate remembers: until when it is open. No score, no text.

    Attributes:
        open_until_s: Time at which it locks by itself; minus infinity: it is locked.
    """

    open_until_s: float = -math.inf

    def is_open(self, now_s: float) -> bool:
        """Say whether speech that begins now is decoded."""
        return now_s < self.open_until_s


LOCKED = GateState()


@dataclass(frozen=True, slots=True)
class Gate:
    """A locked door between a person's speech and the decoder.

    Attributes:
        config: When it opens, and for how long.
        spot: Scores an utterance for the keyword; called only while locked.
        decode: Turns an utterance into sentences; called only while open.
    """

    config: GateConfig
    spot: Spot
    decode: Decode

    def hear(self, state: GateState, logits: Logits, *, now_s: float) -> tuple[GateState, Heard]:
        """Take one utterance.

        Args:
            state: What the gate remembered; `LOCKED` at the start and after every doubt.
            logits: The utterance.
            now_s: When it began, on a clock that never runs backwards.

        Returns:
            What the gate remembers now, and what may be shown; an utterance that unlocks is not.
            One that begins after the gate's time has run out finds it locked.

        Raises:
            DecodeError: a logit or the time is NaN or infinite.
        """
        if not math.isfinite(now_s):
            raise DecodeError(f"{logits.key}: time {now_s} is no time; the gate stays as it is")
        if not state.is_open(now_s):
            # NaN compares false, so that a broken spotter leaves the gate locked
            opens = self.spot(logits) >= self.config.threshold
            return (self._open(now_s) if opens else LOCKED), Heard(unlocked=opens)
        found = self.decode(logits)
        if self.config.lock_word is not None and found.best.text == self.config.lock_word:
            return LOCKED, Heard(locked=True)
        return self._open(now_s), Heard(found)

    def _open(self, now_s: float) -> GateState:
        return GateState(now_s + self.config.open_s)


@dataclass(frozen=True, slots=True)
class Heard:
    """What may be shown of an utterance.

    Attributes:
        nbest: Its sentences; None while the gate was locked, and for the word that locks it.
        unlocked: Whether it opened the gate.
        locked: Whether it closed the gate.
    """

    nbest: NBest | None = None
    unlocked: bool = False
    locked: bool = False


class KeywordSpotter:
    """Scores utterances for a keyword, and for nothing else.

    The score is how probable the encoder finds it that exactly the keyword was said, all its
    pronunciations, pauses and alignments together: its logarithm divided by the number of frames,
    nats a frame. 0 is certainty; an encoder that knows nothing scores low.

    Args:
        keyword: One word or several.
        lexicon: Pronunciations; words it lacks are pronounced by rule.

    Raises:
        DecodeError: the keyword has no letters, so that nobody can say it.

    Source: the posterior of a label sequence under CTC, Graves et al. 2006; Kunz et al. 2025 unlock
    imagined speech by a keyword.

    Why here: no decoder runs, so no other sentence than the keyword is ever formed. CTC shares its
    belief out among all label sequences, so no filler model is needed; a ratio to the best path is
    above 0 for flat logits, which one path explains badly and many alignments together well, and
    would unlock on noise.
    """

    def __init__(self, keyword: str, lexicon: Lexicon) -> None:
        self.keyword = normalize_sentence(keyword)
        if not lexicon.phonemes(self.keyword):
            raise DecodeError(f"keyword {keyword!r}: has no word that can be said; choose another")
        self._scorer = CtcScorer(lexicon, config=DecodeConfig(blank_penalty=0.0))

    def __call__(self, logits: Logits) -> float:
        """Score one utterance.

        Returns:
            Nats a frame; minus infinity for an utterance without frames.

        Raises:
            DecodeError: a logit is NaN or infinite.
        """
        if not len(logits.values):
            return -math.inf
        return float(self._scorer.score_sentences(logits, [self.keyword])[0]) / len(logits.values)
