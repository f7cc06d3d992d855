"""What Dryad lists of a dataset (API v2).

Verified only against the documented shape: `GET /datasets/{doi}` links the newest version visible
to us, `GET {version}/files` pages through its files with `path`, `size`, `digest`, `digestType` and
a download link; downloads want a token of an API account and redirect to Dryad's S3 store. Source:
datadryad.org/api, and documentation/apis of github.com/datadryad/dryad-app.
"""

from __future__ import annotations

from itertools import count
from typing import Annotated
from urllib.parse import quote, urljoin

from pydantic import BaseModel, Field

from sylvian.data.fetch.archives import Listing, RemoteFile
from sylvian.data.fetch.client import Client
from sylvian.data.fetch.digests import digest_of

_PER_PAGE = 100


class _Link(BaseModel):
    href: str


class _DatasetLinks(BaseModel):
    version: _Link = Field(alias="stash:version")


class _Dataset(BaseModel):
    links: _DatasetLinks = Field(alias="_links")
    number: int | None = Field(default=None, alias="versionNumber")


class _FileLinks(BaseModel):
    """Where the bytes are; the download link has had two names, and is not shown to everybody."""

    itself: _Link = Field(alias="self")
    download: _Link | None = Field(default=None, alias="stash:download")
    file_download: _Link | None = Field(default=None, alias="stash:file-download")


class _File(BaseModel):
    path: str
    n_bytes: Annotated[int, Field(ge=0, alias="size")]
    status: str | None = None
    digest: str | None = None
    digest_type: str | None = Field(default=None, alias="digestType")
    links: _FileLinks = Field(alias="_links")


class _Files(BaseModel):
    files: list[_File] = Field(alias="stash:files")


class _Page(BaseModel):
    total: int
    embedded: _Files = Field(alias="_embedded")


def list_dryad(client: Client, doi: str) -> Listing:
    """List the files of the newest version of a dataset.

    Pages are asked for by number until `total` files are listed: their `next` links have been
    published in two shapes.

    Raises:
        DataError: no such dataset, or an answer of another shape.
        Refused: Dryad wants a login even to look.
    """
    base = f"{client.archive.base}/"
    dataset = client.ask(f"{base}datasets/{quote(f'doi:{doi}', safe='')}", _Dataset)
    url = f"{urljoin(base, dataset.links.version.href)}/files?per_page={_PER_PAGE}&page="
    found: list[_File] = []
    for number in count(1):
        page = client.ask(f"{url}{number}", _Page)
        found += page.embedded.files
        if len(found) >= page.total or not page.embedded.files:
            break
    kept = (file for file in found if file.status != "deleted")
    return Listing(str(dataset.number or ""), tuple(_remote(file, base) for file in kept))


def _remote(file: _File, base: str) -> RemoteFile:
    link = file.links.download or file.links.file_download
    href = link.href if link else f"{file.links.itself.href}/download"
    digest = digest_of(file.digest_type, file.digest)
    return RemoteFile(file.path, urljoin(base, href), file.n_bytes, digest)
