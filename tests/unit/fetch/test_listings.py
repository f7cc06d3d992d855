"""What the archives list, in the shapes they document."""

import hashlib
from pathlib import Path
from typing import Any

import pytest

from sylvian.data.corpora import FACTS, corpus_class
from sylvian.data.fetch import ARCHIVES, HOMES, FetchConfig, fetch, home_of
from sylvian.data.fetch.digests import DandiEtag, Digest, digest_of
from sylvian.errors import ConfigError, DataError

BODY = b"spikes" * 1000


def test_dryad_pages_and_names(shop: Any, tmp_path: Path, hurried: Any) -> None:
    files = {f"part{number:03}.bin": bytes([number]) for number in range(130)}
    home, archive = shop.dryad(files, files=("part1*",))
    report = fetch(home, tmp_path, config=hurried, archive=archive)
    assert (report.archive, report.version) == ("Dryad 10.5061/dryad.ab12", "6")
    assert report.n_files == 30 and (tmp_path / "part129.bin").read_bytes() == bytes([129])
    asked = shop.asked("/api/v2/versions/99/files")
    assert [seen.query["page"] for seen in asked] == [["1"], ["2"]]
    assert shop.seen[0].path == "/api/v2/datasets/doi%3A10.5061%2Fdryad.ab12"
    assert shop.seen[0].headers["Accept"] == "application/json"
    assert shop.seen[0].headers["User-Agent"].startswith("sylvian/")


@pytest.mark.parametrize("link", ["stash:download", "stash:file-download", None])
def test_dryad_download_links(shop: Any, tmp_path: Path, hurried: Any, link: str | None) -> None:
    home, archive = shop.dryad({"a.bin": BODY, "gone.bin": BODY})
    pages = shop.answers["/api/v2/versions/99/files"]({})
    row, deleted = pages["_embedded"]["stash:files"]
    href = row["_links"].pop("stash:download")
    if link:
        row["_links"][link] = href
    deleted["status"] = "deleted"
    shop.answers["/api/v2/versions/99/files"] = pages
    assert fetch(home, tmp_path, config=hurried, archive=archive).n_files == 1
    assert (tmp_path / "a.bin").read_bytes() == BODY


def test_dandi_pages_and_newest_version(shop: Any, tmp_path: Path, hurried: Any) -> None:
    files = {f"sub-M/ses-{number}.nwb": bytes([number]) * 9 for number in range(5)}
    home, archive = shop.dandi(files)
    report = fetch(home, tmp_path, config=hurried, archive=archive)
    assert (report.n_files, report.version) == (5, "0.230101.1200")
    assert report.unverified == ()
    assert (tmp_path / "sub-M" / "ses-4.nwb").read_bytes() == bytes([4]) * 9


def test_dandi_version_of_the_home(shop: Any, tmp_path: Path, hurried: Any) -> None:
    home, archive = shop.dandi({"a.nwb": BODY}, version="0.111111.1111")
    assert fetch(home, tmp_path, config=hurried, archive=archive).version == "0.111111.1111"
    assert not shop.asked("/api/dandisets/000777/")


def test_dandi_draft_with_etag_only(shop: Any, tmp_path: Path, hurried: Any) -> None:
    home, archive = shop.dandi({"a.nwb": BODY}, digest="dandi:dandi-etag")
    root = "/api/dandisets/000777"
    shop.answers[f"{root}/"]["most_recent_published_version"] = None
    published, draft = f"{root}/versions/0.230101.1200/assets/", f"{root}/versions/draft/assets/"
    shop.answers[draft] = shop.answers.pop(published)
    shop.bodies[f"{draft}0000-0/download/"] = BODY
    report = fetch(home, tmp_path, config=hurried, archive=archive)
    assert (report.version, report.unverified) == ("draft", ())
    shop.bodies[f"{draft}0000-0/download/"] = BODY[::-1]
    with pytest.raises(DataError, match="another checksum"):
        fetch(home, tmp_path / "other", config=hurried, archive=archive)


def test_dandi_digest_is_asked_for_where_the_list_has_none(
    shop: Any, tmp_path: Path, hurried: Any
) -> None:
    home, archive = shop.dandi({"a.nwb": BODY})
    here = "/api/dandisets/000777/versions/0.230101.1200/assets/"
    pages = shop.answers[here]
    shop.answers[here] = lambda query: pages({"page": query.get("page", ["1"])})  # no metadata
    wrong = {"digest": {"dandi:sha2-256": hashlib.sha256(b"other").hexdigest()}}
    shop.answers[f"{here}0000-0/"] = wrong
    with pytest.raises(DataError, match="another checksum"):
        fetch(home, tmp_path, config=hurried, archive=archive)


def test_dandi_leaves_zarr_folders_out(shop: Any, tmp_path: Path, hurried: Any) -> None:
    home, archive = shop.dandi({"a.nwb": BODY})
    here = "/api/dandisets/000777/versions/0.230101.1200/assets/"
    page = shop.answers[here]({"metadata": ["true"]})
    page["results"].append(page["results"][0] | {"path": "b.zarr", "zarr": "f00"})
    shop.answers[here] = page
    assert fetch(home, tmp_path, config=hurried, archive=archive).n_files == 1


def test_dandi_pages_in_a_circle(shop: Any, tmp_path: Path, hurried: Any) -> None:
    home, archive = shop.dandi({"a.nwb": BODY})
    here = "/api/dandisets/000777/versions/0.230101.1200/assets/"
    page = shop.answers[here]({"metadata": ["true"]})
    shop.answers[here] = page | {"next": f"{shop.url}{here}?page=2"}
    with pytest.raises(DataError, match="in a circle"):
        fetch(home, tmp_path, config=hurried, archive=archive)


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        ([], "model_type|dictionary"),
        ({"id": 77}, "files: Field required"),
        ({"files": [{"key": "a", "size": -1, "links": {"self": "u"}}]}, r"files\.0\.size"),
        ({"files": [{"key": "a", "size": "big", "links": {"self": "u"}}]}, r"files\.0\.size"),
        ({"files": [{"key": "a", "size": 1, "links": {}}]}, r"files\.0\.links\.self"),
    ],
)
def test_answers_of_another_shape(
    shop: Any, tmp_path: Path, hurried: Any, answer: Any, said: str
) -> None:
    home, archive = shop.zenodo({"a.mat": BODY})
    shop.answers["/api/records/77"] = answer
    with pytest.raises(DataError, match=f"records/77: Zenodo answers in a shape.*({said})"):
        fetch(home, tmp_path, config=hurried, archive=archive)


@pytest.mark.parametrize("text", [b"<html>", b"", b"\xff\xfe", b"[" * 100_000])
def test_answers_that_are_no_json(shop: Any, tmp_path: Path, hurried: Any, text: bytes) -> None:
    home, archive = shop.zenodo({"a.mat": BODY})
    shop.always["/api/records/77"] = lambda handler: handler.reply(text)
    with pytest.raises(DataError, match="answers in a shape we do not know"):
        fetch(home, tmp_path, config=hurried, archive=archive)


def test_listing_is_asked_for_again_after_a_drop(shop: Any, tmp_path: Path, hurried: Any) -> None:
    home, archive = shop.zenodo({"a.mat": BODY})
    shop.fails("/api/records/77", shop.reset, shop.status(502), shop.status(429, Retry_After="0"))
    assert fetch(home, tmp_path, config=hurried, archive=archive).n_downloaded == 1
    assert len(shop.asked("/api/records/77")) == 4


def test_no_such_record(shop: Any, tmp_path: Path, hurried: Any) -> None:
    home, archive = shop.zenodo({"a.mat": BODY})
    del shop.answers["/api/records/77"]
    with pytest.raises(DataError, match=r"api/records/77: HTTP 404"):
        fetch(home, tmp_path, config=hurried, archive=archive)


def test_server_that_is_not_there(shop: Any, tmp_path: Path, hurried: Any) -> None:
    home, archive = shop.zenodo({"a.mat": BODY})
    shut = type(archive)(
        **{f: getattr(archive, f) for f in archive.__slots__} | {"base": "http://127.0.0.1:9/api"}
    )
    brief = hurried.model_copy(update={"attempts": 2})
    with pytest.raises(DataError, match="the connection failed .*gave up after 2 attempts"):
        fetch(home, tmp_path, config=brief, archive=shut)


def test_only_what_is_needed_or_asked_for(shop: Any, tmp_path: Path, hurried: Any) -> None:
    files = {"data.mat": BODY, "model.ckpt": BODY, "README.md": b"read"}
    home, archive = shop.zenodo(files, files=("*.mat",))
    assert fetch(home, tmp_path, config=hurried, archive=archive).n_files == 1
    assert fetch(home, tmp_path, only="README*", config=hurried, archive=archive).n_files == 1
    everything = fetch(home, tmp_path, only="*", config=hurried, archive=archive)
    assert (everything.n_files, everything.n_downloaded) == (3, 1)


def test_pattern_that_fits_nothing(shop: Any, tmp_path: Path, hurried: Any) -> None:
    home, archive = shop.zenodo({"data.mat": BODY}, files=("old_name.mat",))
    with pytest.raises(DataError, match=r"no file like 'old_name.mat' but 'data.mat'; choose"):
        fetch(home, tmp_path, config=hurried, archive=archive)


def test_two_files_of_one_name(shop: Any, tmp_path: Path, hurried: Any) -> None:
    home, archive = shop.zenodo({"data.mat": BODY})
    shop.answers["/api/records/77"]["files"] *= 2
    with pytest.raises(DataError, match="lists 'data.mat' twice"):
        fetch(home, tmp_path, config=hurried, archive=archive)


def test_homes_agree_with_the_facts() -> None:
    for name, facts in FACTS.items():
        if name in HOMES and HOMES[name].archive == "dryad":
            assert HOMES[name].record == facts.doi
    assert {"card2024", "willett2023"} <= set(HOMES)
    assert all(home.archive in ARCHIVES and home.corpus in FACTS for home in HOMES.values())
    parts = {name: home.corpus for name, home in HOMES.items() if home.corpus != name}
    for name, corpus in parts.items():
        with pytest.raises(ConfigError, match=f"{name}' is a part of the corpus '{corpus}'"):
            corpus_class(name)
    assert set(parts) == {"falcon_h2", "mc_maze_large", "mc_maze_medium", "mc_maze_small"}


def test_directions_name_the_files_we_fetch() -> None:
    for name in ("card2024", "willett2023", "kunz2025"):
        assert all(file in FACTS[name].directions for file in HOMES[name].files)


def test_unknown_corpus() -> None:
    with pytest.raises(ConfigError, match="no archive is known for 'synthetic'.*card2024"):
        home_of("synthetic")


def test_etag_by_its_definition() -> None:
    part = 64 * 2**20
    body = b"\1" * (part + 5)
    etag = DandiEtag(len(body))
    for start in range(0, len(body), 7_000_003):  # never at a boundary
        etag.update(body[start : start + 7_000_003])
    parts = hashlib.md5(body[:part]).digest() + hashlib.md5(body[part:]).digest()
    assert etag.hexdigest() == f"{hashlib.md5(parts).hexdigest()}-2"
    assert DandiEtag(0).hexdigest() == f"{hashlib.md5().hexdigest()}-0"


def test_etag_parts_of_huge_files_are_larger() -> None:
    """640 GB would be 10,000 parts of 64 MiB: one too many."""
    assert DandiEtag(9_999 * 64 * 2**20)._part_bytes == 64 * 2**20
    assert DandiEtag(10_000 * 64 * 2**20)._part_bytes == 64 * 2**20
    assert DandiEtag(10_001 * 64 * 2**20)._part_bytes == 67_115_575


@pytest.mark.parametrize("name", ["md5", "SHA-256", "sha-1", "sha-384", "sha-512"])
def test_digests(name: str, tmp_path: Path) -> None:
    expected = hashlib.new(name.lower().replace("-", ""), BODY).hexdigest()
    digest = digest_of(name, expected.upper())
    (tmp_path / "x").write_bytes(BODY)
    assert digest == Digest(name.lower(), expected) and digest.of(tmp_path / "x") == expected


def test_digests_we_cannot_compute_are_none() -> None:
    assert digest_of("adler-32", "1") is None and digest_of("md5", "") is None
    assert digest_of(None, "1") is None and digest_of("md5", None) is None


def test_config_is_bounded() -> None:
    with pytest.raises(ValueError, match="jobs"):
        FetchConfig(jobs=0)
