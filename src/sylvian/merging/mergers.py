"""The four mergers: votes, votes that a language model sways, a question to one, mean logits."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field

from sylvian import config
from sylvian.config import Config
from sylvian.decode.averaging import Mean
from sylvian.decode.consensus import Consensus
from sylvian.decode.scorecache import ScoreCache
from sylvian.evaluate import word_edits
from sylvian.merging import judges
from sylvian.merging.costs import Cost, total
from sylvian.merging.systems import System, open_systems, pools, sentences
from sylvian.runs import RunFolder
from sylvian.types import Progress, TrialKey

if TYPE_CHECKING:
    from sylvian.models.textlm import CausalLm

TUNED_ON = "val"


class MergeConfig(Config):
    """How several runs become one answer."""

    by: Literal["mbr", "llm", "prompt", "logits"] = Field(
        "mbr",
        description="`mbr`: fewest expected wrong words, a vote each; `llm`: the same with votes "
        "swayed by a language model; `prompt`: a language model is asked; `logits`: the encoders' "
        "logits are averaged before the search.",
    )
    llm: str | None = Field(
        None, description="The language model: a folder, a hub's name, smollm2."
    )
    weight: float | None = Field(
        None, ge=0, description="Power of its probabilities, for `llm`; None: chosen on val."
    )
    mean: Mean = Field("geometric", description="Of probabilities, for `logits`.")
    lm: str | None = Field(None, description="N-gram of the search, for `logits`.")


@dataclass(frozen=True)
class Merged:
    """What a merger made of a split.

    Attributes:
        decoder: Its name.
        texts: The sentence of each trial.
        cost: Of all that it needs, the runs included.
        ranked: Candidates and expected errors, where it has any.
        notes: How it came about.
        weights: Of the language model.
        run: The ensemble.
        computed: Whether models ran in this process.
    """

    decoder: str
    texts: dict[TrialKey, str]
    cost: Cost
    ranked: tuple[Consensus, ...] = ()
    notes: tuple[str, ...] = ()
    weights: tuple[float, ...] = ()
    run: RunFolder | None = None
    computed: bool = False


def _by_votes(systems: Sequence[System], truth: dict[TrialKey, str], *_: Any) -> Merged:
    began = time.perf_counter()
    ranked = tuple(pool.consensus() for pool in pools(systems, truth))
    return Merged("minimum risk", _bests(ranked), _cost(systems, began), ranked)


def _by_llm(
    systems: Sequence[System],
    truth: dict[TrialKey, str],
    how: MergeConfig,
    overrides: Sequence[str],
    progress: Progress,
) -> Merged:
    """Let a language model sway the votes, with a weight that saw none of the trials it is for."""
    from sylvian.models.hub import open_text_lm
    from sylvian.models.textlm import TextLmConfig

    lm = open_text_lm(str(how.llm), config=config.override(TextLmConfig(), overrides))
    cache = ScoreCache(systems[0].job.run.path.parent / "rescoring.sqlite")
    began = time.perf_counter()
    found = pools(systems, truth)
    cost = _cost(systems, began, {f"llm {lm.digest}": lm.n_bytes})
    scored = judges.read(found, lm, cache=cache, progress=progress)
    cost += Cost(merger_s=scored.seconds)
    if how.weight is None and systems[0].job.split == TUNED_ON:
        folds = judges.sentence_folds(list(truth.values()))
        ranked, weights = judges.cross_fitted(found, scored.nats, counter(truth), folds)
        shown = ", ".join(f"{weight:g}" for weight in weights)
        note = f"Weight of each fifth, chosen on the others: {shown}."
    else:
        weights, note = _weight(systems, how, lm, cache, progress)
        ranked = [judges.swayed(pool, scored.nats, weights[0]) for pool in found]
    return Merged(
        f"votes + {Path(lm.name).name}",
        _bests(ranked),
        cost,
        tuple(ranked),
        (note, f"{len(scored.nats)} sentences read, {scored.n_known} of them by earlier commands."),
        tuple(weights),
        computed=True,
    )


def _weight(
    systems: Sequence[System], how: MergeConfig, lm: CausalLm, cache: ScoreCache, progress: Progress
) -> tuple[list[float], str]:
    """Take the weight that is asked for, or the best one on the same runs' decodes of val."""
    if how.weight is not None:
        return [how.weight], f"Weight {how.weight:g}, as asked for."
    others = open_systems([one.job.run for one in systems], TUNED_ON)
    truth = sentences(others)
    found = pools(others, truth)
    scored = judges.read(found, lm, cache=cache, progress=progress)
    weight = judges.best_weight(found, scored.nats, counter(truth))
    return [weight], f"Weight {weight:g}, chosen on {len(truth)} trials of {TUNED_ON}."


def _by_prompt(
    systems: Sequence[System],
    truth: dict[TrialKey, str],
    how: MergeConfig,
    overrides: Sequence[str],
    progress: Progress,
) -> Merged:
    from sylvian.models.hub import load_causal
    from sylvian.models.prompted import MergerConfig, PromptedMerger

    asked = config.override(MergerConfig(), overrides)
    model, tokenizer = load_causal(str(how.llm))
    merger = PromptedMerger(model, tokenizer, name=str(how.llm), config=asked)
    began = time.perf_counter()
    found = pools(systems, truth)
    answers = judges.ask(found, merger, progress)
    ranked = tuple(pool.consensus() for pool in found)
    cost = _cost(systems, began, {f"asked {how.llm}": merger.n_bytes})
    notes = (answers.note(),)
    return Merged(
        f"{Path(merger.name).name} asked", answers.texts, cost, ranked, notes, computed=True
    )


def _by_logits(
    systems: Sequence[System],
    truth: dict[TrialKey, str],
    how: MergeConfig,
    overrides: Sequence[str],
    progress: Progress,
) -> Merged:
    from sylvian.merging.averaged import decode_ensemble, make_ensemble

    folder = make_ensemble(systems, mean=how.mean)
    decode_ensemble(folder, systems, lm=how.lm, progress=progress)
    own = System.open(folder, systems[0].job.split)
    told = f"{folder.path}: a run of its own; 'sylvian tune' and 'sylvian rescore' work on it."
    unlike = sorted({one.decoder for one in systems} - {own.decoder})
    notes = [told] + [f"Not searched alike: {own.decoder} here, {other} there." for other in unlike]
    return Merged(
        f"logits averaged ({how.mean})",
        {key: own.best[key] for key in truth},
        own.cost,
        notes=tuple(notes),
        run=folder,
        computed=True,
    )


Merger = Callable[
    [Sequence[System], dict[TrialKey, str], MergeConfig, Sequence[str], Progress], Merged
]
MERGERS: dict[str, Merger] = {
    "mbr": _by_votes,
    "llm": _by_llm,
    "prompt": _by_prompt,
    "logits": _by_logits,
}


def _bests(ranked: Iterable[Consensus]) -> dict[TrialKey, str]:
    return {one.key: one.best for one in ranked}


def _cost(systems: Sequence[System], began: float, weights: dict[str, int] | None = None) -> Cost:
    took = time.perf_counter() - began
    return total(one.cost for one in systems) + Cost(merger_s=took, weights=weights or {})


def counter(truth: dict[TrialKey, str]) -> judges.CountErrors:
    """Count the word edits of a sentence against its trial's."""
    return lambda key, text: word_edits(truth[key], text)
