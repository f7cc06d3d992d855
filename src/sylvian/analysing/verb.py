"""The verb: open runs, look at every layer, write numbers and a figure."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
from jaxtyping import Float32

from sylvian import config
from sylvian.analyses import plain
from sylvian.analysing.findings import (
    AnalyseConfig,
    Finding,
    Row,
    find_cka,
    find_lda,
    find_pca,
    find_rsa,
    find_words,
)
from sylvian.decode.files import whole
from sylvian.errors import ConfigError, DataError
from sylvian.evaluate.protocol import Protocol
from sylvian.representations import Representations, every_strategy, represent, text_vectors
from sylvian.runs import ANALYSES as KEPT
from sylvian.runs import environment
from sylvian.types import Progress, silent

if TYPE_CHECKING:
    from rich.table import Table

    from sylvian.jobs import Job
    from sylvian.runs import RunFolder

__all__ = ["ANALYSES", "AnalyseConfig", "AnalysisResult", "analyse"]

Analysis = Literal["rsa", "pca", "lda", "cka", "words"]
ANALYSES = ("rsa", "pca", "lda", "cka", "words")
LLM = "smollm2"
_SHOWN = 40  # lines of a table on the terminal
_COLUMNS = {
    "rsa": ("run", "task", "layer", "r", "p", "n"),
    "lda": ("run", "layer", "balanced_accuracy", "p", "n"),
    "words": ("run", "layer", "difference", "p", "nearest", "n"),
    "cka": ("layer", "other", "cka", "p", "n"),
    "pca": ("run", "layer", "word", "task", "pc1", "pc2"),
}
_WITH_INTERVAL = ("r", "balanced_accuracy", "difference", "cka")


@dataclass(frozen=True, slots=True)
class AnalysisResult:
    """What an analysis found and wrote.

    Attributes:
        analysis: Its name.
        split: The split.
        rows: One line for each number.
        files: What was written.
        notes: What to keep in mind.
    """

    analysis: str
    split: str
    rows: tuple[Row, ...]
    files: tuple[str, ...]
    notes: tuple[str, ...]

    def table(self) -> Table:
        """Draw the rows for the terminal."""
        from rich.box import SIMPLE_HEAD
        from rich.table import Table

        more = len(self.rows) - _SHOWN
        left_out = [f"{more} more rows in {self.files[0]}"] if more > 0 else []
        why = list(dict.fromkeys(str(row["note"]) for row in self.rows if row.get("note")))
        table = Table(
            title=f"{self.analysis} on {self.split}; in brackets 95 % intervals",
            caption="\n".join([*self.notes, *why, *left_out, *self.files]),
            box=SIMPLE_HEAD,
            pad_edge=False,
        )
        table.title_justify = table.caption_justify = "left"
        names = _COLUMNS[self.analysis]
        for name in names:
            table.add_column(name.replace("_", " "), no_wrap=True)
        for row in self.rows[:_SHOWN]:
            table.add_row(*(_cell(row, name) for name in names))
        return table


def analyse(
    analysis: str,
    runs: Sequence[RunFolder],
    split: str,
    *,
    out: Path | None = None,
    llm: str = LLM,
    participant: str | None = None,
    overrides: Sequence[str] = (),
    data: Path | None = None,
    progress: Progress = silent,
) -> AnalysisResult:
    """Analyse what runs make of a split; write JSON, and a figure as PDF, PNG and CSV.

    Trials of every strategy are looked at, also of those a run was not trained on. Each run's
    protocol notes that the split was looked at.

    Args:
        analysis: One of `ANALYSES`.
        runs: Finished runs; `cka` takes one or two.
        split: The split.
        out: Folder to write to; None: `analyses` in the folder of the first run, where `figure`
            looks for it.
        llm: Language model that `rsa` compares with.
        participant: Whose trials; None where a run has one participant.
        overrides: Dotted `key=value` of `AnalyseConfig`.
        data: Folder of prepared corpora; None for where the runs were trained from.
        progress: Told how far it is.

    Raises:
        ConfigError: no such analysis or setting, or a run twice.
        DataError: what the analysis needs was not recorded, or runs are of different trials of one
            participant.
        CheckpointError: a run is not finished, or a model cannot be opened.
    """
    if analysis not in ANALYSES:
        raise ConfigError(f"no analysis {analysis!r}; there are: {', '.join(ANALYSES)}")
    if len({run.path.resolve() for run in runs}) < max(1, len(runs)):
        raise ConfigError("analyse: give one or more different runs")
    setting = config.override(AnalyseConfig(), overrides)
    jobs = [every_strategy(run, split, participant=participant, data=data) for run in runs]
    _require_same_trials(jobs)
    found = []
    for job in jobs:
        needs_words = analysis in ("pca", "words")
        found.append(
            represent(job, n_segments=setting.n_segments, words=needs_words, progress=progress)
        )
        Protocol.open(job.run.path).opened(split, [info.key for info in found[-1].infos])
    finding = _find(analysis, found, setting, llm, progress)
    finding = Finding(finding.rows, finding.figure, (*_borrowed(found), *finding.notes))
    told: dict[str, object] = {
        "analysis": analysis,
        "split": split,
        "runs": [str(run.path) for run in runs],
        "llm": llm if analysis == "rsa" else None,
        "config": config.dump(setting),
        "environment": environment(
            Path(runs[0].environment["data"]), runs[0].environment["data_digest"]
        ),
    }
    folder = runs[0].path / KEPT if out is None else out
    files = _write(finding, folder / f"{analysis}-{split.replace('/', '-')}", told)
    rows = tuple(plain(row) for row in finding.rows)
    return AnalysisResult(analysis, split, rows, tuple(map(str, files)), finding.notes)


def _require_same_trials(jobs: Sequence[Job]) -> None:
    """Refuse to set runs beside each other that split one participant's trials differently."""
    known: dict[tuple[str, str], Job] = {}
    for job in jobs:
        key = job.infos[0].key
        first = known.setdefault((key.corpus, key.participant), job)
        if {info.key for info in first.infos} != {info.key for info in job.infos}:
            raise DataError(
                f"{job.run.path}: {len(job.infos)} trials in split {job.split}, not the "
                f"{len(first.infos)} of {first.run.path}; compare runs of one split rule"
            )


def _find(
    analysis: str,
    found: Sequence[Representations],
    setting: AnalyseConfig,
    llm: str,
    progress: Progress,
) -> Finding:
    def embed(texts: Sequence[str]) -> Float32[np.ndarray, "sentences width"]:
        return text_vectors(llm, texts, layer=setting.llm_layer, progress=progress)

    if analysis == "rsa":
        return find_rsa(found, setting, embed)
    without_text = {"pca": find_pca, "lda": find_lda, "cka": find_cka, "words": find_words}
    return without_text[analysis](found, setting)


def _borrowed(found: Sequence[Representations]) -> list[str]:
    return [
        f"{one.name}: no layers for {', '.join(one.borrowed)}; the nearest day's were used"
        for one in found
        if one.borrowed
    ]


def _write(finding: Finding, stem: Path, told: dict[str, object]) -> list[Path]:
    """Write what was found; the figure's CSV has every number that is plotted."""
    from sylvian.figures import save

    path = stem.with_suffix(".json")
    content = told | {"rows": plain(finding.rows), "notes": list(finding.notes)}
    with whole(path) as temporary:
        temporary.write_text(json.dumps(content, indent=1, allow_nan=False) + "\n")
    figures = save(finding.figure, stem) if finding.figure is not None else ()
    return [path, *figures]


def _cell(row: Row, name: str) -> str:
    said = f"{row[name]:.2g}" if name == "p" and row[name] is not None else _number(row[name])
    if name not in _WITH_INTERVAL or row["low"] is None:
        return said
    return f"{said} ({_number(row['low'])} to {_number(row['high'])})"


def _number(value: object) -> str:
    if value is None:
        return "\N{EN DASH}"
    return (
        f"{value:z.3f}".replace("-", "\N{MINUS SIGN}") if isinstance(value, float) else str(value)
    )
