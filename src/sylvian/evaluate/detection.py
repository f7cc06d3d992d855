"""How often a gate opens for what was not the keyword, and stays shut for what was."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from jaxtyping import Float

from sylvian.errors import DataError
from sylvian.evaluate.resampling import Share

Keywords = Float[np.ndarray, " keywords"]
Others = Float[np.ndarray, " others"]
_Z = 1.959963984540054  # of a two-sided 95 % interval


def wilson(hits: int | float, n: int | float) -> Share:
    """Give a proportion with its 95 % score interval, which is of use also at 0 of n.

    Args:
        hits: How often it happened.
        n: Out of how many; a fraction where answers of one trial count as fewer.

    Returns:
        All NaN for none of none.

    Source: Wilson 1927; recommended for small n by Brown, Cai and DasGupta 2001.
    """
    if n == 0:
        return Share(math.nan, math.nan, math.nan)
    share, spread = hits / n, _Z**2 / n
    middle = (share + spread / 2) / (1 + spread)
    half = math.sqrt(share * (1 - share) * spread + spread**2 / 4) / (1 + spread)
    return Share(share, max(0.0, middle - half), min(1.0, middle + half))


@dataclass(frozen=True, slots=True)
class Detection:
    """A gate at one threshold.

    Attributes:
        threshold: Least score that opens it.
        false_accepts: Share of other utterances that opened it, with a Wilson interval.
        misses: Share of keywords that did not.
        n_others: Utterances that were not the keyword.
        n_keywords: Utterances that were.
    """

    threshold: float
    false_accepts: Share
    misses: Share
    n_others: int
    n_keywords: int


def detection(keywords: Keywords, others: Others, *, threshold: float) -> Detection:
    """Count false accepts and misses at a threshold.

    Args:
        keywords: Scores of utterances that were the keyword.
        others: Scores of utterances that were not.
        threshold: Least score that opens the gate.

    Raises:
        DataError: there is no utterance at all.
    """
    if not len(keywords) and not len(others):
        raise DataError("detection: no utterance to count; give keywords or other speech")
    return Detection(
        threshold,
        wilson(int((others >= threshold).sum()), len(others)),
        wilson(int((keywords < threshold).sum()), len(keywords)),
        len(others),
        len(keywords),
    )


def detection_curve(
    keywords: Keywords, others: Others, *, thresholds: Sequence[float] | None = None
) -> tuple[Detection, ...]:
    """Count both errors at every threshold that makes a difference, rising.

    Args:
        keywords: Scores of utterances that were the keyword.
        others: Scores of utterances that were not.
        thresholds: Which to try; None: all scores found.
    """
    tried = np.unique(np.concatenate([keywords, others])) if thresholds is None else thresholds
    return tuple(detection(keywords, others, threshold=float(t)) for t in tried)


def choose_threshold(keywords: Keywords, others: Others, *, most_false: float) -> Detection | None:
    """Find the threshold that misses least while false accepts stay below a limit.

    The upper end of the false accepts' interval must be below the limit: five hundred utterances
    without a false accept cannot prove less than 0.8 %.

    Args:
        keywords: Scores of utterances that were the keyword, such as those of a val split.
        others: Scores of utterances that were not.
        most_false: Largest share of false accepts (fraction).

    Returns:
        The strictest threshold that misses no more than the lowest one that holds: the score of
        the faintest keyword it lets through. None where there are too few utterances to prove any.

    Raises:
        DataError: the limit is not between 0 and 1, or a kind of utterance is missing.

    Why here: what else people say is wider than what was recorded, and phrases that sound like the
    keyword lie just below it. A keyword that is missed is said again (one in n + 1 is to be
    expected after n); a thought that was shown cannot be taken back.
    """
    if not 0 < most_false < 1:
        raise DataError(f"detection: {most_false} is no share between 0 and 1")
    if not len(keywords) or not len(others):
        raise DataError("detection: give utterances of the keyword and others to choose between")
    ranked = np.unique(np.concatenate([keywords, others]))
    beyond = np.append(ranked, np.nextafter(ranked[-1], np.inf))
    curve = detection_curve(keywords, others, thresholds=beyond.tolist())
    found = next((one for one in curve if one.false_accepts.high <= most_false), None)
    if found is None:
        return None
    opening = keywords[keywords >= found.threshold]
    strictest = float(opening.min()) if len(opening) else found.threshold
    return detection(keywords, others, threshold=strictest)


def cross_checked(
    keywords: Keywords, others: Others, *, most_false: float, n_folds: int = 5
) -> Detection | None:
    """Count both errors at thresholds that were chosen without the utterance in question.

    Args:
        keywords: Scores of utterances that were the keyword, in the order of recording.
        others: Scores of utterances that were not.
        most_false: As for `choose_threshold`.
        n_folds: Every n-th utterance of either kind is held out together.

    Returns:
        Errors of all folds together, their `threshold` NaN because folds differ in it; None where
        some fold finds no threshold.

    Raises:
        DataError: as for `choose_threshold`, or there are fewer keywords than folds.
    """
    if not 2 <= n_folds <= len(keywords):
        raise DataError(
            f"detection: {len(keywords)} keywords cannot be held out in {n_folds} folds"
        )
    n_false = n_missed = 0
    of_keyword, of_other = np.arange(len(keywords)) % n_folds, np.arange(len(others)) % n_folds
    for fold in range(n_folds):
        chosen = choose_threshold(
            keywords[of_keyword != fold], others[of_other != fold], most_false=most_false
        )
        if chosen is None:
            return None
        n_missed += int((keywords[of_keyword == fold] < chosen.threshold).sum())
        n_false += int((others[of_other == fold] >= chosen.threshold).sum())
    accepted, missed = wilson(n_false, len(others)), wilson(n_missed, len(keywords))
    return Detection(math.nan, accepted, missed, len(others), len(keywords))


def least_others(most_false: float) -> int:
    """Say how many other utterances, none of which opens, prove so small a share of false accepts.

    Source: Wilson's interval at 0 of n ends at z² / (n + z²).
    """
    return math.ceil(_Z**2 * (1 / most_false - 1))
