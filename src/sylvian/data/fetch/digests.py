"""Checksums as the archives publish them, computed while the bytes pass by."""

from __future__ import annotations

import hashlib
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol, runtime_checkable

_HASHLIB = {
    "md5": "md5",
    "sha-1": "sha1",
    "sha-256": "sha256",
    "sha-384": "sha384",
    "sha-512": "sha512",
}
_ETAG = "dandi-etag"
_PART_BYTES = 64 * 2**20
_MAX_PARTS = 10_000
_READ_BYTES = 2**20


@runtime_checkable
class Hasher(Protocol):
    """What computes a digest: feed it the bytes in order, then ask."""

    def update(self, data: bytes, /) -> None:
        """Take the next bytes."""
        ...

    def hexdigest(self) -> str:
        """Give the digest of all bytes so far."""
        ...


@dataclass(frozen=True, slots=True)
class Digest:
    """A published checksum.

    Attributes:
        algorithm: `md5`, `sha-1`, `sha-256`, `sha-384`, `sha-512` or `dandi-etag`.
        value: Lower-case hexadecimal; a `dandi-etag` ends in `-<number of parts>`.
    """

    algorithm: str
    value: str

    def hasher(self, n_bytes: int) -> Hasher:
        """Begin to compute this kind of digest for a file of `n_bytes`."""
        if self.algorithm == _ETAG:
            return DandiEtag(n_bytes)
        return hashlib.new(_HASHLIB[self.algorithm], usedforsecurity=False)

    def of(self, path: Path) -> str:
        """Compute this kind of digest of a file on disk."""
        hasher = self.hasher(path.stat().st_size)
        with path.open("rb") as file:
            for data in iter(lambda: file.read(_READ_BYTES), b""):
                hasher.update(data)
        return hasher.hexdigest()


def digest_of(algorithm: str | None, value: str | None) -> Digest | None:
    """Make a `Digest` of what a listing says, or None where it says nothing we can compute."""
    name = (algorithm or "").lower()
    if not value or (name != _ETAG and name not in _HASHLIB):
        return None
    return Digest(name, value.lower())


class DandiEtag:
    """The digest DANDI knows every file by: MD5 of the MD5s of its parts, and their number.

    Parts are 64 MiB; a file that would need 10,000 of them or more has larger ones.

    Source: dandischema's description of the DANDI ETag, itself that of S3 multipart uploads.
    """

    def __init__(self, n_bytes: int) -> None:
        small = math.ceil(n_bytes / _PART_BYTES) < _MAX_PARTS
        self._part_bytes = _PART_BYTES if small else math.ceil(n_bytes / _MAX_PARTS)
        self._parts: list[bytes] = []
        self._begin()

    def update(self, data: bytes, /) -> None:
        """Take the next bytes."""
        rest = memoryview(data)
        while len(rest):
            taken = rest[: self._part_bytes - self._filled]
            self._current.update(taken)
            self._filled += len(taken)
            rest = rest[len(taken) :]
            if self._filled == self._part_bytes:
                self._parts.append(self._current.digest())
                self._begin()

    def hexdigest(self) -> str:
        """Give the digest of all bytes so far."""
        parts = [*self._parts, self._current.digest()] if self._filled else self._parts
        whole = hashlib.md5(b"".join(parts), usedforsecurity=False)
        return f"{whole.hexdigest()}-{len(parts)}"

    def _begin(self) -> None:
        self._current = hashlib.md5(usedforsecurity=False)
        self._filled = 0
