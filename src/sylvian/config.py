"""Configuration is code: frozen pydantic models, typed dotted overrides, a digest.

A component declares its own `Config` subclass beside itself; a recipe composes them. There is no
YAML and no registry: unknown keys are errors, and an override is parsed with the type of the field
it replaces.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator
from typing import Any, TypeVar

import pydantic

from sylvian.errors import ConfigError


class Config(pydantic.BaseModel):
    """Base of every configuration: immutable, and strict about names."""

    model_config = pydantic.ConfigDict(frozen=True, extra="forbid", validate_default=True)


LATER: dict[str, Any] = {"later": True}
"""`Field(…, json_schema_extra=LATER)`: a field that came when configs were already named by their
digests. While it has its default the digest passes over it, so that what was begun is found again.
"""

C = TypeVar("C", bound=Config)


def override(config: C, assignments: Iterable[str]) -> C:
    """Return a copy of `config` with dotted `key=value` assignments applied.

    A value is read as JSON where it is JSON (`1e-3`, `true`, `[1,2]`, `null`) and as plain text
    otherwise or where it replaces text, then checked against the field's type. A `kind` that is
    another one begins with its own defaults, wherever in the line it stands.

    Raises:
        ConfigError: an assignment has no `=`, names an unknown key, or its value does not fit.
    """
    data = config.model_dump(mode="json")
    for key, value in sorted(map(_pair, assignments), key=lambda pair: not _is_kind(pair[0])):
        _assign(data, key, value)
    return load(type(config), data)


def load(kind: type[C], data: dict[str, Any]) -> C:
    """Build a config of `kind` from plain data.

    Raises:
        ConfigError: a key is unknown or a value does not fit; the message names the dotted key.
    """
    try:
        return kind.model_validate_json(json.dumps(data))
    except pydantic.ValidationError as failure:
        first = failure.errors(include_url=False)[0]
        where = "".join(f"{part}: " for part in [".".join(map(str, first["loc"]))] if part)
        said = first["msg"].removeprefix("Value error, ")
        # a sentence about several keys names their values itself
        got = "" if isinstance(first["input"], dict) else f" (got {first['input']!r})"
        raise ConfigError(f"{where}{said}{got}") from None


def dump(config: Config) -> dict[str, Any]:
    """Return `config` as plain JSON data; `load` reads it back."""
    return config.model_dump(mode="json")


def digest(config: Config) -> str:
    """Return eight hexadecimal digits that change when any value of `config` changes."""
    data = dump(config)
    _forget(config, data)
    canonical = json.dumps(data, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()[:8]


def _forget(config: Config, data: dict[str, Any]) -> None:
    """Take out fields that came later and have their defaults."""
    for name, field in type(config).model_fields.items():
        value = getattr(config, name)
        if field.json_schema_extra == LATER and value == field.default:
            data.pop(name, None)
        elif isinstance(value, Config) and name in data:
            _forget(value, data[name])


def flatten(config: Config) -> Iterator[tuple[str, Any]]:
    """Yield every dotted key with its value, in declaration order."""
    yield from _walk(dump(config), "")


def _walk(data: dict[str, Any], prefix: str) -> Iterator[tuple[str, Any]]:
    for name, value in data.items():
        if isinstance(value, dict) and value:
            yield from _walk(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


class _Fresh(dict[str, Any]):
    """What was said of a part whose kind is another one: its keys are checked when all is said."""


def _is_kind(key: str) -> bool:
    return key.rpartition(".")[2] == "kind"


def _pair(assignment: str) -> tuple[str, str]:
    key, separator, value = assignment.partition("=")
    if not separator:
        raise ConfigError(f"{assignment!r} is not an override; write key=value")
    return key.strip(), value


def _assign(data: dict[str, Any], key: str, value: str) -> None:
    *parents, last = key.split(".")
    holder: Any = None
    node: Any = data
    for part in parents:
        holder, node = node, _child(node, part, key)
    old = _child(node, last, key)
    new = value if isinstance(old, str) and value != "null" else _parse(value)
    if _is_kind(key) and new != old and holder is not None:
        holder[parents[-1]] = _Fresh(kind=new)
    else:
        node[last] = new


def _child(node: Any, part: str, key: str) -> Any:
    if isinstance(node, _Fresh):
        return node.setdefault(part, _Fresh())
    if not isinstance(node, dict) or part not in node:
        known = ", ".join(node) if isinstance(node, dict) else "none, it is a single value"
        raise ConfigError(f"unknown key {key!r}: no {part!r} there; keys are: {known}")
    return node[part]


def _parse(value: str) -> Any:
    try:
        return json.loads(value)
    except json.JSONDecodeError:
        return value
