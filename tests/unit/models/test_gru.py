import pytest
import torch

from sylvian.config import override
from sylvian.errors import ConfigError
from sylvian.models.ctc import CtcModel
from sylvian.models.encoder import build_encoder
from sylvian.models.gru import GruConfig
from sylvian.models.sessions import SessionSpec
from sylvian.text import phoneme_vocabulary

SMALL = GruConfig(width=8, depth=2, kernel_bins=6, stride_bins=2)


def days(count: int, n_channels: int) -> list[SessionSpec]:
    paths = [f"a/T/{day:04d}" for day in range(count)]
    return [SessionSpec(path=path, participant="a/T", n_channels=n_channels) for path in paths]


def test_the_t15_baseline_has_the_published_size():
    model = CtcModel(build_encoder(GruConfig.t15(), days(45, 512)), phoneme_vocabulary())
    assert sum(parameter.numel() for parameter in model.parameters()) == 44_315_177


def test_the_t12_baseline_is_bidirectional_with_long_patches():
    encoder = build_encoder(GruConfig.t12().model_copy(update={"width": 4}), days(24, 256))
    assert encoder.width == 8
    assert encoder.lookahead_bins is None
    assert (encoder.gru.num_layers, encoder.gru.input_size) == (5, 32 * 256)
    assert GruConfig.t12().width == 1024
    assert encoder.frame_bins == 4
    assert encoder.n_frames(100) == (100 - 32) // 4 + 1


@pytest.mark.parametrize(("n_bins", "n_frames"), [(1, 1), (6, 1), (7, 1), (8, 2), (9, 2), (10, 3)])
def test_frames_are_the_kernels_that_fit(sessions, n_bins, n_frames):
    encoder = build_encoder(SMALL, sessions)
    assert encoder.n_frames(n_bins) == n_frames
    assert encoder.n_frames(torch.tensor([n_bins])).tolist() == [n_frames]


def test_recurrent_weights_begin_orthogonal(sessions):
    weight = build_encoder(SMALL, sessions).gru.weight_hh_l1
    torch.testing.assert_close(weight.T @ weight, torch.eye(8), atol=1e-5, rtol=0)


def test_one_channel_layout_only(sessions):
    other = SessionSpec(path="toy/T12/2022-04-28", participant="toy/T12", n_channels=4)
    with pytest.raises(ConfigError, match=r"one channel layout, got \[4, 6\]"):
        build_encoder(SMALL, [*sessions, other])


@pytest.mark.parametrize(
    ("assignments", "lookahead"),
    [([], 6), (["causal=true"], 0), (["smoothing=null"], 0), (["bidirectional=true"], None)],
)
def test_lookahead_is_published(sessions, assignments, lookahead):
    assert build_encoder(override(SMALL, assignments), sessions).lookahead_bins == lookahead


def test_causal_contradicts_bidirectional(sessions):
    with pytest.raises(ConfigError, match="causal"):
        override(SMALL, ["causal=true", "bidirectional=true"])
    both = build_encoder(override(SMALL, ["bidirectional=true"]), sessions)
    with pytest.raises(ConfigError, match=r"encoder\.bidirectional=false"):
        both.start(0)


def test_an_unseen_day_is_refused_or_borrows(sessions):
    encoder, new = build_encoder(SMALL, sessions), "toy/T15/2023-08-29"
    with pytest.raises(ConfigError, match="Known: toy/T15/2023-08-11"):
        encoder.locate([new])
    assert encoder.locate([new], unseen="nearest") == {new: 2}
