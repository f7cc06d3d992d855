"""What cannot be continued is refused by name; what was saved survives a failing save."""

import json
import resource
import signal

import pytest

from sylvian.errors import CheckpointError
from sylvian.models.artefact import load_model
from sylvian.train import AugmentConfig, CtcTask, TrainConfig, fit
from sylvian.train.metrics import TIMING_COLUMNS, MetricsLog, read_metrics

STATE = "checkpoint/last/resume/state.json"


@pytest.fixture
def again(tmp_path, toy, count_errors):
    """Start (or continue) one run folder; arguments are fields of TrainConfig."""

    def again(*, resume=True, model=None, augment=None, run="run", progress=None, **changes):
        return fit(
            CtcTask(model or toy.model(), count_errors),
            train=toy.infos("train"),
            val=toy.infos("val"),
            read=toy.read,
            config=TrainConfig(**{"epochs": 2, "batch_size": 4, "learning_rate": 1e-2} | changes),
            augment=augment or AugmentConfig(),
            run=tmp_path / run,
            resume=resume,
            progress=progress,
        )

    return again


class Interrupted(Exception):
    """Stands for anything that ends a run from within."""


def stop_after(n_groups):
    def progress(stage, done, total, message):
        if stage == "train" and done == n_groups:
            raise Interrupted

    return progress


def rows_of(folder):
    rows = read_metrics(folder / "metrics.csv")
    return [{k: v for k, v in row.items() if k not in TIMING_COLUMNS} for row in rows]


def test_continues_after_an_interruption_within_an_epoch(again, tmp_path):
    again(run="whole", save_every_steps=None)
    with pytest.raises(Interrupted):
        again(progress=stop_after(9), save_every_steps=2)
    state = json.loads((tmp_path / "run" / STATE).read_text())["state"]
    assert (state["epoch"], state["group"], state["step"]) == (1, 2, 8)
    assert state["tally"]["n_steps"] == 2
    again()
    assert rows_of(tmp_path / "run") == rows_of(tmp_path / "whole")


def test_a_finished_run_resumes_to_its_result(again, toy, tmp_path):
    first, model = again(), toy.model()
    assert again(model=model) == first
    last = load_model(tmp_path / "run" / "checkpoint" / "last").state_dict()
    assert all((model.state_dict()[name] == last[name]).all() for name in last)


def test_a_run_without_any_save_starts_again(again, tmp_path):
    with pytest.raises(Interrupted):
        again(progress=stop_after(3))
    assert not (tmp_path / "run" / STATE).exists()
    again()
    again(run="whole")
    assert rows_of(tmp_path / "run") == rows_of(tmp_path / "whole")


def test_ctrl_c_arrives_and_the_run_can_go_on(again, tmp_path):
    handler = signal.getsignal(signal.SIGINT)

    def press(stage, done, total, message):
        if done == 8:
            signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        again(progress=press)
    assert signal.getsignal(signal.SIGINT) is handler
    again()
    again(run="whole")
    assert rows_of(tmp_path / "run") == rows_of(tmp_path / "whole")


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"learning_rate": 1e-3}, r"train.learning_rate=0.01, now it is 0.001"),
        ({"epochs": 5}, r"train.epochs=2, now it is 5"),
        ({"augment": AugmentConfig(noise_std=0.5)}, r"augment.noise_std=0.2, now it is 0.5"),
    ],
)
def test_other_settings_are_refused(again, change, named):
    again()
    with pytest.raises(CheckpointError, match=named):
        again(**change)


def test_settings_that_change_no_number_may_change(again):
    again()
    again(cache_mb=1, save_every_steps=1, prefetch=3)


def test_another_encoder_or_other_trials_are_refused(again, toy):
    again()
    with pytest.raises(CheckpointError, match=r"encoder.width=16, now it is 24"):
        again(model=toy.model(width=24))
    del toy.trials[toy.infos("val")[0].key]
    with pytest.raises(CheckpointError, match="val trials"):
        again()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "not a training state"),
        (b'{"format": 2}', "not a training state"),
        (b"\x80\x04pickle", "not a training state"),
    ],
)
def test_an_unreadable_state_is_refused(again, tmp_path, content, message):
    again()
    (tmp_path / "run" / STATE).write_bytes(content)
    with pytest.raises(CheckpointError, match=f"state.json: {message}"):
        again()


def test_unknown_keys_in_a_state_are_refused(again, tmp_path):
    again()
    path = tmp_path / "run" / STATE
    path.write_text(json.dumps(json.loads(path.read_text()) | {"mood": "good"}))
    with pytest.raises(CheckpointError, match="not a training state"):
        again()


def test_truncated_or_missing_tensors_are_refused(again, tmp_path):
    again()
    tensors = next((tmp_path / "run").glob("checkpoint/last/resume/*.safetensors"))
    tensors.write_bytes(tensors.read_bytes()[:-10])
    with pytest.raises(CheckpointError, match=r"state-2-0.safetensors: cannot be read"):
        again()
    tensors.unlink()
    with pytest.raises(CheckpointError, match=r"state-2-0.safetensors: cannot be read"):
        again()


def test_a_missing_metrics_file_is_refused(again, tmp_path):
    again()
    (tmp_path / "run" / "metrics.csv").unlink()
    with pytest.raises(CheckpointError, match=r"metrics.csv: does not hold the 2 epochs"):
        again()


def test_rows_beyond_the_save_are_cut_also_half_written_ones(tmp_path):
    log = MetricsLog(tmp_path / "metrics.csv", metric="val_per")
    log.begin()
    header = log.path.read_text()
    log.path.write_text(f"{header}1,a\n2,b\n3,")
    log.truncate(1)
    assert log.path.read_text() == f"{header}1,a\n"
    with pytest.raises(CheckpointError):
        log.truncate(2)


def test_a_full_disk_stops_the_run_and_keeps_the_last_save(again, tmp_path):
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)

    def full_beyond(limit):
        # from the second epoch on no file may grow beyond `limit`, as if the disk were full
        def progress(stage, done, total, message):
            if stage == "train" and done == 7:
                resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))

        return progress

    for limit, culprit in ((30_000, "state-2-0.safetensors"), (2_000, r"\.last|\.best-2")):
        try:
            with pytest.raises(CheckpointError, match=culprit):
                again(progress=full_beyond(limit))
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
        state = json.loads((tmp_path / "run" / STATE).read_text())["state"]
        assert state["epoch"] == 1
        load_model(tmp_path / "run" / "checkpoint" / "best")
    again()
    again(run="whole")
    assert rows_of(tmp_path / "run") == rows_of(tmp_path / "whole")


def test_nothing_is_pickled(again, tmp_path):
    again()
    suffixes = {path.suffix for path in (tmp_path / "run").rglob("*") if path.is_file()}
    assert suffixes == {".csv", ".json", ".safetensors", ".txt"}
