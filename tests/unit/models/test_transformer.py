import pytest
import torch

from sylvian.config import override
from sylvian.errors import ConfigError
from sylvian.models.ctc import CtcModel, CtcObjective
from sylvian.models.encoder import build_encoder
from sylvian.models.sessions import SessionSpec
from sylvian.models.transformer import TransformerConfig

SMALL = TransformerConfig(width=12, depth=2, heads=3, head_width=6, feedforward=20)


def count(module: torch.nn.Module) -> int:
    return sum(parameter.numel() for parameter in module.parameters())


def test_the_trunk_has_the_published_size():
    spec = SessionSpec(path="a/T15/2023-08-11", participant="a/T15", n_channels=1)
    encoder = build_encoder(TransformerConfig(), [spec])
    assert sum(parameter.numel() for parameter in encoder.trunk_parameters()) == 6_910_208
    assert [count(block) for block in encoder.blocks] == [987_008] * 7
    assert count(encoder) == 6_910_208 + count(encoder.read_ins)


@pytest.mark.parametrize(
    ("n_channels", "size"), [(128, 248_192), (192, 371_712), (256, 495_232), (512, 989_312)]
)
def test_read_ins_have_the_published_sizes(n_channels, size):
    spec = SessionSpec(path="a/T15/2023-08-11", participant="a/T15", n_channels=n_channels)
    encoder = build_encoder(TransformerConfig(depth=1), [spec])
    assert count(encoder.read_ins) == size


def test_read_ins_are_shared_by_participant_unless_asked(sessions):
    other = SessionSpec(path="toy/T12/2022-04-28", participant="toy/T12", n_channels=4)
    shared = build_encoder(SMALL, [*sessions, other])
    own = build_encoder(SMALL.model_copy(update={"read_in": "session"}), [*sessions, other])
    assert len(shared.read_ins.maps) == 2
    assert len(own.read_ins.maps) == 4
    new = "toy/T15/2030-01-01"
    assert shared.locate([new]) == {new: 0}
    with pytest.raises(ConfigError, match="Known: toy/T15/2023-08-11"):
        own.locate([new])


def test_every_size_can_be_overridden():
    changed = override(
        TransformerConfig(),
        ["width=32", "depth=3", "heads=2", "head_width=512", "patch_bins=4", "smoothing=null"],
    )
    spec = SessionSpec(path="a/T15/2023-08-11", participant="a/T15", n_channels=3)
    encoder = build_encoder(changed, [spec])
    assert (encoder.width, encoder.frame_bins, encoder.n_frames(9)) == (32, 4, 3)


def test_initial_weights_shrink_with_depth(sessions):
    plain = build_encoder(SMALL.model_copy(update={"rescale": False}), sessions).state_dict()
    scaled = build_encoder(SMALL, sessions).state_dict()
    factor = 0.67 * 2**-0.25
    value = slice(2 * 18, 3 * 18)
    for name, tensor in plain.items():
        ratio = 1.0
        if name.endswith(("out_proj.weight", "up_proj.weight", "down_proj.weight")):
            ratio = factor
        if name.endswith("qkv_proj.weight"):
            torch.testing.assert_close(scaled[name][value], tensor[value] * factor * 2**0.5)
            torch.testing.assert_close(scaled[name][: value.start], tensor[: value.start])
            continue
        torch.testing.assert_close(scaled[name], tensor * ratio)


@pytest.mark.parametrize(
    ("assignments", "lookahead"),
    [
        ([], None),
        (["causal=true"], 0),
        (["context_forward=0"], 6),
        (["context_forward=2"], 2 * 2 * 5 + 6),
        (["context_forward=0", "smoothing.lookahead_bins=2"], 2),
        (["context_forward=0", "smoothing=null"], 0),
    ],
)
def test_lookahead_is_published(sessions, assignments, lookahead):
    assert build_encoder(override(SMALL, assignments), sessions).lookahead_bins == lookahead


def test_causal_contradicts_forward_context():
    with pytest.raises(ConfigError, match="causal"):
        override(SMALL, ["causal=true", "context_forward=3"])


def test_bidirectional_encoders_refuse_to_stream(sessions):
    with pytest.raises(ConfigError, match=r"encoder\.causal=true"):
        build_encoder(SMALL, sessions).start(0)


def test_weights_follow_the_seed_and_leave_torchs_state_alone(sessions):
    before = torch.get_rng_state()
    first, again = (build_encoder(SMALL, sessions, seed=4).state_dict() for _ in range(2))
    other = build_encoder(SMALL, sessions, seed=5).state_dict()
    assert torch.equal(torch.get_rng_state(), before)
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not torch.equal(first["mask_token"], other["mask_token"])


def test_time_masking_acts_in_training_only(sessions, batch_of):
    config = override(
        SMALL,
        ["mask_ratio=0.5", "input_dropout=0", "attention_dropout=0", "feedforward_dropout=0"],
    )
    encoder, batch = build_encoder(config, sessions), batch_of(60, 41)
    inputs = (batch.features, batch.n_bins, batch.session)
    torch.manual_seed(0)
    one, two = encoder(*inputs), encoder(*inputs)
    assert not torch.equal(one, two)
    one.sum().backward()
    assert encoder.mask_token.grad.abs().sum() > 0
    encoder.eval()
    assert torch.equal(encoder(*inputs), encoder(*inputs))


def test_day_affine_makes_days_differ(sessions, batch_of):
    encoder = build_encoder(SMALL.model_copy(update={"day_affine": True}), sessions).eval()
    batch = batch_of(30)
    inputs = (batch.features, batch.n_bins)
    same = [encoder(*inputs, torch.tensor([day])) for day in (0, 1)]
    torch.testing.assert_close(*same)
    torch.nn.init.normal_(encoder.day.weight[1])
    assert not torch.allclose(same[0], encoder(*inputs, torch.tensor([1])), atol=1e-3)
    encoder(*inputs, torch.tensor([1])).square().sum().backward()
    assert encoder.day.weight[1].grad.abs().sum() > 0


def test_mixed_precision_stays_close_and_keeps_float32_parameters(sessions, batch_of, vocabulary):
    config = override(
        SMALL, [f"{name}_dropout=0" for name in ("input", "attention", "feedforward")]
    )
    model, batch = CtcModel(build_encoder(config, sessions), vocabulary), batch_of(80, 64, 71)
    gradients = []
    for mixed in (False, True):
        model.zero_grad()
        with torch.autocast("cpu", dtype=torch.bfloat16, enabled=mixed):
            loss = CtcObjective(model)(batch).total
        assert loss.dtype == torch.float32
        loss.backward()
        assert all(p.grad is None or p.grad.dtype == torch.float32 for p in model.parameters())
        own = [p.grad.flatten() for p in model.parameters() if p.grad is not None]
        gradients.append(torch.cat(own))
    exact, rough = gradients
    assert (rough - exact).norm() < 0.05 * exact.norm()
