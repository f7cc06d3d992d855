"""Files that appear whole or not at all, and one kind of error when the disk refuses."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from sylvian.errors import DataError

PARTIAL = ".partial"


@contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Give a temporary sibling to write; it takes the name `path` only if the block succeeds.

    Whatever ends the block early (an error, Ctrl-C) removes the temporary file; after a `kill -9`
    it stays behind as `*.partial`, which `sweep` removes.

    Raises:
        DataError: the file cannot be written, for example because the disk is full.
    """
    partial = path.with_name(path.name + PARTIAL)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        yield partial
        _flush(partial)
        partial.replace(path)
    except OSError as failure:
        raise DataError(
            f"{path}: cannot be written ({_reason(failure)}); make room or choose another folder "
            "and run again: what was finished before is kept"
        ) from failure
    finally:
        with suppress(NotADirectoryError):  # then there is nothing to remove either
            partial.unlink(missing_ok=True)


def sweep(folder: Path) -> None:
    """Remove what an interrupted run left half written below `folder`."""
    for leftover in folder.rglob("*" + PARTIAL):
        leftover.unlink()


def sha256(path: Path) -> str:
    """Return the SHA-256 of a file's content in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _reason(failure: OSError) -> str:
    return os.strerror(failure.errno) if failure.errno else " ".join(str(failure).split())


def _flush(path: Path) -> None:
    with path.open("rb+") as file:  # the name must not survive a power cut that the content did not
        os.fsync(file.fileno())
