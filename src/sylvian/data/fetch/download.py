"""One file: begun, interrupted, resumed, verified, and only then given its name."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any

import httpx2
import pydantic

from sylvian.config import Config
from sylvian.data.fetch.archives import RemoteFile
from sylvian.data.fetch.client import Client, Patience, chunks
from sylvian.data.fetch.names import NOTES
from sylvian.data.fetch.patience import Interrupted, Refused, Stopped
from sylvian.data.files import PARTIAL, replacing
from sylvian.errors import DataError

_READ_BYTES = 2**20
_RANGE = re.compile(r"bytes (\d+)-\d+/(\d+|\*)")
_WRONG_TWICE = 2


def download(file: RemoteFile, path: Path, *, client: Client, tell: Callable[[int], None]) -> None:
    """Bring `file` to `path`, going on from the bytes that an earlier attempt or run left.

    The bytes gather in `<path>.partial`. It becomes `path` only when it has the listed size and
    checksum, so `path` is either absent or right. A broken connection is resumed by byte range
    where the archive allows it and the result can be proven: by a published checksum, or by a
    strong ETag.

    Args:
        file: What to bring.
        path: Where to; must not exist.
        client: A connection to the archive.
        tell: Told how many bytes of the file are here.

    Raises:
        DataError: given up after the configured attempts, wrong twice, or the disk refuses. What
            was received stays for the next run, unless it is wrong.
        Refused: the archive wants a login.
        Stopped: everybody stops.
    """
    try:
        with _Partial(path, file) as partial:
            _fill(partial, file, client, tell)
            partial.finish()
    except OSError as failure:
        raise DataError(
            f"{path}: cannot be written ({failure.strerror or failure}); make room and run the "
            "same command again to go on from here"
        ) from failure


def _fill(partial: _Partial, file: RemoteFile, client: Client, tell: Callable[[int], None]) -> None:
    patience = Patience(client, file.path)
    n_wrong, farthest = 0, partial.n_bytes
    tell(partial.n_bytes)
    while True:
        if partial.n_bytes == file.n_bytes:
            if partial.is_right():
                return
            n_wrong, farthest = n_wrong + 1, 0
            partial.begin()
            if n_wrong == _WRONG_TWICE:
                raise DataError(
                    f"{partial.path}: received twice with another checksum than "
                    f"{client.archive.title} publishes ({file.digest}); nothing is kept of it; try "
                    "again later, or tell the archive"
                )
        try:
            _receive(partial, file, client, tell)
        except Interrupted as failure:
            patience.after(failure, n_gained=partial.n_bytes - farthest)
        farthest = max(farthest, partial.n_bytes)


def _receive(
    partial: _Partial, file: RemoteFile, client: Client, tell: Callable[[int], None]
) -> None:
    """Ask once for the bytes that are missing and take what comes."""
    with client.open(file.url, partial.request()) as response:
        _accept(response, partial, file)
        for data in chunks(response):
            if client.stop.is_set():
                raise Stopped
            if partial.n_bytes + len(data) > file.n_bytes:
                partial.begin()
                raise Interrupted(f"more than the {file.n_bytes} bytes listed were sent")
            partial.write(data)
            tell(partial.n_bytes)
    if partial.n_bytes < file.n_bytes:
        raise Interrupted(f"only {partial.n_bytes} of {file.n_bytes} bytes were sent")


def _accept(response: httpx2.Response, partial: _Partial, file: RemoteFile) -> None:
    """Check that the body goes on where we are, or begin anew where it does not."""
    kind = response.headers.get("content-type", "")
    if kind.startswith("text/html") and not file.path.lower().endswith((".html", ".htm")):
        raise Refused("a web page instead of the file")
    if response.status_code == 200:  # from the first byte: no ranges here, or the file has changed
        partial.begin(response.headers.get("etag"))
        return
    found = _RANGE.fullmatch(response.headers.get("content-range", "").strip())
    where = (int(found[1]), found[2]) if found else (None, "*")
    if response.status_code != 206 or where not in (
        (partial.n_bytes, "*"),
        (partial.n_bytes, str(file.n_bytes)),
    ):
        partial.begin()
        raise Interrupted("other bytes were offered than the ones asked for")


class _Notes(Config):
    """What must still hold for a partial file to be worth resuming."""

    n_bytes: int
    digest: str
    etag: str | None


class _Partial:
    """`<path>.partial`, its running checksum, and a note of what it is a part of."""

    def __init__(self, path: Path, file: RemoteFile) -> None:
        self.path = path
        self._file = file
        self._partial = path.with_name(path.name + PARTIAL)
        self._note = path.with_name(path.name + NOTES)
        self._etag: str | None = None

    def __enter__(self) -> _Partial:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        resumable = self._is_resumable()
        self._disk: Any = self._partial.open("r+b" if resumable else "w+b")
        self._restart()
        if resumable:
            for data in iter(lambda: self._disk.read(_READ_BYTES), b""):
                self._count(data)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        failure: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._disk.close()
        if self._partial.is_file() and not self._partial.stat().st_size:
            self._forget()

    def request(self) -> dict[str, str]:
        """Write the headers that ask for the missing bytes only, where that could be proven."""
        if not self.n_bytes or not (self._file.digest or self._etag):
            return {}
        asked = {"Range": f"bytes={self.n_bytes}-"}
        return asked | ({"If-Range": self._etag} if self._etag else {})

    def begin(self, etag: str | None = None) -> None:
        """Throw away what is here; the next bytes are the first of a file with this ETag."""
        self._etag = etag if etag and not etag.startswith("W/") else None
        self._disk.seek(0)
        self._disk.truncate()
        self._restart()
        with replacing(self._note) as partial:
            partial.write_text(self._expected().model_dump_json(), encoding="utf-8")

    def write(self, data: bytes) -> None:
        """Append."""
        self._disk.write(data)
        self._count(data)

    def is_right(self) -> bool:
        """Whether the bytes have the published checksum, or none is published."""
        digest = self._file.digest
        return digest is None or self._hasher is None or self._hasher.hexdigest() == digest.value

    def finish(self) -> None:
        """Give the complete file its name."""
        self._disk.flush()
        os.fsync(self._disk.fileno())
        self._disk.close()
        self._partial.replace(self.path)
        self._forget()

    def _restart(self) -> None:
        self.n_bytes = 0
        digest = self._file.digest
        self._hasher = digest.hasher(self._file.n_bytes) if digest else None

    def _count(self, data: bytes) -> None:
        self.n_bytes += len(data)
        if self._hasher is not None:
            self._hasher.update(data)

    def _expected(self) -> _Notes:
        digest = self._file.digest
        named = f"{digest.algorithm}:{digest.value}" if digest else ""
        return _Notes(n_bytes=self._file.n_bytes, digest=named, etag=self._etag)

    def _is_resumable(self) -> bool:
        """Whether the part on disk belongs to this file and the whole could be proven right."""
        try:
            notes = _Notes.model_validate_json(self._note.read_text(encoding="utf-8"))
            n_here = self._partial.stat().st_size
        except (OSError, UnicodeDecodeError, pydantic.ValidationError):
            return False
        self._etag = notes.etag
        provable = bool(notes.digest or notes.etag)
        return provable and notes == self._expected() and n_here <= self._file.n_bytes

    def _forget(self) -> None:
        self._partial.unlink(missing_ok=True)
        self._note.unlink(missing_ok=True)
