"""From trials to a report: pooled error rates of every group worth looking at, with intervals."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass

from sylvian.errors import DataError
from sylvian.evaluate.intervals import bootstrap_rate
from sylvian.evaluate.rates import char_edits, count_edits, word_edits
from sylvian.evaluate.report import ALL, SEEN, UNITS, UNSEEN, ScoreReport
from sylvian.text import is_cue, normalize_sentence
from sylvian.types import EditCounts, Score, Strategy, TrialInfo

__all__ = ["ScoreReport", "TrialResult", "score_trial", "score_trials"]


@dataclass(frozen=True, slots=True)
class TrialResult:
    """What one trial contributes: its edits, and the texts they were counted on.

    Attributes:
        info: The trial.
        per_counts: Phoneme edits, `SIL` included; None where either side has no phonemes.
        wer_counts: Word edits; None where either side has no sentence, or for a cue.
        cer_counts: Character edits; None where `wer_counts` is.
        reference: The prompt as published.
        hypothesis: The decoded sentence.
    """

    info: TrialInfo
    per_counts: EditCounts | None
    wer_counts: EditCounts | None
    cer_counts: EditCounts | None
    reference: str = ""
    hypothesis: str = ""

    def counts(self, unit: str) -> EditCounts | None:
        """Return the edits in one unit: `per`, `wer` or `cer`."""
        return {"per": self.per_counts, "wer": self.wer_counts, "cer": self.cer_counts}[unit]


def score_trial(
    info: TrialInfo, *, text: str | None = None, tokens: Sequence[str] | None = None
) -> TrialResult:
    """Hold one hypothesis against the truth.

    Args:
        info: The trial, with the labels the corpus publishes.
        text: Decoded sentence; None when only phonemes were decoded.
        tokens: Decoded phones and `SIL`, without blanks; None when only a sentence was decoded.

    Raises:
        DataError: the trial has no labels at all: competition trials are written, never scored.
    """
    sentence = info.sentence
    if sentence is None and info.phonemes is None:
        raise DataError(f"{info.key}: no labels in split {info.split!r}; it cannot be scored here")
    per = wer = cer = None
    if not is_cue(sentence or ""):
        if info.phonemes is not None and tokens is not None:
            per = count_edits(info.phonemes, tokens)
        if sentence is not None and text is not None:
            wer, cer = word_edits(sentence, text), char_edits(sentence, text)
    return TrialResult(info, per, wer, cer, sentence or "", text or "")


def score_trials(
    results: Iterable[TrialResult],
    *,
    training_sentences: Collection[str],
    zero_shot: Iterable[Strategy] = (),
    seed: int = 0,
    n_resamples: int = 10_000,
) -> ScoreReport:
    """Pool trials into error rates of all of them and of each group.

    Groups are participants, strategies, prompt sets, sessions, and sentences seen or not.

    A rate is the sum of edits over the sum of reference lengths of a group, never a mean of rates.
    `seen` are trials whose normalised prompt occurs in training word for word. Cues are counted and
    left out of every unit: their labels are instructions, not speech.

    Args:
        results: One result per trial.
        training_sentences: Prompts of the trials the model was trained on, as published; also of
            those that the models it began with were trained on.
        zero_shot: Strategies of which the model learnt no label.
        seed: Seed of the bootstrap.
        n_resamples: Resamples of each interval.

    Raises:
        DataError: a trial occurs twice, or has no labels.
    """
    found = sorted(results, key=lambda result: result.info.key)
    _refuse(found)
    known = {normalize_sentence(sentence) for sentence in training_sentences}
    cues = Counter(r.reference.strip() for r in found if is_cue(r.reference))
    spoken = [r for r in found if not is_cue(r.reference)]
    members: dict[str, list[TrialResult]] = {ALL: [], SEEN: [], UNSEEN: []}
    for result in spoken:
        for group in _groups(result, known):
            members.setdefault(group, []).append(result)
    scores = tuple(
        _score(unit, group, members[group], seed=seed, n_resamples=n_resamples)
        for unit in UNITS
        for group in sorted(members, key=_rank)
    )
    apart = tuple(sorted(strategy.value for strategy in zero_shot))
    return ScoreReport(scores, len(spoken), dict(sorted(cues.items())), apart)


def _refuse(results: Sequence[TrialResult]) -> None:
    repeated = [k for k, n in Counter(r.info.key for r in results).items() if n > 1]
    if repeated:
        raise DataError(f"{repeated[0]}: scored twice; give each trial once")
    for result in results:
        if result.info.sentence is None and result.info.phonemes is None:
            raise DataError(f"{result.info.key}: has no labels; leave it out of scoring")


def _groups(result: TrialResult, known: Collection[str]) -> Iterator[str]:
    key = result.info.key
    yield ALL
    if result.info.sentence is not None:
        yield SEEN if normalize_sentence(result.info.sentence) in known else UNSEEN
    yield f"participant:{key.corpus}/{key.participant}"
    yield f"strategy:{result.info.strategy.value}"
    if result.info.prompt_set is not None:
        yield f"prompt_set:{result.info.prompt_set}"
    yield f"session:{key.session_path}"


def _rank(group: str) -> tuple[int, str]:
    order = (ALL, "participant", "strategy", "prompt_set", SEEN, UNSEEN, "session")
    return order.index(group.partition(":")[0]), group


def _score(
    unit: str, group: str, members: Sequence[TrialResult], *, seed: int, n_resamples: int
) -> Score:
    counts = [c for c in (member.counts(unit) for member in members) if c is not None]
    low, high = bootstrap_rate(counts, seed=seed, n_resamples=n_resamples)
    return Score(unit, group, sum(counts, EditCounts()), low, high, len(counts))
