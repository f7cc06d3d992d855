"""A random tiny Whisper encoder, and the files that hold one, written here byte by byte."""

import re
import struct
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

WIDTH, MELS, POSITIONS, HEADS = 12, 80, 200, 2
KINDS = {"float32": 0, "int8": 1, "int16": 2, "int32": 3, "float16": 4, "bfloat16": 5}
_THEIRS = (
    ("embed_positions.weight", "position_encodings/encodings"),
    ("self_attn_layer_norm.", "self_attention/layer_norm/"),
    ("self_attn.out_proj.", "self_attention/linear_1/"),
    ("final_layer_norm.", "ffn/layer_norm/"),
    ("fc1.", "ffn/linear_0/"),
    ("fc2.", "ffn/linear_1/"),
    ("layers.", "layer_"),
    ("layer_norm.", "layer_norm/"),
    (".", "/"),
)


def encoder(seed: int = 0, *, layers: int = 2) -> Any:
    from transformers import WhisperConfig
    from transformers.models.whisper.modeling_whisper import WhisperEncoder

    config = WhisperConfig(
        d_model=WIDTH,
        num_mel_bins=MELS,
        max_source_positions=POSITIONS,
        encoder_layers=layers,
        encoder_ffn_dim=16,
        encoder_attention_heads=HEADS,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        built = WhisperEncoder(config)
        for name, parameter in built.named_parameters():
            spread = 1.0 if name == "embed_positions.weight" else 0.4
            torch.nn.init.normal_(parameter, std=spread)
    return built.eval()


def as_ctranslate2(whole: Any) -> dict[str, np.ndarray]:
    """Name tensors as CTranslate2 does, with query, key and value in one."""
    state = {name: tensor.numpy() for name, tensor in whole.state_dict().items()}
    found: dict[str, np.ndarray] = {"encoder/num_heads": np.array(HEADS, "<i2")}
    for number in range(whole.config.encoder_layers):
        own = f"layers.{number}.self_attn"
        zero = np.zeros(WIDTH, np.float32)
        matrix = [state.pop(f"{own}.{x}_proj.weight") for x in "qkv"]
        bias = [state.pop(f"{own}.q_proj.bias"), zero, state.pop(f"{own}.v_proj.bias")]
        there = f"encoder/layer_{number}/self_attention/linear_0"
        found[f"{there}/weight"], found[f"{there}/bias"] = map(np.concatenate, (matrix, bias))
    for name, values in state.items():
        theirs = name
        for ours, other in _THEIRS:
            theirs = theirs.replace(ours, other)
        if "norm" in theirs:
            theirs = re.sub("weight$", "gamma", re.sub("bias$", "beta", theirs))
        found[f"encoder/{theirs}"] = values
    found["decoder/embeddings/weight"] = np.ones((3, WIDTH), np.float32)
    return found


def quantised(tensors: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """Store matrices as int8 with a scale for each row, as CTranslate2 does."""
    found = {}
    for name, values in tensors.items():
        if name.endswith("/weight") and values.dtype == np.float32:
            flat = values.reshape(len(values), -1)
            scale = (127 / np.abs(flat).max(1)).astype(np.float32)
            found[name] = np.rint(flat * scale[:, None]).astype(np.int8).reshape(values.shape)
            found[f"{name}_scale"] = scale
        else:
            found[name] = values
    return found


def write_ctranslate2(
    path: Path,
    tensors: Mapping[str, np.ndarray],
    *,
    version: int = 6,
    architecture: str = "WhisperSpec",
    aliases: Mapping[str, str] | None = None,
) -> Path:
    def text(value: str) -> bytes:
        return struct.pack("<H", len(value) + 1) + value.encode() + b"\0"

    parts = [struct.pack("<I", version), text(architecture), struct.pack("<II", 3, len(tensors))]
    for name, values in tensors.items():
        kind = KINDS["bfloat16" if values.dtype == np.uint16 else values.dtype.name]
        parts += [text(name), struct.pack(f"<B{values.ndim}I", values.ndim, *values.shape)]
        parts += [struct.pack("<BI", kind, values.nbytes), values.tobytes()]
    parts.append(struct.pack("<I", len(aliases or {})))
    parts += [text(part) for pair in (aliases or {}).items() for part in pair]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(b"".join(parts))
    return path.parent
