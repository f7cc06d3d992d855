"""A file for HDF5 to write to that stays civil when the disk is full."""

from __future__ import annotations

import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import h5py


class Disk(io.RawIOBase):
    """Passes everything on to a file, and keeps the first failure for `check` to raise.

    Why here: when a write fails, HDF5 tries again as the file is closed and as each object is
    freed, fails each time with another error, prints them past our hands and keeps the file open.
    So it is never told: after a failure its writes go nowhere, and we raise the first one.
    """

    def __init__(self, path: Path) -> None:
        super().__init__()
        self._file = path.open("w+b", buffering=0)
        self._failure: OSError | None = None

    def check(self) -> None:
        """Raise the first failure, if there was one.

        Raises:
            OSError: a write failed, for example because the disk is full.
        """
        if self._failure is not None:
            raise self._failure

    def write(self, data: Any, /) -> int:
        """Write all of `data`, or nothing any more after a failure."""
        rest = memoryview(data).cast("B")
        n_bytes = len(rest)
        while len(rest) and self._failure is None:
            rest = rest[self._guarded(self._file.write, rest) :]
        return n_bytes

    def readinto(self, buffer: Any, /) -> int:
        """Read what was written before, which HDF5 does for its own tables."""
        return self._file.readinto(buffer) or 0

    def seek(self, offset: int, whence: int = 0, /) -> int:
        """Move; HDF5 does so before every read and write."""
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        """Say where the file stands."""
        return self._file.tell()

    def truncate(self, size: int | None = None, /) -> int:
        """Set the length of the file."""
        return self._guarded(self._file.truncate, size)

    def close(self) -> None:
        """Close the file."""
        self._file.close()
        super().close()

    def _guarded(self, action: Callable[[Any], int], argument: Any) -> int:
        try:
            return action(argument) if self._failure is None else 0
        except OSError as failure:
            self._failure = failure
            return 0


@contextmanager
def creating(path: Path) -> Iterator[tuple[h5py.File, Disk]]:
    """Create an HDF5 file, and close it at the end whatever happens.

    Raises:
        OSError: the disk refuses.
    """
    with Disk(path) as disk:
        try:
            with h5py.File(disk, "w") as file:
                yield file, disk
        except (OSError, RuntimeError):
            disk.check()  # the cause comes before what HDF5 made of it
            raise
        disk.check()
