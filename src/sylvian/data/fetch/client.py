"""Asking an archive: which addresses may be asked, who is sent the token, and when to try again."""

from __future__ import annotations

import json
import os
import re
import socket
import ssl
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from functools import cache
from importlib.metadata import version
from types import TracebackType
from typing import TypeVar

import httpx2
import numpy as np
import pydantic

from sylvian.data.fetch.archives import Archive
from sylvian.data.fetch.patience import (
    FetchConfig,
    Interrupted,
    Refused,
    Stopped,
    retry_after,
)
from sylvian.errors import ConfigError, DataError

_MAX_REDIRECTS = 5
_MAX_LISTING_BYTES = 64 * 2**20
_TRANSIENT = frozenset({408, 425, 429, 500, 502, 503, 504})
_REFUSALS = frozenset({401, 403})
_TOKEN = re.compile(r"[\x21-\x7e]+")


Answer = TypeVar("Answer", bound=pydantic.BaseModel)


class Client:
    """A connection to one archive, shared by all threads of a fetch.

    The token is read from the archive's environment variable, kept out of every message, and sent
    to the archive's own address only.

    Args:
        archive: Whom to ask.
        config: How hard to try.
        rng: Scatters the waits, so that many who failed together do not come back together.
        stop: Set it, and every wait and download ends soon; `halt` sets it.

    Raises:
        ConfigError: the environment variable holds something that cannot be a token.
    """

    def __init__(
        self,
        archive: Archive,
        *,
        config: FetchConfig,
        rng: np.random.Generator,
        stop: threading.Event,
    ) -> None:
        self.archive = archive
        self.config = config
        self.stop = stop
        self._token = _token(archive)
        self._rng = rng
        self._lock = threading.Lock()
        self._free_at = 0.0
        self._open: set[httpx2.Response] = set()
        self._http = httpx2.Client(
            verify=_trust(),
            headers={
                "User-Agent": f"sylvian/{version('sylvian')} (research data download)",
                "Accept-Encoding": "identity",  # byte ranges and checksums are of the plain file
            },
            timeout=httpx2.Timeout(config.read_s, connect=config.connect_s),
            limits=httpx2.Limits(max_connections=config.jobs + 1),
            follow_redirects=False,
        )

    def __enter__(self) -> Client:
        """Open."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        failure: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close all connections."""
        self._http.close()

    @property
    def has_token(self) -> bool:
        """Whether the archive's environment variable is set."""
        return self._token is not None

    def ask(self, url: str, kind: type[Answer]) -> Answer:
        """Get a JSON answer of the documented shape, trying again where that may help.

        Raises:
            DataError: no answer after all attempts, or one of another shape.
            Refused: the archive wants a login.
        """
        patience = Patience(self, url)
        while True:
            try:
                return self._ask(url, kind)
            except Interrupted as failure:
                patience.after(failure)

    def _ask(self, url: str, kind: type[Answer]) -> Answer:
        data = bytearray()
        with self.open(url, {"Accept": "application/json"}) as response:
            for chunk in chunks(response):
                data += chunk
                if len(data) > _MAX_LISTING_BYTES:
                    raise DataError(f"{url}: answers with more than {_MAX_LISTING_BYTES} bytes")
        try:
            return kind.model_validate(json.loads(data))
        except (ValueError, RecursionError) as failure:  # pydantic's errors are ValueErrors
            raise DataError(
                f"{url}: {self.archive.title} answers in a shape we do not know "
                f"({_first_line(failure)}); it may have changed, please report it"
            ) from None

    @contextmanager
    def open(self, url: str, headers: Mapping[str, str]) -> Iterator[httpx2.Response]:
        """Ask for `url`, following redirects to allowed hosts, and give the unread response.

        Raises:
            DataError: the address may not be asked, or answers that there is nothing to have.
            Refused: the archive wants a login.
            Interrupted: trying again may help.
        """
        address = self._allowed(url)
        for _ in range(_MAX_REDIRECTS + 1):
            with self._send(address, headers) as response:
                if not response.has_redirect_location:
                    self._judge(address, response)
                    yield response
                    return
                address = self._allowed(response.headers["location"], seen_from=address)
        raise DataError(f"{url}: redirected more than {_MAX_REDIRECTS} times")

    def _allowed(self, url: str, *, seen_from: httpx2.URL | None = None) -> httpx2.URL:
        try:
            address = seen_from.join(url) if seen_from else httpx2.URL(url)
        except (httpx2.InvalidURL, ValueError) as failure:
            raise DataError(f"{url!r}: not an address ({_first_line(failure)})") from None
        if not self.archive.allows(address):
            raise DataError(
                f"{address.scheme}://{address.host}: {self.archive.title} points there, but only "
                "its own https hosts are asked; get the file by hand"
            )
        return address

    @contextmanager
    def _send(self, address: httpx2.URL, headers: Mapping[str, str]) -> Iterator[httpx2.Response]:
        self.pause(self._free_at - time.monotonic())
        own = dict(headers)
        if self._token is not None and self.archive.owns(address):
            own["Authorization"] = f"{self.archive.scheme} {self._token}"
        try:
            response = self._http.send(
                self._http.build_request("GET", address, headers=own), stream=True
            )
        except httpx2.TransportError as failure:
            raise Interrupted(_broken(failure)) from None
        with self._lock:
            self._open.add(response)
        try:
            yield response
        finally:
            with self._lock:
                self._open.discard(response)
            response.close()

    def halt(self) -> None:
        """Stop everybody, also those who wait for bytes that do not come."""
        self.stop.set()
        with self._lock:
            for response in self._open:
                _wake(response)

    def _judge(self, address: httpx2.URL, response: httpx2.Response) -> None:
        """Raise what the status calls for; return where there are bytes to be had."""
        status = response.status_code
        said = f"HTTP {status} {response.reason_phrase}".strip()
        if status in (200, 206, 416):
            return
        if status in _REFUSALS and self.archive.owns(address):
            raise Refused(said)
        if status in _REFUSALS or status in _TRANSIENT:  # a store's refusal: the link ran out
            waits = retry_after(response.headers.get("retry-after"))
            self._hold(waits)
            raise Interrupted(said, retry_after_s=waits)
        hint = "" if self.has_token else f", or shows it only with a token in {self._variable}"
        raise DataError(
            f"{address.copy_with(query=None)}: {said}; {self.archive.title} no longer has it{hint}"
        )

    @property
    def _variable(self) -> str:
        return self.archive.variable

    def _hold(self, seconds: float | None) -> None:
        """Keep every thread from asking before the archive wants to be asked again."""
        if seconds is not None and seconds <= self.config.max_retry_after_s:
            with self._lock:
                self._free_at = max(self._free_at, time.monotonic() + seconds)

    def pause(self, seconds: float) -> None:
        """Wait, or stop waiting because everybody stops.

        Raises:
            Stopped: everybody stops.
        """
        if self.stop.wait(max(seconds, 0.0)):
            raise Stopped

    def scattered(self, seconds: float) -> float:
        """Draw a wait between half of `seconds` and all of it."""
        with self._lock:
            return seconds * float(self._rng.uniform(0.5, 1.0))


class Patience:
    """Counts failed attempts at one thing, and waits longer after each.

    Waits are `backoff_s`, doubled after every fruitless attempt up to `max_backoff_s` and
    scattered; a `Retry-After` of the archive is obeyed instead.
    """

    def __init__(self, client: Client, what: str) -> None:
        self._client = client
        self._what = what
        self._fruitless = 0

    def after(self, failure: Interrupted, *, n_gained: int = 0) -> None:
        """Wait before the next attempt.

        Raises:
            DataError: that was the last attempt, or the archive wants us to come back much later.
        """
        config = self._client.config
        self._fruitless = 0 if n_gained >= config.fruitful_bytes else self._fruitless + 1
        if self._fruitless >= config.attempts:
            raise DataError(
                f"{self._what}: {failure}; gave up after {self._fruitless} attempts; run the same "
                "command again to go on from here"
            )
        asked = failure.retry_after_s
        if asked is not None and asked > config.max_retry_after_s:
            raise DataError(
                f"{self._what}: {failure}; {self._client.archive.title} asks to wait {asked:.0f} "
                "seconds; run the same command again after that"
            )
        own = min(config.backoff_s * 2.0 ** max(self._fruitless - 1, 0), config.max_backoff_s)
        self._client.pause(max(asked or 0.0, self._client.scattered(own)))


def chunks(response: httpx2.Response) -> Iterator[bytes]:
    """Give a body as it arrives, exactly as sent.

    Raises:
        Interrupted: the connection broke or went quiet.
    """
    try:
        yield from response.iter_raw()
    except httpx2.TransportError as failure:
        raise Interrupted(_broken(failure)) from None


def _wake(response: httpx2.Response) -> None:
    """End a connection under its reader's hands, who then sees it broken."""
    stream = response.extensions.get("network_stream")
    link = stream.get_extra_info("socket") if stream is not None else None
    if link is None:
        return
    # By another handle on it: TLS would first want to say goodbye, and wait for the answer.
    with suppress(OSError), socket.fromfd(link.fileno(), link.family, link.type) as same:
        same.shutdown(socket.SHUT_RDWR)


@cache
def _trust() -> ssl.SSLContext:
    """Load the machine's trusted certificates once: it takes longer than asking."""
    return httpx2.create_ssl_context()


def _token(archive: Archive) -> str | None:
    token = os.environ.get(archive.variable, "").strip()
    if not token:
        return None
    if not _TOKEN.fullmatch(token):  # never shown, not even when it is wrong
        raise ConfigError(
            f"{archive.variable}: is not a token, it has blanks or odd characters; copy it again"
        )
    return token


def _broken(failure: Exception) -> str:
    return f"the connection failed ({type(failure).__name__}: {_first_line(failure)})"


def _first_line(failure: Exception) -> str:
    if isinstance(failure, pydantic.ValidationError):
        first = failure.errors(include_url=False, include_input=False)[0]
        return f"{'.'.join(str(part) for part in first['loc'])}: {first['msg']}"
    return (str(failure).strip().splitlines() or [""])[0][:200]
