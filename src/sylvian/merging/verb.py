"""The verb: merge what several runs made of a split, and hold it against the best of them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from sylvian.decode.files import whole
from sylvian.errors import ConfigError
from sylvian.evaluate import word_edits
from sylvian.evaluate.intervals import bootstrap_rate, paired_bootstrap
from sylvian.evaluate.protocol import Protocol
from sylvian.merging.costs import Cost, peak_memory_mb
from sylvian.merging.mergers import MERGERS, MergeConfig, Merged
from sylvian.merging.outcome import MergeResult, MergeRow
from sylvian.merging.systems import System, open_systems, sentences
from sylvian.runs import RunFolder
from sylvian.types import EditCounts, Progress, TrialKey, silent


def merge_runs(
    runs: Sequence[RunFolder],
    split: str,
    *,
    how: MergeConfig | None = None,
    overrides: Sequence[str] = (),
    out: Path | None = None,
    progress: Progress = silent,
) -> MergeResult:
    """Merge what several runs made of a split, an equal vote each, and score it beside them.

    A run's belief in its candidates is the softmax of their total scores; a greedy decode believes
    in one. Each run's protocol notes that the split was looked at.

    Args:
        runs: Decoded runs on the same trials, such as seeds of one recipe.
        split: The split.
        how: Which merger.
        overrides: How its language model reads (`llm`) or is asked (`prompt`), `key=value`.
        out: JSON-lines file for the sentences, with all candidates and their expected errors.
        progress: Told how far it is.

    Raises:
        ConfigError: fewer than two runs, or one twice; a setting that the merger does not have.
        DataError: the runs have other trials, or the labels are withheld.
        DecodeError: logits that cannot be averaged, or candidates that cannot be read.
        CheckpointError: the language model cannot be found or opened.

    Source: paper.md section 5.4.
    """
    how = how or MergeConfig()
    _check(how, overrides, out)
    systems = open_systems(runs, split)
    truth = sentences(systems)
    found = MERGERS[how.by](systems, truth, how, overrides, progress)
    if out is not None:
        _write(out, found)
    for run in (*(one.job.run for one in systems), *((found.run,) if found.run else ())):
        Protocol.open(run.path).opened(split, list(truth))
    return _result(split, how.by, systems, truth, found, out)


def _check(how: MergeConfig, overrides: Sequence[str], out: Path | None) -> None:
    asks = how.by in ("llm", "prompt")
    if asks and how.llm is None:
        raise ConfigError(
            f"merge --by {how.by}: which language model? give --llm smollm2, a folder or a hub's "
            "name"
        )
    wrong = {
        "--llm": how.llm is not None and not asks,
        "--set": bool(overrides) and not asks,
        "--weight": how.weight is not None and how.by != "llm",
        "--mean": how.mean != "geometric" and how.by != "logits",
        "--lm": how.lm is not None and how.by != "logits",
        "--out": out is not None and how.by == "logits",  # its decodes lie in its run folder
    }
    for option in (option for option, is_wrong in wrong.items() if is_wrong):
        raise ConfigError(f"merge --by {how.by}: {option} has no meaning here; leave it out")


# --------------------------------------------------------------------- result


def _result(
    split: str,
    by: str,
    systems: Sequence[System],
    truth: dict[TrialKey, str],
    found: Merged,
    out: Path | None,
) -> MergeResult:
    counts = [_count(truth, one.best) for one in systems]
    together = _count(truth, found.texts)
    rows = [
        _row(one.name, one.decoder, edits, one.cost)
        for one, edits in zip(systems, counts, strict=True)
    ]
    best = min(range(len(counts)), key=lambda i: _rate(counts[i]))
    gain = paired_bootstrap(together, counts[best])
    return MergeResult(
        split=split,
        by=by,
        n_trials=len(truth),
        rows=(*rows, _row("merged", found.decoder, together, found.cost)),
        best=systems[best].name,
        gain=gain.difference,
        gain_low=gain.low,
        gain_high=gain.high,
        gain_p=gain.p,
        notes=(*found.notes, *_unweighed(found.cost)),
        weights=found.weights,
        run=str(found.run.path) if found.run else None,
        peak_memory_mb=peak_memory_mb() if found.computed else None,
        out=str(out) if out else None,
    )


def _unweighed(cost: Cost) -> Iterator[str]:
    if cost.unweighed:
        yield (
            f"MB and models leave out {', '.join(cost.unweighed)}, whose size was not noted when "
            "these sentences were decoded; run 'sylvian decode' again to count it."
        )


def _count(truth: dict[TrialKey, str], said: dict[TrialKey, str]) -> list[EditCounts]:
    return [word_edits(sentence, said[key]) for key, sentence in truth.items()]


def _rate(counts: Sequence[EditCounts]) -> float:
    return sum(counts, EditCounts()).rate


def _row(name: str, decoder: str, counts: Sequence[EditCounts], cost: Cost) -> MergeRow:
    low, high = bootstrap_rate(counts)
    return MergeRow(
        name=name,
        decoder=decoder,
        wer=_rate(counts),
        low=low,
        high=high,
        seconds=cost.seconds,
        seconds_encoder=cost.encoder_s,
        seconds_search=cost.search_s,
        seconds_second_pass=cost.second_pass_s,
        seconds_merger=cost.merger_s,
        n_models=len(cost.weights),
        weights_mb=cost.weights_mb,
    )


def _write(path: Path, found: Merged) -> None:
    with whole(path) as temporary, temporary.open("w", encoding="utf-8") as file:
        for one in found.ranked:
            line: dict[str, Any] = {"key": str(one.key), "text": found.texts[one.key]}
            line |= {"texts": one.texts, "risks": one.risks}
            file.write(f"{json.dumps(line, ensure_ascii=False)}\n")
