import io
import math

from rich.console import Console

from sylvian.evaluate import ScoreReport, report_rows, report_table
from sylvian.evaluate.table import percent
from sylvian.types import EditCounts, Score


def score(unit: str, group: str, *, n_trials: int = 600) -> Score:
    return Score(unit, group, EditCounts(500, 100, 30, 10_000), 0.0571, 0.0702, n_trials)


def printed(report: ScoreReport, **options: object) -> str:
    screen = io.StringIO()
    Console(width=100, file=screen).print(report_table(report, **options))  # type: ignore[arg-type]
    return screen.getvalue()


def test_percent_carries_its_interval() -> None:
    assert percent(score("wer", "all")) == "6.3 (5.7–7.0)"
    assert percent(Score("wer", "x", EditCounts(1, 0, 0, 4), math.nan, math.nan, 1)) == "25.0"
    assert percent(Score("wer", "x", EditCounts(), math.nan, math.nan, 0)) == "–"
    assert percent(None) == "–"


def test_rows_leave_out_repetition() -> None:
    groups = ["all", "participant:c/A", "prompt_set:50-Word", "prompt_set:Long"]
    groups += ["seen", "unseen", "session:c/A/2030-01-01"]
    report = ScoreReport(tuple(score("wer", g) for g in groups), 600)
    assert [r.group for r in report_rows(report)] == ["all", "50-Word", "Long", "seen", "unseen"]
    assert report_rows(report, sessions=True)[-1].group == "c/A/2030-01-01"
    assert report_rows(report)[0].per == "–"


def test_table_says_what_was_left_out_and_what_to_mind() -> None:
    scores = (score("per", "all"), score("wer", "all"))
    report = ScoreReport(scores, 600, {"[do nothing]": 3})
    table = printed(report, title="tfs on val", notes=["test has been opened once."])
    text = " ".join(table.split())
    assert "tfs on val" in text
    assert "WER %" in text
    assert "CER %" not in text
    assert "6.3 (5.7–7.0)" in text
    assert "[do nothing] ×3" in text
    assert "test has been opened once." in text


def test_table_of_nothing_still_prints() -> None:
    assert "WER %" in printed(ScoreReport((), 0))


def test_table_fits_an_ordinary_terminal() -> None:
    wide = EditCounts(4_000, 1_000, 1_000, 10_000)
    units, group = ("per", "wer", "cer"), "prompt_set:Switchboard"
    scores = [Score(u, g, wide, 0.551, 0.652, 1_426) for u in units for g in ("all", group, "seen")]
    screen = io.StringIO()
    Console(width=80, file=screen).print(report_table(ScoreReport(tuple(scores), 1_426)))
    assert "trials" in screen.getvalue()
    assert screen.getvalue().count("60.0 (55.1–65.2)") == 6
