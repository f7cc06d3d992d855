"""The command line as a person calls it."""

import json
from collections.abc import Callable
from typing import Any

Call = Callable[..., "Outcome"]


class Outcome:
    """What one call printed and how it ended."""

    def __init__(self, status: int, out: str, err: str) -> None:
        self.status, self.out, self.err = status, out, err

    @property
    def json(self) -> dict[str, Any]:
        """The last line of standard output."""
        found = json.loads(self.out.strip().splitlines()[-1])
        assert isinstance(found, dict)
        return found
