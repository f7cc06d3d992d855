"""Archives, taken apart one member at a time: safe, resumable, and whole or not at all."""

from __future__ import annotations

import lzma
import shutil
import stat
import tarfile
import zipfile
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sylvian.data.fetch.names import place
from sylvian.data.fetch.sevenzip import has_sevenzip, opened_sevenzip, sevenzip_damage
from sylvian.data.files import PARTIAL
from sylvian.errors import DataError

_ZIP = (".zip",)
_TAR = (".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz")
_SEVENZIP = (".7z",)
_OTHER = (".rar",)
_SPARE_BYTES = 2**24
_DAMAGE = (
    tarfile.TarError,
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    EOFError,
    NotImplementedError,
)

Progress = Callable[[str, int, int], None]
Opener = Callable[[], Any]  # gives the content of a member as a binary file


def can_unpack(name: str) -> bool:
    """Whether `unpack` knows this kind of archive, by its name."""
    kinds = (*_ZIP, *_TAR, *_SEVENZIP) if has_sevenzip() else (*_ZIP, *_TAR)
    return name.lower().endswith(kinds)


def wants_unpacking(name: str) -> bool:
    """Whether this is an archive that a person has to unpack."""
    return name.lower().endswith((*_SEVENZIP, *_OTHER)) and not can_unpack(name)


def unpack(archive: Path, folder: Path, *, progress: Progress) -> dict[str, int]:
    """Take a zip, tar or 7z archive apart below `folder`; members that are there already stay.

    A member appears under its name only when it is complete (and, in a zip, its CRC-32 is right),
    so an interrupted unpacking goes on where it was. Nothing but folders and plain files is made.

    Args:
        archive: The archive.
        folder: Where its members go; nothing is written outside it.
        progress: Called with a member's name, bytes done, and bytes in all.

    Returns:
        Relative path of every file -> its size in bytes.

    Raises:
        DataError: the archive is damaged, asks for a path outside `folder`, a link, a device or a
            password; a file of another size is in the way; or the disk has no room.
    """
    members: dict[str, int] = {}
    is_sevenzip = archive.name.lower().endswith(_SEVENZIP)
    damage: tuple[type[Exception], ...] = (*_DAMAGE, *sevenzip_damage()) if is_sevenzip else _DAMAGE
    try:
        for name, n_bytes, source, done, total in _walk(archive)(archive, folder):
            path = place(folder, name)
            if name in members:
                raise DataError(f"{archive}: holds two files named {name!r}; unpack it by hand")
            _write(path, n_bytes, source, archive)
            members[name] = n_bytes
            progress(name, done, total)
    except damage as failure:
        raise DataError(
            f"{archive}: damaged ({type(failure).__name__}: {failure}); delete it and run again"
        ) from failure
    except OSError as failure:
        raise DataError(
            f"{archive}: cannot be unpacked ({failure.strerror or failure}); make room, run again"
        ) from failure
    return members


# name, bytes, how to open it, archive's bytes done and in all
_Member = tuple[str, int, Opener, int, int]


def _walk(archive: Path) -> Callable[[Path, Path], Iterator[_Member]]:
    name = archive.name.lower()
    if name.endswith(_SEVENZIP):
        return _sevenzip_members
    return _zip_members if name.endswith(_ZIP) else _tar_members


def _sevenzip_members(archive: Path, folder: Path) -> Iterator[_Member]:
    with opened_sevenzip(archive, folder, check_room=_check_room) as (aside, members):
        total, done = sum(members.values()), 0
        for name, n_bytes in members.items():
            done += n_bytes
            yield name, n_bytes, _reader(aside / name), done, total
            (aside / name).unlink(missing_ok=True)  # so that no member is there twice for long


def _reader(path: Path) -> Opener:
    return lambda: path.open("rb")


def _zip_members(archive: Path, folder: Path) -> Iterator[_Member]:
    with zipfile.ZipFile(archive) as file:
        infos = [info for info in file.infolist() if not info.is_dir()]
        total = sum(info.file_size for info in infos)
        n_here = sum(_size(folder / info.filename) for info in infos)
        _check_room(folder, total - n_here, archive)
        done = 0
        for info in infos:
            mode = info.external_attr >> 16
            if stat.S_IFMT(mode) not in (0, stat.S_IFREG) or info.flag_bits & 1:
                raise DataError(
                    f"{archive}: {info.filename!r} is a link, a device or encrypted; unpack by hand"
                )
            done += info.file_size
            yield info.filename, info.file_size, _opener(file, info), done, total


def _opener(file: zipfile.ZipFile, info: zipfile.ZipInfo) -> Opener:
    return lambda: file.open(info)


def _tar_members(archive: Path, folder: Path) -> Iterator[_Member]:
    total = archive.stat().st_size
    with archive.open("rb") as raw, tarfile.open(fileobj=raw, mode="r:*") as file:
        for info in file:
            name = info.name.removeprefix("./")
            if info.isdir():
                continue
            _check_plain(info, folder, archive)
            if _size(folder / name) != info.size:
                _check_room(folder, info.size, archive)
            yield name, info.size, _extractor(file, info), raw.tell(), total


def _check_plain(info: tarfile.TarInfo, folder: Path, archive: Path) -> None:
    """Refuse everything but plain files inside, by our own eyes and by the library's."""
    refused = not info.isreg()
    if hasattr(tarfile, "data_filter"):  # absent from Python 3.11.0 to 3.11.3
        try:
            refused |= tarfile.data_filter(info, str(folder)).name != info.name
        except tarfile.FilterError:
            refused = True
    if refused:
        raise DataError(
            f"{archive}: {info.name!r} is a link, a device or outside; unpack it by hand"
        )


def _extractor(file: tarfile.TarFile, info: tarfile.TarInfo) -> Opener:
    def extract() -> Any:
        source = file.extractfile(info)
        if source is None:
            raise tarfile.TarError(f"{info.name} has no content")
        return source

    return extract


def _write(path: Path, n_bytes: int, source: Opener, archive: Path) -> None:
    if path.is_file() and path.stat().st_size == n_bytes:
        return
    if path.exists():
        raise DataError(
            f"{path}: is in the way of a file of {archive.name} ({n_bytes} bytes); move it away"
        )
    with _appearing(path) as partial:
        with source() as reader, partial.open("wb") as writer:
            shutil.copyfileobj(reader, writer, length=2**20)
        if partial.stat().st_size != n_bytes:
            raise EOFError(f"{path.name} ends early")


@contextmanager
def _appearing(path: Path) -> Iterator[Path]:
    partial = path.with_name(path.name + PARTIAL)
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        yield partial
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)


def _check_room(folder: Path, n_bytes: int, archive: Path) -> None:
    free = shutil.disk_usage(folder).free
    if n_bytes + _SPARE_BYTES > free:
        raise DataError(
            f"{archive}: unpacking needs {n_bytes / 1e9:.2f} GB more, {folder} has "
            f"{free / 1e9:.2f} GB free; make room and run again"
        )


def _size(path: Path) -> int:
    return path.stat().st_size if path.is_file() else 0
