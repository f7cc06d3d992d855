"""What is known about the files in a raw folder, so that nothing is downloaded or hashed twice."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pydantic

from sylvian.config import Config
from sylvian.data.fetch.archives import RemoteFile
from sylvian.data.fetch.names import LOCK, RECORD
from sylvian.data.files import replacing
from sylvian.errors import DataError

try:
    import fcntl
except ImportError:  # Windows: two fetches into one folder are then the person's business
    fcntl = None  # type: ignore[assignment]

FORMAT = 1


class Held(Config):
    """A file that was complete and, where a checksum is published, right."""

    n_bytes: int
    digest: str
    modified_ns: int
    members: Mapping[str, int] | None = None  # of an archive that was unpacked: path -> bytes


class _Content(Config):
    format: int
    files: dict[str, Held]


class Record:
    """`.sylvian-fetch.json` of a raw folder; safe to use from several threads.

    Args:
        folder: The raw folder.

    Raises:
        DataError: the file is there and not one of ours.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._path = folder / RECORD
        self._lock = threading.Lock()
        self._files = self._read()

    def knows(self, file: RemoteFile) -> bool:
        """Whether `file` is here as it was when it was found right, or unpacked in full."""
        held = self._files.get(file.path)
        if held is None or (held.n_bytes, held.digest) != _identity(file):
            return False
        path = self._folder / file.path
        if path.is_file():
            stat = path.stat()
            return (stat.st_size, stat.st_mtime_ns) == (held.n_bytes, held.modified_ns)
        return self._all_there(held.members)

    def is_unpacked(self, file: RemoteFile) -> bool:
        """Whether the members of the archive `file` are all here."""
        return self.knows(file) and self._all_there(self._files[file.path].members)

    def add(self, file: RemoteFile, *, members: Mapping[str, int] | None = None) -> None:
        """Note that `file` is here and right, and what was unpacked from it.

        Raises:
            DataError: the record cannot be written.
        """
        n_bytes, digest = _identity(file)
        stat = (self._folder / file.path).stat()
        held = Held(n_bytes=n_bytes, digest=digest, modified_ns=stat.st_mtime_ns, members=members)
        with self._lock:
            self._files[file.path] = held
            content = _Content(format=FORMAT, files=dict(sorted(self._files.items())))
            with replacing(self._path) as partial:
                partial.write_text(content.model_dump_json(indent=1) + "\n", encoding="utf-8")

    def _all_there(self, members: Mapping[str, int] | None) -> bool:
        if members is None:
            return False
        paths = ((self._folder / name, n_bytes) for name, n_bytes in members.items())
        return all(path.is_file() and path.stat().st_size == n_bytes for path, n_bytes in paths)

    def _read(self) -> dict[str, Held]:
        if not self._path.is_file():
            return {}
        try:
            content = _Content.model_validate_json(self._path.read_text(encoding="utf-8"))
        except (OSError, UnicodeDecodeError, pydantic.ValidationError):
            content = None
        if content is None or content.format != FORMAT:
            raise DataError(
                f"{self._path}: damaged or of another version; delete it and run again (the files "
                "beside it are then checked anew, not downloaded again)"
            )
        return dict(content.files)


def _identity(file: RemoteFile) -> tuple[int, str]:
    return file.n_bytes, f"{file.digest.algorithm}:{file.digest.value}" if file.digest else ""


@contextmanager
def alone(folder: Path) -> Iterator[None]:
    """Make `folder`, and keep any other fetch out of it for a while.

    Raises:
        DataError: another fetch is at work there, or the folder cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
        lock = (folder / LOCK).open("w")
    except OSError as failure:
        raise DataError(f"{folder}: cannot be written to ({failure.strerror})") from failure
    with lock:
        if fcntl is not None:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                raise DataError(
                    f"{folder}: another fetch is at work here; wait for it or choose another --raw"
                ) from None
        yield
