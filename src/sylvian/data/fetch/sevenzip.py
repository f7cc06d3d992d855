"""7z archives, taken apart with py7zr where it is installed (`pip install 'sylvian[sevenzip]'`)."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from sylvian.data.fetch.names import place
from sylvian.data.files import PARTIAL
from sylvian.errors import DataError

HOW = "unpack it yourself (7-Zip does), or run: pip install 'sylvian[sevenzip]'"

Check = Callable[[Path, int, Path], None]


def has_sevenzip() -> bool:
    """Whether py7zr is installed."""
    return find_spec("py7zr") is not None


def sevenzip_damage() -> tuple[type[Exception], ...]:
    """Errors that py7zr raises on a damaged archive."""
    if not has_sevenzip():
        return ()
    errors = import_module("py7zr.exceptions")
    return errors.ArchiveError, errors.AbsolutePathError, errors.PasswordRequired


@contextmanager
def opened_sevenzip(
    archive: Path, folder: Path, *, check_room: Check
) -> Iterator[tuple[Path, dict[str, int]]]:
    """Unpack an archive into a folder of its own below `folder`, which is removed afterwards.

    Why here: the members of a 7z archive are compressed together, so that none can be had alone.

    Args:
        archive: The archive.
        folder: Where its members will go; a member that is there in full size is not needed again.
        check_room: Called with `folder`, the bytes needed, and the archive.

    Yields:
        The folder with the members, and relative path -> size of each. If all are in `folder`
        already, nothing is unpacked.

    Raises:
        DataError: the archive wants a password, holds a link or two files of one name, or asks for
            a path outside `folder`.
    """
    aside = folder / f".{archive.name}{PARTIAL}"
    shutil.rmtree(aside, ignore_errors=True)  # what a run that was killed left behind
    try:
        with archive.open("rb") as raw, import_module("py7zr").SevenZipFile(raw) as file:
            members = _members(file, archive, folder)
            if any(_size(folder / name) != n_bytes for name, n_bytes in members.items()):
                check_room(folder, sum(members.values()), archive)
                aside.mkdir()
                file.extractall(aside)
        yield aside, members
    finally:
        shutil.rmtree(aside, ignore_errors=True)


def _members(file: Any, archive: Path, folder: Path) -> dict[str, int]:
    if file.needs_password():
        raise DataError(f"{archive}: wants a password; unpack it by hand")
    members: dict[str, int] = {}
    for info in file.files:
        if info.is_directory:
            continue
        if info.is_symlink or info.is_junction or info.is_socket:
            raise DataError(f"{archive}: {info.filename!r} is a link; unpack it by hand")
        if info.filename in members:
            raise DataError(
                f"{archive}: holds two files named {info.filename!r}; unpack it by hand"
            )
        place(folder, info.filename)
        members[info.filename] = int(info.uncompressed)
    return members


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else -1
