import json
import math
from dataclasses import replace
from pathlib import Path

import pytest
from rich.console import Console

from sylvian.comparing.tables import system_row
from sylvian.evaluate.report import plain
from sylvian.studies import StudyResult, StudyRow
from sylvian.studies.figure import save_study
from sylvian.studies.outcome import winners
from sylvian.types import EditCounts


def row(label: str, errors: int, *, high: float | None = None, group: str = "tfs") -> StudyRow:
    change = None if high is None else errors / 100 - 0.2
    return StudyRow(
        participant="S15",
        speech="attempted",
        label=label,
        n_seeds=1,
        n_trials=20,
        counts=EditCounts(errors, 0, 0, 100),
        rate=errors / 100,
        low=errors / 100 - 0.1,
        high=errors / 100 + 0.1,
        difference=change,
        difference_low=None if high is None else -0.3,
        difference_high=high,
        p=None if high is None else 0.5,
        hours=None,
        r2=None,
        seconds=1.0,
        runs=("there",),
        unit="wer",
        group=group,
    )


BASE = row("cascade", 20)


def result(*rows: StudyRow) -> StudyResult:
    return StudyResult(
        title="Systems",
        corpus="synthetic",
        split="test",
        against="cascade",
        seeds=(0,),
        overrides=(),
        rows=rows,
        seconds=1.0,
        notes=winners(rows, "cascade"),
    )


def drawn(shown: StudyResult) -> str:
    console = Console(width=80, soft_wrap=False, highlight=False)
    with console.capture() as capture:
        console.print(shown.table())
    return capture.get()


@pytest.mark.parametrize(
    ("others", "told"),
    [
        ((row("joint", 15, high=-0.01),), ": joint won, 15.0 %; below cascade at 95 %."),
        ((row("joint", 15, high=0.01),), ": joint won, 15.0 %; not below cascade at 95 %."),
        ((row("joint", 25, high=0.1),), ": cascade won, 20.0 %."),
    ],
)
def test_the_table_says_what_won(others: tuple[StudyRow, ...], told: str) -> None:
    assert told in winners((BASE, *others), "cascade")[0]


def test_what_has_no_interval_is_written_without_one() -> None:
    blank = {"low": math.nan, "high": math.nan}
    changes = {"difference_low": math.nan, "difference_high": math.nan, "p": math.nan}
    bare = replace(row("joint", 0, high=0.0), **blank, **changes)
    assert winners((BASE, bare), "cascade") == ("S15 attempted, tfs: joint won, 0.0 %.",)
    text = drawn(result(replace(BASE, **blank), bare))
    assert "nan" not in text and "20.0 " in text and " −20.0 " in text
    written = json.loads(json.dumps(plain(result(bare)), allow_nan=False))
    found = system_row(written["rows"][0])
    assert written["rows"][0]["low"] is None and math.isnan(found.score.low)
    assert found.change is not None and math.isnan(found.change.p)


def test_groups_are_compared_apart() -> None:
    rows = (BASE, row("joint", 10, high=-0.1), replace(BASE, group="all"))
    first, second = winners(rows, "cascade")
    assert "tfs: joint won" in first and "all: cascade won" in second


def test_words_are_called_words_and_nothing_is_pretrained() -> None:
    text = drawn(result(BASE, row("end-to-end + cascade", 10, high=-0.1)))
    assert "WER % (95 %)" in text and "hours" not in text and "PER" not in text
    assert "S15 attempted, tfs, n 20" in text and "−10.0 (−30.0 to −10.0)" in text
    assert max(map(len, text.splitlines())) <= 80
    told = drawn(result(replace(BASE, hours=1.0, r2=-0.2, unit="per")))
    assert "hours" in told and " −0.20 " in told


def test_what_sentences_were_pretrained_on_takes_no_room_from_their_rates() -> None:
    changes = {"hours": 1.0, "r2": -0.2}
    rows = replace(BASE, **changes), replace(row("end-to-end + cascade", 10, high=-0.1), **changes)
    text = drawn(result(*rows))
    assert "S15 attempted, tfs: pretrained on 1.00 h, R² −0.20." in text
    assert "−10.0 (−30.0 to −10.0)" in text and "…" not in text


def test_a_figure_has_a_panel_for_each_group(tmp_path: Path) -> None:
    other = replace(BASE, group="all")
    save_study(result(BASE, row("joint", 10, high=-0.1), other), tmp_path / "systems.pdf")
    told = (tmp_path / "systems.csv").read_text()
    assert "wer by S15, attempted speech, tfs" in told and "attempted speech, all" in told
