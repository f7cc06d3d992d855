"""How likely whole sentences make a trial's frames: exact CTC over all that could be pronounced.

The first pass scores what it found by its best path. Sentences that came from elsewhere, such as an
end-to-end model, have no such score; here every sentence of a list gets the same kind of number.
All sentences of a trial lie in one lattice in which those that begin alike share their beginning.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

import numpy as np
from jaxtyping import Float64, Int32

from sylvian.decode.compiled import compiled
from sylvian.decode.config import DecodeConfig
from sylvian.decode.graph import GraphConfig
from sylvian.decode.greedy import log_softmax
from sylvian.errors import DataError, DecodeError
from sylvian.text import SIL, Lexicon, Vocabulary
from sylvian.types import Logits

IMPOSSIBLE_NATS = -1e6
"""Score of a sentence that no path spells, such as one of more phones than frames: below every
possible one, and finite, so that it can be written as JSON, weighted and compared."""

_FAR = -40.0  # nats below the largest of a sum, where double precision does not notice
_Labels = tuple[int, ...]


class CtcScorer:
    """Scores sentences against one trial's logits.

    A sentence's likelihood is the sum over the pronunciations of its words, over silences that may
    follow each word and precede the first, and over the alignments of those labels with the frames.
    Silence is treated as in the decoding graph: taking and skipping it cost what `GraphConfig`
    says. Words the lexicon lacks are pronounced by rule; those without letters are silent. Two
    readings that happen to give the same labels count twice.

    Args:
        lexicon: Pronunciations.
        config: Its `blank_penalty` is taken off log p(blank), as in the first pass.
        graph: Its silence probabilities.
        over: Add up all paths, or take the best one, as the first pass does.

    Source: Graves et al. 2006, the forward variable, on a lattice in place of one label sequence.

    Why here: the first pass books the cost of silence with the n-gram; here it is part of the
    likelihood, because a sum over silences needs their weights.
    """

    def __init__(
        self,
        lexicon: Lexicon,
        *,
        config: DecodeConfig | None = None,
        graph: GraphConfig | None = None,
        over: Literal["sum", "best"] = "sum",
    ) -> None:
        self.lexicon, self.over = lexicon, over
        self.config, self.graph = config or DecodeConfig(), graph or GraphConfig()

    def score_sentences(
        self, logits: Logits, texts: Sequence[str]
    ) -> Float64[np.ndarray, " sentences"]:
        """Give the log-likelihood of each sentence in nats.

        Args:
            logits: One trial, unpadded; column 0 is the blank.
            texts: Normalised sentences, in any order, repeated or not; an empty one is silence or
                nothing at all.

        Returns:
            One number per sentence; `IMPOSSIBLE_NATS` where it cannot be aligned.

        Raises:
            DecodeError: a logit is NaN or infinite, or the vocabulary lacks silence or a phone.
        """
        log_p = log_softmax(logits)
        log_p[:, 0] -= self.config.blank_penalty
        lattice, ends = self._lattice(logits, texts)
        alpha = _forward(log_p, *lattice.arrays(), self.over == "best")
        add = np.logaddexp.reduce if self.over == "sum" else np.max
        n_frames = len(log_p)
        found = [float(add(_ends(alpha, end, n_frames))) for end in ends]
        return np.array([nats if nats > -math.inf else IMPOSSIBLE_NATS for nats in found])

    def _lattice(self, logits: Logits, texts: Sequence[str]) -> tuple[_Lattice, list[_Place]]:
        try:
            (silence,) = logits.vocabulary.encode([SIL])
            spoken = {w: self._spoken(w, logits.vocabulary) for t in texts for w in t.split()}
        except DataError as failure:
            raise DecodeError(
                f"{logits.key}: {failure}; score sentences with the head's own lexicon"
            ) from None
        lattice = _Lattice(silence, self.graph)
        start = lattice.start()
        known: dict[tuple[int, str], _Place] = {}
        ends = []
        for text in texts:
            place = start
            for word in text.split():
                if not spoken[word]:
                    continue
                step = place.blank, word
                if step not in known:
                    known[step] = lattice.after(place, spoken[word])
                place = known[step]
            ends.append(place)
        return lattice, ends

    def _spoken(self, word: str, vocabulary: Vocabulary) -> tuple[_Labels, ...]:
        phones = self.lexicon.get(word) or (self.lexicon.pronounce(word),)
        return tuple(vocabulary.encode(own) for own in phones if own)


class _Place(NamedTuple):
    """A point between labels.

    Attributes:
        blank: State that emits blanks here.
        ways: States that may just have come here, and what coming cost.
        begin: Log weight of being here before the first frame.
    """

    blank: int
    ways: tuple[tuple[int, float], ...]
    begin: float


@dataclass(slots=True)
class _Lattice:
    """States that emit a label or the blank each frame, and which states lead to each."""

    silence: int
    graph: GraphConfig
    labels: list[int] = field(default_factory=list)
    begins: list[float] = field(default_factory=list)
    bounds: list[int] = field(default_factory=lambda: [0])
    sources: list[int] = field(default_factory=list)
    weights: list[float] = field(default_factory=list)

    def start(self) -> _Place:
        """Begin: behind the silence before the first word, or its omission."""
        return self._paused((), 0.0, self.graph.start_silence_probability)

    def after(self, place: _Place, pronunciations: Iterable[_Labels]) -> _Place:
        """Say a word and pause, or not."""
        lasts = []
        for labels in pronunciations:
            here = place
            for label in labels[:-1]:
                state = self._label(label, here, 0.0)
                ways = ((state, 0.0),)
                here = _Place(self._blank(ways, -math.inf), ways, -math.inf)
            lasts.append((self._label(labels[-1], here, 0.0), 0.0))
        return self._paused(tuple(lasts), -math.inf, self.graph.silence_probability)

    def arrays(
        self,
    ) -> tuple[
        Int32[np.ndarray, " states"],
        Float64[np.ndarray, " states"],
        Int32[np.ndarray, " bounds"],
        Int32[np.ndarray, " edges"],
        Float64[np.ndarray, " edges"],
    ]:
        """Give label and first weight of each state, and what leads to it."""
        return (
            np.array(self.labels, dtype=np.int32),
            np.array(self.begins),
            np.array(self.bounds, dtype=np.int32),
            np.array(self.sources, dtype=np.int32),
            np.array(self.weights),
        )

    def _paused(
        self, ways: tuple[tuple[int, float], ...], begin: float, probability: float
    ) -> _Place:
        """Lay silence, and its omission, behind some states or the beginning."""
        taken, skipped = _log(probability), _log(1.0 - probability)
        before = _Place(self._blank(ways, begin), ways, begin)
        silence = self._label(self.silence, before, taken)
        on = ((silence, 0.0), *((state, cost + skipped) for state, cost in ways))
        return _Place(self._blank(on, begin + skipped), on, begin + skipped)

    def _blank(self, ways: tuple[tuple[int, float], ...], begin: float) -> int:
        return self._state(0, list(ways), begin)

    def _label(self, label: int, place: _Place, weight: float) -> int:
        """A label again needs a blank between."""
        ways = [(s, cost + weight) for s, cost in place.ways if self.labels[s] != label]
        return self._state(label, [*ways, (place.blank, weight)], place.begin + weight)

    def _state(self, label: int, ways: list[tuple[int, float]], begin: float) -> int:
        number = len(self.labels)
        self.labels.append(label)
        self.begins.append(begin)
        self.sources += [number, *(state for state, _ in ways)]
        self.weights += [0.0, *(cost for _, cost in ways)]
        self.bounds.append(len(self.sources))
        return number


def _ends(
    alpha: Float64[np.ndarray, " states"], place: _Place, n_frames: int
) -> Float64[np.ndarray, " ways"]:
    """Give the log-likelihoods of all ways to be at a place after the last frame."""
    if not n_frames:
        return np.array([place.begin])
    return np.array([alpha[place.blank], *(alpha[state] + cost for state, cost in place.ways)])


def _log(probability: float) -> float:
    return math.log(probability) if probability > 0 else -math.inf


@compiled
def _forward(
    log_p: Float64[np.ndarray, "frames tokens"],
    labels: Int32[np.ndarray, " states"],
    begins: Float64[np.ndarray, " states"],
    bounds: Int32[np.ndarray, " bounds"],
    sources: Int32[np.ndarray, " edges"],
    weights: Float64[np.ndarray, " edges"],
    best: bool,
) -> Float64[np.ndarray, " states"]:
    """Log-likelihood of the frames and of being in each state at the last of them."""
    alpha = np.empty(len(labels))
    after = np.empty(len(labels))
    for frame in range(len(log_p)):
        for state in range(len(labels)):
            if frame == 0:
                after[state] = begins[state] + log_p[0, labels[state]]
                continue
            most = -np.inf
            for edge in range(bounds[state], bounds[state + 1]):
                most = max(most, alpha[sources[edge]] + weights[edge])
            total = most
            if not best and most > -np.inf:
                ratio = 0.0
                for edge in range(bounds[state], bounds[state + 1]):
                    less = alpha[sources[edge]] + weights[edge] - most
                    if less > _FAR:
                        ratio += np.exp(less)
                total += np.log(ratio)
            after[state] = total + log_p[frame, labels[state]]
        alpha, after = after, alpha
    return alpha
