"""What every projector promises: own frames only, one length formula, gradients, files."""

import pytest
import torch
from safetensors.torch import load_file, save_file

from sylvian.config import Config, dump, load
from sylvian.errors import ConfigError
from sylvian.models.projectors import (
    CrossAttentionConfig,
    LinearConfig,
    MlpConfig,
    Projector,
    ProjectorConfig,
    StackingConfig,
    build_projector,
)

WIDTH, OUT = 12, 20
CONFIGS = {
    "mlp": MlpConfig(hidden=16),
    "linear": LinearConfig(),
    "stacking": StackingConfig(frames=3, hidden=16),
    "stacking-one": StackingConfig(frames=1, hidden=16),
    "cross_attention": CrossAttentionConfig(queries=5, hidden=8, heads=2),
}
LENGTHS = (11, 1, 7, 6)

every_projector = pytest.mark.parametrize("name", CONFIGS)


class Holder(Config):
    projector: ProjectorConfig = MlpConfig()


def build(name: str, seed: int = 1) -> Projector:
    return build_projector(CONFIGS[name], WIDTH, OUT, seed=seed).eval()


def latents(length: int, number: int = 0) -> torch.Tensor:
    generator = torch.Generator().manual_seed(100 * number + length)
    return torch.randn(length, WIDTH, generator=generator)


def pad(rows: list[torch.Tensor], value: float = 0.0) -> tuple[torch.Tensor, torch.Tensor]:
    lengths = torch.tensor([len(row) for row in rows])
    padded = torch.nn.utils.rnn.pad_sequence(rows, batch_first=True, padding_value=value)
    return padded, lengths


@every_projector
def test_one_length_formula(name):
    projector = build(name)
    tokens, counts = projector(*pad([latents(length) for length in LENGTHS]))
    assert counts.tolist() == [projector.n_tokens(length) for length in LENGTHS]
    assert tokens.shape == (len(LENGTHS), max(counts.tolist()), OUT)
    for row, count in zip(tokens, counts.tolist(), strict=True):
        assert (row[count:] == 0).all()
        assert (row[:count].abs().sum(-1) > 0).all()


@every_projector
@pytest.mark.parametrize("value", [0.0, 1e4, float("nan")])
def test_padding_and_batch_mates_cannot_change_an_answer(name, value):
    projector = build(name)
    rows = [latents(length, number) for number, length in enumerate(LENGTHS)]
    tokens, counts = projector(*pad(rows, value))
    for number, row in enumerate(rows):
        alone, _ = projector(row[None], torch.tensor([len(row)]))
        own = tokens[number, : counts[number]]
        torch.testing.assert_close(own, alone[0, : counts[number]], atol=1e-5, rtol=1e-4)


@every_projector
def test_gradients_reach_every_weight_and_every_own_frame_only(name):
    projector = build(name)
    padded, lengths = pad([latents(length) for length in LENGTHS])
    padded.requires_grad_()
    projector(padded, lengths)[0].square().sum().backward()
    for label, parameter in projector.named_parameters():
        assert parameter.grad is not None and parameter.grad.abs().sum() > 0, label
    for row, length in zip(padded.grad, LENGTHS, strict=True):
        assert (row[:length].abs().sum(-1) > 0).all()
        assert (row[length:] == 0).all()


@every_projector
def test_weights_and_config_survive_files(name, tmp_path):
    projector = build(name)
    save_file(projector.state_dict(), tmp_path / "weights.safetensors")
    config = load(Holder, dump(Holder(projector=CONFIGS[name]))).projector
    again = build_projector(config, WIDTH, OUT, seed=2).eval()
    batch = pad([latents(length) for length in LENGTHS])
    assert not torch.equal(again(*batch)[0], projector(*batch)[0])
    again.load_state_dict(load_file(tmp_path / "weights.safetensors"), strict=True)
    assert torch.equal(again(*batch)[0], projector(*batch)[0])


@every_projector
def test_the_seed_decides_the_weights_and_nothing_else(name):
    before = torch.get_rng_state()
    ours, same, other = (build(name, seed).state_dict() for seed in (1, 1, 2))
    assert torch.equal(torch.get_rng_state(), before)
    assert all(torch.equal(ours[key], same[key]) for key in ours)
    assert any(not torch.equal(ours[key], other[key]) for key in ours)


@every_projector
def test_the_order_of_the_frames_matters(name):
    projector, row = build(name), latents(6)
    there, back = (projector(own[None], torch.tensor([6]))[0] for own in (row, row.flip(0)))
    assert not torch.allclose(there, back, atol=1e-4)


def test_stacking_joins_neighbours_in_time_order():
    """One linear map of the joined frames, written out by hand."""
    projector = build("stacking")
    first, _, last = projector.layers
    row = latents(4)
    tokens, counts = projector(row[None], torch.tensor([4]))
    assert counts.tolist() == [2]
    joined = torch.stack([row[:3].flatten(), torch.cat([row[3], torch.zeros(2 * WIDTH)])])
    torch.testing.assert_close(tokens[0], last(first(joined).relu()))


def test_heads_must_share_the_width():
    with pytest.raises(ConfigError, match="3 heads cannot share a width of 8"):
        data = {"kind": "cross_attention", "queries": 2, "hidden": 8, "heads": 3, "dropout": 0.1}
        load(Holder, {"projector": data})
