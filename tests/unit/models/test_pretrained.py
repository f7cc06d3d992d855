"""Pretrained models on disk, and their trunk in other models (dossier §11 check 10)."""

import json

import pytest
import torch
from safetensors.torch import load_file, save_file

from sylvian.errors import CheckpointError
from sylvian.models.artefact import load_model, save_model
from sylvian.models.ctc import CtcModel, CtcObjective
from sylvian.models.encoder import build_encoder
from sylvian.models.gru import GruConfig
from sylvian.models.pretrained import (
    copy_read_ins,
    load_pretrained,
    load_trunk,
    read_pretrained_extra,
    save_pretrained,
)
from sylvian.models.pretraining import NextBinConfig, PretrainingModel, ReconstructionConfig
from sylvian.models.sessions import SessionSpec
from sylvian.models.transformer import TransformerConfig

SMALL = TransformerConfig(width=8, depth=2, heads=2, head_width=4, feedforward=8)
MONKEY = [SessionSpec(path="m/J/2020-01-01", participant="m/J", n_channels=3)]
WIDE = [SessionSpec(path="toy/T15/2023-08-11", participant="toy/T15", n_channels=6)]
NEXT = NextBinConfig(read_out="session", noise_std=0)
N_TRUNK = 1 + 2 * 12 + 2


def pretraining(sessions=MONKEY, encoder=SMALL, objective=None) -> PretrainingModel:
    return PretrainingModel(build_encoder(encoder, sessions), objective or ReconstructionConfig())


@pytest.fixture
def saved(tmp_path):
    folder = tmp_path / "checkpoint" / "best"
    save_pretrained(pretraining(), folder, {"epoch": 3})
    return folder


@pytest.mark.parametrize("objective", [ReconstructionConfig(loss="poisson"), NEXT])
def test_reading_back_gives_the_same_answers(objective, sessions, batch_of, tmp_path):
    model = pretraining(sessions, SMALL.model_copy(update={"causal": True}), objective).eval()
    save_pretrained(model, tmp_path / "best", {"r2": 0.5})
    again, batch = load_pretrained(tmp_path / "best"), batch_of(40, 23)
    assert not again.training
    hidden = None if objective is NEXT else model.fixed_masks(batch, seed=0)
    assert torch.equal(model(batch, hidden).outputs, again(batch, hidden).outputs)
    assert again.config == model.config
    assert again.encoder.config == model.encoder.config
    assert again.encoder.sessions == model.encoder.sessions
    assert read_pretrained_extra(tmp_path / "best") == {"r2": 0.5}
    assert sorted(path.name for path in (tmp_path / "best").iterdir()) == [
        "pretraining.json",
        "weights.safetensors",
    ]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"format": 2}, r"pretraining\.json: format 2, .* reads 1"),
        ({"surprise": 1}, "surprise"),
        ({"sessions": []}, "at least one session"),
        ({"objective": {"kind": "guessing"}}, "objective"),
        ({"objective": {"kind": "next_bin"}}, r"encoder\.causal"),
    ],
)
def test_what_does_not_fit_is_refused(saved, change, message):
    path = saved / "pretraining.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    with pytest.raises(CheckpointError, match=message):
        load_pretrained(saved)


@pytest.mark.parametrize("name", ["pretraining.json", "weights.safetensors"])
@pytest.mark.parametrize("damage", ["missing", "truncated"])
def test_missing_and_damaged_files_are_named(saved, name, damage):
    content = (saved / name).read_bytes()
    (saved / name).unlink()
    if damage == "truncated":
        (saved / name).write_bytes(content[: len(content) // 2])
    with pytest.raises(CheckpointError, match=name):
        load_pretrained(saved)


def test_the_two_kinds_of_model_are_not_taken_for_each_other(saved, tmp_path, vocabulary):
    with pytest.raises(CheckpointError, match=r"model\.json"):
        load_model(saved)
    save_model(CtcModel(build_encoder(SMALL, WIDE), vocabulary), tmp_path / "tuned")
    with pytest.raises(CheckpointError, match=r"pretraining\.json"):
        load_pretrained(tmp_path / "tuned")


# -- the trunk -----------------------------------------------------------------------------------


def test_spikes_alone_become_crossings_and_power(saved, vocabulary, sessions, batch_of):
    """Twice the channels, another participant: every trunk tensor arrives, nothing else does."""
    tuned = CtcModel(build_encoder(SMALL, sessions, seed=5), vocabulary)
    fresh = {name: tensor.clone() for name, tensor in tuned.state_dict().items()}
    names = load_trunk(tuned.encoder, saved)
    source = load_pretrained(saved).encoder.state_dict()
    assert len(names) == N_TRUNK
    assert {"mask_token", "norm.weight", "blocks.1.attention.qkv_proj.weight"} <= set(names)
    loaded = sum(source[name].numel() for name in names)
    assert loaded == sum(own.numel() for own in tuned.encoder.trunk_parameters())
    for name, tensor in tuned.encoder.state_dict().items():
        if name in names:
            assert torch.equal(tensor, source[name])
        else:
            assert name.startswith("read_ins.")
            assert torch.equal(tensor, fresh[f"encoder.{name}"])
    assert torch.equal(tuned.head.weight, fresh["head.weight"])
    CtcObjective(tuned)(batch_of(40)).total.backward()


def test_the_chain_goes_on_from_a_fine_tuned_model(tmp_path, vocabulary):
    tuned = CtcModel(build_encoder(SMALL, WIDE, seed=3), vocabulary)
    save_model(tuned, tmp_path / "tuned")
    encoder = build_encoder(SMALL, MONKEY, seed=4)
    for name in load_trunk(encoder, tmp_path / "tuned"):
        assert torch.equal(encoder.state_dict()[name], tuned.encoder.state_dict()[name])


@pytest.mark.parametrize("change", ["missing", "shape", "dtype"])
@pytest.mark.parametrize("name", ["mask_token", "blocks.1.up_proj.weight", "norm.bias"])
def test_a_trunk_tensor_that_did_not_arrive_is_an_error(saved, change, name):
    path, key = saved / "weights.safetensors", f"encoder.{name}"
    weights = load_file(path)
    tensor = weights.pop(key)
    if change == "shape":
        weights[key] = torch.zeros(3, 3)
    if change == "dtype":
        weights[key] = tensor.half()
    save_file(weights, path)
    encoder = build_encoder(SMALL, WIDE, seed=5)
    before = {own: value.clone() for own, value in encoder.state_dict().items()}
    with pytest.raises(CheckpointError, match=rf"weights\.safetensors.*{name}"):
        load_trunk(encoder, saved)
    assert all(torch.equal(value, before[own]) for own, value in encoder.state_dict().items())


@pytest.mark.parametrize(
    "change",
    [{"heads": 4, "head_width": 2}, {"depth": 1}, {"rope_base": 500.0}, {"patch_bins": 4}],
)
def test_the_same_shapes_with_another_meaning_are_refused(saved, change):
    encoder = build_encoder(SMALL.model_copy(update=change), WIDE)
    name = next(iter(change))
    with pytest.raises(CheckpointError, match=rf"its trunk has {name}=.*set encoder\.{name}="):
        load_trunk(encoder, saved)


def test_another_width_is_refused_by_name(saved):
    encoder = build_encoder(SMALL.model_copy(update={"feedforward": 9}), WIDE)
    with pytest.raises(CheckpointError, match=r"set encoder\.feedforward=8"):
        load_trunk(encoder, saved)


def test_a_gru_has_no_trunk(saved, tmp_path, vocabulary):
    gru = build_encoder(GruConfig(width=8, depth=1), WIDE)
    with pytest.raises(CheckpointError, match="only a Transformer"):
        load_trunk(gru, saved)
    save_model(CtcModel(gru, vocabulary), tmp_path / "gru")
    with pytest.raises(CheckpointError, match="only a Transformer"):
        load_trunk(build_encoder(SMALL, WIDE), tmp_path / "gru")


def test_a_folder_that_is_not_there_is_named(tmp_path):
    with pytest.raises(CheckpointError, match=r"nowhere.*cannot read"):
        load_trunk(build_encoder(SMALL, WIDE), tmp_path / "nowhere")


def test_the_same_participant_can_keep_its_read_in(tmp_path):
    pool = [*MONKEY, *WIDE]
    model = pretraining(pool)
    save_pretrained(model, tmp_path / "best")
    encoder = build_encoder(SMALL, WIDE, seed=6)
    names = load_trunk(encoder, tmp_path / "best", read_ins=True)
    assert len(names) == N_TRUNK + 6
    theirs, ours = model.encoder.read_ins.maps[1], encoder.read_ins.maps[0]
    assert torch.equal(theirs.linear.weight, ours.linear.weight)


def test_read_ins_that_do_not_match_are_refused(saved):
    message = r"no read-in for {} with {} channels; it has m/J \(3 channels\).*read_ins=False"
    with pytest.raises(CheckpointError, match=message.format("toy/T15", 6)):
        load_trunk(build_encoder(SMALL, WIDE), saved, read_ins=True)
    both = [MONKEY[0].model_copy(update={"n_channels": 6})]
    with pytest.raises(CheckpointError, match=message.format("m/J", 6)):
        load_trunk(build_encoder(SMALL, both), saved, read_ins=True)


SPIKES = [SessionSpec(path="toy/T15/2023-08-11", participant="toy/T15", n_channels=3)]


def test_spikes_read_in_serves_spikes_and_power(tmp_path):
    save_pretrained(pretraining(SPIKES), tmp_path / "best")
    narrow = load_pretrained(tmp_path / "best").encoder
    wide = build_encoder(SMALL, WIDE, seed=7).eval()
    load_trunk(wide, tmp_path / "best")
    columns = {"toy/T15": [0, 2, 4], "toy/T12": [0, 1, 2]}
    assert copy_read_ins(wide, tmp_path / "best", columns) == ("toy/T15",)
    spikes = torch.randn(1, 23, 3)
    both = torch.empty(1, 23, 6)
    # Power as it is the spikes again: a patch's mean and spread are then the same.
    both[..., 0::2], both[..., 1::2] = spikes, spikes
    lengths, session = torch.tensor([23]), torch.tensor([0])
    expected = narrow(spikes, lengths, session)
    assert torch.allclose(wide(both, lengths, session), expected, atol=1e-5)
    fresh = build_encoder(SMALL, WIDE, seed=7).eval()
    load_trunk(fresh, tmp_path / "best")
    assert not torch.allclose(fresh(both, lengths, session), expected, atol=1e-2)
    wide.train()(both, lengths, session).square().sum().backward()
    assert wide.read_ins.maps[0].linear.weight.grad.view(8, 5, 6)[..., 1::2].abs().sum() > 0


@pytest.mark.parametrize("columns", [{}, {"toy/T15": [0, 1]}, {"m/J": [0, 1, 2]}])
def test_a_read_in_nobody_can_use_is_refused(saved, columns):
    encoder = build_encoder(SMALL, WIDE)
    with pytest.raises(CheckpointError, match=r"none of its read-ins serves toy/T15; it has m/J"):
        copy_read_ins(encoder, saved, columns)
