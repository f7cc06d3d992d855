"""Where a name that a server sent may be written: inside one folder, or nowhere."""

from __future__ import annotations

from pathlib import Path, PureWindowsPath

from sylvian.data.files import PARTIAL
from sylvian.errors import DataError

NOTES = ".partial.json"
RECORD = ".sylvian-fetch.json"
LOCK = ".sylvian-fetch.lock"
_LONGEST = 200  # most disks allow 255 bytes a name, and ours gets endings


def place(folder: Path, name: str) -> Path:
    """Find the path below `folder` that a file named by a server, or by an archive, may have.

    Args:
        folder: The only folder that may be written to.
        name: A relative path with `/` between its parts.

    Raises:
        DataError: the name is absolute, climbs with `..`, has control characters or backslashes,
            is one of our own, or leads out of `folder` through a symbolic link.
    """
    parts = name.split("/")
    windows = PureWindowsPath(name)
    if (
        any(part in ("", ".", "..") or len(part.encode()) > _LONGEST for part in parts)
        or any(ord(letter) < 32 or letter in "\\\x7f" for letter in name)
        or windows.drive
        or windows.root
        or parts[-1] in (RECORD, LOCK)
        or parts[-1].endswith((PARTIAL, NOTES))
    ):
        raise DataError(f"{folder}: refuses a file named {name!r}: not a plain path inside it")
    path = folder.joinpath(*parts)
    if not path.parent.resolve().is_relative_to(folder.resolve()):
        raise DataError(f"{path}: leads out of {folder} through a link; remove the link")
    return path
