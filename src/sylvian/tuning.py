"""How a decoder's weights are chosen: what is tried on the validation split, and what is kept."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace

from sylvian.decoding import Setting, open_graph
from sylvian.errors import DataError
from sylvian.evaluate import word_edits
from sylvian.jobs import Job
from sylvian.outcomes import TuneResult
from sylvian.text import is_cue
from sylvian.types import EditCounts, NBest, Progress, TrialKey

BLANK_PENALTIES = tuple(math.log(odds) for odds in (1, 7, 90))  # none, T12's and T15's published


def tune_weights(job: Job, progress: Progress) -> TuneResult:
    """Choose the weights on the split's n-bests and leave them in `decoder.json`.

    Where a language model rescored the lists, its weight is chosen together with the others, and
    the blank penalty is kept.

    Raises:
        DataError: the split was not decoded with an n-gram, or has no sentences.
    """
    from sylvian.decode.tune import tune
    from sylvian.evaluate import Protocol

    setting, nbests = tunable(job)
    count = word_counter(job)
    before = pooled(nbests, setting, count)
    by_penalty = search_by_penalty(job, setting, nbests, progress)
    outcome = tune(by_penalty, count, config=setting.decode, generated=setting.generated)
    job.run.write("decoder.json", replace(setting, decode=outcome.config).to_json())
    Protocol.open(job.run.path).selected("decoder weights", job.split, [n.key for n in nbests])
    best = outcome.best
    chosen = ["acoustic_scale", "blank_penalty", "word_bonus"]
    chosen += ["llm_weight"] if setting.llm else []
    chosen += ["end_to_end_weight"] if setting.end_to_end else []
    return TuneResult(
        run=str(job.run.path),
        split=job.split,
        n_trials=len(nbests),
        decoder=str(job.run.path / "decoder.json"),
        weights={name: getattr(best, name) for name in chosen},
        wer_before=before.rate,
        wer_after=best.counts.rate,
    )


def tunable(job: Job) -> tuple[Setting, list[NBest]]:
    """Give the n-bests whose sentences are known, and what they were decoded with.

    Raises:
        DataError: the split was not decoded with an n-gram, or has no sentences.
    """
    from sylvian.decode.io import read_nbest

    made, path = job.run.read_optional(f"{job.split}/decode.json"), job.folder / "nbest.jsonl"
    if made is None or not path.is_file():
        raise DataError(
            f"{job.folder}: no n-bests; run 'sylvian decode {job.run.path} --split {job.split}' "
            "with a language model first"
        )
    known = {i.key for i in job.infos if i.sentence and not is_cue(i.sentence)}
    nbests = [nbest for nbest in read_nbest(path) if nbest.key in known]
    if not nbests:
        raise DataError(f"{job.folder}: split {job.split} has no sentences to tune on")
    return Setting.from_json(made), nbests


def word_counter(job: Job) -> Callable[[TrialKey, str], EditCounts]:
    """Count the word edits of a candidate against its trial's sentence."""
    sentences = {info.key: info.sentence or "" for info in job.infos}
    return lambda key, text: word_edits(sentences[key], text)


def pooled(
    nbests: Sequence[NBest], setting: Setting, count: Callable[[TrialKey, str], EditCounts]
) -> EditCounts:
    """Add up the errors of the hypotheses that a setting's weights rank first."""
    from sylvian.decode.combine import rerank

    ranked = (rerank(one, setting.decode, generated=setting.generated) for one in nbests)
    return sum((count(one.key, one.best.text) for one in ranked), EditCounts())


def search_by_penalty(
    job: Job, setting: Setting, nbests: Sequence[NBest], progress: Progress
) -> dict[float, Sequence[NBest]]:
    """Search the split's logits again under other blank penalties, to choose among them.

    Returns:
        Blank penalty (nats) -> n-best lists of the same trials.
    """
    from sylvian.decode.io import read_logits
    from sylvian.decoding.setting import open_first_pass

    wanted = {nbest.key for nbest in nbests}
    found: dict[float, Sequence[NBest]] = {setting.decode.blank_penalty: nbests}
    if setting.llm is not None or setting.end_to_end is not None:
        return found  # the penalty is tuned before the second pass: other lists have no such scores
    graph = open_graph(setting, job.graphs)
    logits = [one for one in read_logits(job.folder / "logits.safetensors") if one.key in wanted]
    for penalty in BLANK_PENALTIES:
        if graph is None or any(abs(penalty - known) < 1e-6 for known in found):
            continue
        first_pass = open_first_pass(setting, graph, blank_penalty=penalty)
        lists = []
        for done, one in enumerate(logits, start=1):
            lists.append(first_pass.decode(one))
            progress(f"blank penalty {penalty:.2f}", done, len(logits), job.run.path.name)
        found[penalty] = lists
    return found
