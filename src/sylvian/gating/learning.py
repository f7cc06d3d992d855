"""From recordings in which the keyword was said, and others, to the score that unlocks."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from sylvian import config
from sylvian.decode.gate import KeywordSpotter
from sylvian.errors import ConfigError, DataError
from sylvian.evaluate.detection import (
    Detection,
    choose_threshold,
    cross_checked,
    detection,
    detection_curve,
    least_others,
)
from sylvian.evaluate.protocol import Protocol
from sylvian.gating.hearing import encoder_digest
from sylvian.gating.learnt import NAME, LearntGate, sounds_of, strategies_of, told
from sylvian.jobs import Job, encode
from sylvian.runs import RunFolder
from sylvian.text import Lexicon, normalize_sentence
from sylvian.types import Progress, TrialInfo, silent

LEAST_KEYWORDS = 5


@dataclass(frozen=True, slots=True)
class LearnResult:
    """What was learnt about a keyword.

    Attributes:
        run: The run folder.
        split: Where it was learnt.
        keyword: What unlocks.
        threshold: Least score that does, nats a frame; None: no threshold keeps the limit.
        most_false: The limit on false accepts.
        n_keywords: Utterances of the keyword.
        n_others: Other utterances.
        held_out: Both errors with 95 % Wilson intervals, each utterance at a threshold chosen
            without it; None: too few utterances to choose without some.
        strategies: The same at the one threshold, by strategy, where there are several; optimistic.
        figure: The curve, as PDF; PNG and CSV lie beside it.
    """

    run: str
    split: str
    keyword: str
    threshold: float | None
    most_false: float
    n_keywords: int
    n_others: int
    held_out: dict[str, Any] | None
    strategies: dict[str, Any]
    figure: str

    def text(self) -> str:
        """Say it in a few lines."""
        head = (
            f"{self.run}: {self.keyword!r} said in {self.n_keywords} of "
            f"{self.n_keywords + self.n_others} utterances of {self.split}"
        )
        if self.threshold is None:
            needed = least_others(self.most_false)
            return (
                f"{head}\n  no threshold keeps false accepts at {self.most_false:.1%} with 95 % "
                f"confidence, so the gate stays shut; {needed} or more other utterances can prove "
                f"it, there are {self.n_others}"
            )
        lines = [head, f"  unlocks from {self.threshold:.3f} nats a frame on"]
        if self.held_out is None:
            lines.append("  too few utterances to check it on any that did not choose it")
        else:
            lines.append(f"  on utterances that did not choose it: {_rates(self.held_out)}")
        lines += [f"  {name} at this threshold: {_rates(r)}" for name, r in self.strategies.items()]
        return "\n".join([*lines, f"  {self.figure}"])


def learn_gate(
    run: RunFolder,
    keyword: str,
    *,
    split: str = "val",
    most_false: float = 0.05,
    lexicon: Path | None = None,
    out: Path | None = None,
    data: Path | None = None,
    progress: Progress = silent,
) -> LearnResult:
    """Find the score from which on a keyword unlocks; leaves `gate.json` and a figure.

    Cues such as `[DO NOTHING]` count among the other utterances: silence must not unlock either.

    Args:
        run: A finished run.
        keyword: One word or several; the whole utterance has to be it.
        split: Where to learn; not the split that is reported.
        most_false: Largest share of other utterances that may unlock (fraction); the upper end of
            its 95 % interval is held against it.
        lexicon: Pronunciations; None for CMUdict.
        out: The figure, a PDF; None: `gate.pdf` beside the split's files.
        data: Folder of prepared corpora; None for where the run was trained from.
        progress: Told how far the encoder is.

    Raises:
        ConfigError: the split is the reporting one.
        DecodeError: nobody can say the keyword.
        DataError: nobody, or hardly anybody, says it in the split.
    """
    if split.partition("/")[0] != "val":
        raise ConfigError(f"gate: {split} is for reporting; a keyword's threshold is learnt on val")
    job = Job.open(run, split, data=data)
    words = Lexicon.read(lexicon) if lexicon else Lexicon.cmudict()
    spot = KeywordSpotter(keyword, words)
    known = [info for info in job.infos if info.sentence is not None]
    is_keyword = np.array([_says(info, spot.keyword) for info in known], bool)
    _refuse_few(job, spot.keyword, known, int(is_keyword.sum()))
    logits = {one.key: one for one in encode(job, progress)[0]}
    scores = np.array([spot(logits[info.key]) for info in known])
    keywords, others = scores[is_keyword], scores[~is_keyword]
    chosen = choose_threshold(keywords, others, most_false=most_false)
    held = cross_checked(keywords, others, most_false=most_false)
    learnt = LearntGate(
        keyword=spot.keyword,
        sounds=sounds_of(spot.keyword, words),
        encoder=encoder_digest(run),
        split=split,
        most_false=most_false,
        threshold=chosen.threshold if chosen else None,
        n_keywords=len(keywords),
        n_others=len(others),
        held_out=told(held),
        strategies=strategies_of(known),
    )
    run.write(NAME, {"gate": config.dump(learnt)})
    Protocol.open(run.path).selected("keyword threshold", split, [info.key for info in known])
    figure = out or job.folder / "gate.pdf"
    _draw(keywords, others, chosen, held, figure)
    return LearnResult(
        run=str(run.path),
        split=split,
        keyword=spot.keyword,
        threshold=learnt.threshold,
        most_false=most_false,
        n_keywords=len(keywords),
        n_others=len(others),
        held_out=learnt.held_out,
        strategies=_by_strategy(known, is_keyword, scores, chosen),
        figure=str(figure),
    )


def _says(info: TrialInfo, keyword: str) -> bool:
    return normalize_sentence(info.sentence or "") == keyword


def _refuse_few(job: Job, keyword: str, known: Sequence[TrialInfo], n_keywords: int) -> None:
    """Give no threshold where the keyword was hardly ever said; name what could be one."""
    if n_keywords >= LEAST_KEYWORDS:
        return
    said = Counter(normalize_sentence(info.sentence or "") for info in known)
    often = [f"{text!r} ({n} times)" for text, n in said.most_common(3) if n >= LEAST_KEYWORDS]
    instead = f"; said often enough: {', '.join(often)}" if often else ""
    raise DataError(
        f"{job.run.path}: {keyword!r} is said {n_keywords} times in the {len(known)} labelled "
        f"utterances of {job.split}, too few to learn a threshold from; {LEAST_KEYWORDS} or more "
        f"are needed{instead}"
    )


def _by_strategy(
    known: Sequence[TrialInfo],
    is_keyword: np.ndarray,
    scores: Float[np.ndarray, " utterances"],
    chosen: Detection | None,
) -> dict[str, Any]:
    kinds = dict.fromkeys(info.strategy for info in known)
    if chosen is None or len(kinds) < 2:
        return {}
    found: dict[str, Any] = {}
    for kind in kinds:
        own = np.array([info.strategy is kind for info in known])
        said, other = scores[own & is_keyword], scores[own & ~is_keyword]
        if len(said) and len(other):
            found[kind.value] = told(detection(said, other, threshold=chosen.threshold))
    return found


def _draw(
    keywords: Float[np.ndarray, " keywords"],
    others: Float[np.ndarray, " others"],
    chosen: Detection | None,
    held: Detection | None,
    path: Path,
) -> None:
    from sylvian.figures import save
    from sylvian.figures.gates import gate_sheet

    save(gate_sheet(detection_curve(keywords, others), chosen=chosen, held_out=held), path)


def _rates(found: dict[str, Any]) -> str:
    false, missed = found["false_accepts"], found["misses"]
    return (
        f"false accepts {_span(false)} of {found['n_others']}, misses {_span(missed)} of "
        f"{found['n_keywords']}"
    )


def _span(share: dict[str, float]) -> str:
    dash = "\N{EN DASH}"
    return f"{share['value']:.1%} ({share['low']:.1%}{dash}{share['high']:.1%})"
