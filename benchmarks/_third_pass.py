"""Score the first pass' candidates by the phoneme-to-sentence model, and let it write by itself."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from _cross_fit import CrossFit
from _phoneme_llm import Texts, Trained
from _second_pass import NO_LLM, WITH_LLM, chosen
from sylvian.decode.combine import with_end_to_end, with_llm
from sylvian.decode.config import DecodeConfig
from sylvian.decode.io import read_nbest, write_nbest
from sylvian.models.phoneme_llm import PhonemeLlm
from sylvian.models.sentence_search import BeamConfig
from sylvian.text import Lexicon
from sylvian.types import NBest, Progress, TrialKey, silent

BEAM = BeamConfig(beams=4, n_best=4, least_tokens=8, tokens_per_s=4.0)
BATCH = 16  # trials written at once
END_TO_END = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.8, 1.0, 1.5)


@dataclass(frozen=True)
class ThirdPass:
    """What the phoneme-to-sentence model made of the trials.

    Attributes:
        texts: Sentences by acoustics, n-gram, SmolLM2 and it.
        without_llm: The same without SmolLM2 as published.
        alone: What it writes by itself, having only the best phoneme string.
        weights: Those of `texts`, one set a fold.
        training_seconds: 0 where the models were there already.
        scoring_seconds: Of candidates and of writing; 0 where kept.
    """

    texts: list[str]
    without_llm: list[str]
    alone: list[str]
    weights: list[DecodeConfig]
    training_seconds: float
    scoring_seconds: float


def third_pass(
    crossed: CrossFit,
    lists: Sequence[NBest],
    *,
    data: Path,
    lexicon: Lexicon,
    keep: Path,
    progress: Progress = silent,
) -> ThirdPass:
    """Train what is missing, score, write, and tune the weights fold by fold as elsewhere."""
    texts = Texts.read(data, crossed.trials, lexicon)
    trained = Trained(crossed.trials, data, texts, keep, progress)
    began = time.perf_counter()
    scored, written = _kept(trained, lists, keep, progress)
    seconds = time.perf_counter() - began - trained.seconds
    start = DecodeConfig(acoustic_scale=1.0, lm_weight=1.0)
    grid = {"end_to_end_weight": END_TO_END}
    found, weights = chosen(crossed, scored, start, WITH_LLM.model_copy(update=grid))
    plain = [with_llm(one, None) for one in scored]
    without, _ = chosen(crossed, plain, start, NO_LLM.model_copy(update=grid))
    alone = [one.best.text for one in written]
    return ThirdPass(found, without, alone, weights, trained.seconds, seconds)


def _kept(
    trained: Trained, lists: Sequence[NBest], keep: Path, progress: Progress
) -> tuple[list[NBest], list[NBest]]:
    """Score and write fold by fold, or fetch what an earlier run kept.

    SmolLM2's scores are those of `lists`.
    """
    scored: dict[TrialKey, dict[str, float]] = {}
    written: dict[TrialKey, NBest] = {}
    for fold in sorted(set(trained.folds)):
        paths = [keep / f"phoneme-llm-{what}-{fold}.jsonl" for what in ("scored", "written")]
        if not all(path.is_file() for path in paths):
            for path, found in zip(paths, read_fold(trained, lists, fold, progress), strict=True):
                write_nbest(path, found)
        for one in read_nbest(paths[0]):
            scored[one.key] = {h.text: h.scores.end_to_end or 0.0 for h in one.hypotheses}
        written |= {one.key: one for one in read_nbest(paths[1])}
    return [with_end_to_end(one, scored[one.key]) for one in lists], [
        written[one.key] for one in lists
    ]


def read_fold(
    trained: Trained, lists: Sequence[NBest], fold: int, progress: Progress = silent
) -> tuple[list[NBest], list[NBest]]:
    """Score the candidates of a fold's trials, and write sentences for these trials."""
    model = trained.model(fold)
    own = [i for i, other in enumerate(trained.folds) if other == fold]
    scored, written = [], []
    for i in own:
        scored.append(score(model, trained, i, lists[i]))
        progress("score", len(scored), len(own))
    for first in range(0, len(own), BATCH):
        batch = own[first : first + BATCH]
        heard = trained.texts.sounds.listen([_best_string(trained, i) for i in batch])
        written += model.generate([lists[i].key for i in batch], heard, BEAM)
        progress("write", len(written), len(own))
    return scored, written


def score(model: PhonemeLlm, trained: Trained, trial: int, nbest: NBest) -> NBest:
    """Attach the log-probability of each candidate given the trial's best phoneme string."""
    heard = trained.texts.sounds.listen([_best_string(trained, trial)])[0]
    texts = [h.text for h in nbest.hypotheses]
    nats = model.score(heard, texts)
    return with_end_to_end(nbest, dict(zip(texts, nats.tolist(), strict=True)))


def _best_string(trained: Trained, trial: int) -> Sequence[str]:
    heard = trained.trials[trial].n_best or trained.trials[trial].greedy
    return heard.hypotheses[0]
