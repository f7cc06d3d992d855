"""What was trained end to end, as files; the frozen language model stays where it is."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors.torch import save_file
from torch import Tensor

from sylvian.config import Config, dump
from sylvian.errors import CheckpointError, ConfigError
from sylvian.models.adapters import LoraConfig, adapter_names, adapter_state, add_adapters
from sylvian.models.artefact import (
    check_tensors,
    load_model,
    read_description,
    read_weights,
    replaced_folder,
    standing_folder,
)
from sylvian.models.backbones import Backbone, BackboneIdentity
from sylvian.models.ctc import CtcModel
from sylvian.models.encoder import EncoderConfig, build_encoder
from sylvian.models.sessions import SessionSpec
from sylvian.models.speechllm import SpeechLlm, SpeechLlmConfig, build_speech_llm
from sylvian.text import Vocabulary

FORMAT = 1
FILE = "speechllm.json"
ADAPTERS, ADAPTERS_FILE = "adapters.safetensors", "adapters.json"
_WEIGHTS = "weights.safetensors"
_LLM, _QUEUE = "llm.", "aligner.queue_"


class SpeechLlmFile(Config):
    """What speechllm.json holds."""

    format: int
    encoder: EncoderConfig
    sessions: tuple[SessionSpec, ...]
    vocabulary: tuple[str, ...] | None
    config: SpeechLlmConfig
    backbone: BackboneIdentity
    prompt_sha256: str
    extra: dict[str, Any]


class AdaptersFile(Config):
    """What adapters.json holds: all it takes to put the adapters on another copy of the base."""

    format: int
    lora: LoraConfig
    audio: bool
    backbone: BackboneIdentity


def trained_state(model: SpeechLlm) -> dict[str, Tensor]:
    """Give what training changed, adapters apart: encoder, head, projector, aligner, temperature.

    The queue of negatives belongs to a run in progress, not to the model.
    """
    return _trained(model.state_dict())


def trainable_state(model: SpeechLlm) -> dict[str, Tensor]:
    """Give all that a training may change, as a run in progress has to keep it.

    The frozen base is left out, the adapters and the queue of negatives are not.
    """
    adapters = {_LLM + name for name in adapter_names(model.llm)}
    return {k: v for k, v in model.state_dict().items() if k in adapters or not k.startswith(_LLM)}


def save_speech_llm(
    model: SpeechLlm,
    folder: Path,
    extra: Mapping[str, Any] | None = None,
    *,
    weights: Mapping[str, Tensor] | None = None,
) -> None:
    """Write weights, adapters and descriptions; the folder appears whole or not.

    Args:
        model: What to save; the frozen language model is not written, only told apart.
        folder: Replaced if it exists.
        extra: JSON values to keep beside the model (epoch, score, recipe).
        weights: What of its `state_dict` is to be saved, where the model does not hold it whole.
    """
    state = model.state_dict() if weights is None else weights
    words = model.vocabulary
    description = SpeechLlmFile(
        format=FORMAT,
        encoder=model.encoder.config,
        sessions=model.encoder.sessions,
        vocabulary=None if words is None else tuple(words.tokens),
        config=model.config,
        backbone=model.llm.identity,
        prompt_sha256=model.prompt.digest(),
        extra=dict(extra or {}),
    )
    with replaced_folder(folder) as fresh:
        _write(_trained(state), fresh / _WEIGHTS)
        _describe(description, fresh / FILE)
        if model.config.lora is not None:
            adapters = adapter_names(model.llm)
            _write({name: state[f"{_LLM}{name}"] for name in adapters}, fresh / ADAPTERS)
            _describe(_adapters_file(model, model.config.lora), fresh / ADAPTERS_FILE)


def load_speech_llm(folder: Path, llm: Backbone, tokenizer: Any) -> SpeechLlm:
    """Read what `save_speech_llm` wrote, in inference mode.

    Args:
        folder: Where it is.
        llm: A fresh copy of the language model it was trained with; taken over and adapted.
        tokenizer: The tokenizer it was trained with.

    Raises:
        CheckpointError: a file is missing or damaged, has another format number or unknown keys; a
            tensor is missing, left over or of another shape or type; or language model or tokenizer
            are not those it was trained with.
    """
    description, folder = read_description(folder, SpeechLlmFile, FILE)
    _check_backbone(description.backbone, llm, folder / FILE)
    lora = description.config.lora
    trained = read_weights(folder / _WEIGHTS)
    adapters = {} if lora is None else _read_adapters(folder, llm)
    try:
        model = build_speech_llm(_source(description), llm, tokenizer, description.config)
    except ConfigError as failure:
        raise CheckpointError(f"{folder / FILE}: {failure}") from None
    if model.prompt.digest() != description.prompt_sha256:
        raise CheckpointError(
            f"{folder / FILE}: trained with another tokenizer; load the one of the backbone"
        )
    check_tensors(trained_state(model), trained, folder / _WEIGHTS)
    check_tensors(adapter_state(llm), adapters, folder / ADAPTERS)
    model.load_state_dict(trained, strict=False)
    llm.load_state_dict(adapters, strict=False)
    return model.eval()


def load_adapters(folder: Path, llm: Backbone) -> LoraConfig:
    """Put saved adapters alone on a fresh copy of the language model they were trained on.

    The copy stays in the mode it is in.

    Raises:
        CheckpointError: a file is missing or damaged, or the language model is another.
        ConfigError: the language model has adapters already.
    """
    description, folder = read_description(folder, AdaptersFile, ADAPTERS_FILE)
    adapters = _read_adapters(folder, llm)
    add_adapters(llm, description.lora, audio=description.audio)
    check_tensors(adapter_state(llm), adapters, folder / ADAPTERS)
    llm.load_state_dict(adapters, strict=False)
    return description.lora


def load_ctc(folder: Path) -> CtcModel:
    """Read an encoder with its CTC head alone, without any language model, in inference mode.

    Args:
        folder: What `save_model` or `save_speech_llm` wrote.

    Raises:
        CheckpointError: a file is missing or damaged, or there is no head.
    """
    if not (standing_folder(folder) / FILE).is_file():
        return load_model(folder)
    description, folder = read_description(folder, SpeechLlmFile, FILE)
    model = _source(description)
    if not isinstance(model, CtcModel):
        raise CheckpointError(f"{folder / FILE}: the encoder was saved without a CTC head")
    every = read_weights(folder / _WEIGHTS)
    own = {k: v for k, v in every.items() if k.startswith(("encoder.", "head."))}
    check_tensors(model.state_dict(), own, folder / _WEIGHTS)
    model.load_state_dict(own, strict=True)
    return model.eval()


def read_speech_llm(folder: Path) -> SpeechLlmFile:
    """Read the description alone: which backbone is needed, and what else was noted.

    Raises:
        CheckpointError: it is missing, damaged or of another format.
    """
    return read_description(folder, SpeechLlmFile, FILE)[0]


def _trained(state: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {name: own for name, own in state.items() if not name.startswith((_LLM, _QUEUE))}


def _adapters_file(model: SpeechLlm, lora: LoraConfig) -> AdaptersFile:
    audio = model.config.modality == "audio"
    return AdaptersFile(format=FORMAT, lora=lora, audio=audio, backbone=model.llm.identity)


def _read_adapters(folder: Path, llm: Backbone) -> dict[str, Tensor]:
    description, folder = read_description(folder, AdaptersFile, ADAPTERS_FILE)
    _check_backbone(description.backbone, llm, folder / ADAPTERS_FILE)
    return read_weights(folder / ADAPTERS)


def _check_backbone(saved: BackboneIdentity, llm: Backbone, path: Path) -> None:
    for (name, ours), theirs in zip(dump(saved).items(), dump(llm.identity).values(), strict=True):
        if ours != theirs:
            raise CheckpointError(
                f"{path}: trained on a language model with {name} {ours!r}, this one has "
                f"{theirs!r}; load the backbone it was trained on"
            )


def _source(description: SpeechLlmFile) -> Any:
    encoder = build_encoder(description.encoder, description.sessions)
    if description.vocabulary is None:
        return encoder
    return CtcModel(encoder, Vocabulary(description.vocabulary))


def _write(tensors: Mapping[str, Tensor], path: Path) -> None:
    save_file({name: tensor.detach().contiguous() for name, tensor in tensors.items()}, path)


def _describe(description: Config, path: Path) -> None:
    path.write_text(json.dumps(dump(description), indent=2) + "\n")
