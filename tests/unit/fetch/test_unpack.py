"""Archives, friendly and hostile."""

import io
import os
import stat
import sys
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import py7zr
import pytest

from sylvian.data.fetch import fetch
from sylvian.data.fetch.unpack import can_unpack, unpack, wants_unpacking
from sylvian.errors import DataError

FILES = {"data/t15.2023.08.11/a.hdf5": b"a" * 5000, "data/b.csv": b"b,c\n", "empty.txt": b""}


def zipped(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.mkdir("data")
        for name, body in files.items():
            archive.writestr(name, body)
    return buffer.getvalue()


def tarred(files: dict[str, bytes], mode: Any = "w:gz") -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode=mode) as archive:
        folder = tarfile.TarInfo("./data")
        folder.type = tarfile.DIRTYPE
        archive.addfile(folder)
        for name, body in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(body)
            archive.addfile(info, io.BytesIO(body))
    return buffer.getvalue()


def sevenzipped(files: dict[str, bytes]) -> bytes:
    """Pack any name, as py7zr refuses to."""
    buffer = io.BytesIO()
    with (
        pytest.MonkeyPatch.context() as patched,
        py7zr.SevenZipFile(buffer, "w") as archive,
    ):
        patched.setattr(py7zr.py7zr, "check_archive_path", lambda path: True)
        for name, body in files.items():
            archive.writestr(body, name)
    return buffer.getvalue()


KINDS: list[tuple[str, Callable[[dict[str, bytes]], bytes]]] = [
    ("x.zip", zipped),
    ("x.tar.gz", tarred),
    ("x.7z", sevenzipped),
    ("x.tgz", tarred),
    ("x.tar", lambda files: tarred(files, "w")),
    ("x.tar.xz", lambda files: tarred({f"./{name}": body for name, body in files.items()}, "w:xz")),
]


def written(tmp_path: Path, name: str, body: bytes) -> tuple[Path, Path]:
    folder = tmp_path / "raw"
    folder.mkdir()
    (folder / name).write_bytes(body)
    return folder / name, folder


def quiet(name: str, done: int, total: int) -> None:
    assert 0 <= done <= total


@pytest.mark.parametrize(("name", "pack"), KINDS)
def test_members_appear(tmp_path: Path, name: str, pack: Any) -> None:
    archive, folder = written(tmp_path, name, pack(FILES))
    members = unpack(archive, folder, progress=quiet)
    assert members == {member: len(body) for member, body in FILES.items()}
    assert all((folder / member).read_bytes() == body for member, body in FILES.items())
    assert not list(folder.rglob("*.partial"))


@pytest.mark.parametrize(("name", "pack"), KINDS[:3])
def test_members_that_are_there_stay(tmp_path: Path, name: str, pack: Any) -> None:
    archive, folder = written(tmp_path, name, pack(FILES))
    unpack(archive, folder, progress=quiet)
    before = {member: (folder / member).stat().st_mtime_ns for member in FILES}
    (folder / "data" / "b.csv").unlink()
    unpack(archive, folder, progress=quiet)
    assert (folder / "data" / "b.csv").read_bytes() == FILES["data/b.csv"]
    kept = [member for member in FILES if member != "data/b.csv"]
    assert all((folder / member).stat().st_mtime_ns == before[member] for member in kept)


@pytest.mark.parametrize(("name", "pack"), KINDS[:3])
def test_other_file_in_the_way_is_left_alone(tmp_path: Path, name: str, pack: Any) -> None:
    archive, folder = written(tmp_path, name, pack(FILES))
    (folder / "data").mkdir()
    (folder / "data" / "b.csv").write_bytes(b"mine, and longer")
    with pytest.raises(DataError, match="is in the way of a file of x"):
        unpack(archive, folder, progress=quiet)
    assert (folder / "data" / "b.csv").read_bytes() == b"mine, and longer"


@pytest.mark.parametrize(("name", "pack"), KINDS[:3])
@pytest.mark.parametrize("member", ["../evil", "/tmp/evil", "data/../../evil", "a\\..\\evil"])
def test_members_outside_are_refused(tmp_path: Path, name: str, pack: Any, member: str) -> None:
    archive, folder = written(tmp_path, name, pack({member: b"evil"}))
    with pytest.raises(DataError, match="refuses a file named|unpack it by hand"):
        unpack(archive, folder, progress=quiet)
    assert [path.name for path in tmp_path.rglob("*")] == ["raw", name]


@pytest.mark.parametrize(
    "kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.CHRTYPE, tarfile.FIFOTYPE]
)
def test_links_and_devices_in_a_tar_are_refused(tmp_path: Path, kind: bytes) -> None:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as tar:
        info = tarfile.TarInfo("data")
        info.type, info.linkname = kind, "/etc"
        tar.addfile(info)
        below = tarfile.TarInfo("data/evil")
        below.size = 4
        tar.addfile(below, io.BytesIO(b"evil"))
    archive, folder = written(tmp_path, "x.tar.gz", buffer.getvalue())
    with pytest.raises(DataError, match="'data' is a link, a device or outside"):
        unpack(archive, folder, progress=quiet)
    assert [path.name for path in folder.iterdir()] == ["x.tar.gz"]


def test_links_in_a_zip_are_refused(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as zip_:
        info = zipfile.ZipInfo("data")
        info.external_attr = (stat.S_IFLNK | 0o777) << 16
        zip_.writestr(info, "/etc")
    archive, folder = written(tmp_path, "x.zip", buffer.getvalue())
    with pytest.raises(DataError, match="'data' is a link, a device or encrypted"):
        unpack(archive, folder, progress=quiet)
    assert not (folder / "data").exists()


def test_encrypted_zip_is_refused(tmp_path: Path) -> None:
    body = bytearray(zipped({"a": b"secret"}))
    body[body.rindex(b"PK\x01\x02") + 8] |= 1  # flag bit 0 of the central directory's last entry
    archive, folder = written(tmp_path, "x.zip", bytes(body))
    with pytest.raises(DataError, match="encrypted"):
        unpack(archive, folder, progress=quiet)


def test_two_members_of_one_name(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for body in (b"one", b"two"):
            info = tarfile.TarInfo("a")
            info.size = 3
            tar.addfile(info, io.BytesIO(body))
    archive, folder = written(tmp_path, "x.tar", buffer.getvalue())
    with pytest.raises(DataError, match="two files named 'a'"):
        unpack(archive, folder, progress=quiet)


def test_wrong_crc_leaves_nothing(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as zip_:
        zip_.writestr("a.bin", b"spikes" * 100)
    damaged = buffer.getvalue().replace(b"spikes", b"spokes", 1)
    archive, folder = written(tmp_path, "x.zip", damaged)
    with pytest.raises(DataError, match=r"x\.zip: damaged \(BadZipFile: Bad CRC-32"):
        unpack(archive, folder, progress=quiet)
    assert [path.name for path in folder.iterdir()] == ["x.zip"]


@pytest.mark.parametrize(("name", "pack"), KINDS)
def test_truncated_archives(tmp_path: Path, name: str, pack: Any) -> None:
    body = pack({"a.bin": os.urandom(50_000)})
    archive, folder = written(tmp_path, name, body[: len(body) // 2])
    with pytest.raises(DataError, match="damaged"):
        unpack(archive, folder, progress=quiet)
    assert [path.name for path in folder.iterdir()] == [name]


def test_a_7z_archive_with_a_wrong_crc_leaves_nothing(tmp_path: Path) -> None:
    body = bytearray(sevenzipped({"a.bin": os.urandom(50_000)}))
    body[5000] ^= 1
    archive, folder = written(tmp_path, "x.7z", bytes(body))
    with pytest.raises(DataError, match=r"x\.7z: damaged"):
        unpack(archive, folder, progress=quiet)
    assert [path.name for path in folder.iterdir()] == ["x.7z"]


def test_links_in_a_7z_archive_are_refused(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("/etc")
    buffer = io.BytesIO()
    with py7zr.SevenZipFile(buffer, "w") as file:
        file.write(tmp_path / "link", "data")
    archive, folder = written(tmp_path, "x.7z", buffer.getvalue())
    with pytest.raises(DataError, match="'data' is a link; unpack it by hand"):
        unpack(archive, folder, progress=quiet)
    assert [path.name for path in folder.iterdir()] == ["x.7z"]


def test_a_7z_archive_with_a_password_is_refused(tmp_path: Path) -> None:
    buffer = io.BytesIO()
    with py7zr.SevenZipFile(buffer, "w", password="secret") as file:
        file.writestr(b"spikes", "a")
    archive, folder = written(tmp_path, "x.7z", buffer.getvalue())
    with pytest.raises(DataError, match="wants a password"):
        unpack(archive, folder, progress=quiet)


def test_without_py7zr_a_person_is_told_what_to_do(
    shop: Any, tmp_path: Path, hurried: Any, monkeypatch: Any
) -> None:
    monkeypatch.setitem(sys.modules, "py7zr", None)
    home, archive = shop.dryad({"z.7z": sevenzipped(FILES)})
    report = fetch(home, tmp_path, config=hurried, archive=archive)
    assert (report.by_hand, report.unpacked) == (("z.7z",), ())
    assert "z.7z: unpack it yourself (7-Zip does), or run: pip install" in report.text()
    monkeypatch.undo()
    assert fetch(home, tmp_path, config=hurried, archive=archive).unpacked == ("z.7z",)
    assert (tmp_path / "data" / "b.csv").read_bytes() == FILES["data/b.csv"]


@pytest.mark.parametrize("name", ["x.zip", "x.7z", "x.tar.gz", "x.tar"])
def test_what_is_no_archive(tmp_path: Path, name: str) -> None:
    archive, folder = written(tmp_path, name, b"<html>not an archive</html>" * 100)
    with pytest.raises(DataError, match=rf"{name}: damaged"):
        unpack(archive, folder, progress=quiet)


def test_member_larger_than_the_disk(tmp_path: Path) -> None:
    info = tarfile.TarInfo("bomb.bin")
    info.size = 10**18
    archive, folder = written(tmp_path, "x.tar", info.tobuf(tarfile.GNU_FORMAT))
    with pytest.raises(DataError, match="unpacking needs 1000000000.00 GB more"):
        unpack(archive, folder, progress=quiet)


def test_kinds() -> None:
    assert can_unpack("A.ZIP") and can_unpack("b.tar.gz") and not can_unpack("c.mat.gz")
    assert can_unpack("Chewie_CO_2016.7z") and not wants_unpacking("Chewie_CO_2016.7z")
    assert wants_unpacking("a.rar") and not wants_unpacking("a.zip")


def test_fetch_unpacks_once(shop: Any, tmp_path: Path, hurried: Any) -> None:
    home, archive = shop.dryad(
        {"x.zip": zipped(FILES), "in/y.tar.gz": tarred(FILES), "z.rar": b"7"}
    )
    report = fetch(home, tmp_path, config=hurried, archive=archive)
    assert report.unpacked == ("in/y.tar.gz", "x.zip") and report.by_hand == ("z.rar",)
    assert (tmp_path / "in" / "data" / "b.csv").read_bytes() == FILES["data/b.csv"]
    stages: list[str] = []
    fetch(home, tmp_path, config=hurried, archive=archive, progress=lambda *a: stages.append(a[0]))
    assert set(stages) == {"check"}


def test_unpacked_archive_may_be_deleted(shop: Any, tmp_path: Path, hurried: Any) -> None:
    home, archive = shop.dryad({"x.zip": zipped(FILES)})
    fetch(home, tmp_path, config=hurried, archive=archive)
    (tmp_path / "x.zip").unlink()
    assert fetch(home, tmp_path, config=hurried, archive=archive).n_downloaded == 0
    (tmp_path / "empty.txt").unlink()
    assert fetch(home, tmp_path, config=hurried, archive=archive).n_downloaded == 1
    assert (tmp_path / "empty.txt").exists()


def test_interrupted_unpacking_goes_on(shop: Any, tmp_path: Path, hurried: Any) -> None:
    home, archive = shop.dryad({"x.zip": zipped(FILES)})
    (tmp_path / "data").mkdir()
    blocker = tmp_path / "data" / "b.csv"
    blocker.write_bytes(b"in the way of the second member")
    with pytest.raises(DataError, match="in the way"):
        fetch(home, tmp_path, config=hurried, archive=archive)
    blocker.unlink()
    report = fetch(home, tmp_path, config=hurried, archive=archive)
    assert (report.n_downloaded, report.unpacked) == (0, ("x.zip",))
    assert all((tmp_path / member).read_bytes() == body for member, body in FILES.items())


def test_archive_put_there_by_hand_is_unpacked(shop: Any, tmp_path: Path, hurried: Any) -> None:
    body = zipped(FILES)
    home, archive = shop.dryad({"x.zip": body})
    shop.always["/api/v2/files/0/download"] = shop.status(401)
    with pytest.raises(DataError, match="by hand"):
        fetch(home, tmp_path, config=hurried, archive=archive)
    (tmp_path / "x.zip").write_bytes(body)
    report = fetch(home, tmp_path, config=hurried, archive=archive)
    assert report.unpacked == ("x.zip",) and (tmp_path / "empty.txt").exists()
