"""One list from two decoders: what the first pass found and what an end-to-end model generated.

Candidates are comparable only where each has every part of the score by the same measure, whoever
proposed it. Which part counts how much is left to `decode.tune`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

from sylvian.decode.arpa import EOS, ArpaModel
from sylvian.decode.combine import rerank_all, with_end_to_end
from sylvian.decode.ctcscore import CtcScorer
from sylvian.errors import DecodeError
from sylvian.text import normalize_sentence
from sylvian.types import Hypothesis, Logits, NBest, Scores

EndToEndScores = Callable[[Sequence[str]], Mapping[str, float | None]]
"""Asked for some texts' log-probabilities (nats) given the recording of one trial; None: the text
is too long for the model to read."""

UNKNOWN_NATS = -20.0
"""N-gram log-probability of a word the model does not know: less than nearly any it does. What a
model gives `<unk>` is the chance of all unknown words together, and some models have none."""


def join(
    first_pass: NBest,
    generated: NBest,
    logits: Logits,
    *,
    ctc: CtcScorer,
    ngram: ArpaModel | None,
    end_to_end: EndToEndScores,
    unknown_nats: float = UNKNOWN_NATS,
) -> NBest:
    """Make one list of all candidates for a trial, each scored anew by every model.

    Texts that normalise alike are one candidate; the first pass' spelling, tokens and frames are
    kept. An empty candidate stays, at the end where others have words. Scores of a rescoring model
    are dropped, because generated texts have none: rescore the joint list.

    Args:
        first_pass: Candidates of the first pass.
        generated: Candidates of the end-to-end model.
        logits: What the CTC head said about the trial.
        ctc: Scores all candidates' acoustics; its config orders the list.
        ngram: Scores all candidates' words; None: nobody does, and all n-gram scores are 0.
        end_to_end: Asked once, for the texts of the list; scores all candidates by the end-to-end
            model, beam search's own numbers included. What it cannot read is left out of the list.
        unknown_nats: For a word the n-gram does not know.

    Raises:
        DecodeError: the parts are of different trials, a logit is not finite, or `end_to_end`
            leaves a text out,
            or can read none.
    """
    keys = {str(part.key) for part in (first_pass, generated, logits)}
    if len(keys) > 1:
        raise DecodeError(f"{', '.join(sorted(keys))}: join lists and logits of one trial")
    proposed = _distinct((*first_pass.hypotheses, *generated.hypotheses))
    texts = [hypothesis.text for hypothesis in proposed]
    acoustic = ctc.score_sentences(logits, texts).tolist()
    scored = tuple(
        replace(own, scores=_scores(own.text, nats, ngram, unknown_nats))
        for own, nats in zip(proposed, acoustic, strict=True)
    )
    nats = end_to_end(texts)
    read = tuple(own for own in scored if nats.get(own.text, 0.0) is not None)
    if not read:
        raise DecodeError(
            f"{logits.key}: the end-to-end model can read none of {len(texts)} candidates; use a "
            "language model with a longer context, or joint=alone"
        )
    known = {text: own for text, own in nats.items() if own is not None}
    nbest = with_end_to_end(NBest(logits.key, read), known)
    return rerank_all(nbest, ctc.config)


def ngram_nats(model: ArpaModel, text: str, *, unknown_nats: float = UNKNOWN_NATS) -> float:
    """Give the log-probability of a text and its end, with a floor for unknown words."""
    total, state = 0.0, model.start()
    for word in (*text.split(), EOS):
        nats, state = model.score(state, word)
        total += nats if word in model.index else unknown_nats
    return total


def _scores(text: str, acoustic: float, ngram: ArpaModel | None, unknown_nats: float) -> Scores:
    nats = ngram_nats(ngram, text, unknown_nats=unknown_nats) if ngram else 0.0
    return Scores(acoustic, nats, n_words=len(text.split()))


def _distinct(proposed: Sequence[Hypothesis]) -> list[Hypothesis]:
    """Keep the first of those whose texts normalise alike."""
    found: dict[str, Hypothesis] = {}
    for hypothesis in proposed:
        found.setdefault(normalize_sentence(hypothesis.text), hypothesis)
    return list(found.values())
