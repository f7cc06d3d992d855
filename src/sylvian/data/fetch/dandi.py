"""What DANDI lists of a dandiset.

Verified only against the documented shape: `GET /dandisets/{id}/` names the versions,
`GET /dandisets/{id}/versions/{version}/assets/` pages through the assets with `asset_id`, `path`,
`size` and, asked for, `metadata.digest`; an asset's `download/` redirects to the S3 store. Open
dandisets want no key. Source: api.dandiarchive.org/swagger and github.com/dandi/dandi-archive.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, Field

from sylvian.data.fetch.archives import Listing, RemoteFile
from sylvian.data.fetch.client import Client
from sylvian.data.fetch.digests import Digest, digest_of
from sylvian.errors import DataError

_PER_PAGE = 200
# Best first: drafts get their SHA-256 only some time after the upload.
_DIGESTS = (("dandi:sha2-256", "sha-256"), ("dandi:dandi-etag", "dandi-etag"))


class _Version(BaseModel):
    version: str


class _Dandiset(BaseModel):
    published: _Version | None = Field(default=None, alias="most_recent_published_version")


class _Metadata(BaseModel):
    digest: dict[str, str] = {}


class _Asset(BaseModel):
    asset_id: str
    path: str
    n_bytes: Annotated[int, Field(ge=0, alias="size")]
    zarr: str | None = None
    metadata: _Metadata | None = None


class _Page(BaseModel):
    results: list[_Asset]
    next: str | None = None


def list_dandi(client: Client, dandiset: str, *, version: str = "") -> Listing:
    """List the assets of a dandiset, Zarr folders left out: no corpus of ours has any.

    Args:
        client: A connection to DANDI.
        dandiset: Six digits.
        version: A published version; empty for the newest, or the draft where none is published.

    Raises:
        DataError: no such dandiset or version, or an answer of another shape.
        Refused: the dandiset is embargoed and we are not known, or not its owner.
    """
    here = f"{client.archive.base}/dandisets/{dandiset}"
    if not version:
        published = client.ask(f"{here}/", _Dandiset).published
        version = published.version if published else "draft"
    assets = f"{here}/versions/{version}/assets/"
    found: list[RemoteFile] = []
    seen: set[str] = set()
    url: str | None = f"{assets}?page_size={_PER_PAGE}&metadata=true&order=path"
    while url is not None:
        if url in seen:
            raise DataError(f"{url}: DANDI's pages lead in a circle; try again later")
        seen.add(url)
        page = client.ask(url, _Page)
        found += [_remote(client, asset, assets) for asset in page.results if asset.zarr is None]
        url = page.next
    return Listing(version, tuple(found))


def _remote(client: Client, asset: _Asset, assets: str) -> RemoteFile:
    here = f"{assets}{asset.asset_id}/"
    metadata = asset.metadata or client.ask(here, _Metadata)
    return RemoteFile(asset.path, f"{here}download/", asset.n_bytes, _digest(metadata))


def _digest(metadata: _Metadata) -> Digest | None:
    digests = (digest_of(ours, metadata.digest.get(theirs)) for theirs, ours in _DIGESTS)
    return next((digest for digest in digests if digest), None)
