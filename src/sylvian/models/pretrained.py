"""Pretrained models as files, and the way of their trunk into another model."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, cast

import torch
from safetensors.torch import save_file
from torch import Tensor

from sylvian.config import Config, dump
from sylvian.errors import CheckpointError, ConfigError
from sylvian.models.artefact import (
    ModelFile,
    check_tensors,
    read_description,
    read_weights,
    replaced_folder,
    standing_folder,
)
from sylvian.models.base import Encoder
from sylvian.models.encoder import build_encoder
from sylvian.models.frontend import ReadIn
from sylvian.models.pretraining import PretrainingConfig, PretrainingModel
from sylvian.models.sessions import SessionSpec, layers_of
from sylvian.models.transformer import Transformer, TransformerConfig

FORMAT = 1
_FILE = "pretraining.json"
_WEIGHTS = "weights.safetensors"
# Sizes, and what makes tensors of the same shapes compute something else.
_MEANING = ("width", "feedforward", "depth", "heads", "head_width", "patch_bins", "rope_base")


class PretrainingFile(Config):
    """What pretraining.json holds."""

    format: int
    encoder: TransformerConfig
    objective: PretrainingConfig
    sessions: tuple[SessionSpec, ...]
    extra: dict[str, Any]


def save_pretrained(
    model: PretrainingModel,
    folder: Path,
    extra: Mapping[str, Any] | None = None,
    *,
    weights: Mapping[str, Tensor] | None = None,
) -> None:
    """Write weights.safetensors and pretraining.json; the folder appears whole or not.

    Args:
        model: What to save; tensors are stored in the type they have (float32).
        folder: Replaced if it exists.
        extra: JSON values to keep beside the model (epoch, R², recipe).
        weights: Its `state_dict`, where the model does not hold it whole.
    """
    description = PretrainingFile(
        format=FORMAT,
        encoder=model.encoder.config,
        objective=model.config,
        sessions=model.encoder.sessions,
        extra=dict(extra or {}),
    )
    with replaced_folder(folder) as fresh:
        tensors = model.state_dict() if weights is None else weights
        dense = {name: tensor.contiguous() for name, tensor in tensors.items()}
        save_file(dense, fresh / _WEIGHTS)
        (fresh / _FILE).write_text(json.dumps(dump(description), indent=2) + "\n")


def load_pretrained(folder: Path) -> PretrainingModel:
    """Read what `save_pretrained` wrote, on the CPU and in inference mode.

    Raises:
        CheckpointError: a file is missing or damaged, has another format number or unknown keys,
            or a tensor is missing, left over or of another shape or type.
    """
    description, folder = read_description(folder, PretrainingFile, _FILE)
    try:
        encoder = build_encoder(description.encoder, description.sessions)
        model = PretrainingModel(encoder, description.objective)
    except ConfigError as failure:
        raise CheckpointError(f"{folder / _FILE}: {failure}") from None
    weights = read_weights(folder / _WEIGHTS)
    check_tensors(model.state_dict(), weights, folder / _WEIGHTS)
    model.load_state_dict(weights, strict=True)
    return model.eval()


def read_pretrained_extra(folder: Path) -> dict[str, Any]:
    """Return the `extra` values saved with a pretrained model.

    Raises:
        CheckpointError: pretraining.json is missing, damaged or of another format.
    """
    return read_description(folder, PretrainingFile, _FILE)[0].extra


def trunk_sizes(folder: Path) -> dict[str, int | float]:
    """Give the sizes that an encoder needs to take over a saved model's trunk, by config key.

    Raises:
        CheckpointError: there is no model, or one without a Transformer's trunk.
    """
    saved, _, folder = _read_encoder(folder)
    if not isinstance(saved, TransformerConfig):
        raise CheckpointError(f"{folder}: a {type(saved).__name__} has no trunk to hand on")
    return {name: getattr(saved, name) for name in _MEANING}


def load_trunk(encoder: Encoder, folder: Path, *, read_ins: bool = False) -> tuple[str, ...]:
    """Start an encoder from the trunk of a saved model, pretrained or fine-tuned.

    The trunk is what does not depend on whose recording it is, so sessions and channels may be
    others: spikes alone in pretraining, threshold crossings and spike-band power afterwards. The
    encoder keeps its own read-ins unless asked.

    Args:
        encoder: Changed in place; untouched where an error is raised.
        folder: What `save_pretrained` or `save_model` wrote.
        read_ins: Also take over the read-ins. Every read-in of `encoder` must then have been saved
            under its own name (participant, corpus or session) with as many channels.

    Returns:
        Names of the tensors that were loaded, as `encoder.state_dict()` calls them; each was
        compared with the file after loading.

    Raises:
        CheckpointError: a file is missing or damaged, the encoders' sizes differ, or a tensor of
            the trunk (or a read-in) is missing or of another shape or type.
    """
    saved, sessions, folder = _read_encoder(folder)
    path = folder / _WEIGHTS
    if not isinstance(encoder, Transformer) or not isinstance(saved, TransformerConfig):
        raise CheckpointError(f"{folder}: only a Transformer's trunk fits into a Transformer")
    _check_meaning(saved, encoder.config, folder)
    sources = {name: f"encoder.{name}" for name in encoder.trunk_names()}
    if read_ins:
        sources |= _read_in_sources(encoder, saved, sessions, path)
    weights = read_weights(path)
    own = encoder.state_dict()
    found = {name: weights[source] for name, source in sources.items() if source in weights}
    check_tensors({name: own[name] for name in sources}, found, path)
    encoder.load_state_dict(found, strict=False)
    _prove(encoder, found, path)
    return tuple(sources)


def copy_read_ins(
    encoder: Encoder, folder: Path, columns: Mapping[str, Sequence[int]]
) -> tuple[str, ...]:
    """Start read-ins from those of a model that saw some of their channels.

    The channels it did not see (spike-band power, after pretraining on spikes) get weights of zero:
    at first the encoder is the saved one, and they come in as they prove useful.

    Args:
        encoder: A Transformer, changed in place.
        folder: What `save_pretrained` or `save_model` wrote.
        columns: Name of a read-in (participant, corpus or session) -> which of its channels the
            saved model saw, in the order it saw them. Read-ins the saved model does not have under
            that name, with that many channels, stay as they are.

    Returns:
        Names of the read-ins that were started so.

    Raises:
        CheckpointError: there is no model, its patches are of another length, or none of its
            read-ins serves.

    Source: dossier §10, "read-in transfer spikes→tx+SBP".
    """
    saved, sessions, folder = _read_encoder(folder)
    if not isinstance(encoder, Transformer) or not isinstance(saved, TransformerConfig):
        raise CheckpointError(f"{folder}: only a Transformer has read-ins to copy")
    _check_meaning(saved, encoder.config, folder)
    theirs = layers_of(sessions, per=saved.read_in)[0]
    ours = layers_of(encoder.sessions, per=encoder.config.read_in)[0]
    weights = read_weights(folder / _WEIGHTS)
    copied = []
    for index, (name, n_channels) in enumerate(ours.items()):
        seen = columns.get(name, ())
        if not seen or theirs.get(name) != len(seen):
            continue
        source = f"encoder.read_ins.maps.{list(theirs).index(name)}."
        own = cast("ReadIn", encoder.read_ins.maps[index])
        _widen(own, {key: weights[source + key] for key in own.state_dict()}, seen, n_channels)
        copied.append(name)
    if not copied:
        known = ", ".join(f"{name} ({size} channels)" for name, size in theirs.items())
        raise CheckpointError(
            f"{folder}: none of its read-ins serves {', '.join(ours)}; it has {known}. Take over "
            "the trunk alone (read_ins=new)"
        )
    return tuple(copied)


@torch.no_grad()
def _widen(own: ReadIn, saved: Mapping[str, Tensor], seen: Sequence[int], n_channels: int) -> None:
    """Lay a narrow read-in's weights where its channels are in the wide one's patches."""
    patch_bins = own.linear.in_features // n_channels
    first = torch.arange(patch_bins).unsqueeze(1) * n_channels
    where = (first + torch.tensor(list(seen))).flatten()
    own.linear.weight.zero_()
    own.linear.weight[:, where] = saved["linear.weight"]
    own.linear.bias.copy_(saved["linear.bias"])
    own.scale[where], own.shift[where] = saved["scale"], saved["shift"]
    own.norm.weight.copy_(saved["norm.weight"])
    own.norm.bias.copy_(saved["norm.bias"])


def _read_encoder(folder: Path) -> tuple[Config, tuple[SessionSpec, ...], Path]:
    if (standing_folder(folder) / _FILE).exists():
        pretrained, folder = read_description(folder, PretrainingFile, _FILE)
        return pretrained.encoder, pretrained.sessions, folder
    tuned, folder = read_description(folder, ModelFile)
    return tuned.encoder, tuned.sessions, folder


def _check_meaning(saved: TransformerConfig, wanted: TransformerConfig, folder: Path) -> None:
    for name in _MEANING:
        theirs, ours = getattr(saved, name), getattr(wanted, name)
        if theirs != ours:
            raise CheckpointError(
                f"{folder}: its trunk has {name}={theirs}, the encoder to start has {ours}; "
                f"set encoder.{name}={theirs}"
            )


def _read_in_sources(
    encoder: Transformer, saved: TransformerConfig, sessions: tuple[SessionSpec, ...], path: Path
) -> dict[str, str]:
    """Map tensor names of the encoder's read-ins to names in the file, layer by layer."""
    theirs = layers_of(sessions, per=saved.read_in)[0]
    place = {name: index for index, name in enumerate(theirs)}
    ours = layers_of(encoder.sessions, per=encoder.config.read_in)[0]
    sources: dict[str, str] = {}
    for index, (name, n_channels) in enumerate(ours.items()):
        if theirs.get(name) != n_channels:
            known = ", ".join(f"{own} ({size} channels)" for own, size in theirs.items())
            raise CheckpointError(
                f"{path}: no read-in for {name} with {n_channels} channels; it has {known}. "
                "Take over the trunk alone (read_ins=False)"
            )
        for tensor in encoder.read_ins.maps[index].state_dict():
            sources[f"read_ins.maps.{index}.{tensor}"] = (
                f"encoder.read_ins.maps.{place[name]}.{tensor}"
            )
    return sources


def _prove(encoder: Transformer, found: Mapping[str, Tensor], path: Path) -> None:
    own = encoder.state_dict()
    wrong = [name for name, tensor in found.items() if not torch.equal(own[name].cpu(), tensor)]
    if wrong:
        raise CheckpointError(f"{path}: {len(wrong)} tensors did not arrive, first {wrong[0]!r}")
