"""Who is asked, who is told the token, and where a server's answer can lead."""

import logging
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx2
import pytest

from sylvian.data.fetch import ARCHIVES, fetch
from sylvian.data.fetch.names import place
from sylvian.errors import ConfigError, DataError

TOKEN = "s3cret-t0ken-nobody-may-see"
BODY = b"spikes" * 1000
FILE = "/api/v2/files/0/download"


@pytest.mark.parametrize("code", [401, 403])
def test_login_is_explained_in_one_sentence(
    shop: Any, tmp_path: Path, hurried: Any, code: int
) -> None:
    home, archive = shop.dryad({"a.zip": BODY})
    shop.always[FILE] = shop.status(code)
    with pytest.raises(DataError) as caught:
        fetch(home, tmp_path, config=hurried, archive=archive)
    message = str(caught.value)
    assert message.startswith(f"{tmp_path / 'a.zip'}: Dryad wants a login")
    assert f"HTTP {code}" in message and "SYLVIAN_DRYAD_TOKEN is not set" in message
    assert "https://datadryad.org/account" in message
    assert "download a.zip by hand from https://datadryad.org/dataset/doi:10.5061/" in message
    assert f"into {tmp_path}" in message and "\n" not in message
    assert len(shop.asked(FILE)) == 1  # trying again would not help


def test_login_is_wanted_once_and_not_for_every_file(
    shop: Any, tmp_path: Path, hurried: Any
) -> None:
    home, archive = shop.dryad({f"{number}.zip": BODY for number in range(20)})
    for number in range(20):
        shop.always[f"/api/v2/files/{number}/download"] = shop.status(401)
    with pytest.raises(DataError, match="wants a login"):
        fetch(home, tmp_path, config=hurried, archive=archive)
    assert len([seen for seen in shop.seen if seen.path.endswith("download")]) < 20


def test_login_to_look_at_the_list(shop: Any, tmp_path: Path, hurried: Any) -> None:
    home, archive = shop.dandi({"a.nwb": BODY}, files=("a.nwb",))
    shop.always["/api/dandisets/000777/"] = shop.status(403)
    with pytest.raises(DataError, match=r"reach2020: DANDI wants a login .*DANDI_API_KEY.*a\.nwb"):
        fetch(home, tmp_path, config=hurried, archive=archive)


def test_web_page_instead_of_a_file(shop: Any, tmp_path: Path, hurried: Any) -> None:
    home, archive = shop.dryad({"a.zip": BODY})
    shop.always[FILE] = shop.web_page
    with pytest.raises(DataError, match=r"Dryad wants a login .*web page instead of the file"):
        fetch(home, tmp_path, config=hurried, archive=archive)
    assert not (tmp_path / "a.zip").exists()


def test_not_found_without_token_hints_at_one(shop: Any, tmp_path: Path, hurried: Any) -> None:
    home, archive = shop.dryad({"a.zip": BODY})
    del shop.bodies[FILE]
    with pytest.raises(DataError, match="HTTP 404 .*only with a token in SYLVIAN_DRYAD_TOKEN"):
        fetch(home, tmp_path, config=hurried, archive=archive)


@pytest.mark.parametrize(
    ("kind", "variable", "header"),
    [
        ("dryad", "SYLVIAN_DRYAD_TOKEN", f"Bearer {TOKEN}"),
        ("dandi", "DANDI_API_KEY", f"token {TOKEN}"),
        ("zenodo", "SYLVIAN_ZENODO_TOKEN", f"Bearer {TOKEN}"),
    ],
)
def test_token_goes_to_the_archive_and_nowhere_else(
    open_shop: Callable[[], Any],
    tmp_path: Path,
    hurried: Any,
    monkeypatch: pytest.MonkeyPatch,
    kind: str,
    variable: str,
    header: str,
) -> None:
    monkeypatch.setenv(variable, f" {TOKEN}\n")
    shop, store = open_shop(), open_shop()
    home, archive = getattr(shop, kind)({"a.bin": BODY})
    path = next(path for path in shop.bodies)
    store.bodies["/store/x"] = BODY
    shop.always[path] = shop.redirect(f"{store.url}/store/x")
    fetch(home, tmp_path, config=hurried, archive=replace(archive, hosts=("127.0.0.1",)))
    assert (tmp_path / "a.bin").read_bytes() == BODY
    assert {seen.headers.get("Authorization") for seen in shop.seen} == {header}
    assert [seen.headers.get("Authorization") for seen in store.seen] == [None]
    assert "Cookie" not in store.seen[0].headers


def test_token_is_never_shown(
    shop: Any,
    tmp_path: Path,
    hurried: Any,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    monkeypatch.setenv("SYLVIAN_DRYAD_TOKEN", TOKEN)
    home, archive = shop.dryad({"a.zip": BODY})
    shop.always[FILE] = shop.status(401)
    with pytest.raises(DataError, match="does not accept the token in SYLVIAN_DRYAD_TOKEN") as one:
        fetch(home, tmp_path, config=hurried, archive=archive)
    shop.always[FILE] = shop.reset
    with pytest.raises(DataError, match="the connection failed") as two:
        fetch(home, tmp_path, config=hurried, archive=archive)
    written = "".join(path.read_text() for path in tmp_path.iterdir() if path.is_file())
    shown = f"{one.value!r} {two.value!r} {caplog.text} {written} {archive!r}"
    assert caplog.text and TOKEN not in shown


@pytest.mark.parametrize("token", ["two words", "line\nbreak", "umläut", "\x00"])
def test_odd_token_is_refused_unseen(
    shop: Any, tmp_path: Path, hurried: Any, monkeypatch: pytest.MonkeyPatch, token: str
) -> None:
    monkeypatch.setattr("os.environ", {"SYLVIAN_DRYAD_TOKEN": token})  # a real one takes no NUL
    home, archive = shop.dryad({"a.zip": BODY})
    with pytest.raises(ConfigError, match="SYLVIAN_DRYAD_TOKEN: is not a token") as caught:
        fetch(home, tmp_path, config=hurried, archive=archive)
    assert token not in str(caught.value) and not shop.seen


def test_store_that_refuses_is_asked_anew_through_the_archive(
    open_shop: Callable[[], Any], tmp_path: Path, hurried: Any
) -> None:
    """A store's link runs out after a while; only the archive makes new ones."""
    shop, store = open_shop(), open_shop()
    home, archive = shop.dryad({"a.bin": BODY})
    store.bodies["/x"] = BODY
    store.fails("/x", store.drop(2_000), store.status(403))
    shop.always[FILE] = shop.redirect(f"{store.url}/x?X-Amz-Signature=abc")
    fetch(home, tmp_path, config=hurried, archive=replace(archive, hosts=("127.0.0.1",)))
    assert (tmp_path / "a.bin").read_bytes() == BODY
    assert len(shop.asked(FILE)) == 3
    assert [seen.headers.get("Range") for seen in store.seen] == [None, *["bytes=2000-"] * 2]


@pytest.mark.parametrize(
    "target",
    [
        "file:///etc/passwd",
        "http://localhost:1/x",  # another origin, though it may be this very machine
        "https://evil.example/a.zip",
        "http://169.254.169.254/latest/meta-data",
        "https://datadryad.org@evil.example/",
        "//evil.example/a.zip",
        "ftp://127.0.0.1/a.zip",
        "http://[::bad",
    ],
)
def test_redirects_elsewhere_are_refused(
    shop: Any, tmp_path: Path, hurried: Any, target: str
) -> None:
    home, archive = shop.dryad({"a.zip": BODY})
    shop.always[FILE] = shop.redirect(target)
    with pytest.raises(DataError, match="only its own https hosts are asked|not an address"):
        fetch(home, tmp_path, config=hurried, archive=archive)
    assert len(shop.asked(FILE)) == 1 and not (tmp_path / "a.zip").exists()


def test_listed_addresses_elsewhere_are_refused(shop: Any, tmp_path: Path, hurried: Any) -> None:
    home, archive = shop.zenodo({"a.mat": BODY})
    shop.answers["/api/records/77"]["files"][0]["links"]["self"] = "file:///etc/hostname"
    with pytest.raises(DataError, match="file://: Zenodo points there"):
        fetch(home, tmp_path, config=hurried, archive=archive)
    assert not (tmp_path / "a.mat").exists()


def test_redirects_end(shop: Any, tmp_path: Path, hurried: Any) -> None:
    home, archive = shop.dryad({"a.zip": BODY})
    shop.always[FILE] = shop.redirect(FILE)
    with pytest.raises(DataError, match="redirected more than 5 times"):
        fetch(home, tmp_path, config=hurried, archive=archive)
    assert len(shop.asked(FILE)) == 6


@pytest.mark.parametrize("kind", sorted(ARCHIVES))
@pytest.mark.parametrize(
    ("url", "allowed"),
    [
        ("{base}/x", True),
        ("https://bucket.s3.us-west-2.amazonaws.com/x", None),
        ("https://evilamazonaws.com/x", False),
        ("https://amazonaws.com.evil.example/x", False),
        ("http://datadryad.org/x", False),
        ("http://api.dandiarchive.org/x", False),
        ("http://zenodo.org/x", False),
        ("file:///etc/passwd", False),
    ],
)
def test_real_archives_are_asked_by_https_only(kind: str, url: str, allowed: bool | None) -> None:
    archive = ARCHIVES[kind]
    assert archive.base.startswith("https://")
    address = httpx2.URL(url.format(base=archive.base))
    wanted = kind != "zenodo" if allowed is None else allowed
    assert archive.allows(address) == wanted
    assert archive.owns(address) == ("{base}" in url)


HOSTILE = [
    "../evil",
    "a/../../evil",
    "/etc/cron.d/evil",
    "..",
    ".",
    "",
    "a//b",
    "a/",
    "a\\..\\evil",
    "C:evil",
    "c:/evil",
    "//server/share/evil",
    "new\nline",
    "nul\0",
    "x.partial",
    "in/x.partial.json",
    ".sylvian-fetch.json",
    ".sylvian-fetch.lock",
    "long" * 100,
]


@pytest.mark.parametrize("name", HOSTILE)
def test_names_that_lead_elsewhere_are_refused(
    shop: Any, tmp_path: Path, hurried: Any, name: str
) -> None:
    raw = tmp_path / "raw"
    home, archive = shop.zenodo({"a.mat": BODY})
    shop.answers["/api/records/77"]["files"][0]["key"] = name
    with pytest.raises(DataError, match="refuses a file named"):
        fetch(home, raw, config=hurried, archive=archive)
    assert [path.name for path in tmp_path.rglob("*")] == ["raw", ".sylvian-fetch.lock"]


def test_links_that_lead_out_are_refused(tmp_path: Path) -> None:
    raw, elsewhere = tmp_path / "raw", tmp_path / "elsewhere"
    raw.mkdir()
    elsewhere.mkdir()
    (raw / "out").symlink_to(elsewhere)
    (raw / "in").symlink_to(raw)
    assert place(raw, "in/a.mat") == raw / "in" / "a.mat"
    with pytest.raises(DataError, match="leads out of"):
        place(raw, "out/a.mat")


def test_ordinary_names_are_kept(tmp_path: Path) -> None:
    for name in ("a.mat", "sub-M/sub-M_ses-CO+x (1).nwb", "t15.2023.08.11/data.hdf5", "..a", "ü ü"):
        assert place(tmp_path, name) == tmp_path / name
