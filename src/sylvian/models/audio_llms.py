"""Published audio-LLMs as files: language model and multimodal projector, each tensor by name."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from sylvian.errors import CheckpointError
from sylvian.models.artefact import check_tensors
from sylvian.models.assembled import EAR, KIND, LANGUAGE, PROJECTOR, empty_projector
from sylvian.models.backbones import Backbone
from sylvian.models.hub import quietly

CAUSAL, AUDIO = "causal.", "audio."
Table = tuple[tuple[str, str | None], ...]

AERO: Table = (
    ("language_model.", CAUSAL),
    ("audio_modal_projector.", AUDIO),
    ("audio_tower.", None),
)
"""Aero-1-Audio. The reference loads it as Qwen2-Audio, which knows no `audio_modal_projector`, so
that its projector stays random (dossier §9.2)."""
QWEN2_AUDIO: Table = (
    ("language_model.", CAUSAL),
    ("multi_modal_projector.", AUDIO),
    ("audio_tower.", None),
    # as transformers 5 names them in memory
    ("model.language_model.", f"{CAUSAL}model."),
    ("model.multi_modal_projector.", AUDIO),
    ("model.audio_tower.", None),
    ("lm_head.", f"{CAUSAL}lm_head."),
)
ASSEMBLED: Table = ((LANGUAGE, CAUSAL), (PROJECTOR, AUDIO), (EAR, None))
"""What `sylvian audio-llm` writes."""
TABLES: Mapping[str, Table] = {"aero": AERO, "qwen2_audio": QWEN2_AUDIO, KIND: ASSEMBLED}
"""Beginning of a tensor's name in the file to its beginning in a `Backbone`, by `model_type`; None
is the audio encoder, whose place the neural encoder takes."""


def load_audio_llm(name: str, *, dtype: torch.dtype | None = None) -> tuple[Backbone, Any]:
    """Load an audio-LLM without its audio encoder, and its tokenizer.

    Args:
        name: A folder, or a name on the hub such as `Qwen/Qwen2-Audio-7B` or
            `lmms-lab/Aero-1-Audio-1.5B`. No code that comes with a model is run.
        dtype: Precision of the weights; None: as they were saved.

    Raises:
        CheckpointError: nothing is found there, it is no audio-LLM whose tensors are known, or a
            tensor is missing, unknown or of another shape.
    """
    from transformers import AutoTokenizer

    folder = _folder(name)
    try:
        with quietly():
            tokenizer: Any = AutoTokenizer.from_pretrained(folder, trust_remote_code=False)
    except (OSError, ValueError) as failure:
        raise CheckpointError(f"{folder}: cannot read the tokenizer ({failure})") from None
    with quietly():
        return read_audio_llm(folder, dtype=dtype), tokenizer


def read_audio_llm(folder: Path, *, dtype: torch.dtype | None = None) -> Backbone:
    """Read language model and multimodal projector out of a folder; see `load_audio_llm`.

    Raises:
        CheckpointError: as `load_audio_llm`.
    """
    described = _described(folder)
    config, table = _config(described), TABLES[described["model_type"]]
    with torch.device("meta"):
        causal, audio = _empty(config, described, folder / "config.json")
    tensors = _read(folder, table, dtype)
    _tie(causal, tensors)
    expected = {f"{CAUSAL}{k}": v for k, v in causal.state_dict().items()}
    expected |= {f"{AUDIO}{k}": v for k, v in audio.state_dict().items()}
    types = {k: v.to(tensors[k].dtype) if k in tensors else v for k, v in expected.items()}
    check_tensors(types, tensors, folder)
    of_causal = {k.removeprefix(CAUSAL): v for k, v in tensors.items() if k.startswith(CAUSAL)}
    of_audio = {k.removeprefix(AUDIO): v for k, v in tensors.items() if k.startswith(AUDIO)}
    whole: Any = type(causal)
    saved_as = next(iter(of_causal.values())).dtype
    filled = whole.from_pretrained(
        None, config=config.get_text_config(), state_dict=of_causal, dtype=saved_as
    )
    audio.load_state_dict(of_audio, strict=True, assign=True)
    return Backbone(filled.eval(), audio.eval())


def renamed(name: str, table: Table) -> str | None:
    """Give a tensor's name in a `Backbone`; None: it belongs to the audio encoder.

    Raises:
        KeyError: the table does not know it.
    """
    for theirs, ours in table:
        if name.startswith(theirs):
            return None if ours is None else ours + name.removeprefix(theirs)
    raise KeyError(name)


def _folder(name: str) -> Path:
    path = Path(name).expanduser()
    if path.is_dir():
        return path
    from huggingface_hub import snapshot_download

    wanted = ["*.json", "*.safetensors", "*.txt", "*.jinja"]
    try:
        return Path(snapshot_download(name, allow_patterns=wanted))
    except (OSError, ValueError) as failure:
        first = str(failure).strip().split("\n")[0]
        raise CheckpointError(
            f"{name}: no such folder, and the hub does not give it ({first}); without a hub give "
            "a folder with config.json, tokenizer.json and *.safetensors"
        ) from None


def _described(folder: Path) -> dict[str, Any]:
    path = folder / "config.json"
    try:
        data: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as failure:
        raise CheckpointError(f"{path}: cannot read it ({failure})") from None
    kind = data.get("model_type")
    if kind not in TABLES:
        raise CheckpointError(
            f"{path}: {kind!r} is no audio-LLM whose tensors are known ({', '.join(TABLES)}); load "
            "a text-LLM with modality=neural"
        )
    return data


def _config(described: Mapping[str, Any]) -> Any:
    from transformers import Qwen2AudioConfig

    wanted = (
        ("text_config",) if described["model_type"] == KIND else ("audio_config", "text_config")
    )
    return Qwen2AudioConfig(**{name: described[name] for name in wanted if name in described})


def _empty(config: Any, described: dict[str, Any], path: Path) -> tuple[nn.Module, nn.Module]:
    from transformers import AutoModelForCausalLM
    from transformers.models.qwen2_audio.modeling_qwen2_audio import Qwen2AudioMultiModalProjector

    auto: Any = AutoModelForCausalLM
    text = config.get_text_config()
    if described["model_type"] == KIND:
        return auto.from_config(text), empty_projector(described, text.hidden_size, path)
    return auto.from_config(text), Qwen2AudioMultiModalProjector(config)


def _read(folder: Path, table: Table, dtype: torch.dtype | None) -> dict[str, Tensor]:
    files = sorted(folder.glob("*.safetensors"))
    if not files:
        raise CheckpointError(f"{folder}: no *.safetensors there; the folder has no weights")
    tensors = {}
    for file in files:
        for name, tensor in _own(file, table):
            tensors[name] = tensor if dtype is None else tensor.to(dtype)
    return tensors


def _own(file: Path, table: Table) -> Iterator[tuple[str, Tensor]]:
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(file, framework="pt") as opened:
            for theirs in opened.keys():  # noqa: SIM118 (it is no mapping)
                if (ours := renamed(theirs, table)) is not None:
                    yield ours, opened.get_tensor(theirs)
    except (OSError, SafetensorError) as failure:
        raise CheckpointError(f"{file}: damaged ({failure}); copy the model again") from None
    except KeyError as failure:
        raise CheckpointError(
            f"{file}: nobody knows where tensor {failure} belongs; it is another kind of model"
        ) from None


def _tie(causal: Any, tensors: dict[str, Tensor]) -> None:
    """Where the output layer is the embedding, files name it once."""
    if causal.config.tie_word_embeddings:
        embedding = tensors.get(f"{CAUSAL}model.embed_tokens.weight")
        if embedding is not None:
            tensors.setdefault(f"{CAUSAL}lm_head.weight", embedding)
