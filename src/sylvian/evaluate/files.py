"""Files that appear whole or not at all; JSON is versioned and strict about what it finds."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from sylvian.errors import CheckpointError


def write_json(path: Path, content: dict[str, Any]) -> None:
    """Write JSON; the file appears whole or not at all."""
    write_text(path, json.dumps(content, indent=1, allow_nan=False) + "\n")


def write_text(path: Path, text: str) -> None:
    """Write through a sibling file and rename, so that a reader never meets half a file."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}")
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        temporary.write_text(text, encoding="utf-8", newline="\n")
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def read_json(path: Path, *, version: int) -> dict[str, Any]:
    """Read what `write_json` wrote.

    Args:
        path: The file.
        version: The `format` number the caller understands.

    Raises:
        CheckpointError: the file is missing, damaged, or of another format.
    """
    try:
        content = json.loads(path.read_text())
    except (OSError, UnicodeDecodeError, json.JSONDecodeError) as failure:
        raise CheckpointError(
            f"{path}: cannot be read ({failure}); restore it or repeat the command that writes it"
        ) from None
    found = content.get("format") if isinstance(content, dict) else None
    if found != version:
        raise CheckpointError(
            f"{path}: has format {found!r}, this version reads {version}; "
            "repeat the command that writes it"
        )
    checked: dict[str, Any] = content
    return checked
