"""The report: one HTML file about one or more runs, complete in itself.

No script, no request to anywhere, figures as inline SVG: the file can be mailed, printed and read
in ten years. What a run does not have is said in a sentence where it would have been.
"""

from __future__ import annotations

import base64
import contextlib
import math
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import jinja2
from markupsafe import Markup

from sylvian import __version__
from sylvian.errors import ConfigError
from sylvian.evaluate.report import ALL
from sylvian.figures import examples
from sylvian.figures.accuracy import has_interval, interval, percent, session_name, trials
from sylvian.figures.confusion import Confusion, ranked
from sylvian.figures.nouns import Decode, EpochRow, RunReport, SplitScores, epoch_rows
from sylvian.figures.rate_sheets import (
    kinds_sheet,
    overview_sheet,
    prompt_sheets,
    seen_sheet,
    session_sheet,
    strategy_sheets,
)
from sylvian.figures.run_sheets import confusion_sheet, raster_sheet, training_sheet
from sylvian.figures.sheets import Blank, Sheet
from sylvian.figures.style import numbers_csv
from sylvian.figures.svg import dark_theme, themed_svg
from sylvian.types import Score

__all__ = ["Decode", "EpochRow", "RunReport", "SplitScores", "build_report", "epoch_rows"]

MOST_CONFUSED = 12
NO_PROTOCOL = (
    "There is no record of what was chosen on which trials (protocol.json), so treat every rate "
    "here as optimistic."
)


def build_report(
    runs: Sequence[RunReport], out: Path, *, comparison: Sheet | Blank | None = None
) -> Path:
    """Write the report on `runs` to `out`; the file appears whole or not at all.

    Args:
        runs: In the order they are shown; their names must differ.
        out: The HTML file to write; an older one is replaced.
        comparison: The runs beside each other, trial by trial; None where there is one run.

    Returns:
        `out`.

    Raises:
        ConfigError: there is no run, two have the same name, or `out` cannot be written.
    """
    names = [run.name for run in runs]
    repeated = sorted({name for name in names if names.count(name) > 1})
    if not runs or repeated:
        what = f"run {repeated[0]!r} is given twice" if repeated else "no run is given"
        raise ConfigError(f"report: {what}; name each run once")
    page = (
        _environment()
        .get_template("report.html.j2")
        .render(
            version=__version__,
            dark_theme=dark_theme(),
            rows=[row for place, run in enumerate(runs) for row in _rows(place, run)],
            overview=_shown(overview_sheet(runs), "overview"),
            comparison=_shown(comparison, "comparison") if comparison is not None else None,
            runs=[_view(place, run) for place, run in enumerate(runs)],
        )
    )
    _write(page, out)
    return out


def _write(page: str, out: Path) -> None:
    unfinished = out.with_name(f".{out.name}.{os.getpid()}")
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        # A broken character in someone's sentence must not cost them the report.
        unfinished.write_text(page, encoding="utf-8", errors="replace")
        unfinished.replace(out)
    except OSError as failure:
        with contextlib.suppress(OSError):
            unfinished.unlink()
        raise ConfigError(
            f"{out}: cannot write the report ({failure.strerror}); give another file name"
        ) from failure


@dataclass(frozen=True, slots=True)
class _Shown:
    title: str
    blank: str = ""
    wide: Markup = Markup("")
    narrow: Markup = Markup("")
    caption: str = ""
    csv: str = ""
    name: str = ""


@dataclass(frozen=True, slots=True)
class _Rate:
    value: str
    interval: str
    said: str


@dataclass(frozen=True, slots=True)
class _Row:
    anchor: str
    run: str
    participants: str
    part: bool  # one of several participants; the row above has them all
    encoder: str
    decoder: str
    split: str
    per: _Rate | None
    wer: _Rate | None
    n_trials: str
    time: str


@dataclass(frozen=True, slots=True)
class _Example:
    key: str
    truth: str
    words: tuple[examples.Word, ...]
    verdict: str


@dataclass(frozen=True, slots=True)
class _Examples:
    name: str
    range: str
    shown: tuple[_Example, ...]


@dataclass(frozen=True)
class _Split:
    name: str
    rows: list[_Row]
    notes: list[str]
    sessions: _Shown
    panels: list[_Shown]


@dataclass(frozen=True)
class _RunView:
    anchor: str
    run: RunReport
    protocol: tuple[str, ...]
    time: str
    splits: list[_Split]
    training: _Shown
    confusions: _Shown
    most_confused: list[Confusion]
    rule: str
    bands: list[_Examples]
    raster: _Shown


def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("sylvian", "resources/report"),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters["tight"] = _tight
    return environment


def _tight(text: str) -> str:
    return re.sub(r"(?<=\d) (?=%)", "\N{NO-BREAK SPACE}", text)


def _view(place: int, run: RunReport) -> _RunView:
    anchor = f"run{place + 1}"
    return _RunView(
        anchor=anchor,
        run=run,
        protocol=run.protocol or (NO_PROTOCOL,),
        time=duration(run.seconds),
        splits=[_split(f"{anchor}-s{n}", place, each, run) for n, each in enumerate(run.scores)],
        training=_shown(training_sheet(run), f"{anchor}-training"),
        confusions=_shown(confusion_sheet(run), f"{anchor}-confusions"),
        most_confused=list(ranked(run.confusions)[:MOST_CONFUSED]) if run.confusions else [],
        rule=examples.rule(len(run.decodes), unit=run.decodes_unit),
        bands=[_band(band, run) for band in examples.choose(run.decodes, unit=run.decodes_unit)],
        raster=_shown(raster_sheet(run), f"{anchor}-trial"),
    )


def _split(name: str, place: int, scored: SplitScores, run: RunReport) -> _Split:
    panels = [*strategy_sheets(run, scored), *prompt_sheets(run, scored)]
    panels += [seen_sheet(run, scored), kinds_sheet(scored)]
    return _Split(
        name=f"{scored.split} ({scored.decoder})" if scored.decoder else scored.split,
        rows=[_row(place, run, scored)],
        notes=list(_notes(scored)),
        sessions=_shown(session_sheet(run, scored), f"{name}-sessions"),
        panels=[_shown(sheet, f"{name}-panel{n}") for n, sheet in enumerate(panels, start=1)],
    )


def _rows(place: int, run: RunReport) -> list[_Row]:
    if not run.scores:
        return [_row(place, run, None)]
    rows = []
    for scored in run.scores:
        rows += [_row(place, run, scored)]
        for kind in ("participant:", "strategy:"):
            groups = scored.report.groups(kind)
            rows += [_row(place, run, scored, group) for group in groups if len(groups) > 1]
    return rows


def _row(place: int, run: RunReport, scored: SplitScores | None, group: str = ALL) -> _Row:
    per, wer = ((scored.unit(unit, group) if scored else None) for unit in ("per", "wer"))
    n_trials = scored.report.n_trials if scored else None
    if group != ALL:
        n_trials = max((score.n_trials for score in (per, wer) if score is not None), default=None)
    return _Row(
        anchor=f"run{place + 1}",
        run=run.name,
        participants=session_name(group) if group != ALL else ", ".join(run.participants),
        part=group != ALL,
        encoder=run.encoder,
        decoder=(scored.decoder if scored else None) or run.decoder,
        split=scored.split if scored else "not scored",
        per=_rate(per),
        wer=_rate(wer),
        n_trials="–" if n_trials is None else f"{n_trials:,}",
        time=duration(scored.seconds if scored and group == ALL else None),
    )


def _rate(score: Score | None) -> _Rate | None:
    if score is None:
        return None
    spread = interval(score)
    said = f"95 % interval {spread}" if has_interval(score) else spread
    return _Rate(percent(score.rate), spread, said)


def _notes(scored: SplitScores) -> Iterator[str]:
    if scored.report.zero_shot:
        new = " or ".join(scored.report.zero_shot)
        yield f"Zero-shot: the model learnt no label of {new} speech."
    word, phone = scored.unit("wer"), scored.unit("per")
    if word is None and phone is None:
        yield f"No trial of {scored.split} has labels that could be scored."
    elif word is None:
        yield (
            "There is no word error rate: this run was decoded without a language model, or its "
            "sentences are withheld. Only phonemes are scored."
        )
    elif phone is None:
        yield "There is no phoneme error rate: only sentences were decoded or published."
    for score in (word, phone):
        if score is not None:
            yield from _cautions(score)
    for cue, count in scored.report.cues.items():
        yield f"Left out of every rate: {trials(count)} of the cue {cue}, which is not speech."


def _cautions(score: Score) -> Iterator[str]:
    name, n = score.unit.upper(), score.counts.n_reference
    if not score.counts.n_errors:
        yield (
            f"{name}: no error in {n:,} reference tokens. The bootstrap cannot give such a rate an "
            f"interval; if errors were independent, rates up to {300 / n:.2g} % (3/n) would remain "
            "compatible with it."
        )
    elif not math.isfinite(score.low):
        yield f"{name}: {trials(score.n_trials)}, too few for an interval."


def _band(band: examples.Band, run: RunReport) -> _Examples:
    unit = run.decodes_unit
    shown = tuple(_example(decode, unit) for decode in band.shown)
    low, high = percent(band.low), percent(band.high)
    rates = f"{low} %" if low == high else f"{low}–{high} %"
    return _Examples(band.name, f"{trials(band.n_trials)}, {rates} of {unit} wrong", shown)


def _example(decode: Decode, unit: str) -> _Example:
    n = examples.n_reference(decode, unit=unit)
    noun = unit if n != 1 else unit[:-1]
    edits = "no errors" if not decode.n_errors else f"{decode.n_errors} errors"
    edits = "1 error" if decode.n_errors == 1 else edits
    words = examples.mark_words(decode.truth, decode.hypothesis, unit=unit)
    return _Example(decode.key, decode.truth, words, f"{edits} in {n} {noun}")


def _shown(sheet: Sheet | Blank, name: str) -> _Shown:
    if isinstance(sheet, Blank):
        return _Shown(sheet.title, blank=sheet.sentence)
    narrow = Markup("")
    if sheet.narrow is not None:
        narrow = themed_svg(sheet.narrow, name=f"{name}-n", alt=sheet.alt)
    numbers = base64.b64encode(numbers_csv(sheet.wide).encode()).decode()
    wide = themed_svg(sheet.wide, name=name, alt=sheet.alt)
    return _Shown(sheet.title, "", wide, narrow, sheet.caption, numbers, name)


def duration(seconds: float | None) -> str:
    """Print a time for people; a dash where there is none."""
    if seconds is None or not math.isfinite(seconds):
        return "–"
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes:02d} min" if hours else f"{minutes} min {rest:02d} s"
