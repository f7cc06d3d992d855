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
    PhonemesConfig,
    Projector,
    ProjectorConfig,
    StackingConfig,
    build_projector,
    evenly_spaced,
)

WIDTH, OUT = 12, 20
CONFIGS = {
    "mlp": MlpConfig(hidden=16),
    "linear": LinearConfig(),
    "stacking": StackingConfig(frames=3, hidden=16),
    "stacking-one": StackingConfig(frames=1, hidden=16),
    "cross_attention": CrossAttentionConfig(hidden=8),
    "cross_attention-heads": CrossAttentionConfig(hidden=8, heads=2, dropout=0.5),
    "phonemes": PhonemesConfig(),
}
LENGTHS = (11, 1, 7, 6)
TEXT = torch.randn(30, 24, generator=torch.Generator().manual_seed(7))

every_projector = pytest.mark.parametrize("name", CONFIGS)


class Holder(Config):
    projector: ProjectorConfig = MlpConfig()


def build(name: str, seed: int = 1) -> Projector:
    if name == "phonemes":  # its weights are copies, of those that a seed decided elsewhere
        spelled = torch.randn(5, OUT, generator=torch.Generator().manual_seed(seed))
        return build_projector(CONFIGS[name], WIDTH, OUT, text=spelled, heard=head(5)).eval()
    return build_projector(CONFIGS[name], WIDTH, OUT, seed=seed, text=TEXT).eval()


def head(n_tokens: int) -> torch.nn.Linear:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return torch.nn.Linear(WIDTH, n_tokens)


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
    text = torch.zeros(5, OUT) if name == "phonemes" else torch.zeros_like(TEXT)
    again = build_projector(config, WIDTH, OUT, seed=2, text=text, heard=head(5)).eval()
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


def test_cross_attention_is_a_mixture_of_the_token_and_of_what_text_answers():
    """Neural queries, text keys and values, a residual share of one half, written out by hand."""
    projector, row = build("cross_attention"), latents(4)
    assert projector.residual.item() == 0.5 and projector.residual.requires_grad
    neural, text = projector.read_in(row), projector.norm_text(TEXT)
    asked = projector.query(projector.norm(neural)) @ projector.key(text).T / 8**0.5
    said = projector.read_out(asked.softmax(-1) @ projector.value(text))
    tokens, _ = projector(row[None], torch.tensor([4]))
    torch.testing.assert_close(tokens[0], 0.5 * neural + 0.5 * said)


def test_cross_attention_drops_out_in_training_alone():
    projector, batch = build("cross_attention-heads"), pad([latents(4)])
    assert torch.equal(projector(*batch)[0], projector(*batch)[0])
    projector.train()
    assert not torch.equal(projector(*batch)[0], projector(*batch)[0])


def test_the_text_is_kept_with_the_weights_and_does_not_learn():
    projector = build("cross_attention")
    assert torch.equal(projector.state_dict()["text"], TEXT)
    assert "text" not in dict(projector.named_parameters())
    assert projector.text.data_ptr() != TEXT.data_ptr()


def test_cross_attention_needs_text():
    with pytest.raises(ConfigError, match="no language model whose text to look at"):
        build_projector(CrossAttentionConfig(), WIDTH, OUT)


@pytest.mark.parametrize(("size", "wanted"), [(30, 1000), (151_936, 1000), (7, 7), (10, 3)])
def test_tokens_are_spaced_evenly(size, wanted):
    tokens = evenly_spaced(size, wanted)
    assert len(tokens) == min(size, wanted)
    assert tokens[0] == 0 and tokens[-1] < size
    steps = set(tokens.diff().tolist())
    assert steps <= {size // len(tokens), size // len(tokens) + 1}


def test_heads_must_share_the_width():
    with pytest.raises(ConfigError, match="3 heads cannot share a width of 8"):
        data = {"kind": "cross_attention", "hidden": 8, "heads": 3}
        load(Holder, {"projector": data})


def test_a_phoneme_that_is_certain_becomes_its_own_token():
    ears = head(3)
    spelled = torch.randn(3, OUT, generator=torch.Generator().manual_seed(5))
    projector = build_projector(PhonemesConfig(), WIDTH, OUT, text=spelled, heard=ears)
    frame = 1e3 * ears.weight[1].detach()
    token = projector.project(frame.view(1, 1, -1), torch.tensor([1]))[0, 0]
    loudest = (ears.weight @ frame).argmax()
    torch.testing.assert_close(token, spelled[loudest])
    token.sum().backward()
    assert projector.spell.grad is not None and ears.weight.grad is None  # copies learn


def test_phonemes_need_a_head():
    with pytest.raises(ConfigError, match="CTC head"):
        build_projector(PhonemesConfig(), WIDTH, OUT, text=TEXT)
