"""The table of draws."""

from pathlib import Path
from typing import Any

from rich.console import Console

from sylvian.sweep import TABLE_12, Draw, Ledger, SweepConfig, SweepResult
from sylvian.sweep.outcome import course_of


def draw(number: int, **known: Any) -> Draw:
    values = {"train.batch_size": 8, "train.learning_rate": 0.0001122, "train.weight_decay": 5e-5}
    return Draw(number=number, values=values, run=f"tfs-0000000{number}", epochs=8, **known)


def result(*draws: Draw) -> SweepResult:
    ledger = Ledger(
        recipe="tfs",
        overrides=("corpus=card2024",),
        recipe_digest="",
        data_digest="",
        space=TABLE_12,
        settings=SweepConfig(draws=len(draws)),
        draws=draws,
    )
    return SweepResult.of(ledger, Path("runs/sweep"), Path("runs"), seconds=1.0)


def drawn(found: SweepResult, width: int = 80) -> str:
    console = Console(width=width, record=True, force_terminal=False, soft_wrap=True)
    with console.capture() as captured:
        console.print(found.table())
    return captured.get()


def test_draws_come_best_first_and_fit_a_terminal() -> None:
    found = result(
        draw(1, pers=(0.9, 0.8), state="stopped"),
        draw(2, pers=(0.9, 0.5, 0.3, 0.2, 0.25, 0.2, 0.2, 0.2), state="finished"),
        draw(3, state="failed", note="loss is not finite"),
        draw(4, state="waiting", pers=(0.9,)),
    )
    assert [row.number for row in found.rows] == [2, 1, 4, 3]
    assert (found.rows[0].val_per, found.rows[0].best_epoch) == (0.2, 4)
    assert found.best == (
        "sylvian train tfs corpus=card2024 train.batch_size=8 train.learning_rate=0.0001122 "
        "train.weight_decay=5e-05"
    )
    text = drawn(found)
    table = text[: text.index("tfs-00000003:")]
    assert max(map(len, table.splitlines())) <= 80
    assert "…" not in text
    first, second, third, fourth = [line for line in table.splitlines() if "tfs-0" in line]
    assert first.split()[:3] == ["2", "20.0", "4"]
    assert "×" in second and "×" not in first
    assert "waiting" in third
    assert "failed" in fourth and "–" in fourth
    assert "loss is not finite" in text
    assert "optimistic" in text


def test_nothing_trained_recommends_nothing() -> None:
    found = result(draw(1, state="waiting"))
    assert found.best is None
    assert "sylvian train" not in drawn(found)


def test_a_summary_is_plain_and_leaves_the_courses_to_the_ledger() -> None:
    summary = result(draw(1, pers=(0.5,), state="stopped")).summary()
    assert summary["rows"][0]["val_per"] == 0.5
    assert "pers" not in summary["rows"][0]


def test_a_course_is_as_long_as_the_training_was() -> None:
    assert course_of((1.0, 0.5, 0.0, 0.0), 4, top=1.0, width=4) == "█▅▁▁"
    assert course_of((1.0,), 4, top=1.0, width=8) == "██"
    assert course_of((2.0, 0.0), 2, top=1.0, width=2) == "█▁"
    assert course_of((), 4, top=1.0) == ""
    assert len(course_of((0.5,) * 800, 800, top=1.0)) == 14
    assert course_of((0.0,), 1, top=0.0, width=1) == "▁"
