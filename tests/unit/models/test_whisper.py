import struct

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from sylvian.errors import CheckpointError, DataError
from sylvian.models.ctranslate2 import read_ctranslate2
from sylvian.models.whisper import listen, mel_features, read_whisper
from tiny.whisper import (
    HEADS,
    MELS,
    POSITIONS,
    WIDTH,
    as_ctranslate2,
    encoder,
    quantised,
    write_ctranslate2,
)


def bfloat16(values: np.ndarray) -> np.ndarray:
    tensor = torch.from_numpy(values).bfloat16()
    return tensor.view(torch.uint16).numpy()


def test_every_tensor_of_a_ctranslate2_file_arrives(tmp_path):
    whole = encoder(seed=3)
    folder = write_ctranslate2(tmp_path / "model.bin", as_ctranslate2(whole))
    read = read_whisper(folder)
    ours, theirs = read.state_dict(), whole.state_dict()
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(ours[name], theirs[name]) for name in theirs)
    assert read.config.encoder_attention_heads == HEADS
    assert not read.training and not any(p.requires_grad for p in read.parameters())
    mel = torch.randn(1, MELS, 2 * POSITIONS, generator=torch.Generator().manual_seed(0))
    with torch.no_grad():
        assert torch.equal(read(mel).last_hidden_state, whole(mel).last_hidden_state)


@pytest.mark.parametrize("prefix", ["encoder.", "model.encoder."])
def test_a_folder_of_transformers_is_read_too(prefix, tmp_path):
    whole = encoder(seed=3)
    tensors = {f"{prefix}{n}": t.half() for n, t in whole.state_dict().items()}
    save_file(tensors | {"model.decoder.x": torch.ones(1)}, tmp_path / "model.safetensors")
    ours = read_whisper(tmp_path).state_dict()
    assert all(torch.equal(ours[n], t.half().float()) for n, t in whole.state_dict().items())


def test_quantised_weights_get_their_scale_back(tmp_path):
    whole = as_ctranslate2(encoder(seed=3))
    write_ctranslate2(tmp_path / "model.bin", quantised(whole))
    read = read_ctranslate2(tmp_path / "model.bin").tensors
    assert read.keys() == whole.keys()
    for name, values in whole.items():
        step = np.abs(values).max() / 127
        assert np.allclose(read[name], values, atol=0.51 * step + 1e-7), name


@pytest.mark.parametrize("as_stored", [lambda x: x, lambda x: x.astype(np.float16), bfloat16])
def test_floats_of_every_size_are_read(as_stored, tmp_path):
    values = np.linspace(-3, 3, 12, dtype=np.float32).reshape(3, 4)
    write_ctranslate2(tmp_path / "model.bin", {"x": as_stored(values)}, aliases={"y": "x"})
    read = read_ctranslate2(tmp_path / "model.bin").tensors
    assert np.allclose(read["x"].astype(np.float32), values, rtol=1 / 128)
    assert np.array_equal(read["y"], read["x"])


def test_one_scale_for_a_whole_tensor(tmp_path):
    tensors = {"x": np.array([[4, -8]], np.int16), "x_scale": np.array(4, np.float32)}
    write_ctranslate2(tmp_path / "model.bin", tensors)
    read = read_ctranslate2(tmp_path / "model.bin").tensors
    assert list(read) == ["x"] and read["x"].tolist() == [[1.0, -2.0]]


def test_a_file_cut_anywhere_is_damaged(tmp_path):
    path = tmp_path / "model.bin"
    write_ctranslate2(path, {"x": np.ones((2, 3), np.float32)}, aliases={"y": "x"})
    whole = path.read_bytes()
    for size in range(len(whole)):
        path.write_bytes(whole[:size])
        with pytest.raises(CheckpointError, match=r"model\.bin: damaged .*copy the model again"):
            read_ctranslate2(path)
    path.write_bytes(whole + b"\0")
    with pytest.raises(CheckpointError, match="1 bytes are left over"):
        read_ctranslate2(path)


def test_a_size_that_belies_the_shape_is_damaged(tmp_path):
    path = tmp_path / "model.bin"
    write_ctranslate2(path, {"x": np.ones((2, 3), np.float32)})
    content = path.read_bytes()
    shape = struct.pack("<II", 2, 3)
    path.write_bytes(content.replace(shape, struct.pack("<II", 2**31, 2**31)))
    with pytest.raises(CheckpointError, match="'x' has 24 bytes, which do not fill"):
        read_ctranslate2(path)


def test_contradictions_are_named(tmp_path):
    path = tmp_path / "model.bin"
    write_ctranslate2(path, {"x": np.ones(2, np.float32)}, aliases={"y": "z"})
    with pytest.raises(CheckpointError, match="'y' is to be 'z', which is not there"):
        read_ctranslate2(path)
    write_ctranslate2(path, {"x": np.ones(2, np.int8), "x_scale": np.zeros(2, np.float32)})
    with pytest.raises(CheckpointError, match="scales, which must be positive"):
        read_ctranslate2(path)
    write_ctranslate2(path, {"x": np.ones(2, np.int8), "x_scale": np.ones(5, np.float32)})
    with pytest.raises(CheckpointError, match=r"\(2,\) values and \(5,\) scales"):
        read_ctranslate2(path)
    write_ctranslate2(path, {"x": np.ones(2, np.float32)}, version=99)
    with pytest.raises(CheckpointError, match="version 99"):
        read_ctranslate2(path)


def test_other_models_and_empty_folders_are_refused(tmp_path):
    with pytest.raises(CheckpointError, match="no Whisper model there"):
        read_whisper(tmp_path)
    path = tmp_path / "model.bin"
    write_ctranslate2(path, {}, architecture="TransformerSpec")
    with pytest.raises(CheckpointError, match="'TransformerSpec', no Whisper model"):
        read_whisper(tmp_path)
    write_ctranslate2(path, {"encoder/x": np.ones(2, np.float32)})
    with pytest.raises(CheckpointError, match="no Whisper encoder in it"):
        read_whisper(tmp_path)


@pytest.mark.parametrize(
    "name", ["layer_0/ffn/linear_1/bias", "layer_1/self_attention/linear_0/weight", "conv2/weight"]
)
def test_a_missing_tensor_is_named(name, tmp_path):
    tensors = as_ctranslate2(encoder())
    del tensors[f"encoder/{name}"]
    with pytest.raises(CheckpointError, match="missing"):
        read_whisper(write_ctranslate2(tmp_path / "model.bin", tensors))


def test_wrong_widths_and_a_bias_on_keys_are_refused(tmp_path):
    tensors = as_ctranslate2(encoder())
    bent = tensors | {"encoder/conv2/weight": np.ones((WIDTH, WIDTH + 1, 3), np.float32)}
    with pytest.raises(CheckpointError, match=r"conv2\.weight"):
        read_whisper(write_ctranslate2(tmp_path / "model.bin", bent))
    name = "encoder/layer_0/self_attention/linear_0/bias"
    biased = tensors | {name: np.ones(3 * WIDTH, np.float32)}
    with pytest.raises(CheckpointError, match="bias on its keys"):
        read_whisper(write_ctranslate2(tmp_path / "model.bin", biased))
    odd = tensors | {name: np.ones(3 * WIDTH + 1, np.float32)}
    with pytest.raises(CheckpointError, match="no multiple of three"):
        read_whisper(write_ctranslate2(tmp_path / "model.bin", odd))
    split = tensors | {"encoder/num_heads": np.array(5, np.int16)}
    with pytest.raises(CheckpointError, match="5 heads cannot share a width of 12"):
        read_whisper(write_ctranslate2(tmp_path / "model.bin", split))


def test_thirty_seconds_are_heard_as_transformers_hears_them_and_less_without_padding():
    whole = encoder(seed=5)
    mel = torch.randn(MELS, 2 * POSITIONS, generator=torch.Generator().manual_seed(1))
    with torch.no_grad():
        assert torch.equal(listen(whole, mel), whole(mel[None]).last_hidden_state[0])
    assert listen(whole, mel[:, :50]).shape == (25, WIDTH)
    with pytest.raises(DataError, match="at most 4 s"):
        listen(whole, torch.zeros(MELS, 2 * POSITIONS + 2))


def test_mel_features_are_as_long_as_the_recording():
    sound = np.sin(np.arange(16_000) * 0.3)
    mel = mel_features(sound, MELS)
    assert mel.shape == (MELS, 100)
    energy = mel.mean(1)
    assert int(energy.argmax()) in (19, 20)  # 764 Hz are 11.5 mel (Slaney) of 45, in 80 bands
    with pytest.raises(DataError, match="at least 0.1 s"):
        mel_features(sound[:100], MELS)
