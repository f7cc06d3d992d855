"""From the name of a corpus to its published files on disk, checked and unpacked."""

from __future__ import annotations

import shutil
import threading
import time
from collections.abc import Iterable, Sequence
from concurrent.futures import FIRST_EXCEPTION, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from fnmatch import fnmatchcase
from pathlib import Path

import numpy as np

from sylvian.data.fetch.archives import ARCHIVES, Archive, Home, Listing, RemoteFile
from sylvian.data.fetch.client import Client
from sylvian.data.fetch.dandi import list_dandi
from sylvian.data.fetch.download import download
from sylvian.data.fetch.dryad import list_dryad
from sylvian.data.fetch.names import place
from sylvian.data.fetch.patience import FetchConfig, Refused, Stopped
from sylvian.data.fetch.record import Record, alone
from sylvian.data.fetch.sevenzip import HOW
from sylvian.data.fetch.unpack import can_unpack, unpack, wants_unpacking
from sylvian.data.fetch.zenodo import list_zenodo
from sylvian.data.files import PARTIAL
from sylvian.errors import DataError
from sylvian.types import Progress, silent

_TELL_EVERY_S = 0.1
_NAMED = 8
_SPARE_BYTES = 2**24


@dataclass(frozen=True, slots=True)
class FetchReport:
    """What `fetch` did.

    Attributes:
        corpus: Name of the corpus.
        archive: Where it lives, and its record there.
        version: Version of the record, where the archive counts them.
        raw: Folder with the files.
        n_files: Files that are now there.
        n_downloaded: Files of these that were downloaded by this run.
        n_bytes: Size of all these files.
        unpacked: Archives taken apart, now or before.
        unverified: Files without a published checksum: only their size was compared.
        by_hand: Archives of a kind we cannot unpack (7z without py7zr).
    """

    corpus: str
    archive: str
    version: str
    raw: str
    n_files: int
    n_downloaded: int
    n_bytes: int
    unpacked: tuple[str, ...]
    unverified: tuple[str, ...]
    by_hand: tuple[str, ...]

    def text(self) -> str:
        """Say it in a few lines."""
        lines = [
            f"{self.corpus}: {self.n_files} files ({self.n_bytes / 1e9:.2f} GB) of {self.archive} "
            f"in {self.raw}, {self.n_downloaded} of them new"
        ]
        lines += [f"  unpacked {name}" for name in self.unpacked]
        lines += [f"  {name}: {HOW}" for name in self.by_hand]
        if self.unverified:
            lines.append(f"  no checksum is published for {_some(self.unverified)}")
        return "\n".join(lines)


def fetch(
    home: Home,
    raw: Path,
    *,
    only: str | None = None,
    config: FetchConfig | None = None,
    archive: Archive | None = None,
    rng: np.random.Generator | None = None,
    progress: Progress = silent,
) -> FetchReport:
    """Download the files of a corpus that are missing, check them, and unpack the archives.

    May be interrupted at any moment and run again: complete files are not downloaded again,
    incomplete ones go on where they were. Files put into `raw` by hand are checked against the
    published checksums and used. Nothing of the person's is overwritten.

    Args:
        home: Where the corpus lives.
        raw: Folder for the files.
        only: Pattern of the files wanted; None for those our reader needs, `*` for all.
        config: How hard to try.
        archive: Speak with this instead of the home's archive; for tests.
        rng: Scatters the waits between attempts; the results do not depend on it.
        progress: Told the stage (`check`, `download`, `unpack`), bytes done and in all, the file.

    Raises:
        ConfigError: the archive's environment variable holds no token.
        DataError: the archive wants a login, has no such file, or fails for longer than we try; a
            file differs from the published checksum; the disk has no room.
    """
    config = config or FetchConfig()
    task = _Task(home, raw, archive or ARCHIVES[home.archive], progress)
    stop = threading.Event()
    rng = rng if rng is not None else np.random.default_rng()
    with alone(raw), Client(task.archive, config=config, rng=rng, stop=stop) as client:
        listing = task.list(client)
        files = _selected(listing, home, only)
        record = Record(raw)
        missing = task.missing(files, record)
        task.check_room(files, missing, record)
        task.bring(missing, client, record)
        unpacked = task.unpack(files, record)
    return FetchReport(
        corpus=home.corpus,
        archive=f"{task.archive.title} {home.record}",
        version=listing.version,
        raw=str(raw),
        n_files=len(files),
        n_downloaded=len(missing),
        n_bytes=sum(file.n_bytes for file in files),
        unpacked=unpacked,
        unverified=tuple(file.path for file in files if file.digest is None),
        by_hand=tuple(file.path for file in files if wants_unpacking(file.path)),
    )


def _selected(listing: Listing, home: Home, only: str | None) -> tuple[RemoteFile, ...]:
    """Choose the files that are wanted, each pattern at least one.

    Raises:
        DataError: a pattern fits no file, or two files have one name.
    """
    patterns = (only,) if only is not None else home.files or ("*",)
    names = [file.path for file in listing.files]
    for pattern in patterns:
        if not any(fnmatchcase(name, pattern) for name in names):
            raise DataError(
                f"{home.corpus}: its archive lists no file like {pattern!r} but {_some(names)}; "
                "choose with --only"
            )
    chosen = [f for f in listing.files if any(fnmatchcase(f.path, p) for p in patterns)]
    twice = sorted({file.path for file in chosen if names.count(file.path) > 1})
    if twice:
        raise DataError(f"{home.corpus}: its archive lists {_some(twice)} twice; get it by hand")
    return tuple(sorted(chosen, key=lambda file: file.path))


@dataclass(frozen=True, slots=True)
class _Task:
    """A corpus on its way to a folder."""

    home: Home
    raw: Path
    archive: Archive
    progress: Progress

    def list(self, client: Client) -> Listing:
        home = self.home
        try:
            if self.archive.kind == "dandi":
                return list_dandi(client, home.record, version=home.version)
            lister = list_dryad if self.archive.kind == "dryad" else list_zenodo
            return lister(client, home.record)
        except Refused as failure:
            wanted = " and ".join(home.files) or "its files"
            raise self.refusal(home.corpus, wanted, client, failure) from None

    def missing(self, files: Sequence[RemoteFile], record: Record) -> tuple[RemoteFile, ...]:
        """Find what must be downloaded; a file that is here already must be the published one."""
        absent = []
        total = sum(file.n_bytes for file in files)
        done = 0
        for file in files:
            path = place(self.raw, file.path)
            if not record.knows(file):
                if path.exists():
                    self._compare(file, path)
                    record.add(file)
                else:
                    absent.append(file)
            done += file.n_bytes
            self.progress("check", done, total, file.path)
        return tuple(absent)

    def _compare(self, file: RemoteFile, path: Path) -> None:
        same = path.is_file() and path.stat().st_size == file.n_bytes
        if not same or (file.digest and file.digest.of(path) != file.digest.value):
            raise DataError(
                f"{path}: is not the file that {self.archive.title} publishes ({file.n_bytes} "
                f"bytes, {file.digest or 'no checksum'}); move it away and run again"
            )

    def check_room(
        self, files: Iterable[RemoteFile], missing: Iterable[RemoteFile], record: Record
    ) -> None:
        """Refuse to begin what cannot fit; an archive unpacked is at least as large again."""
        downloads = sum(file.n_bytes - _n_partial(self.raw / file.path) for file in missing)
        packed = (f for f in files if can_unpack(f.path) and not record.is_unpacked(f))
        needed = downloads + sum(file.n_bytes for file in packed)
        free = shutil.disk_usage(self.raw).free
        if needed and needed + _SPARE_BYTES > free:
            raise DataError(
                f"{self.raw}: {self.home.corpus} needs at least {needed / 1e9:.2f} GB more, "
                f"{free / 1e9:.2f} GB are free; make room or choose another --raw"
            )

    def bring(self, files: Sequence[RemoteFile], client: Client, record: Record) -> None:
        """Download several files at a time; one that fails does not keep the others."""
        meter = _Meter(files, self.progress)

        def one(file: RemoteFile) -> None:
            path = place(self.raw, file.path)
            try:
                download(file, path, client=client, tell=lambda n: meter.tell(file.path, n))
            except Refused as failure:
                client.halt()  # it would refuse the others too
                raise self.refusal(str(path), file.path, client, failure) from None
            record.add(file)

        with ThreadPoolExecutor(client.config.jobs, "sylvian-fetch") as pool:
            futures = [pool.submit(one, file) for file in files]
            try:
                _await(futures, client.stop)
            finally:  # also on Ctrl-C: every part on disk stays for the next run
                client.halt()
                pool.shutdown(wait=True, cancel_futures=True)
        client.stop.clear()
        _raise_first(futures, len(files))

    def refusal(self, where: str, what: str, client: Client, failure: Refused) -> DataError:
        """Say what the archive wants, how to get it, and how to do without."""
        archive = self.archive
        page = archive.page.format(record=self.home.record)
        known = (
            f"does not accept the token in {archive.variable}"
            if client.has_token
            else (f"wants a login and {archive.variable} is not set")
        )
        return DataError(
            f"{where}: {archive.title} {known} ({failure}): {archive.login}, put it into the "
            f"environment variable {archive.variable} and run again; or download {what} by hand "
            f"from {page} into {self.raw} and run again to check and unpack"
        )

    def unpack(self, files: Iterable[RemoteFile], record: Record) -> tuple[str, ...]:
        """Take apart every archive that is not yet."""
        names = []
        for file in files:
            if not can_unpack(file.path):
                continue
            path = place(self.raw, file.path)
            if not record.is_unpacked(file):
                members = unpack(
                    path,
                    path.parent,
                    progress=lambda name, done, total: self.progress("unpack", done, total, name),
                )
                here = path.parent.relative_to(self.raw)
                record.add(file, members={(here / n).as_posix(): b for n, b in members.items()})
            names.append(file.path)
        return tuple(names)


class _Meter:
    """Adds up the bytes of all files and tells them now and then."""

    def __init__(self, files: Iterable[RemoteFile], progress: Progress) -> None:
        self._here = {file.path: 0 for file in files}
        self._total = sum(file.n_bytes for file in files)
        self._progress = progress
        self._lock = threading.Lock()
        self._told_at = 0.0

    def tell(self, path: str, n_bytes: int) -> None:
        with self._lock:
            self._here[path] = n_bytes
            done = sum(self._here.values())
            now = time.monotonic()
            if done == self._total or now - self._told_at >= _TELL_EVERY_S:
                self._told_at = now
                self._progress("download", done, self._total, path)


def _await(futures: Sequence[Future[None]], stop: threading.Event) -> None:
    pending: set[Future[None]] = set(futures)
    while pending and not stop.is_set():
        done, pending = wait(pending, timeout=0.2, return_when=FIRST_EXCEPTION)


def _raise_first(futures: Sequence[Future[None]], n_files: int) -> None:
    """Raise the failure of the first file that has one; say how many there were."""
    ended = [future for future in futures if future.done() and not future.cancelled()]
    failures = [failure for future in ended if (failure := future.exception())]
    told = [failure for failure in failures if not isinstance(failure, Stopped)]
    if not told:
        return
    if len(told) > 1 and isinstance(told[0], DataError):
        raise DataError(f"{told[0]} ({len(told)} of {n_files} files failed)") from told[0]
    raise told[0]


def _n_partial(path: Path) -> int:
    partial = path.with_name(path.name + PARTIAL)
    return partial.stat().st_size if partial.is_file() else 0


def _some(names: Iterable[str]) -> str:
    known = list(names)
    more = f" and {len(known) - _NAMED} more" if len(known) > _NAMED else ""
    return (", ".join(repr(name) for name in known[:_NAMED]) or "none at all") + more
