"""The second pass: a causal language model reads the candidates that the n-gram proposed.

Every candidate keeps the parts of its score; the language model's is added to them, and the lists
are sorted anew by the one total (`decode.combine`). With weight 0 the first pass stands.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from sylvian import config
from sylvian.decode.combine import rerank, rerank_all, with_llm
from sylvian.decode.config import DecodeConfig
from sylvian.decode.io import read_nbest, write_nbest
from sylvian.decode.scorecache import ScoreCache, score_texts
from sylvian.decoding import Rescorer, Setting, in_use
from sylvian.errors import ConfigError, DataError
from sylvian.jobs import Job
from sylvian.outcomes import RescoreResult
from sylvian.types import NBest, Progress, silent

if TYPE_CHECKING:
    from sylvian.models.textlm import CausalLm

NO_LLM = "none"


@dataclass(frozen=True, slots=True)
class Rescored:
    """Lists with the language model's scores, and what they took.

    Attributes:
        nbests: The lists, sorted by the total score.
        n_sentences: Distinct candidates.
        n_known: Those of them that the cache knew.
        seconds: What reading all of them takes.
    """

    nbests: list[NBest]
    n_sentences: int
    n_known: int
    seconds: float = 0.0


def rescore_split(
    job: Job, *, llm: str | None, overrides: Sequence[str], progress: Progress
) -> RescoreResult:
    """Score a split's lists where they lie; `decode.json` says by whom.

    The order follows the weights in use: those `tune` chose, or the ones the split was decoded
    with. Scores are kept beside the runs, so that no sentence is read twice.

    Raises:
        DataError: the split was not decoded with an n-gram.
        ConfigError: no model is named and the run was tuned without one, or an unknown setting.
        CheckpointError: the model cannot be found or opened.
    """
    began = time.perf_counter()
    made, path = job.run.read_optional(f"{job.split}/decode.json"), job.folder / "nbest.jsonl"
    if made is None or not path.is_file():
        raise DataError(
            f"{job.folder}: no n-bests; run 'sylvian decode {job.run.path} --split {job.split}' "
            "with a language model first"
        )
    before, setting = read_nbest(path), in_use(job, made)
    own = Setting.from_json(made).generated
    if llm == NO_LLM:
        rescorer, n_bytes = None, 0
        found = Rescored(without_llm(before, decode=setting.decode, generated=own), 0, 0)
    else:
        lm, rescorer = _open(setting.llm, llm, overrides)
        cache = ScoreCache(job.run.path.parent / "rescoring.sqlite")
        found = rescore(
            before, lm, decode=setting.decode, generated=own, cache=cache, progress=progress
        )
        n_bytes = lm.n_bytes
    seconds = time.perf_counter() - began
    write_nbest(path, found.nbests)
    cost = {"seconds": found.seconds, "weight_bytes": n_bytes} if rescorer else None
    told = {"llm": rescorer and asdict(rescorer), "second_pass": cost}
    job.run.write(f"{job.split}/decode.json", made | told)
    first = [
        [rerank(one, setting.decode, generated=own).best.text for one in lists]
        for lists in (before, found.nbests)
    ]
    return RescoreResult(
        run=str(job.run.path),
        split=job.split,
        n_trials=len(before),
        nbest=str(path),
        llm=rescorer.name if rescorer else None,
        n_sentences=found.n_sentences,
        n_known=found.n_known,
        llm_weight=setting.decode.llm_weight,
        n_changed=sum(old != new for old, new in zip(*first, strict=True)),
        seconds=seconds,
    )


def _open(
    tuned: Rescorer | None, named: str | None, overrides: Sequence[str]
) -> tuple[CausalLm, Rescorer]:
    """Open the model that is asked for, or else the one the run was tuned with."""
    from sylvian.models.hub import open_text_lm
    from sylvian.models.textlm import TextLmConfig

    if named is None and tuned is None:
        raise ConfigError("which language model? give --llm smollm2, a folder or a hub's name")
    name = named or (tuned.name if tuned else "")
    if Path(name).exists():
        name = str(Path(name).resolve())
    start = tuned.reading if tuned and tuned.name == name else {}
    reading = config.override(config.load(TextLmConfig, start), overrides)
    lm = open_text_lm(name, config=reading)
    return lm, Rescorer(name, lm.digest, config.dump(reading))


def rescore(
    nbests: Sequence[NBest],
    lm: CausalLm,
    *,
    decode: DecodeConfig,
    generated: bool = False,
    cache: ScoreCache | None = None,
    progress: Progress = silent,
) -> Rescored:
    """Have a language model score every candidate, and sort the lists by the total score.

    Candidates without words stay, at the end of their lists.

    Args:
        nbests: First-pass lists, or lists that another model rescored.
        lm: The model.
        decode: The weights.
        generated: The lists are an end-to-end model's own: they stay as they are, because the order
            of its search is part of what is known (`combine.rerank`).
        cache: Scores of earlier calls; new ones are added, chunk by chunk.
        progress: Told how many sentences are scored.

    Raises:
        DecodeError: a sentence cannot be scored, or the cache cannot be used.

    Source: paper.md section 5.2, formulas 5 and 6.
    """
    texts = {h.text for nbest in nbests for h in nbest.hypotheses}
    scored = score_texts(texts, lm, cache=cache, progress=progress)
    read = (with_llm(nbest, scored.nats) for nbest in nbests)
    rescored = [one if generated else rerank_all(one, decode) for one in read]
    return Rescored(rescored, len(texts), scored.n_known, scored.seconds)


def without_llm(
    nbests: Iterable[NBest], *, decode: DecodeConfig, generated: bool = False
) -> list[NBest]:
    """Take a language model's scores away again: the first pass as it was."""
    read = (with_llm(nbest, None) for nbest in nbests)
    return [one if generated else rerank_all(one, decode) for one in read]
