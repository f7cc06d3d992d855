"""Whisper's encoder out of a folder: its tensors by name, its mel features, sounds of any length.

The folder is one of transformers (config.json and safetensors) or of CTranslate2 (model.bin). Only
the encoder is read; its sizes follow from the shapes.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from sylvian.errors import CheckpointError, DataError
from sylvian.models.artefact import check_tensors, read_weights
from sylvian.models.ctranslate2 import Array, Ctranslate2File, read_ctranslate2

RATE_HZ = 16_000
FRAME_S = 0.02
"""One frame of the encoder."""
_HEAD = 64
"""Every published Whisper has attention heads of this width."""
_SHORTEST_S = 0.1


def read_whisper(folder: Path) -> nn.Module:
    """Read the encoder of a Whisper model, in float32 and in inference mode.

    Args:
        folder: With `model.bin` (CTranslate2: float32, float16, bfloat16, int8 or int16), or with
            `*.safetensors` as transformers writes them.

    Raises:
        CheckpointError: neither is there, a file is damaged, or its tensors are not those of a
            Whisper encoder.
    """
    binary, files = folder / "model.bin", sorted(folder.glob("*.safetensors"))
    if files:
        return _encoder(_from_transformers(files), None, folder)
    if not binary.is_file():
        raise CheckpointError(
            f"{folder}: no Whisper model there; give a folder with model.bin (CTranslate2) or "
            "*.safetensors (transformers)"
        )
    read = read_ctranslate2(binary)
    if read.architecture != "WhisperSpec":
        raise CheckpointError(f"{binary}: holds a {read.architecture!r}, no Whisper model")
    return _encoder(_from_ctranslate2(read, binary), _heads(read), binary)


def mel_features(sound: Float[Array, " samples"], n_mels: int) -> Float[Tensor, "mels frames"]:
    """Turn a recording into Whisper's log-mel features, of its own length: nothing is padded.

    Args:
        sound: At 16 kHz, between -1 and 1.
        n_mels: 80, or 128 for large-v3.

    Returns:
        An even number of frames of 10 ms.

    Raises:
        DataError: the recording is shorter than 0.1 s.
    """
    from transformers import WhisperFeatureExtractor

    build: Any = WhisperFeatureExtractor
    if len(sound) < _SHORTEST_S * RATE_HZ:
        raise DataError(f"a recording of {len(sound)} samples; at least {_SHORTEST_S} s are needed")
    whole = build(feature_size=n_mels)(
        sound.astype(np.float32), sampling_rate=RATE_HZ, padding="do_not_pad", return_tensors="np"
    )
    mel = torch.from_numpy(whole["input_features"][0])
    return mel[:, : mel.shape[1] // 2 * 2]


@torch.no_grad()
def listen(encoder: nn.Module, mel: Float[Tensor, "mels frames"]) -> Float[Tensor, "tokens width"]:
    """Encode one recording of any length up to the encoder's 30 s; 50 frames a second.

    Raises:
        DataError: the recording is longer.

    Why here: transformers' own `forward` wants every recording filled up to 30 s, which makes two
    seconds fifteen times as expensive; attention needs no more than the positions there are.
    """
    own: Any = encoder
    positions = own.embed_positions.weight
    if mel.shape[1] > 2 * len(positions):
        raise DataError(
            f"a recording of {mel.shape[1] / 100:.1f} s; Whisper hears at most "
            f"{len(positions) * FRAME_S:.0f} s at a time"
        )
    hidden = functional.gelu(own.conv1(mel.to(positions)[None]))
    hidden = functional.gelu(own.conv2(hidden)).transpose(1, 2)
    hidden = hidden + positions[: hidden.shape[1]]
    for layer in own.layers:
        hidden = layer(hidden, None)
    encoded: Tensor = own.layer_norm(hidden)[0]
    return encoded


def _encoder(tensors: Mapping[str, Tensor], heads: int | None, path: Path) -> nn.Module:
    from transformers import WhisperConfig
    from transformers.models.whisper.modeling_whisper import WhisperEncoder

    sizes = _sizes(tensors, path)
    if heads is not None and (heads < 1 or sizes["d_model"] % heads):
        raise CheckpointError(f"{path}: {heads} heads cannot share a width of {sizes['d_model']}")
    config = WhisperConfig(**sizes, encoder_attention_heads=heads or _by_width(sizes["d_model"]))
    with torch.device("meta"):
        encoder: Any = WhisperEncoder(config)
    check_tensors(encoder.state_dict(), tensors, path)
    encoder.load_state_dict(tensors, strict=True, assign=True)
    ready: nn.Module = encoder.eval().requires_grad_(False)
    return ready


def _sizes(tensors: Mapping[str, Tensor], path: Path) -> dict[str, Any]:
    try:
        width, mels, _ = tensors["conv1.weight"].shape
        positions, _ = tensors["embed_positions.weight"].shape
        inner, _ = tensors["layers.0.fc1.weight"].shape
    except (KeyError, ValueError) as failure:
        raise CheckpointError(f"{path}: no Whisper encoder in it ({failure})") from None
    layers = {name.split(".")[1] for name in tensors if name.startswith("layers.")}
    return {
        "d_model": width,
        "num_mel_bins": mels,
        "max_source_positions": positions,
        "encoder_ffn_dim": inner,
        "encoder_layers": len(layers),
    }


def _by_width(width: int) -> int:
    return max(1, width // _HEAD)


def _from_transformers(files: list[Path]) -> dict[str, Tensor]:
    found = {}
    for file in files:
        for name, tensor in read_weights(file).items():
            short = name.removeprefix("model.")
            if short.startswith("encoder."):
                found[short.removeprefix("encoder.")] = tensor.float()
    return found


def _heads(read: Ctranslate2File) -> int | None:
    heads = read.tensors.get("encoder/num_heads")
    return None if heads is None else int(heads)


_NUMBER = re.compile(r"^layer_(\d+)/")
_RENAMED = (
    ("position_encodings/encodings", "embed_positions.weight"),
    ("self_attention/layer_norm/", "self_attn_layer_norm."),
    ("self_attention/linear_1/", "self_attn.out_proj."),
    ("ffn/layer_norm/", "final_layer_norm."),
    ("ffn/linear_0/", "fc1."),
    ("ffn/linear_1/", "fc2."),
    ("gamma", "weight"),
    ("beta", "bias"),
    ("/", "."),
)
"""Parts of CTranslate2's names and what transformers calls them, applied in this order."""
_FUSED = "self_attention/linear_0/"


def _from_ctranslate2(read: Ctranslate2File, path: Path) -> dict[str, Tensor]:
    found = {}
    for name, values in read.tensors.items():
        if name.startswith("encoder/") and values.ndim:
            short = _NUMBER.sub(r"layers.\1.", name.removeprefix("encoder/"))
            for ours, part in _parts(short, values, path):
                found[ours] = torch.from_numpy(np.array(part, dtype=np.float32))
    return found


def _parts(name: str, values: Array, path: Path) -> Iterator[tuple[str, Array]]:
    """Give tensors by transformers' names; query, key and value are one matrix in CTranslate2."""
    if _FUSED not in name:
        for theirs, ours in _RENAMED:
            name = name.replace(theirs, ours)
        yield name, values
        return
    layer, kind = name.split(_FUSED)
    if len(values) % 3:
        raise CheckpointError(f"{path}: {name!r} has {len(values)} rows, no multiple of three")
    for part, letter in zip(np.split(values, 3), "qkv", strict=True):
        if (letter, kind) != ("k", "bias"):
            yield f"{layer}self_attn.{letter}_proj.{kind}", part
        elif part.any():
            raise CheckpointError(f"{path}: {name!r} has a bias on its keys; no Whisper model")
