from pathlib import Path

from sylvian import pipeline
from sylvian.comparing import comparison_sheet
from sylvian.figures.sheets import Blank, Sheet
from tiny.decoded import Maker

S15 = "participant=S15"


def test_a_report_on_several_runs_compares_them(make: Maker, tmp_path: Path) -> None:
    runs = [make("rnn", S15, wrong=0.6), make("tfs", S15, wrong=0.2)]
    sheet = comparison_sheet(runs)
    assert isinstance(sheet, Sheet)
    assert sheet.caption.startswith("Trials of test. Simulated participants")
    assert "S15, attempted: rnn PER" in sheet.alt
    page = Path(pipeline.report(runs, tmp_path / "both.html").report).read_text()
    assert "Systems beside each other" in page
    assert 'download="comparison.csv"' in page


def test_one_run_is_compared_with_none(make: Maker) -> None:
    assert comparison_sheet([make("rnn", S15, wrong=0.6)]) is None


def test_runs_that_cannot_be_compared_say_why(make: Maker) -> None:
    apart = [make("rnn", S15), make("tfs", "participant=S16")]
    sheet = comparison_sheet(apart)
    assert isinstance(sheet, Blank)
    assert "no two systems have trials in common" in sheet.sentence
    elsewhere = make("tfs", S15, "train.epochs=5", split="val")
    blank = comparison_sheet([apart[0], elsewhere])
    assert isinstance(blank, Blank)
    assert "No split (test or val) was scored in every one" in blank.sentence


def test_strategies_that_were_decoded_apart_are_compared_as_in_figure_2(make: Maker) -> None:
    only = 'strategies=["attempted"]', "train.epochs=6"
    imagined = make("tfs", S15, 'strategies=["imagined"]', "train.epochs=6")
    attempted = make("tfs", S15, *only, split="test/imagined")
    sheet = comparison_sheet([attempted, imagined])
    assert isinstance(sheet, Sheet)
    assert "S15, imagined: tfs, zero-shot PER" in sheet.alt
    assert "; tfs PER" in sheet.alt
    make("tfs", S15, *only)
    sheet = comparison_sheet([attempted, imagined])
    assert isinstance(sheet, Sheet)
    assert "S15, attempted: tfs PER" in sheet.alt
    assert "S15, imagined: tfs PER" in sheet.alt and "; tfs, zero-shot PER" in sheet.alt
    assert "tfs is not one model: those of S15's attempted speech" in sheet.caption
