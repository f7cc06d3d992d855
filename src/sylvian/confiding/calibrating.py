"""Learning on val how sure to be of sentences and words, and from where on to withhold them."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Bool, Float

from sylvian import config
from sylvian.confiding.learnt import NAME, Confidence
from sylvian.confiding.lists import Lists, strategies_of
from sylvian.decode.confidence import (
    Belief,
    believe,
    fit_temperature,
    sentence_features,
    word_features,
)
from sylvian.decoding import Setting, in_use
from sylvian.errors import ConfigError, DataError
from sylvian.evaluate import align, word_edits
from sylvian.evaluate.abstention import Covered, covered, risk_coverage, threshold_for
from sylvian.evaluate.calibration import Calibration, calibration, plain
from sylvian.evaluate.protocol import Protocol
from sylvian.evaluate.recalibration import fit_logistic
from sylvian.jobs import Job
from sylvian.runs import RunFolder
from sylvian.text import counted, is_cue, normalize_sentence
from sylvian.types import TrialInfo

FOLDS = 5


@dataclass(frozen=True, slots=True)
class CalibrateResult:
    """How calibrated a run's confidence is.

    Every sentence's confidence, temperature included, is of maps fitted on other sentences. The
    threshold is one number chosen on all of them: its coverage and error rate are of the sentences
    that chose it, which `wer_most` allows for only by asking for more than was found.

    Attributes:
        run: The run folder.
        split: The split it was fitted on, cross-fitted over folds of its trials.
        n_trials: Sentences.
        raw: Calibration of the untouched shares of the lists, as plain data.
        sentences: Calibration of the fitted sentence confidence.
        words: Calibration of the fitted word confidence.
        most_wrong: Word error rate asked for.
        threshold: Least confidence shown; None where no threshold keeps the limit.
        coverage: Share of sentences shown at it.
        wer: Word error rate of those.
        wer_most: Word error rate of those that is not ruled out (95 %); `most_wrong` at most.
        wer_all: Word error rate of all.
        figure: Reliability and abstention, as PDF; PNG and CSV lie beside it.
        notes: What to keep in mind.
    """

    run: str
    split: str
    n_trials: int
    raw: dict[str, Any]
    sentences: dict[str, Any]
    words: dict[str, Any]
    most_wrong: float
    threshold: float | None
    coverage: float | None
    wer: float | None
    wer_most: float | None
    wer_all: float
    figure: str
    notes: tuple[str, ...] = ()

    def text(self) -> str:
        """Say it in a few lines."""
        kinds = {"lists' shares": self.raw, "sentences": self.sentences, "words": self.words}
        lines = [f"{self.run}: confidence on {self.split}, {self.n_trials} sentences, cross-fitted"]
        lines += [f"  {name}: {_calibrated(found)}" for name, found in kinds.items()]
        return "\n".join([*lines, f"  {self._shown()}", f"  {self.figure}", *self.notes])

    def _shown(self) -> str:
        if self.threshold is None:
            return (
                f"no threshold keeps the word error rate below {100 * self.most_wrong:g}% with "
                f"95 % confidence (all sentences: {self.wer_all:.1%}), so 'sylvian abstain' shows "
                "nothing; give a larger --most-wrong, or learn on more sentences"
            )
        return (
            f"shown from {self.threshold:.3f} on: {self.coverage:.0%} of sentences at "
            f"{self.wer:.1%} WER, at most {self.wer_most:.1%} with 95 % confidence (all: "
            f"{self.wer_all:.1%}); of the sentences that chose this threshold"
        )


def calibrate(run: RunFolder, split: str = "val", *, most_wrong: float = 0.05) -> CalibrateResult:
    """Learn how sure to be of a run's sentences and words, and from where on to withhold them.

    Args:
        run: A run whose split was decoded with an n-gram.
        split: The split to learn on, `val` or a part of it such as `val/imagined`; not the one that
            is reported.
        most_wrong: Word error rate allowed among the sentences that are shown (fraction).

    Raises:
        ConfigError: the split is the reporting one.
        DataError: there are too few sentences, all are right or all wrong, or no lists.
    """
    if split.partition("/")[0] != "val":
        raise ConfigError(f"calibrate: {split} is for reporting; confidence is learnt on val")
    lists = Lists.open(run, split)
    infos = _labelled(lists.job)
    counts = [word_edits(_sentence(i), lists.nbests[i.key].best.text) for i in infos]
    right = np.array([count.n_errors == 0 for count in counts])
    totals = [lists.totals(info.key) for info in infos]
    temperature = fit_temperature(totals, right)
    beliefs = lists.beliefs(infos, temperature)
    words = _words_right(infos, beliefs)
    of_words, owners = words
    sure, of_word = held_out(lambda heat: lists.beliefs(infos, heat), totals, right, words)
    shown = threshold_for(sure, counts, most_wrong=most_wrong)
    learnt = Confidence(
        decoder=lists.decoder,
        split=split,
        temperature=temperature,
        sentences=fit_logistic(sentence_features(beliefs), right),
        words=fit_logistic(word_features(beliefs), of_words),
        most_wrong=most_wrong,
        threshold=shown.threshold if shown else None,
        strategies=strategies_of(infos),
        origin=lists.origin,
    )
    run.write(NAME, {"confidence": config.dump(learnt)})
    Protocol.open(run.path).selected("confidence", split, [info.key for info in infos])
    raw = np.array([believe(lists.nbests[i.key], lists.weights).share for i in infos])
    of_sentences = [calibration(raw, right), calibration(sure, right)]
    by_words = calibration(of_word, of_words, trials=owners)
    figure = lists.job.folder / "confidence.pdf"
    _draw([*of_sentences, by_words], risk_coverage(sure, counts), shown, figure)
    every = covered(sure, counts, threshold=0.0)
    return _result(lists, learnt, of_sentences, by_words, (shown, every), figure)


def held_out(
    believed: Callable[[float], Sequence[Belief]],
    totals: Sequence[Float[np.ndarray, " candidates"]],
    right: Bool[np.ndarray, " trials"],
    words: tuple[Bool[np.ndarray, " words"], Sequence[int]],
) -> tuple[Float[np.ndarray, " trials"], Float[np.ndarray, " words"]]:
    """Give sentences and words confidences of a temperature and maps fitted without their fold.

    Args:
        believed: What the lists believe at a temperature, one a trial.
        totals: Total scores of each trial's candidates, best first (nats).
        right: Whether each best candidate is right.
        words: Whether each of their words is, and of which trial it is.

    Raises:
        DataError: all the other folds' sentences, or words, are right or all wrong.
    """
    of_words, owners = words
    sure, of_word = np.zeros(len(right)), np.zeros(len(of_words))
    folds = np.arange(len(right)) % FOLDS
    for fold in range(FOLDS):
        held, others = folds == fold, np.flatnonzero(folds != fold)
        beliefs = believed(
            fit_temperature([totals[place] for place in others.tolist()], right[others])
        )
        features, by_word, own = sentence_features(beliefs), word_features(beliefs), held[owners]
        sure[held] = fit_logistic(features[~held], right[~held]).confidences(features[held])
        of_word[own] = fit_logistic(by_word[~own], of_words[~own]).confidences(by_word[own])
    return sure, of_word


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
    lists: Lists,
    learnt: Confidence,
    of_sentences: Sequence[Calibration],
    of_words: Calibration,
    shown: tuple[Covered | None, Covered],
    figure: Path,
) -> CalibrateResult:
    at, every = shown
    raw, fitted = of_sentences
    return CalibrateResult(
        run=str(lists.job.run.path),
        split=learnt.split,
        n_trials=fitted.n,
        raw=plain(raw),
        sentences=plain(fitted),
        words=plain(of_words),
        most_wrong=learnt.most_wrong,
        threshold=at.threshold if at else None,
        coverage=at.coverage if at else None,
        wer=at.risk.value if at else None,
        wer_most=at.most if at else None,
        wer_all=every.risk.value,
        figure=str(figure),
        notes=tuple(_made_before(lists)),
    )


def _made_before(lists: Lists) -> Iterator[str]:
    """Say where lists were not made as those of other splits will be, since the run was tuned."""
    job = lists.job
    made = Setting.from_json(lists.origin.made)
    if in_use(job, lists.origin.made).decode != made.decode:
        yield (
            f"{job.folder}: decoded with other settings than the run is tuned to, and "
            "splits are decoded with those from now on; before 'sylvian abstain' run 'sylvian "
            f"decode {job.run.path} --split {job.split}' and this again"
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
