"""How Tune is told of draws: rungs remembered, shares, and where it may listen."""

import os
import socket
import threading
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from sylvian.errors import ConfigError
from sylvian.sweep import TABLE_12, Draw, Ledger, SweepConfig
from sylvian.sweep.cluster import ray_running, share_of
from sylvian.sweep.worker import Errand, Follower, train_draw


def ledger(*pers: tuple[float, ...], **settings: Any) -> Ledger:
    draws = tuple(
        Draw(number=k, values={}, run="", epochs=9, pers=own, state="stopped")
        for k, own in enumerate(pers, start=1)
    )
    return Ledger(
        recipe="tfs",
        overrides=(),
        recipe_digest="",
        data_digest="",
        space=TABLE_12,
        settings=SweepConfig(**settings),
        draws=draws,
    )


def verdicts(known: Ledger, *pers: float) -> list[str]:
    """What ASHA says after each epoch of a newcomer."""
    from sylvian.sweep.tuning import _scheduler

    scheduler = _scheduler(known)
    assert scheduler is not None
    trial: Any = SimpleNamespace(trial_id="newcomer")
    controller: Any = None
    scheduler.on_trial_add(controller, trial)
    return [
        scheduler.on_trial_result(controller, trial, {"epoch": epoch, "val_per": per})
        for epoch, per in enumerate(pers, start=1)
    ]


def test_earlier_draws_are_remembered_on_the_rungs_they_reached() -> None:
    known = ledger((0.9, 0.5, 0.4), (0.95,), (0.97,), grace_epochs=1, reduction_factor=3)
    assert verdicts(known, 0.96) == ["STOP"]
    assert verdicts(known, 0.8, 0.7, 0.39) == ["CONTINUE"] * 3
    assert verdicts(known, 0.8, 0.7, 0.41) == ["CONTINUE", "CONTINUE", "STOP"]


def test_a_draw_has_its_grace_and_its_last_epoch() -> None:
    known = ledger((0.1,) * 9, (0.1,) * 9, grace_epochs=5)
    assert verdicts(known, *[0.9] * 5) == [*["CONTINUE"] * 4, "STOP"]
    assert verdicts(known, *[0.05] * 9) == ["CONTINUE"] * 9


@pytest.mark.parametrize(
    ("settings", "epochs", "grace"), [({}, 800, 89), ({}, 4, 1), ({"grace_epochs": 50}, 30, 30)]
)
def test_the_grace_follows_the_recipe(settings: dict[str, int], epochs: int, grace: int) -> None:
    from sylvian.sweep.tuning import grace_epochs

    assert grace_epochs(SweepConfig(**settings), epochs) == grace


def test_a_draw_takes_a_gpu_where_there_is_one() -> None:
    assert share_of(SweepConfig(), {"CPU": 2.0}) == {"cpu": 1, "gpu": 0}
    assert share_of(SweepConfig(), {"CPU": 2.0, "GPU": 4.0}) == {"cpu": 1, "gpu": 1}
    assert share_of(SweepConfig(gpus=0.5, cpus=4), {"CPU": 8.0, "GPU": 1.0})["gpu"] == 0.5


@pytest.mark.parametrize(
    ("settings", "told"), [({"cpus": 3}, "the 2 CPUs"), ({"gpus": 1}, "the 0 GPUs")]
)
def test_nobody_waits_for_what_is_not_there(settings: dict[str, float], told: str) -> None:
    with pytest.raises(ConfigError, match=told):
        share_of(SweepConfig(**settings), {"CPU": 2.0})


def test_a_cluster_that_does_not_answer_is_named() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    before = dict(os.environ)
    for address, told in (
        (f"127.0.0.1:{port}", "nobody answers"),
        ("ray://head:10001", "give host:port"),
        ("head", "give host:port"),
        ("head:port", "give host:port"),
        ("127.0.0.1:99999999", "nobody answers"),
    ):
        with (
            pytest.raises(ConfigError, match=told) as caught,
            ray_running(SweepConfig(address=address)),
        ):
            pass
        assert address in str(caught.value)
    assert dict(os.environ) == before


def test_every_epoch_is_reported_once_and_after_it_is_on_disk(tmp_path: Path) -> None:
    heard: list[dict[str, Any]] = []
    metrics = tmp_path / "metrics.csv"
    follow = Follower(metrics, heard.append)
    follow("train", 1, 10)
    metrics.write_text("epoch,val_per\n")
    follow("train", 2, 10)
    assert heard == []
    metrics.write_text("epoch,val_per\n1,0.9\n")
    follow("validate", 1, 1, "PER 0.9")
    follow("train", 3, 10)
    metrics.write_text("epoch,val_per\n1,0.9\n2,0.7\n3,0.8\n")
    follow("train", 4, 10)
    follow.catch_up()
    assert heard == [
        {"epoch": 1, "val_per": 0.9},
        {"epoch": 2, "val_per": 0.7},
        {"epoch": 3, "val_per": 0.8},
    ]


def test_a_watch_writes_down_what_becomes_of_every_draw(tmp_path: Path) -> None:
    from ray import cloudpickle
    from ray.tune.experiment import Trial

    from sylvian.sweep.tuning import Watch, _last_words

    told: list[tuple[str, int, int, str]] = []
    known = ledger((), (), (), (), ())
    known = known.model_copy(
        update={
            "draws": tuple(
                d.became("waiting").model_copy(update={"run": f"tfs-{d.number}"})
                for d in known.draws
            )
        }
    )
    bar = threading.RLock()  # what draws on a terminal holds one

    def draw_bar(stage: str, done: int, total: int, note: str = "") -> None:
        with bar:
            told.append((stage, done, total, note))

    watch = Watch(known, tmp_path, tmp_path, draw_bar)
    assert cloudpickle.dumps(watch)  # as Tune does with its callbacks

    class Lost(Trial):  # a trial without a place on disk
        error_file = None

    trials: list[Trial] = [Lost("draw", config={"number": n}, stub=True) for n in range(1, 6)]
    for trial in trials:
        watch.on_trial_start(0, trials, trial)
    for trial in trials[:2]:
        watch.on_trial_result(0, trials, trial, {"epoch": 1, "val_per": 0.5})
    (tmp_path / "tfs-1").mkdir()
    (tmp_path / "tfs-1" / "trained.json").write_text("{}")
    failure = {"epoch": 0, "val_per": float("nan"), "failure": "no such session"}
    watch.on_trial_result(0, trials, trials[2], failure)
    for trial in trials[:3]:
        watch.on_trial_complete(0, trials, trial)
    watch.on_trial_error(0, trials, trials[3])
    watch.close()

    written = Ledger.read(tmp_path)
    assert written == watch.ledger
    assert [(d.state, d.note) for d in written.draws] == [
        ("finished", None),
        ("stopped", None),
        ("failed", "no such session"),
        ("failed", _last_words(None)),
        ("waiting", None),
    ]
    assert told[0] == ("sweep", 0, 5, "0 running")
    assert told[-1] == ("sweep", 4, 5, "1 running, best PER 0.500 (draw 1)")


def test_a_failing_draw_reports_and_does_not_end_the_sweep(tmp_path: Path) -> None:
    heard: list[dict[str, Any]] = []
    errand = Errand("tfs", ("corpus=card2024",), str(tmp_path / "data"), str(tmp_path / "runs"))
    draw = Draw(number=1, values={"train.batch_size": 8}, run="tfs-00000000", epochs=2)
    train_draw(draw, errand, heard.append)
    (report,) = heard
    assert report["epoch"] == 0
    assert "card2024" in report["failure"]


def test_a_workers_last_words_are_told(tmp_path: Path) -> None:
    from sylvian.sweep.tuning import _last_words

    path = tmp_path / "error.txt"
    path.write_text("Traceback\n  ...\nMemoryError: 3 GiB\n")
    assert _last_words(str(path)) == "its worker broke down: MemoryError: 3 GiB"
    path.write_text("The actor is dead because its worker process has died. Worker exit type: 1\n")
    assert _last_words(str(path)) == _last_words(None)
    assert "killed" in _last_words(None)
