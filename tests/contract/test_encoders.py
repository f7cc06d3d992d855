"""What every encoder promises, over every kind of encoder (house §4, dossier §11 check 2)."""

from pathlib import Path

import numpy as np
import pytest
import torch

from sylvian.errors import ConfigError
from sylvian.models.artefact import load_model, save_model
from sylvian.models.batch import make_batch
from sylvian.models.ctc import CtcModel, CtcObjective, logits_of
from sylvian.models.encoder import Encoder, SessionSpec, build_encoder
from sylvian.models.gru import GruConfig
from sylvian.models.transformer import TransformerConfig
from sylvian.text import Vocabulary
from sylvian.types import Trial, TrialInfo, TrialKey

DAYS = ("2023-08-11", "2023-08-13", "2023-08-18")
N_CHANNELS = 5
SESSIONS = [
    SessionSpec(path=f"toy/T15/{day}", participant="toy/T15", n_channels=N_CHANNELS) for day in DAYS
]
VOCABULARY = Vocabulary(("BLANK", "AA", "B", "SIL"))
BIT = {"width": 16, "depth": 2, "heads": 2, "head_width": 8, "feedforward": 24}
BASELINE = {"width": 12, "depth": 2, "kernel_bins": 6, "stride_bins": 2}
CONFIGS = {
    "bit": TransformerConfig(**BIT),
    "bit-masked": TransformerConfig(**BIT, mask_ratio=0.5),
    "bit-session-read-in": TransformerConfig(**BIT, read_in="session", day_affine=True),
    "bit-banded": TransformerConfig(**BIT, context_backward=4, context_forward=1),
    "bit-no-smoothing": TransformerConfig(**BIT, smoothing=None),
    "bit-causal": TransformerConfig(**BIT, causal=True),
    "bit-causal-short": TransformerConfig(**BIT, causal=True, context_backward=3, patch_bins=3),
    "bit-lookahead": TransformerConfig(**BIT, context_forward=0, day_affine=True),
    "gru": GruConfig(**BASELINE),
    "gru-bidirectional": GruConfig(**BASELINE, bidirectional=True, learned_start=False),
    "gru-causal": GruConfig(**BASELINE, causal=True),
}
LENGTHS = (61, 7, 40, 3, 55, 1)

every_encoder = pytest.mark.parametrize("name", CONFIGS)
STREAMING = ("bit-causal", "bit-causal-short", "bit-lookahead", "gru", "gru-causal")
streaming = pytest.mark.parametrize("name", STREAMING)


def build(name: str) -> CtcModel:
    encoder = build_encoder(CONFIGS[name], SESSIONS, seed=1)
    with torch.no_grad():  # make days differ where there is a layer for each
        for parameter in encoder.parameters():
            parameter += 0.05 * torch.randn(
                parameter.shape, generator=torch.Generator().manual_seed(parameter.numel())
            )
    return CtcModel(encoder, VOCABULARY).eval()


def trial(n_bins: int, number: int = 0) -> Trial:
    noise = np.random.default_rng([n_bins, number]).standard_normal((n_bins, N_CHANNELS))
    key = TrialKey("toy", "T15", DAYS[number % 3], 1, number)
    info = TrialInfo(key, "train", n_bins, phonemes=("AA",))
    return Trial(info, noise.astype(np.float32))


def batch_of(model: CtcModel, trials: list[Trial]):
    return make_batch(trials, session_index=model.encoder.session_index, vocabulary=VOCABULARY)


def encode(encoder: Encoder, features: torch.Tensor, session: int = 1) -> torch.Tensor:
    with torch.no_grad():
        return encoder(features[None], torch.tensor([len(features)]), torch.tensor([session]))[0]


@every_encoder
def test_a_trial_never_depends_on_its_batch_mates(name):
    model = build(name)
    trials = [trial(n_bins, number) for number, n_bins in enumerate(LENGTHS)]
    together = logits_of(model, batch_of(model, trials))
    pair = logits_of(model, batch_of(model, [trials[2], trials[0]]))
    for number, own in enumerate(trials):
        alone = logits_of(model, batch_of(model, [own]))[0].values
        np.testing.assert_allclose(together[number].values, alone, atol=1e-5)
    np.testing.assert_allclose(pair[0].values, together[2].values, atol=1e-5)


@every_encoder
def test_what_lies_in_the_padding_does_not_matter(name):
    model = build(name)
    batch = batch_of(model, [trial(61), trial(20, 1)])
    clean = model(batch)[0]
    batch.features[1, 20:] = torch.nan
    torch.testing.assert_close(model(batch)[0], clean)


@every_encoder
def test_gradients_do_not_depend_on_batch_mates_either(name):
    """A batch's gradient is the mean of its trials' own gradients."""
    model, trials = build(name), [trial(61), trial(20, 1)]

    def gradient(chosen: list[Trial]) -> torch.Tensor:
        model.zero_grad(set_to_none=False)
        CtcObjective(model)(batch_of(model, chosen)).total.backward()
        return torch.cat(
            [
                torch.zeros_like(p).flatten() if p.grad is None else p.grad.flatten().clone()
                for p in model.parameters()
            ]
        )

    apart = torch.stack([gradient([own]) for own in trials]).mean(0)
    torch.testing.assert_close(gradient(trials), apart, atol=1e-5, rtol=1e-3)


@every_encoder
def test_one_length_formula(name):
    encoder = build(name).encoder
    lengths = torch.tensor(LENGTHS)
    frames = encoder.n_frames(lengths)
    assert frames.tolist() == [encoder.n_frames(n_bins) for n_bins in LENGTHS]
    for n_bins, n_frames in zip(LENGTHS, frames.tolist(), strict=True):
        latents = encode(encoder, torch.randn(n_bins, N_CHANNELS))
        assert latents.shape == (n_frames, encoder.width)


@every_encoder
def test_frames_behind_a_trials_end_are_zero(name):
    encoder = build(name).encoder
    features = torch.randn(2, 30, N_CHANNELS)
    latents = encoder(features, torch.tensor([30, 12]), torch.tensor([0, 0]))
    end = encoder.n_frames(12)
    assert latents[1, end:].count_nonzero() == 0
    assert latents[1, :end].count_nonzero() > 0


@every_encoder
def test_the_past_is_unchanged_by_the_future_beyond_the_lookahead(name):
    encoder = build(name).encoder
    features = torch.randn(90, N_CHANNELS, generator=torch.Generator().manual_seed(0))
    changed = features.clone()
    changed[60:] = torch.randn(30, N_CHANNELS, generator=torch.Generator().manual_seed(1)) * 5
    before, after = encode(encoder, features), encode(encoder, changed)
    if encoder.lookahead_bins is None:
        assert not torch.allclose(before[0], after[0], atol=1e-6)
        return
    safe = encoder.n_frames(60 - encoder.lookahead_bins + 1) - 1
    torch.testing.assert_close(before[:safe], after[:safe], atol=1e-5, rtol=1e-5)
    assert not torch.allclose(before[-1], after[-1], atol=1e-3)


@every_encoder
def test_the_published_lookahead_is_used_up(name):
    """The last bin that a frame may see does reach it."""
    encoder = build(name).encoder
    if not encoder.lookahead_bins:
        return
    features = torch.randn(90, N_CHANNELS, generator=torch.Generator().manual_seed(0))
    frame, kernel = 5, encoder.frame_bins
    if isinstance(encoder.config, GruConfig):
        kernel = encoder.config.kernel_bins
    last = frame * encoder.frame_bins + kernel - 1 + encoder.lookahead_bins
    touched, beyond = features.clone(), features.clone()
    touched[last] += 100
    beyond[last + 1] += 100
    reference = encode(encoder, features)[frame]
    assert not torch.allclose(encode(encoder, touched)[frame], reference, atol=1e-6)
    torch.testing.assert_close(encode(encoder, beyond)[frame], reference, atol=1e-5, rtol=1e-5)


@streaming
@pytest.mark.parametrize("chunk", [1, 4, 25])
@pytest.mark.parametrize("n_bins", [1, 5, 62])
def test_stream_equals_whole(name, chunk, n_bins):
    encoder = build(name).encoder
    features = torch.randn(n_bins, N_CHANNELS, generator=torch.Generator().manual_seed(n_bins))
    state, pieces = encoder.start(1), []
    with torch.no_grad():
        for piece in features.split(chunk):
            latents, state = encoder.step(piece, state)
            pieces.append(latents)
        pieces.append(encoder.finish(state))
    torch.testing.assert_close(torch.cat(pieces), encode(encoder, features), atol=1e-5, rtol=1e-4)


@streaming
def test_frames_arrive_as_soon_as_the_lookahead_allows(name):
    encoder = build(name).encoder
    features, state, n_frames = torch.randn(50, N_CHANNELS), encoder.start(0), 0
    kernel = getattr(encoder.config, "kernel_bins", encoder.frame_bins)
    with torch.no_grad():
        for bin_, piece in enumerate(features.split(1), start=1):
            latents, state = encoder.step(piece, state)
            n_frames += len(latents)
            complete = bin_ - encoder.lookahead_bins - kernel
            assert n_frames == max(0, complete // encoder.frame_bins + 1)


@streaming
def test_a_state_can_be_stepped_twice(name):
    """State is passed in and out: an old one still leads to the same future."""
    encoder, features = build(name).encoder, torch.randn(40, N_CHANNELS)
    with torch.no_grad():
        _, state = encoder.step(features[:20], encoder.start(0))
        first, again = (encoder.step(features[20:], state)[0] for _ in range(2))
    assert torch.equal(first, again)


@pytest.mark.parametrize("name", [name for name in CONFIGS if name not in STREAMING])
def test_encoders_of_the_whole_trial_refuse_to_stream(name):
    with pytest.raises(ConfigError, match="cannot stream"):
        build(name).encoder.start(0)


@every_encoder
def test_every_parameter_learns(name):
    model = build(name).train()
    CtcObjective(model)(
        batch_of(model, [trial(50, number) for number in range(3)])
    ).total.backward()
    idle = {label for label, parameter in model.named_parameters() if parameter.grad is None}
    masks = getattr(CONFIGS[name], "mask_ratio", None)
    assert idle == ({"encoder.mask_token"} if masks == 0.0 else set())


@every_encoder
def test_a_saved_encoder_answers_the_same(name, tmp_path: Path):
    model = build(name)
    save_model(model, tmp_path / "model")
    batch = batch_of(model, [trial(30), trial(44, 2)])
    again = logits_of(load_model(tmp_path / "model"), batch)
    for ours, theirs in zip(logits_of(model, batch), again, strict=True):
        np.testing.assert_array_equal(ours.values, theirs.values)


@every_encoder
def test_wrong_inputs_are_refused_by_name(name):
    encoder = build(name).encoder
    one = torch.tensor([4])
    with pytest.raises(ConfigError, match=r"toy/T15/2023-08-13: features have 7 channels"):
        encoder(torch.zeros(1, 4, 7), one, torch.tensor([1]))
    with pytest.raises(ConfigError, match="session index 3"):
        encoder(torch.zeros(1, 4, N_CHANNELS), one, torch.tensor([3]))
    with pytest.raises(ConfigError, match="5 to 5 bins do not fit"):
        encoder(torch.zeros(1, 4, N_CHANNELS), one + 1, torch.tensor([0]))
    with pytest.raises(ConfigError, match="0 to 0 bins"):
        encoder(torch.zeros(1, 4, N_CHANNELS), one * 0, torch.tensor([0]))


@every_encoder
def test_bfloat16_stays_close(name):
    encoder = build(name).encoder
    features = torch.randn(60, N_CHANNELS, generator=torch.Generator().manual_seed(0))
    exact = encode(encoder, features)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        rough = encode(encoder, features)
    assert (rough.float() - exact).norm() < 0.05 * exact.norm()
