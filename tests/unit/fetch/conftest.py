"""A real HTTP server on this machine that behaves like the archives, or as badly as it is told."""

import hashlib
import json
import socket
import struct
import threading
from collections import defaultdict, deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from email.message import Message
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from sylvian.data.fetch import ARCHIVES, Archive, FetchConfig, Home
from sylvian.data.fetch.digests import Digest

Fault = Callable[["Handler"], None]


@dataclass
class Seen:
    """A request as it arrived."""

    path: str
    query: dict[str, list[str]]
    headers: Message


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    shop: "Shop"

    def do_GET(self) -> None:
        parts = urlsplit(self.path)
        self.route = parts.path
        self.query = parse_qs(parts.query)
        with self.shop.lock:
            self.shop.seen.append(Seen(self.route, self.query, self.headers))
            queue = self.shop.faults[self.route]
            fault = queue.popleft() if queue else self.shop.always.get(self.route)
        (fault or Handler.serve)(self)

    def serve(self) -> None:
        if self.route in self.shop.answers:
            answer = self.shop.answers[self.route]
            self.reply(json.dumps(answer(self.query) if callable(answer) else answer).encode())
        elif self.route in self.shop.bodies:
            self.serve_bytes()
        else:
            self.reply(b"no such thing", status=404)

    @property
    def body(self) -> bytes:
        return self.shop.bodies[self.route]

    @property
    def etag(self) -> str:
        return '"' + hashlib.md5(self.body).hexdigest() + '"'

    @property
    def start(self) -> int:
        """First byte wanted; 0 where the range does not hold because the file has changed."""
        asked = self.headers.get("Range", "bytes=0-")
        if self.headers.get("If-Range", self.etag) != self.etag:
            return 0
        return int(asked.removeprefix("bytes=").split("-")[0])

    def serve_bytes(self, *, n_sent: int | None = None, etag: bool = True) -> None:
        """Send the bytes asked for; with `n_sent`, promise them all and break off after some."""
        start, total = self.start, len(self.body)
        headers = {"ETag": self.etag} if etag else {}
        rest = self.body[start:]
        if start:
            headers["Content-Range"] = f"bytes {start}-{total - 1}/{total}"
        self.send_response(206 if start else 200)
        for name, value in (headers | {"Content-Length": str(len(rest))}).items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(rest[:n_sent])
        if n_sent is not None:
            self.break_off()

    def reply(self, body: bytes, *, status: int = 200, **headers: str) -> None:
        self.send_response(status)
        for name, value in ({"Content-Length": str(len(body))} | headers).items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(body)

    def break_off(self) -> None:
        self.wfile.flush()
        self.close_connection = True
        self.connection.shutdown(socket.SHUT_RDWR)

    def log_message(self, format: str, *args: Any) -> None:
        pass


def drop(n_sent: int) -> Fault:
    """Break the connection after `n_sent` bytes of the body."""
    return lambda handler: handler.serve_bytes(n_sent=n_sent)


def reset(handler: Handler) -> None:
    """Slam the door: the peer sees a connection reset instead of an answer."""
    linger = struct.pack("ii", 1, 0)
    handler.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
    handler.close_connection = True
    handler.connection.close()


def status(code: int, **headers: str) -> Fault:
    return lambda handler: handler.reply(b"no", status=code, **headers)


def whole(handler: Handler) -> None:
    """Ignore any range."""
    handler.reply(handler.body)


def garbled(handler: Handler) -> None:
    """Send as many bytes as there are, all wrong."""
    handler.reply(bytes(255 - byte for byte in handler.body))


def shifted(handler: Handler) -> None:
    """Answer a range with another one."""
    total = len(handler.body)
    rest = handler.body[1:]
    handler.reply(rest, status=206, Content_Range=f"bytes 1-{total - 1}/{total}")


def truncated(n_sent: int) -> Fault:
    """Say that the file is shorter than it is, and send no more."""
    return lambda handler: handler.reply(handler.body[:n_sent])


def overlong(handler: Handler) -> None:
    """Say that the file is longer than listed, and send all that."""
    handler.reply(handler.body + b"more" * 1000)


def redirect(url: str) -> Fault:
    return lambda handler: handler.reply(b"", status=302, Location=url)


def web_page(handler: Handler) -> None:
    handler.reply(b"<!doctype html>Please log in", Content_Type="text/html; charset=utf-8")


@dataclass
class Shop:
    """The server, what it has, what it will do wrong, and whom it saw.

    `faults` are used up one a request; `always` holds for every request without a fault.
    """

    bodies: dict[str, bytes] = field(default_factory=dict)
    answers: dict[str, Any] = field(default_factory=dict)
    faults: dict[str, deque[Fault]] = field(default_factory=lambda: defaultdict(deque))
    always: dict[str, Fault] = field(default_factory=dict)
    seen: list[Seen] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)
    url: str = ""

    drop = staticmethod(drop)
    status = staticmethod(status)
    truncated = staticmethod(truncated)
    redirect = staticmethod(redirect)
    reset = staticmethod(reset)
    whole = staticmethod(whole)
    garbled = staticmethod(garbled)
    shifted = staticmethod(shifted)
    overlong = staticmethod(overlong)
    web_page = staticmethod(web_page)

    def fails(self, path: str, *faults: Fault) -> None:
        self.faults[path].extend(faults)

    def asked(self, path: str) -> list[Seen]:
        return [seen for seen in self.seen if seen.path == path]

    def archive(self, kind: str, *hosts: str) -> Archive:
        """The archive of this kind, moved to this server; `hosts` may serve bytes for it."""
        base = self.url + urlsplit(ARCHIVES[kind].base).path
        return replace(ARCHIVES[kind], base=base, hosts=hosts)

    def zenodo(
        self, files: Mapping[str, bytes], /, *, checksums: bool = True, **home: Any
    ) -> tuple[Home, Archive]:
        """Offer files the way Zenodo does; their bytes are at `/f/<name>`."""
        rows = []
        for name, body in files.items():
            self.bodies[f"/f/{name}"] = body
            row = {"key": name, "size": len(body), "links": {"self": f"{self.url}/f/{name}"}}
            if checksums:
                row["checksum"] = f"md5:{hashlib.md5(body).hexdigest()}"
            rows.append(row)
        self.answers["/api/records/77"] = {"id": 77, "files": rows}
        return Home("zoo2020", "zenodo", "77", **home), self.archive("zenodo")

    def dryad(self, files: Mapping[str, bytes], /, **home: Any) -> tuple[Home, Archive]:
        """Offer files the way Dryad does; downloads are at `/api/v2/files/<number>/download`."""
        rows = []
        for number, (name, body) in enumerate(files.items()):
            here = f"/api/v2/files/{number}"
            self.bodies[f"{here}/download"] = body
            links = {"self": {"href": here}, "stash:download": {"href": f"{here}/download"}}
            digest = hashlib.sha256(body).hexdigest()
            rows.append(
                {
                    "path": name,
                    "size": len(body),
                    "mimeType": "application/zip",
                    "status": "created",
                    "digest": digest,
                    "digestType": "sha-256",
                    "_links": links,
                }
            )
        doi = "10.5061/dryad.ab12"
        self.answers["/api/v2/datasets/doi%3A10.5061%2Fdryad.ab12"] = {
            "identifier": f"doi:{doi}",
            "versionNumber": 6,
            "_links": {"stash:version": {"href": "/api/v2/versions/99"}},
        }
        self.answers["/api/v2/versions/99/files"] = lambda query: _dryad_page(rows, query)
        return Home("speech2025", "dryad", doi, **home), self.archive("dryad")

    def dandi(
        self, files: Mapping[str, bytes], /, *, digest: str = "dandi:sha2-256", **home: Any
    ) -> tuple[Home, Archive]:
        """Offer files the way DANDI does, two assets a page."""
        root = "/api/dandisets/000777"
        version = home.get("version", "0.230101.1200")
        assets = []
        for number, (name, body) in enumerate(files.items()):
            asset_id = f"0000-{number}"
            self.bodies[f"{root}/versions/{version}/assets/{asset_id}/download/"] = body
            value = (
                Digest(digest.removeprefix("dandi:"), "").hasher(len(body))
                if (digest == "dandi:dandi-etag")
                else hashlib.sha256()
            )
            value.update(body)
            metadata = {"digest": {digest: value.hexdigest()}, "contentSize": len(body)}
            asset = {"asset_id": asset_id, "path": name, "size": len(body), "zarr": None}
            assets.append(asset | {"blob": "b", "metadata": metadata})
        self.answers[f"{root}/"] = {
            "identifier": "000777",
            "most_recent_published_version": {"version": version},
            "draft_version": {"version": "draft"},
        }
        here = f"{root}/versions/{version}/assets/"
        self.answers[here] = lambda query: _dandi_page(assets, query, self.url + here)
        return Home("reach2020", "dandi", "000777", **home), self.archive("dandi")


def _dryad_page(rows: list[Any], query: Mapping[str, list[str]]) -> dict[str, Any]:
    n, page = int(query.get("per_page", ["20"])[0]), int(query.get("page", ["1"])[0])
    found = rows[n * (page - 1) : n * page]
    return {"count": len(found), "total": len(rows), "_embedded": {"stash:files": found}}


def _dandi_page(assets: list[Any], query: Mapping[str, list[str]], here: str) -> dict[str, Any]:
    page = int(query.get("page", ["1"])[0])
    bare = [{k: v for k, v in asset.items() if k != "metadata"} for asset in assets]
    rows = assets if query.get("metadata") == ["true"] else bare
    more = f"{here}?metadata=true&page={page + 1}" if 2 * page < len(rows) else None
    return {
        "count": len(rows),
        "next": more,
        "previous": None,
        "results": rows[2 * page - 2 : 2 * page],
    }


@pytest.fixture
def open_shop() -> Iterator[Callable[[], Shop]]:
    """Open any number of servers, each on its own port of 127.0.0.1."""
    servers = []

    def opened() -> Shop:
        shop = Shop()
        handler = type("ShopHandler", (Handler,), {"shop": shop})
        server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
        server.daemon_threads = True
        server.handle_error = lambda *_: None  # type: ignore[method-assign]
        shop.url = f"http://127.0.0.1:{server.server_port}"
        threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
        servers.append(server)
        return shop

    yield opened
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.fixture
def shop(open_shop: Callable[[], Shop]) -> Shop:
    return open_shop()


@pytest.fixture
def hurried() -> FetchConfig:
    """As careful as the default, but with little patience."""
    return FetchConfig(
        attempts=4, backoff_s=0.001, max_backoff_s=0.01, connect_s=5.0, read_s=2.0, jobs=2
    )


@pytest.fixture(autouse=True)
def _plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for archive in ARCHIVES.values():
        monkeypatch.delenv(archive.variable, raising=False)
    for name in ("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "http_proxy", "https_proxy"):
        monkeypatch.delenv(name, raising=False)
