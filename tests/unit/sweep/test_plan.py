"""Mistakes in a sweep show before anything is trained."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from sylvian import pipeline
from sylvian.data.synthetic import ParticipantConfig, SyntheticConfig, simulate
from sylvian.errors import ConfigError, DataError, SylvianError
from sylvian.sweep import SweepConfig, parse_space, run_sweep
from sylvian.sweep.search import _insist, placed, plan

TRIED = ["train.learning_rate=loguniform(1e-4,1e-2)"]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("plan")
    person = ParticipantConfig(
        name="S15",
        layout="card2024",
        sessions=1,
        train_trials=6,
        eval_trials=4,
        hidden_trials=0,
        max_words=3,
        train_only_sessions=(),
    )
    simulate(SyntheticConfig(participants=(person,)), folder / "raw")
    pipeline.prepare_corpus("synthetic", raw=folder / "raw", data=folder / "data")
    return folder / "data"


def planned(data: Path, *overrides: str, space: list[str] = TRIED, **settings: Any) -> Any:
    wanted = SweepConfig(**{"draws": 3} | settings)
    return plan(
        "tfs",
        ["corpus=synthetic", *overrides],
        data=data,
        space=parse_space(space),
        settings=wanted,
    )


def test_every_draw_has_the_run_that_train_would_make(data: Path, tmp_path: Path) -> None:
    ledger = placed(planned(data, "train.epochs=7"), data=data, runs=tmp_path)
    assert [draw.number for draw in ledger.draws] == [1, 2, 3]
    assert {draw.epochs for draw in ledger.draws} == {7}
    assert len({draw.run for draw in ledger.draws}) == 3
    assert placed(planned(data, "train.epochs=7"), data=data, runs=tmp_path) == ledger
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("overrides", "space", "told"),
    [
        (["train.learning_rate=1e-3"], TRIED, "an override fixes it and the sweep draws it"),
        ([], ["train.rate=uniform(0,1)"], "unknown key 'train.rate'"),
        ([], ["train.batch_size=uniform(1,8)"], "train.batch_size"),
        ([], ["train.epochs=choice(few,many,all)"], "train.epochs"),
        (["train.devices=2"], TRIED, "one device"),
        (["participant=S99"], TRIED, "S99"),
        (["train.epoch=3"], TRIED, "unknown key 'train.epoch'"),
    ],
)
def test_what_cannot_be_trained_is_named(
    data: Path, overrides: list[str], space: list[str], told: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        planned(data, *overrides, space=space)
    assert told in str(caught.value)


def test_a_recipe_of_sentences_is_sent_to_its_phonemes(data: Path) -> None:
    with pytest.raises(ConfigError, match="sweep its phoneme stage"):
        plan(
            "end_to_end",
            ["corpus=synthetic"],
            data=data,
            space=parse_space(TRIED),
            settings=SweepConfig(draws=1),
        )


def test_the_corpus_must_be_prepared(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="synthetic"):
        planned(tmp_path)


def test_when_every_draw_failed_the_first_reason_is_told(data: Path, tmp_path: Path) -> None:
    ledger = planned(data)
    for draw in ledger.draws:
        _insist(ledger, tmp_path)
        ledger = ledger.with_draw(draw.became("failed", f"no memory for {draw.number}"))
    with pytest.raises(SylvianError, match="every draw failed; the first with: no memory for 1"):
        _insist(ledger, tmp_path)


def test_without_ray_the_command_that_installs_it_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(ConfigError, match=r"pip install 'sylvian\[sweep\]'"):
        run_sweep("tfs", ["corpus=synthetic"], data=tmp_path, runs=tmp_path)


def test_nobody_else_pays_for_ray() -> None:
    script = "import sys, sylvian.cli, sylvian.sweep; sys.exit('ray' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", script], check=False).returncode == 0
