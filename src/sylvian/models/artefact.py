"""A trained model as files: weights in safetensors, everything else in JSON and text."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from sylvian.config import Config, dump, load
from sylvian.errors import CheckpointError, ConfigError
from sylvian.models.ctc import CtcModel
from sylvian.models.encoder import EncoderConfig, build_encoder
from sylvian.models.sessions import SessionSpec
from sylvian.text import Vocabulary

FORMAT = 1
File = TypeVar("File", bound=Config)


class ModelFile(Config):
    """What model.json holds."""

    format: int
    encoder: EncoderConfig
    sessions: tuple[SessionSpec, ...]
    vocabulary_sha256: str
    extra: dict[str, Any]


def save_model(
    model: CtcModel,
    folder: Path,
    extra: Mapping[str, Any] | None = None,
    *,
    weights: Mapping[str, Tensor] | None = None,
) -> None:
    """Write weights.safetensors, model.json and vocabulary.txt; the folder appears whole or not.

    Args:
        model: What to save; tensors are stored in the type they have (float32).
        folder: Replaced if it exists.
        extra: JSON values to keep beside the model (epoch, score, recipe).
        weights: Its `state_dict`, where the model does not hold it whole.
    """
    encoder, tokens = model.encoder, "".join(f"{token}\n" for token in model.vocabulary.tokens)
    description = ModelFile(
        format=FORMAT,
        encoder=encoder.config,
        sessions=encoder.sessions,
        vocabulary_sha256=hashlib.sha256(tokens.encode()).hexdigest(),
        extra=dict(extra or {}),
    )
    with replaced_folder(folder) as fresh:
        tensors = model.state_dict() if weights is None else weights
        dense = {name: tensor.contiguous() for name, tensor in tensors.items()}
        save_file(dense, fresh / "weights.safetensors")
        (fresh / "model.json").write_text(json.dumps(dump(description), indent=2) + "\n")
        (fresh / "vocabulary.txt").write_text(tokens, encoding="utf-8")


def load_model(folder: Path) -> CtcModel:
    """Read what `save_model` wrote, on the CPU and in inference mode.

    Raises:
        CheckpointError: a file is missing or damaged, has another format number or unknown keys,
            or a tensor is missing, left over or of another shape or type.
    """
    description, folder = read_description(folder, ModelFile)
    vocabulary = _read_vocabulary(folder, description.vocabulary_sha256)
    try:
        encoder = build_encoder(description.encoder, description.sessions)
    except ConfigError as failure:
        raise CheckpointError(f"{folder / 'model.json'}: {failure}") from None
    model = CtcModel(encoder, vocabulary)
    weights = read_weights(folder / "weights.safetensors")
    check_tensors(model.state_dict(), weights, folder / "weights.safetensors")
    model.load_state_dict(weights, strict=True)
    return model.eval()


def read_extra(folder: Path) -> dict[str, Any]:
    """Return the `extra` values saved with a model.

    Raises:
        CheckpointError: model.json is missing, damaged or of another format.
    """
    return read_description(folder, ModelFile)[0].extra


@contextmanager
def replaced_folder(folder: Path) -> Iterator[Path]:
    """Yield an empty sibling folder that takes the place of `folder` once the block succeeds.

    A directory cannot be swapped in one step: between two renames the old one is called
    `NAME.old`, where `load_model` still finds it after a kill.
    """
    fresh, old = folder.with_name(f".{folder.name}.new"), _old(folder)
    shutil.rmtree(fresh, ignore_errors=True)
    fresh.mkdir(parents=True)
    try:
        yield fresh
        for file in fresh.iterdir():
            _flush(file)
    except BaseException:
        shutil.rmtree(fresh, ignore_errors=True)
        raise
    if folder.exists():
        shutil.rmtree(old, ignore_errors=True)
        folder.rename(old)
    fresh.rename(folder)
    shutil.rmtree(old, ignore_errors=True)


def standing_folder(folder: Path) -> Path:
    """Give the folder itself, or what a kill in the middle of a replacement left of it."""
    return _old(folder) if not folder.exists() and _old(folder).exists() else folder


def _old(folder: Path) -> Path:
    return folder.with_name(f"{folder.name}.old")


def _flush(file: Path) -> None:
    descriptor = os.open(file, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def read_description(folder: Path, kind: type[File], name: str = "model.json") -> tuple[File, Path]:
    """Read the JSON file of a saved model; returns also the folder that holds it.

    Raises:
        CheckpointError: the file is missing, damaged, of another format or has unknown keys.
    """
    folder = standing_folder(folder)
    path = folder / name
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
    except OSError as failure:
        raise CheckpointError(f"{path}: cannot read the model ({failure.strerror})") from None
    except ValueError as failure:
        raise CheckpointError(f"{path}: not valid JSON ({failure}); copy the model again") from None
    found = data.get("format") if isinstance(data, dict) else None
    if found != FORMAT:
        raise CheckpointError(
            f"{path}: format {found!r}, this version of sylvian reads {FORMAT}; "
            "use the version that wrote it or train again"
        )
    try:
        return load(kind, data), folder
    except ConfigError as failure:
        raise CheckpointError(f"{path}: {failure}") from None


def _read_vocabulary(folder: Path, sha256: str) -> Vocabulary:
    path = folder / "vocabulary.txt"
    try:
        content = path.read_bytes()
    except OSError as failure:
        raise CheckpointError(f"{path}: cannot read it ({failure.strerror})") from None
    if hashlib.sha256(content).hexdigest() != sha256:
        raise CheckpointError(f"{path}: not the vocabulary the model was saved with; copy it again")
    return Vocabulary(tuple(content.decode().splitlines()))


def read_weights(path: Path) -> dict[str, Tensor]:
    """Read a safetensors file on the CPU.

    Raises:
        CheckpointError: it is missing or damaged.
    """
    try:
        return load_file(path)
    except OSError as failure:
        raise CheckpointError(f"{path}: cannot read it ({failure})") from None
    except SafetensorError as failure:
        raise CheckpointError(f"{path}: damaged ({failure}); copy the model again") from None


def check_tensors(expected: Mapping[str, Tensor], found: Mapping[str, Tensor], path: Path) -> None:
    """Compare names, shapes and types.

    Raises:
        CheckpointError: a tensor is missing, left over or of another shape or type.
    """
    if missing := sorted(expected.keys() - found.keys()):
        raise CheckpointError(f"{path}: {len(missing)} tensors are missing, first {missing[0]!r}")
    if extra := sorted(found.keys() - expected.keys()):
        raise CheckpointError(f"{path}: {len(extra)} tensors nobody asked for, first {extra[0]!r}")
    for name, tensor in expected.items():
        have = found[name]
        if have.shape != tensor.shape or have.dtype != tensor.dtype:
            raise CheckpointError(
                f"{path}: {name!r} is {have.dtype} {tuple(have.shape)}, "
                f"model.json asks for {tensor.dtype} {tuple(tensor.shape)}"
            )
