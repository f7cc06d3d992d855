"""What Zenodo lists of a record.

Verified only against the documented shape: `GET /records/{id}` with `files`, each with `key`,
`size`, `checksum` (`md5:<hex>`) and a link to its bytes. Open records want no token. Source:
developers.zenodo.org.
"""

from __future__ import annotations

from typing import Annotated
from urllib.parse import urljoin

from pydantic import BaseModel, Field

from sylvian.data.fetch.archives import Listing, RemoteFile
from sylvian.data.fetch.client import Client
from sylvian.data.fetch.digests import digest_of


class _Links(BaseModel):
    content: str = Field(alias="self")


class _File(BaseModel):
    key: str
    n_bytes: Annotated[int, Field(ge=0, alias="size")]
    checksum: str | None = None
    links: _Links


class _Record(BaseModel):
    files: list[_File]


def list_zenodo(client: Client, record: str) -> Listing:
    """List the files of a record; a record number is one version.

    Raises:
        DataError: no such record, or an answer of another shape.
        Refused: the record is restricted and we are not known.
    """
    base = f"{client.archive.base}/"
    answer = client.ask(f"{base}records/{record}", _Record)
    return Listing(record, tuple(_remote(file, base) for file in answer.files))


def _remote(file: _File, base: str) -> RemoteFile:
    algorithm, _, value = (file.checksum or "").partition(":")
    url = urljoin(base, file.links.content)
    return RemoteFile(file.key, url, file.n_bytes, digest_of(algorithm, value))
