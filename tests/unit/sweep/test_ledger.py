"""The ledger survives a kill, and a run folder corrects it."""

import json
from pathlib import Path

import pytest

from sylvian.errors import CheckpointError, ConfigError
from sylvian.sweep import TABLE_12, Draw, Ledger, SweepConfig, parse_space
from sylvian.sweep.ledger import FILE
from sylvian.sweep.search import continued, refreshed


def ledger(n: int = 3, **changes: object) -> Ledger:
    draws = tuple(
        Draw(number=k, values={"train.batch_size": 8 * k}, run=f"tfs-{k}", epochs=4)
        for k in range(1, n + 1)
    )
    whole = Ledger(
        recipe="tfs",
        overrides=("corpus=synthetic",),
        recipe_digest="aaaaaaaa",
        data_digest="bbbbbbbb",
        space=TABLE_12,
        settings=SweepConfig(draws=n),
        draws=draws,
    )
    return whole.model_copy(update=changes)


def test_what_is_written_is_read(tmp_path: Path) -> None:
    assert Ledger.read(tmp_path) is None
    written = ledger().with_draw(ledger().draws[1].heard(1, 0.9).heard(2, 0.1 + 0.2))
    written.write(tmp_path)
    assert Ledger.read(tmp_path) == written
    assert [path.name for path in tmp_path.iterdir()] == [FILE]


@pytest.mark.parametrize(
    ("damage", "told"),
    [
        (lambda text: text[: len(text) // 2], "JSON"),
        (lambda text: text.replace('"format": 1', '"format": 2'), "format"),
        (lambda text: text.replace('"waiting"', '"sleeping"', 1), "draws.0.state"),
        (lambda text: text.replace('"recipe"', '"receipt"', 1), "recipe"),
    ],
)
def test_a_damaged_ledger_is_named(tmp_path: Path, damage: object, told: str) -> None:
    ledger().write(tmp_path)
    path = tmp_path / FILE
    assert callable(damage)
    path.write_text(damage(path.read_text()))
    with pytest.raises(CheckpointError) as caught:
        Ledger.read(tmp_path)
    assert str(path) in str(caught.value)
    assert told in str(caught.value)


def test_epochs_are_noted_in_order_and_again_after_a_resume() -> None:
    draw = ledger().draws[0].heard(1, 0.9).heard(2, 0.5).heard(3, 0.7)
    assert draw.pers == (0.9, 0.5, 0.7)
    assert draw.best == (0.5, 2)
    assert draw.heard(2, 0.6).pers == (0.9, 0.6)
    assert ledger().draws[0].best is None


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"recipe_digest": "cccccccc"}, "another recipe"),
        ({"data_digest": "cccccccc"}, "another prepared corpus"),
        ({"space": parse_space(["train.seed=choice(1,2)"])}, "another space"),
        ({"settings": SweepConfig(seed=1)}, "another seed"),
    ],
)
def test_another_search_is_not_mixed_in(
    tmp_path: Path, changes: dict[str, object], told: str
) -> None:
    with pytest.raises(ConfigError, match=told):
        continued(ledger(**changes), ledger(), tmp_path)


def test_asking_for_more_draws_adds_and_for_fewer_keeps(tmp_path: Path) -> None:
    earlier = ledger(2)
    earlier = earlier.with_draw(earlier.draws[1].became("stopped"))
    more = continued(ledger(4), earlier, tmp_path)
    assert [draw.state for draw in more.draws] == ["waiting", "stopped", "waiting", "waiting"]
    assert [draw.number for draw in more.due] == [1, 3, 4]
    fewer = continued(ledger(1), more, tmp_path)
    assert len(fewer.draws) == 4
    assert [draw.number for draw in fewer.due] == [1]


def run_of(runs: Path, name: str, *pers: float, finished: bool = False) -> None:
    (runs / name).mkdir(parents=True)
    rows = [f"{epoch},{per}" for epoch, per in enumerate(pers, start=1)]
    (runs / name / "metrics.csv").write_text("\n".join(["epoch,val_per", *rows]) + "\n")
    if finished:
        (runs / name / "trained.json").write_text(json.dumps({"format": 1}))


def test_run_folders_know_best_how_far_they_came(tmp_path: Path) -> None:
    states = ("running", "finished", "stopped", "failed", "running", "stopped")
    draws = zip(ledger(6).draws, states, strict=True)
    known = ledger(6, draws=tuple(draw.became(state, "a note") for draw, state in draws))
    run_of(tmp_path, "tfs-1", 0.9, 0.8)
    run_of(tmp_path, "tfs-3", 0.9)
    run_of(tmp_path, "tfs-5", 0.9, 0.3, 0.2, 0.4, finished=True)
    found = refreshed(known, tmp_path).draws
    assert [draw.state for draw in found] == [
        "waiting",
        "waiting",  # its folder was deleted
        "stopped",
        "waiting",  # a failure is tried again
        "finished",
        "waiting",
    ]
    assert [len(draw.pers) for draw in found] == [2, 0, 1, 0, 4, 0]
    assert {draw.note for draw in found if draw.state == "waiting"} == {None}


def test_without_asha_the_stopped_go_on(tmp_path: Path) -> None:
    known = ledger(1, settings=SweepConfig(draws=1, asha=False))
    known = known.with_draw(known.draws[0].heard(1, 0.9).became("stopped"))
    run_of(tmp_path, "tfs-1", 0.9)
    assert refreshed(known, tmp_path).due[0].pers == (0.9,)
