"""All error analyses of one decoding at once, from plain trials."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import pairwise
from typing import Any

from sylvian.errors import DataError
from sylvian.evaluate.breakdown import (
    rates_by,
    rates_by_frequency,
    rates_by_length,
    rates_by_position,
)
from sylvian.evaluate.confusion import Confusions, count_confusions
from sylvian.evaluate.intervals import LEAST_TRIALS
from sylvian.evaluate.oracle import OracleRate, oracle_rates
from sylvian.evaluate.pairs import PAPER, ConfusedPair, confused_pairs
from sylvian.evaluate.repairs import Repairs, compare_decoders
from sylvian.evaluate.report import blank
from sylvian.evaluate.word_errors import (
    NearHomophones,
    WordErrors,
    count_word_errors,
    near_homophones,
)
from sylvian.text import Lexicon, counted, is_cue, normalize_sentence
from sylvian.types import Score


@dataclass(frozen=True, slots=True)
class DecodedTrial:
    """One trial beside everything that was made of it.

    Attributes:
        session: Recording day.
        prompt_set: Text the prompt came from, if known.
        sentence: The prompt as published.
        phonemes: True phonemes with `SIL`; None where unknown.
        tokens: Decoded phonemes; None where none were decoded.
        systems: Sentence by each decoder, the plainest first, the one that is reported last.
        candidates: The reported decoder's list, best first; empty where there is none.
        strategy: What the participant did; empty where unknown.
    """

    session: str
    prompt_set: str | None
    sentence: str
    phonemes: tuple[str, ...] | None
    tokens: tuple[str, ...] | None
    systems: Mapping[str, str]
    candidates: tuple[str, ...] = ()
    strategy: str = ""

    @property
    def said(self) -> str:
        """What the reported decoder said."""
        return list(self.systems.values())[-1]


@dataclass(frozen=True)
class ErrorAnalysis:
    """What is wrong with a decoding, and where.

    Attributes:
        n_trials: Sentences looked at; instructions are not among them.
        system: The decoder whose words are analysed.
        phonemes: Aligned phoneme counts; None where phonemes are unknown.
        pairs: Phonemes taken for each other, the paper's pairs in any case.
        words: Aligned word errors.
        near: Near-homophones among the substitutions; None where nothing was substituted.
        rates: Word error rates by `session`, `prompt_set`, `length`, `frequency`, `position`,
            and by `strategy` where there are several.
        oracle: By depth of the lists; empty where there are no lists.
        repairs: What each decoder fixed and broke of what the one before it said, by its name.
    """

    n_trials: int
    system: str
    phonemes: Confusions | None
    pairs: tuple[ConfusedPair, ...]
    words: WordErrors
    near: NearHomophones | None
    rates: Mapping[str, tuple[Score, ...]]
    oracle: tuple[OracleRate, ...]
    repairs: Mapping[str, Repairs]

    def to_json(self) -> dict[str, Any]:
        """Give every number as plain data; None where it means nothing."""
        found: dict[str, Any] = _finite(
            {
                "n_trials": self.n_trials,
                "system": self.system,
                "phonemes": None if self.phonemes is None else asdict(self.phonemes.counts),
                "pairs": [asdict(pair) | {"count": pair.count} for pair in self.pairs],
                "words": {
                    "n_words": self.words.n_words,
                    "n_substitutions": self.words.n_substitutions,
                    "n_pairs": len(self.words.pairs),
                    "n_seen_twice": self.words.seen(2).n_substitutions,
                    "n_pairs_seen_twice": len(self.words.seen(2).pairs),
                    "worst": self.words.worst(),
                },
                "near_homophones": None if self.near is None else asdict(self.near),
                "rates": {kind: list(map(_row, scores)) for kind, scores in self.rates.items()},
                "oracle": [
                    {"depth": o.depth, "mean_candidates": o.mean_candidates} | _row(o.score)
                    for o in self.oracle
                ],
                "repairs": {name: asdict(one) for name, one in self.repairs.items()},
            }
        )
        return found


def analyse_errors(
    trials: Iterable[DecodedTrial], *, lexicon: Lexicon, training_sentences: Iterable[str]
) -> ErrorAnalysis:
    """Run every error analysis; instructions such as `[DO NOTHING]` are left out.

    Args:
        trials: Decoded trials with known sentences.
        lexicon: Pronunciations for near-homophones.
        training_sentences: Text whose word counts say which words are rare.

    Raises:
        DataError: fewer than `LEAST_TRIALS` sentences are left, or trials differ in their decoders.
    """
    spoken = [trial for trial in trials if not is_cue(trial.sentence)]
    if len(spoken) < LEAST_TRIALS:
        raise DataError(
            f"error analysis: {counted(len(spoken), 'sentence')}; give {LEAST_TRIALS} or more"
        )
    names = [tuple(trial.systems) for trial in spoken]
    if len(set(names)) > 1 or not names[0]:
        raise DataError("error analysis: give every trial the same decoders' sentences, in order")
    heard = [(t.phonemes, t.tokens) for t in spoken if t.phonemes and t.tokens is not None]
    sentences = [(trial.sentence, trial.said) for trial in spoken]
    words = count_word_errors(sentences)
    known = Counter(
        word for text in training_sentences for word in normalize_sentence(text).split()
    )
    return ErrorAnalysis(
        n_trials=len(spoken),
        system=names[0][-1],
        phonemes=count_confusions(heard) if heard else None,
        pairs=confused_pairs(heard, named=PAPER) if heard else (),
        words=words,
        near=near_homophones(sentences, lexicon) if words.pairs else None,
        rates=dict(_rates(spoken, sentences, known)),
        oracle=_oracle(spoken),
        repairs={
            f"{a} \N{RIGHTWARDS ARROW} {b}": compare_decoders(
                *([trial.sentence for trial in spoken], _by(spoken, a), _by(spoken, b))
            )
            for a, b in pairwise(names[0])
        },
    )


def _by(trials: Sequence[DecodedTrial], system: str) -> list[str]:
    return [trial.systems[system] for trial in trials]


def _rates(
    trials: Sequence[DecodedTrial], sentences: list[tuple[str, str]], known: Mapping[str, int]
) -> Iterator[tuple[str, tuple[Score, ...]]]:
    yield "session", rates_by(sentences, [trial.session for trial in trials], kind="session")
    done = [trial.strategy or "unknown" for trial in trials]
    if len(set(done)) > 1:
        yield "strategy", rates_by(sentences, done, kind="strategy")
    sets = [trial.prompt_set for trial in trials]
    if any(sets):
        named = [name or "unknown" for name in sets]
        yield "prompt_set", rates_by(sentences, named, kind="prompt_set")
    yield "length", rates_by_length(sentences)
    yield "frequency", rates_by_frequency(sentences, known)
    yield "position", rates_by_position(sentences)


def _oracle(trials: Sequence[DecodedTrial]) -> tuple[OracleRate, ...]:
    if not all(trial.candidates for trial in trials):
        return ()
    return oracle_rates([t.sentence for t in trials], [t.candidates for t in trials])


def _row(score: Score) -> dict[str, Any]:
    return {
        "group": score.group,
        "rate": score.rate,
        "low": score.low,
        "high": score.high,
        "n_trials": score.n_trials,
        "n_reference": score.counts.n_reference,
    }


def _finite(value: Any) -> Any:
    """Replace NaN by None throughout, and keys that are numbers by text, for JSON."""
    if isinstance(value, dict):
        return {str(key): _finite(inner) for key, inner in value.items()}
    if isinstance(value, (list, tuple)) and not hasattr(value, "_asdict"):
        return [_finite(inner) for inner in value]
    if hasattr(value, "_asdict"):
        return _finite(value._asdict())
    return blank(value) if isinstance(value, float) else value
