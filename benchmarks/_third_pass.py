"""Score the first pass' candidates by the phoneme-to-sentence model, and let it write by itself."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float

from _cross_fit import CrossFit
from _phoneme_llm import Texts, Trained
from _second_pass import NO_LLM, WITH_LLM, chosen
from _t15_decodes import ValTrial
from sylvian.decode.combine import rerank, with_end_to_end, with_llm
from sylvian.decode.config import DecodeConfig
from sylvian.decode.io import read_nbest, write_nbest
from sylvian.errors import DataError
from sylvian.models.phoneme_llm import PhonemeLlm
from sylvian.models.sentence_search import BeamConfig
from sylvian.text import Lexicon
from sylvian.text.soundalikes import Sounds
from sylvian.types import NBest, Progress, TrialKey, silent

BEAM = BeamConfig(beams=4, n_best=4, least_tokens=8, tokens_per_s=4.0)
WRITTEN_AT_ONCE = 16  # trials
READ_AT_ONCE = 8
N_HEARD = 1  # phoneme strings a trial that candidates are scored by; 3 were no better
N_READ = 10  # candidates a trial, the best of first pass and SmolLM2 in equal parts
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

    def told(self) -> dict[str, Any]:
        """The figures under the names of the JSON line."""
        named = ("acoustic_scale", "llm_weight", "end_to_end_weight", "word_bonus")
        return {
            "training_seconds": self.training_seconds,
            "scoring_seconds": self.scoring_seconds,
            "weights": [{name: getattr(one, name) for name in named} for one in self.weights],
        }


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
    scored, written = _kept(trained, shortened(lists), keep, progress)
    seconds = time.perf_counter() - began - trained.seconds
    start = DecodeConfig(acoustic_scale=1.0, lm_weight=1.0)
    grid = {"end_to_end_weight": END_TO_END}
    found, weights = chosen(crossed, scored, start, WITH_LLM.model_copy(update=grid))
    plain = [with_llm(one, None) for one in scored]
    without, _ = chosen(crossed, plain, start, NO_LLM.model_copy(update=grid))
    alone = [one.best.text for one in written]
    return ThirdPass(found, without, alone, weights, trained.seconds, seconds)


def shortened(lists: Sequence[NBest]) -> list[NBest]:
    """Keep the candidates that the model reads."""
    equal = DecodeConfig(acoustic_scale=1.0, lm_weight=1.0, llm_weight=0.5)
    return [NBest(one.key, rerank(one, equal).hypotheses[:N_READ]) for one in lists]


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
    scored: list[NBest] = []
    for batch in _batches(own, READ_AT_ONCE):
        scored += score(model, trained, batch, [lists[i] for i in batch])
        progress("score", len(scored), len(own))
    written: list[NBest] = []
    for batch in _batches(own, WRITTEN_AT_ONCE):
        keys = [lists[i].key for i in batch]
        written += model.generate(keys, heard_in(trained, batch), BEAM)
        progress("write", len(written), len(own))
    return scored, written


def score(
    model: PhonemeLlm, trained: Trained, trials: Sequence[int], lists: Sequence[NBest]
) -> list[NBest]:
    """Attach each candidate's log-probability, over which of some strings is the right one."""
    texts = [[h.text for h in one.hypotheses] for one in lists]
    given = np.array([log_shares(trained.trials[i]) for i in trials])
    whole = [np.full(len(own), -np.inf) for own in texts]
    for rank in range(N_HEARD):
        nats = model.score(heard_in(trained, trials, rank), texts)
        whole = [
            np.logaddexp(one, own + log_share)
            for one, own, log_share in zip(whole, nats, given[:, rank], strict=True)
        ]
    return [
        with_end_to_end(one, dict(zip(own, nats.tolist(), strict=True)))
        for one, own, nats in zip(lists, texts, whole, strict=True)
    ]


def log_shares(trial: ValTrial) -> Float[np.ndarray, " strings"]:
    """Give the probability (nats) of the strings that are read, as their scores have it."""
    if trial.n_best is None:
        raise DataError(f"{trial.session}, {trial.sentence!r}: no scored strings")
    scores = np.array(trial.n_best.scores[:N_HEARD])
    return np.asarray(scores - np.logaddexp.reduce(scores))


def heard_in(trained: Trained, trials: Sequence[int], rank: int = 0) -> list[Sounds]:
    """Look up the phoneme string of a rank in each trial; the best is 0."""
    strings = [(trained.trials[i].n_best or trained.trials[i].greedy).hypotheses for i in trials]
    return trained.texts.sounds.listen([own[rank] for own in strings])


def _batches(trials: Sequence[int], size: int) -> list[Sequence[int]]:
    return [trials[first : first + size] for first in range(0, len(trials), size)]
