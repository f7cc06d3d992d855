"""Several runs, one answer a trial: their candidates merged by minimum Bayes risk."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sylvian.decode.config import DecodeConfig
from sylvian.decode.consensus import Beliefs, Consensus, beliefs, minimum_risk
from sylvian.decode.files import whole
from sylvian.decoding import in_use, read_decodes
from sylvian.errors import ConfigError, DataError
from sylvian.evaluate import word_edits
from sylvian.evaluate.intervals import bootstrap_rate, paired_bootstrap
from sylvian.evaluate.protocol import Protocol
from sylvian.jobs import Job
from sylvian.runs import RunFolder
from sylvian.text import is_cue
from sylvian.types import EditCounts, TrialKey

if TYPE_CHECKING:
    from rich.table import Table


@dataclass(frozen=True, slots=True)
class MergeRow:
    """One system's words; rates are fractions.

    Attributes:
        name: The run, or `merged`.
        decoder: Where its candidates came from.
        wer: Word error rate.
        low: Lower end of its 95 % interval.
        high: Upper end.
        seconds: Encoder and search, of all runs for the merged row.
    """

    name: str
    decoder: str
    wer: float
    low: float
    high: float
    seconds: float


@dataclass(frozen=True, slots=True)
class MergeResult:
    """Runs beside their merger.

    Attributes:
        split: The split.
        n_trials: Trials that were scored.
        rows: The runs in the order given, the merger last.
        gain: Merger minus the best run, chosen on these very trials and so the hardest to beat.
        gain_low: Lower end of its paired 95 % interval.
        gain_high: Upper end.
        out: File of the merged candidates, if one was asked for.
    """

    split: str
    n_trials: int
    rows: tuple[MergeRow, ...]
    gain: float
    gain_low: float
    gain_high: float
    out: str | None = None

    def table(self) -> Table:
        """Draw the rows for the terminal."""
        from rich.box import SIMPLE_HEAD
        from rich.table import Table

        dash, minus = "\N{EN DASH}", "\N{MINUS SIGN}"
        gain, low, high = (
            f"{100 * value:+.1f}".replace("-", minus)
            for value in (self.gain, self.gain_low, self.gain_high)
        )
        table = Table(
            title=f"{len(self.rows) - 1} runs on {self.split}, {self.n_trials} trials",
            caption=f"Merged minus the best of them: {gain} ({low} to {high}), paired 95 %.",
            box=SIMPLE_HEAD,
            pad_edge=False,
        )
        table.title_justify = table.caption_justify = "left"
        table.add_column("", no_wrap=True)
        table.add_column("decoder", no_wrap=True)
        for name in ("WER % (95 %)", "seconds"):
            table.add_column(name, justify="right", no_wrap=True)
        for row in self.rows:
            rate = f"{100 * row.wer:.1f} ({100 * row.low:.1f}{dash}{100 * row.high:.1f})"
            table.add_row(row.name, row.decoder, rate, f"{row.seconds:.1f}")
        return table


@dataclass(frozen=True)
class _System:
    job: Job
    decoder: str
    said: dict[TrialKey, Beliefs]
    best: dict[TrialKey, str]
    seconds: float


def merge_runs(runs: Sequence[RunFolder], split: str, *, out: Path | None = None) -> MergeResult:
    """Merge what several runs made of a split, an equal vote each, and score it beside them.

    A run's belief in its candidates is the softmax of their total scores; a greedy decode believes
    in one. Each run's protocol notes that the split was looked at.

    Args:
        runs: Decoded runs on the same trials, such as seeds of one recipe.
        split: The split.
        out: JSON-lines file for the candidates and their expected errors.

    Raises:
        ConfigError: fewer than two runs, or one twice.
        DataError: the runs have other trials, or the labels are withheld.
    """
    if len({run.path.resolve() for run in runs}) < max(2, len(runs)):
        raise ConfigError("merge: give two or more different runs, such as seeds of one recipe")
    systems = [_system(run, split) for run in runs]
    infos = systems[0].job.infos
    for one in systems[1:]:
        if {info.key for info in one.job.infos} != {info.key for info in infos}:
            raise DataError(
                f"{one.job.folder}: not the trials of {systems[0].job.folder}; merge runs of one "
                "corpus, participant and split rule"
            )
    truth = {i.key: i.sentence for i in infos if i.sentence and not is_cue(i.sentence)}
    if len(truth) < 2:
        raise DataError(
            f"{systems[0].job.folder}: {len(truth)} sentences are known in split {split}; an "
            "interval needs two"
        )
    merged = {key: minimum_risk(key, [one.said[key] for one in systems]) for key in truth}
    if out is not None:
        _write(out, merged.values())
    for one in systems:
        Protocol.open(one.job.run.path).opened(split, list(truth))
    return _result(split, systems, truth, {k: found.best for k, found in merged.items()}, out)


def _system(run: RunFolder, split: str) -> _System:
    job = Job.open(run, split)
    decodes = read_decodes(job)
    made: dict[str, Any] = run.read_optional(f"{split}/decode.json") or {}
    weights: DecodeConfig = in_use(job, made).decode
    lists = decodes.nbest or decodes.greedy
    return _System(
        job,
        decodes.decoder,
        {key: beliefs(nbest, weights) for key, nbest in lists.items()},
        {key: nbest.best.text for key, nbest in lists.items()},
        made["result"]["seconds_encoder"] + made["result"]["seconds_search"],
    )


def _result(
    split: str,
    systems: Sequence[_System],
    truth: dict[TrialKey, str],
    merged: dict[TrialKey, str],
    out: Path | None,
) -> MergeResult:
    counts = [_count(truth, one.best) for one in systems]
    together = _count(truth, merged)
    rows = [
        _row(one.job.run.path.name, one.decoder, edits, one.seconds)
        for one, edits in zip(systems, counts, strict=True)
    ]
    seconds = math.fsum(one.seconds for one in systems)
    rows.append(_row("merged", "minimum risk", together, seconds))
    gain = paired_bootstrap(together, min(counts, key=_rate))
    return MergeResult(
        split=split,
        n_trials=len(truth),
        rows=tuple(rows),
        gain=gain.difference,
        gain_low=gain.low,
        gain_high=gain.high,
        out=str(out) if out else None,
    )


def _count(truth: dict[TrialKey, str], said: dict[TrialKey, str]) -> list[EditCounts]:
    return [word_edits(sentence, said[key]) for key, sentence in truth.items()]


def _rate(counts: Sequence[EditCounts]) -> float:
    return sum(counts, EditCounts()).rate


def _row(name: str, decoder: str, counts: Sequence[EditCounts], seconds: float) -> MergeRow:
    low, high = bootstrap_rate(counts)
    return MergeRow(name, decoder, _rate(counts), low, high, seconds)


def _write(path: Path, merged: Iterable[Consensus]) -> None:
    with whole(path) as temporary, temporary.open("w", encoding="utf-8") as file:
        for found in merged:
            line = {"key": str(found.key), "texts": found.texts, "risks": found.risks}
            file.write(f"{json.dumps(line, ensure_ascii=False)}\n")
