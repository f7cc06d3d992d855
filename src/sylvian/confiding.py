"""How sure a run is of its sentences and words: fitted on val, used elsewhere, and when to abstain.

`confidence.json` in the run folder holds the fitted maps, the lists they are for, and the threshold
below which a sentence is withheld.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool
from pydantic import Field

from sylvian import config
from sylvian.config import Config
from sylvian.decode.combine import total_score
from sylvian.decode.confidence import (
    Belief,
    believe,
    fit_temperature,
    sentence_features,
    word_features,
)
from sylvian.decode.config import DecodeConfig
from sylvian.decode.files import whole
from sylvian.decoding import in_use, read_decodes
from sylvian.errors import ConfigError, DataError
from sylvian.evaluate import align, word_edits
from sylvian.evaluate.abstention import Covered, covered, risk_coverage, threshold_for
from sylvian.evaluate.calibration import Calibration, calibration, plain
from sylvian.evaluate.protocol import Protocol
from sylvian.evaluate.recalibration import Logistic, cross_fitted, fit_logistic
from sylvian.jobs import Job
from sylvian.runs import RunFolder
from sylvian.text import counted, is_cue, normalize_sentence
from sylvian.types import NBest, TrialInfo, TrialKey

NAME = "confidence.json"
FOLDS = 5


class Confidence(Config):
    """What was learnt about a run's lists on one split."""

    decoder: str = Field(description="Where the lists came from; other lists mean other things.")
    split: str = Field(description="Split it was fitted on.")
    temperature: float = Field(gt=0, description="Divides the totals before the softmax.")
    sentences: Logistic = Field(description="From sentence features to confidence.")
    words: Logistic = Field(description="From word features to confidence.")
    most_wrong: float = Field(description="Word error rate asked for among what is shown.")
    threshold: float | None = Field(
        description="Least confidence that is shown; null: no threshold keeps what was asked for."
    )


@dataclass(frozen=True, slots=True)
class CalibrateResult:
    """How calibrated a run's confidence is; all numbers are of trials it was not fitted on.

    Attributes:
        run: The run folder.
        split: The split it was fitted on, cross-fitted over folds of its trials.
        n_trials: Sentences.
        raw: Calibration of the untouched shares of the lists, as plain data.
        sentences: Calibration of the fitted sentence confidence.
        words: Calibration of the fitted word confidence.
        threshold: Least confidence shown; None where no threshold keeps the limit.
        coverage: Share of sentences shown at it.
        wer: Word error rate of those.
        wer_all: Word error rate of all.
        figure: Reliability and abstention, as PDF; PNG and CSV lie beside it.
    """

    run: str
    split: str
    n_trials: int
    raw: dict[str, Any]
    sentences: dict[str, Any]
    words: dict[str, Any]
    threshold: float | None
    coverage: float | None
    wer: float | None
    wer_all: float
    figure: str

    def text(self) -> str:
        """Say it in a few lines."""
        kinds = {"lists' shares": self.raw, "sentences": self.sentences, "words": self.words}
        lines = [f"{self.run}: confidence on {self.split}, {self.n_trials} sentences, cross-fitted"]
        lines += [f"  {name}: {_calibrated(found)}" for name, found in kinds.items()]
        if self.threshold is None or self.wer is None or self.coverage is None:
            lines.append("  no threshold keeps the word error rate asked for; nothing to withhold")
        else:
            lines.append(
                f"  shown from {self.threshold:.3f} on: {self.coverage:.0%} of sentences at "
                f"{self.wer:.1%} WER (all: {self.wer_all:.1%})"
            )
        return "\n".join([*lines, f"  {self.figure}"])


@dataclass(frozen=True, slots=True)
class AbstainResult:
    """Sentences with their confidence on disk, the doubtful ones withheld."""

    run: str
    split: str
    out: str
    n_trials: int
    n_shown: int
    threshold: float

    def text(self) -> str:
        """Say it in one line."""
        return (
            f"{self.out}: {self.n_shown} of {self.n_trials} sentences of {self.split} shown, the "
            f"others are below {self.threshold:.3f} and withheld"
        )


@dataclass(frozen=True)
class _Lists:
    job: Job
    decoder: str
    weights: DecodeConfig
    nbests: dict[TrialKey, NBest]

    @classmethod
    def open(cls, run: RunFolder, split: str) -> _Lists:
        job = Job.open(run, split)
        decodes = read_decodes(job)
        if decodes.nbest is None:
            raise DataError(
                f"{job.folder}: decoded without an n-gram, one candidate a trial says nothing of "
                "its confidence; run 'sylvian decode' with --lm"
            )
        made = run.read_optional(f"{split}/decode.json") or {}
        return cls(job, decodes.decoder, in_use(job, made).decode, decodes.nbest)

    def totals(self, key: TrialKey) -> Any:
        return np.array([total_score(h.scores, self.weights) for h in self.nbests[key].hypotheses])


def calibrate(run: RunFolder, split: str = "val", *, most_wrong: float = 0.05) -> CalibrateResult:
    """Learn how sure to be of a run's sentences and words, and from where on to withhold them.

    Args:
        run: A run whose split was decoded with an n-gram.
        split: The split to learn on; not the one that is reported.
        most_wrong: Word error rate allowed among the sentences that are shown (fraction).

    Raises:
        ConfigError: the split is the reporting one.
        DataError: there are too few sentences, all are right or all wrong, or no lists.
    """
    if split != "val":
        raise ConfigError(f"calibrate: {split} is for reporting; confidence is learnt on val")
    lists = _Lists.open(run, split)
    infos = _labelled(lists.job)
    counts = [word_edits(_sentence(i), lists.nbests[i.key].best.text) for i in infos]
    right = np.array([count.n_errors == 0 for count in counts])
    temperature = fit_temperature([lists.totals(info.key) for info in infos], right)
    beliefs = _beliefs(lists, infos, temperature)
    of_words, owners = _words_right(infos, beliefs)
    folds = [place % FOLDS for place in range(len(infos))]
    features, by_word = sentence_features(beliefs), word_features(beliefs)
    sure = cross_fitted(features, right, folds, fit_logistic)
    of_word = cross_fitted(by_word, of_words, [folds[o] for o in owners], fit_logistic)
    shown = threshold_for(sure, counts, most_wrong=most_wrong)
    learnt = Confidence(
        decoder=lists.decoder,
        split=split,
        temperature=temperature,
        sentences=fit_logistic(features, right),
        words=fit_logistic(by_word, of_words),
        most_wrong=most_wrong,
        threshold=shown.threshold if shown else None,
    )
    run.write(NAME, {"confidence": config.dump(learnt)})
    Protocol.open(run.path).selected("confidence", split, [info.key for info in infos])
    raw = np.array([believe(lists.nbests[i.key], lists.weights).share for i in infos])
    of_sentences = [calibration(raw, right), calibration(sure, right)]
    by_words = calibration(of_word, of_words, trials=owners)
    figure = lists.job.folder / "confidence.pdf"
    _draw([*of_sentences, by_words], risk_coverage(sure, counts), shown, figure)
    every = covered(sure, counts, threshold=0.0)
    return _result(run, split, of_sentences, by_words, (shown, every), figure)


def abstain(run: RunFolder, split: str, out: Path) -> AbstainResult:
    """Write a split's sentences with their confidence; those below the threshold are withheld.

    A line holds the trial's key, the confidence of its sentence, and, where it is shown, its text
    and the confidence of each word. Of a withheld sentence nothing but its confidence is written.

    Args:
        run: A run that `calibrate` was run on.
        split: A decoded split.
        out: JSON-lines file.

    Raises:
        ConfigError: the run was not calibrated, or no threshold was found.
        DataError: the split was not decoded, or by another decoder than was calibrated.
    """
    learnt = learnt_confidence(run)
    lists = _Lists.open(run, split)
    if lists.decoder != learnt.decoder:
        raise DataError(
            f"{lists.job.folder}: decoded by {lists.decoder}, confidence was learnt with "
            f"{learnt.decoder}; decode both alike, or run 'sylvian calibrate {run.path}' again"
        )
    if learnt.threshold is None:
        raise ConfigError(
            f"{run.path}: no threshold keeps the word error rate at {learnt.most_wrong:.1%}; run "
            "'sylvian calibrate' with a larger --most-wrong"
        )
    beliefs = _beliefs(lists, lists.job.infos, learnt.temperature)
    sure = learnt.sentences.confidences(sentence_features(beliefs))
    of_word = iter(learnt.words.confidences(word_features(beliefs)).tolist())
    n_shown = 0
    with whole(out) as temporary, temporary.open("w", encoding="utf-8") as file:
        for info, belief, one in zip(lists.job.infos, beliefs, sure.tolist(), strict=True):
            words = [[word, round(next(of_word), 4)] for word in belief.text.split()]
            line: dict[str, Any] = {"key": str(info.key), "confidence": round(one, 4)}
            if one >= learnt.threshold:
                line |= {"text": belief.text, "words": words}
                n_shown += 1
            file.write(json.dumps(line, ensure_ascii=False) + "\n")
    return AbstainResult(str(run.path), split, str(out), len(beliefs), n_shown, learnt.threshold)


def learnt_confidence(run: RunFolder) -> Confidence:
    """Read what `calibrate` learnt.

    Raises:
        ConfigError: the run was not calibrated.
    """
    found = run.read_optional(NAME)
    if found is None:
        raise ConfigError(f"{run.path}: not calibrated; run 'sylvian calibrate {run.path}' first")
    return config.load(Confidence, found["confidence"])


def _labelled(job: Job) -> list[TrialInfo]:
    known = [info for info in job.infos if info.sentence and not is_cue(info.sentence)]
    if len(known) < 2 * FOLDS:
        raise DataError(
            f"{job.folder}: {counted(len(known), 'known sentence')}; {2 * FOLDS} or more are "
            "needed to learn confidence"
        )
    return known


def _sentence(info: TrialInfo) -> str:
    return normalize_sentence(info.sentence or "")


def _beliefs(lists: _Lists, infos: Sequence[TrialInfo], temperature: float) -> list[Belief]:
    return [
        believe(lists.nbests[info.key], lists.weights, temperature=temperature) for info in infos
    ]


def _words_right(
    infos: Sequence[TrialInfo], beliefs: Sequence[Belief]
) -> tuple[Bool[np.ndarray, " words"], list[int]]:
    """Say of each decoded word whether it is right, and of which trial it is."""
    right: list[bool] = []
    owners: list[int] = []
    for place, (info, belief) in enumerate(zip(infos, beliefs, strict=True)):
        columns = align(_sentence(info).split(), belief.text.split())
        found = [edit.op == "equal" for edit in columns if edit.hypothesis is not None]
        right += found
        owners += [place] * len(found)
    return np.array(right, bool), owners


def _result(
    run: RunFolder,
    split: str,
    of_sentences: Sequence[Calibration],
    of_words: Calibration,
    shown: tuple[Covered | None, Covered],
    figure: Path,
) -> CalibrateResult:
    at, every = shown
    raw, fitted = of_sentences
    return CalibrateResult(
        run=str(run.path),
        split=split,
        n_trials=fitted.n,
        raw=plain(raw),
        sentences=plain(fitted),
        words=plain(of_words),
        threshold=at.threshold if at else None,
        coverage=at.coverage if at else None,
        wer=at.risk.value if at else None,
        wer_all=every.risk.value,
        figure=str(figure),
    )


def _draw(
    found: Sequence[Calibration], curve: Sequence[Covered], shown: Covered | None, path: Path
) -> None:
    from sylvian.figures import save
    from sylvian.figures.confidence import confidence_sheet

    titles = ("Lists' shares", "Sentences, calibrated", "Words, calibrated")
    least = shown.coverage if shown else None
    save(confidence_sheet(dict(zip(titles, found, strict=True)), curve, least=least), path)


def _calibrated(found: dict[str, Any]) -> str:
    dash = "\N{EN DASH}"
    ranked = "" if found["auroc"] is None else f", AUROC {found['auroc']:.3f}"
    return (
        f"ECE {found['ece']:.1%} ({found['ece_low']:.1%}{dash}{found['ece_high']:.1%}; by chance "
        f"{found['by_chance']:.1%}){ranked}, {found['n']} answers, {found['accuracy']:.1%} right"
    )
