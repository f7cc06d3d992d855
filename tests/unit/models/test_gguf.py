"""A tiny GGUF file, written with the format's own library, scores as the model it was made from."""

import json
from pathlib import Path
from typing import Any

import gguf
import numpy as np
import pytest
import torch

from sylvian.errors import CheckpointError
from sylvian.models.hub import open_text_lm
from sylvian.models.textlm import CausalLm
from tiny.text import tiny

TEXTS = ["we want to go home", "i don't know what they said", "they went there 12 times"]
NAMES = {
    "self_attn.q_proj": "attn_q",
    "self_attn.k_proj": "attn_k",
    "self_attn.v_proj": "attn_v",
    "self_attn.o_proj": "attn_output",
    "mlp.gate_proj": "ffn_gate",
    "mlp.up_proj": "ffn_up",
    "mlp.down_proj": "ffn_down",
    "input_layernorm": "attn_norm",
    "post_attention_layernorm": "ffn_norm",
}


def interleaved(weight: torch.Tensor, heads: int) -> torch.Tensor:
    """Order rotary rows as llama.cpp keeps them."""
    halves = weight.view(heads, 2, weight.shape[0] // heads // 2, weight.shape[1])
    return halves.swapaxes(1, 2).reshape(weight.shape)


def write(path: Path, model: Any, tokenizer: Any) -> None:
    writer, config = gguf.GGUFWriter(path, "llama"), model.config
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    writer.add_rope_dimension_count(config.head_dim)
    writer.add_rope_freq_base(config.rope_parameters["rope_theta"])
    writer.add_vocab_size(config.vocab_size)
    vocabulary = sorted(tokenizer.get_vocab().items(), key=lambda item: item[1])
    tokens = [token for token, _ in vocabulary]
    tokens += [f"<unused{n}>" for n in range(config.vocab_size - len(tokens))]
    special = set(tokenizer.all_special_tokens)
    writer.add_tokenizer_model("gpt2")
    writer.add_token_list(tokens)
    writer.add_token_types([3 if token in special else 1 for token in tokens])
    pairs = json.loads(tokenizer.backend_tokenizer.to_str())["model"]["merges"]
    writer.add_token_merges([" ".join(pair) for pair in pairs])
    writer.add_bos_token_id(tokenizer.bos_token_id)
    writer.add_eos_token_id(tokenizer.bos_token_id)
    for name, values in model.state_dict().items():
        writer.add_tensor(*renamed(name, values, config))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def renamed(name: str, values: torch.Tensor, config: Any) -> tuple[str, np.ndarray]:
    outside = {"model.embed_tokens": "token_embd", "model.norm": "output_norm", "lm_head": "output"}
    stem = name.removesuffix(".weight")
    if stem in outside:
        return f"{outside[stem]}.weight", values.float().numpy()
    _, _, layer, inner = stem.split(".", 3)
    if inner == "self_attn.q_proj":
        values = interleaved(values, config.num_attention_heads)
    if inner == "self_attn.k_proj":
        values = interleaved(values, config.num_key_value_heads)
    return f"blk.{layer}.{NAMES[inner]}.weight", values.float().contiguous().numpy()


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SYLVIAN_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def test_a_gguf_file_is_converted_once_and_scores_alike(tmp_path: Path, cache: Path) -> None:
    model, tokenizer = tiny("llama")
    model = model.half().float()  # what a converted file keeps
    path = tmp_path / "tiny.gguf"
    write(path, model, tokenizer)
    lm = open_text_lm(str(path))
    expected = CausalLm(model, tokenizer).score_sentences(TEXTS)
    np.testing.assert_allclose(lm.score_sentences(TEXTS), expected, atol=1e-3)
    (folder,) = cache.iterdir()
    stamp = (folder / "model.safetensors").stat().st_mtime_ns
    assert open_text_lm(str(path)).digest == lm.digest
    assert (folder / "model.safetensors").stat().st_mtime_ns == stamp


def test_a_damaged_gguf_file_is_named_and_leaves_nothing(tmp_path: Path, cache: Path) -> None:
    path = tmp_path / "broken.gguf"
    path.write_bytes(b"GGUF" + bytes(100))
    with pytest.raises(CheckpointError, match="broken.gguf: cannot be opened"):
        open_text_lm(str(path))
    assert list(cache.iterdir()) == []
