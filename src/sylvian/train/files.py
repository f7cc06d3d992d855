"""Files that are either the old version or the new one, whenever the machine stops."""

from __future__ import annotations

import os
from pathlib import Path

from sylvian.errors import CheckpointError


def write_durably(path: Path, content: bytes) -> None:
    """Replace `path` by `content` in one step and wait until the disk holds it.

    Raises:
        CheckpointError: the disk is full or not writable; the old file is untouched.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.partial")
    try:
        with partial.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        partial.replace(path)
        sync_folder(path.parent)
    except OSError as failure:
        partial.unlink(missing_ok=True)
        raise CheckpointError(
            f"{path}: could not be written ({failure.strerror}); what was saved before is intact, "
            "make room and resume the run"
        ) from failure


def append_durably(path: Path, content: bytes) -> None:
    """Append `content` to `path` and wait until the disk holds it.

    Raises:
        CheckpointError: the disk is full or not writable.
    """
    try:
        with path.open("ab") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
    except OSError as failure:
        raise CheckpointError(
            f"{path}: could not be written ({failure.strerror}); make room and resume the run"
        ) from failure


def sync_folder(folder: Path) -> None:
    """Wait until renames inside `folder` are on disk."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
