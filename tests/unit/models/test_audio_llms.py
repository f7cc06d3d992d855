import json
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from sylvian.errors import CheckpointError
from sylvian.models.audio_llms import AERO, load_audio_llm, read_audio_llm, renamed
from sylvian.models.backbones import backbone_of
from tiny.llms import model, tokenizer

PROJECTOR = {"aero": "audio_modal_projector", "qwen2_audio": "multi_modal_projector"}


def as_published(whole: Any, kind: str) -> dict[str, torch.Tensor]:
    """Name tensors as the published files do."""
    parts = {
        "language_model.model": whole.model.language_model,
        "language_model.lm_head": whole.lm_head,
        PROJECTOR[kind]: whole.model.multi_modal_projector,
        "audio_tower": whole.model.audio_tower,
    }
    return {
        f"{p}.{n}": t.clone() for p, part in parts.items() for n, t in part.state_dict().items()
    }


def write(folder: Path, whole: Any, kind: str, tensors: dict[str, torch.Tensor]) -> Path:
    folder.mkdir(exist_ok=True)
    config = whole.config.to_dict() | {"model_type": kind}
    (folder / "config.json").write_text(json.dumps(config))
    tokenizer().save_pretrained(folder)
    names = sorted(tensors)
    half = len(names) // 2
    for number, own in enumerate((names[:half], names[half:]), 1):
        save_file({n: tensors[n] for n in own}, folder / f"model-0000{number}-of-00002.safetensors")
    return folder


@pytest.mark.parametrize("kind", PROJECTOR)
def test_every_tensor_of_the_published_files_arrives(kind, tmp_path):
    whole = model("qwen2_audio", seed=4)
    folder = write(tmp_path / "audio", whole, kind, as_published(whole, kind))
    llm, words = load_audio_llm(str(folder))
    truth = backbone_of(whole)
    ours, theirs = llm.state_dict(), truth.state_dict()
    assert ours.keys() == theirs.keys()
    assert all(torch.equal(ours[name], theirs[name]) for name in ours)
    assert llm.identity == truth.identity
    assert words.get_vocab() == tokenizer().get_vocab()
    sound, tokens = torch.randn(1, 4, truth.audio_width), torch.arange(5)[None]
    assert torch.equal(llm.hear(sound), whole.model.multi_modal_projector(sound))
    with torch.no_grad():
        assert torch.equal(llm.causal(tokens).logits, truth.causal(tokens).logits)
    assert not llm.training and not any(p.requires_grad for p in llm.parameters())


def test_files_that_transformers_writes_itself_are_read_too(tmp_path):
    whole = model("qwen2_audio", seed=4)
    whole.save_pretrained(tmp_path)
    assert read_audio_llm(tmp_path).identity == backbone_of(whole).identity


def test_an_output_layer_that_is_the_embedding_is_named_once(tmp_path):
    """So it is in files of Qwen2.5-1.5B, from which Aero was made."""
    whole = model("qwen2_audio")
    tensors = as_published(whole, "aero")
    del tensors["language_model.lm_head.weight"]
    folder = write(tmp_path, whole, "aero", tensors)
    config = json.loads((folder / "config.json").read_text())
    config["text_config"]["tie_word_embeddings"] = True
    (folder / "config.json").write_text(json.dumps(config))
    causal = read_audio_llm(folder).causal
    assert causal.lm_head.weight is causal.model.embed_tokens.weight
    assert torch.equal(causal.lm_head.weight, tensors["language_model.model.embed_tokens.weight"])


def test_weights_take_the_precision_asked_for(tmp_path):
    whole = model("qwen2_audio")
    folder = write(tmp_path, whole, "aero", as_published(whole, "aero"))
    llm = read_audio_llm(folder, dtype=torch.bfloat16)
    assert {p.dtype for p in llm.parameters()} == {torch.bfloat16}
    assert llm.identity == backbone_of(whole).identity  # told apart by weights, not precision


def test_aeros_projector_under_the_name_the_reference_expects_is_refused(tmp_path):
    """The reference's silent failure: the right file, the wrong name, a random projector."""
    whole = model("qwen2_audio")
    folder = write(tmp_path, whole, "qwen2_audio", as_published(whole, "aero"))
    with pytest.raises(CheckpointError, match="audio_modal_projector"):
        read_audio_llm(folder)


@pytest.mark.parametrize(
    "lost", ["audio_modal_projector.linear.weight", "language_model.lm_head.weight"]
)
def test_a_missing_tensor_is_named(lost, tmp_path):
    whole = model("qwen2_audio")
    tensors = as_published(whole, "aero")
    del tensors[lost]
    folder = write(tmp_path, whole, "aero", tensors)
    with pytest.raises(CheckpointError, match=lost.split(".", 1)[1]):
        read_audio_llm(folder)


def test_another_shape_is_named(tmp_path):
    whole = model("qwen2_audio")
    tensors = as_published(whole, "aero")
    tensors["audio_modal_projector.linear.bias"] = torch.zeros(3)
    folder = write(tmp_path, whole, "aero", tensors)
    with pytest.raises(CheckpointError, match=r"audio\.linear\.bias"):
        read_audio_llm(folder)


def test_text_llms_and_empty_folders_are_refused(tmp_path):
    with pytest.raises(CheckpointError, match="config.json"):
        read_audio_llm(tmp_path)
    (tmp_path / "config.json").write_text('{"model_type": "qwen2"}')
    with pytest.raises(CheckpointError, match="no audio-LLM.*modality=neural"):
        read_audio_llm(tmp_path)
    (tmp_path / "config.json").write_text('{"model_type": "aero"}')
    with pytest.raises(CheckpointError, match="no weights"):
        read_audio_llm(tmp_path)


def test_a_model_nobody_can_fetch_is_an_error(monkeypatch):
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    with pytest.raises(CheckpointError, match="lmms-lab/no-such-model: no such folder"):
        load_audio_llm("lmms-lab/no-such-model")


def test_names_are_mapped_by_the_table():
    assert renamed("audio_modal_projector.linear.bias", AERO) == "audio.linear.bias"
    assert renamed("language_model.model.norm.weight", AERO) == "causal.model.norm.weight"
    assert renamed("audio_tower.conv1.weight", AERO) is None
    with pytest.raises(KeyError):
        renamed("vision_tower.x", AERO)
