import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import load_file, save_file

from sylvian.errors import CheckpointError
from sylvian.models.artefact import load_model, read_extra, replaced_folder, save_model
from sylvian.models.ctc import CtcModel, logits_of
from sylvian.models.encoder import build_encoder
from sylvian.models.gru import GruConfig
from sylvian.models.transformer import TransformerConfig

SMALL = (
    TransformerConfig(width=8, depth=1, heads=2, head_width=4, feedforward=8),
    GruConfig(width=8, depth=2, bidirectional=True),
)


@pytest.fixture(params=SMALL, ids=lambda config: config.kind)
def model(request, sessions, vocabulary):
    return CtcModel(build_encoder(request.param, sessions), vocabulary)


@pytest.fixture
def saved(model, tmp_path) -> Path:
    folder = tmp_path / "checkpoint" / "best"
    save_model(model, folder, {"epoch": 3})
    return folder


def rewrite(folder: Path, **changes: object) -> None:
    data = json.loads((folder / "model.json").read_text())
    (folder / "model.json").write_text(json.dumps(data | changes))


def test_reading_back_gives_the_same_answers(model, saved, batch_of):
    again, batch = load_model(saved), batch_of(40, 23)
    assert not again.training
    for ours, theirs in zip(logits_of(model, batch), logits_of(again, batch), strict=True):
        assert (ours.values == theirs.values).all()
        assert ours.vocabulary == theirs.vocabulary
    assert again.encoder.sessions == model.encoder.sessions
    assert again.encoder.config == model.encoder.config
    assert read_extra(saved) == {"epoch": 3}
    assert sorted(path.name for path in saved.iterdir()) == [
        "model.json",
        "vocabulary.txt",
        "weights.safetensors",
    ]
    assert [path.name for path in saved.parent.iterdir()] == ["best"]


def test_saving_again_replaces(model, saved):
    with torch.no_grad():
        model.head.bias.fill_(7)
    save_model(model, saved, {"epoch": 4})
    assert load_model(saved).head.bias.tolist() == [7] * 4
    assert [path.name for path in saved.parent.iterdir()] == ["best"]


def test_an_interrupted_save_leaves_the_old_model(saved):
    with pytest.raises(KeyboardInterrupt), replaced_folder(saved) as fresh:
        (fresh / "model.json").write_text("half")
        raise KeyboardInterrupt
    assert read_extra(saved) == {"epoch": 3}
    assert [path.name for path in saved.parent.iterdir()] == ["best"]


def test_a_kill_between_the_two_renames_loses_nothing(model, saved):
    saved.rename(saved.with_name("best.old"))
    assert read_extra(saved) == {"epoch": 3}
    load_model(saved)
    save_model(model, saved, {"epoch": 4})
    assert read_extra(saved) == {"epoch": 4}
    assert [path.name for path in saved.parent.iterdir()] == ["best"]


def test_another_format_is_refused(saved):
    rewrite(saved, format=2)
    with pytest.raises(CheckpointError, match=r"model\.json: format 2, .* reads 1"):
        load_model(saved)


def test_unknown_keys_are_refused(saved):
    rewrite(saved, surprise=1)
    with pytest.raises(CheckpointError, match="surprise"):
        load_model(saved)


def test_an_unknown_encoder_setting_is_refused(saved):
    data = json.loads((saved / "model.json").read_text())
    data["encoder"]["momentum"] = 1
    rewrite(saved, encoder=data["encoder"])
    with pytest.raises(CheckpointError, match="momentum"):
        load_model(saved)


def test_contradictory_sessions_are_refused(saved):
    data = json.loads((saved / "model.json").read_text())
    rewrite(saved, sessions=[*data["sessions"], data["sessions"][0]])
    with pytest.raises(CheckpointError, match="listed twice"):
        load_model(saved)


@pytest.mark.parametrize("name", ["model.json", "vocabulary.txt", "weights.safetensors"])
@pytest.mark.parametrize("damage", ["missing", "truncated", "noise"])
def test_missing_and_damaged_files_are_named(saved, name, damage):
    path = saved / name
    content = path.read_bytes()
    path.unlink()
    if damage == "truncated":
        path.write_bytes(content[: len(content) // 2])
    if damage == "noise":
        path.write_bytes(b"\xff\xfe" + content[::-1])
    with pytest.raises(CheckpointError, match=name):
        load_model(saved)


def test_a_folder_that_is_not_there_is_named(tmp_path):
    with pytest.raises(CheckpointError, match=r"nowhere.*cannot read"):
        load_model(tmp_path / "nowhere")


@pytest.mark.parametrize("change", ["missing", "extra", "shape", "dtype"])
def test_every_tensor_is_accounted_for(saved, change):
    path = saved / "weights.safetensors"
    weights = load_file(path)
    if change == "missing":
        del weights["head.bias"]
    if change == "extra":
        weights["tail.bias"] = torch.zeros(1)
    if change == "shape":
        weights["head.bias"] = torch.zeros(9)
    if change == "dtype":
        weights["head.bias"] = weights["head.bias"].half()
    save_file(weights, path)
    with pytest.raises(CheckpointError, match=r"(head|tail)\.bias"):
        load_model(saved)
