"""More candidates out of few: words swapped between hypotheses that differ in them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import combinations

from rapidfuzz.distance import Levenshtein

from sylvian.decode.combine import total_score
from sylvian.decode.config import DecodeConfig
from sylvian.errors import DecodeError
from sylvian.types import Hypothesis, NBest, Scores

PUBLISHED_TOP = 20
PENALTY = 0.01


def enlarge(nbest: NBest, config: DecodeConfig, *, top: int, penalty: float = PENALTY) -> NBest:
    """Add sentences that mix two of the best hypotheses, so that a second pass has more to read.

    Two hypotheses of equally many words are aligned; where one has another word than the other, a
    new sentence takes it over, one word at a time. Acoustic and n-gram scores of a new sentence are
    the mean of its parents' less a share of that mean's size; it has no phonemes. The parents met
    first, those that rank best, give a sentence its scores. The list is sorted by total score.

    Args:
        nbest: A first-pass list.
        config: Weights of the total score.
        top: Mix only so many of the best; below 2 nothing changes. Published: 20.
        penalty: That share. Published: 0.01.

    Raises:
        DecodeError: the list was rescored already: nobody knows a new sentence's other scores.

    Source: formula 4 of paper.md section 5.2 (nejm-brain-to-text).
    """
    if any(h.scores.llm is not None or h.scores.end_to_end is not None for h in nbest.hypotheses):
        raise DecodeError(f"{nbest.key}: enlarge a list before it is rescored, not after")
    ranked = sorted(nbest.hypotheses, key=lambda h: -total_score(h.scores, config))
    known = {hypothesis.text for hypothesis in ranked}
    added = []
    for one, other in combinations([h for h in ranked if h.text][:top], 2):
        scores = _between(one.scores, other.scores, penalty)
        for text in _mixed(one.text.split(), other.text.split()):
            if text not in known:
                known.add(text)
                added.append(Hypothesis(text, (), scores))
    ranked = sorted([*ranked, *added], key=lambda h: -total_score(h.scores, config))
    return NBest(nbest.key, tuple(ranked))


def _mixed(one: Sequence[str], other: Sequence[str]) -> Iterator[str]:
    """Write each of two sentences with one word of the other, at every word they differ in."""
    if len(one) != len(other):
        return
    for edit in Levenshtein.editops(one, other):
        if edit.tag == "replace":
            here, there = edit.src_pos, edit.dest_pos
            yield " ".join([*one[:here], other[there], *one[here + 1 :]])
            yield " ".join([*other[:there], one[here], *other[there + 1 :]])


def _between(one: Scores, other: Scores, penalty: float) -> Scores:
    acoustic, ngram = (one.acoustic + other.acoustic) / 2, (one.ngram + other.ngram) / 2
    return Scores(acoustic - penalty * abs(acoustic), ngram - penalty * abs(ngram), one.n_words)
