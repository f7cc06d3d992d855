"""How hard to try, and the ways in which an attempt can fail."""

from __future__ import annotations

from datetime import UTC, datetime
from email.utils import parsedate_to_datetime

from pydantic import Field

from sylvian.config import Config


class FetchConfig(Config):
    """How hard to try."""

    jobs: int = Field(default=4, ge=1, le=16, description="Files downloaded at the same time.")
    attempts: int = Field(
        default=6, ge=1, description="Fruitless attempts in a row before giving up."
    )
    fruitful_bytes: int = Field(
        default=2**20, ge=1, description="An attempt that brought this much counts as no failure."
    )
    backoff_s: float = Field(default=1.0, ge=0, description="Wait after the first failure.")
    max_backoff_s: float = Field(default=60.0, ge=0, description="Longest wait of our own choice.")
    max_retry_after_s: float = Field(
        default=600.0, ge=0, description="Longest wait an archive may ask for."
    )
    connect_s: float = Field(default=20.0, gt=0, description="Patience with a connection.")
    read_s: float = Field(default=60.0, gt=0, description="Patience between two bytes.")


class Interrupted(Exception):
    """An attempt failed in a way that may pass; `retry_after_s` is what the archive asked for."""

    def __init__(self, reason: str, *, retry_after_s: float | None = None) -> None:
        super().__init__(reason)
        self.retry_after_s = retry_after_s


class Refused(Exception):
    """The archive wants to know who asks."""


class Stopped(Exception):
    """Somebody asked all of us to stop."""


def retry_after(value: str | None) -> float | None:
    """Read a `Retry-After` header: seconds, or the date to come back at (RFC 9110, 10.2.3)."""
    if value is None:
        return None
    if value.strip().isdigit():
        return float(value)
    try:
        date = parsedate_to_datetime(value)
    except ValueError:
        return None
    zoned = date if date.tzinfo else date.replace(tzinfo=UTC)
    return max((zoned - datetime.now(UTC)).total_seconds(), 0.0)
