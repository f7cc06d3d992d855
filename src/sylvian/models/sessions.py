"""The recording days an encoder was built for, and where a new day finds its layers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import date
from typing import Literal

from pydantic import Field

from sylvian.config import Config
from sylvian.errors import ConfigError

Unseen = Literal["refuse", "nearest"]
LayersPer = Literal["participant", "corpus", "session", "auto"]
"""Who shares a read-in or read-out: a participant's sessions, a whole corpus, or nobody.

`auto`: a participant's sessions where all have as many channels, nobody where they differ, because
there the columns are units that were sorted anew each day.
"""


class SessionSpec(Config):
    """One recording day as an encoder knows it."""

    path: str = Field(description="corpus/participant/session")
    participant: str = Field(description="corpus/participant")
    n_channels: int = Field(gt=0, description="columns of the feature matrix")


def check_sessions(
    sessions: Sequence[SessionSpec], *, per: LayersPer = "participant"
) -> tuple[SessionSpec, ...]:
    """Return `sessions` as a tuple, refusing what no encoder can be built for.

    Args:
        sessions: The recording days to serve.
        per: Who shares layers whose size depends on the number of channels. Sessions that share
            none may differ in channels, as units sorted anew each day do.

    Raises:
        ConfigError: there is none, a path comes twice, or sessions that share a layer differ in
            channels.
    """
    if not sessions:
        raise ConfigError("an encoder needs at least one session; the training split is empty")
    paths: set[str] = set()
    for spec in sessions:
        if spec.path in paths:
            raise ConfigError(f"{spec.path}: session listed twice; list each recording day once")
        paths.add(spec.path)
    layers_of(sessions, per=per)
    return tuple(sessions)


def layers_of(
    sessions: Sequence[SessionSpec], *, per: LayersPer
) -> tuple[dict[str, int], tuple[int, ...]]:
    """Find out which layers `sessions` need and who uses which.

    Returns:
        The name of each layer (a participant, a corpus or a session path) with its number of
        channels, in order of first appearance; and the position of each session's layer therein.

    Raises:
        ConfigError: sessions that share a layer differ in channels.
    """
    channels: dict[str, int] = {}
    names = _layer_names(sessions, per)
    for spec, name in zip(sessions, names, strict=True):
        expected = channels.setdefault(name, spec.n_channels)
        if expected != spec.n_channels:
            raise ConfigError(
                f"{spec.path}: {spec.n_channels} channels, but other sessions of {name} have "
                f"{expected}; prepare them with the same features, or give every session its own "
                "layers (read_in=session)"
            )
    order = {name: index for index, name in enumerate(channels)}
    return channels, tuple(order[name] for name in names)


def _layer_names(sessions: Sequence[SessionSpec], per: LayersPer) -> list[str]:
    """Name the layer that serves each session."""
    if per == "session":
        return [spec.path for spec in sessions]
    if per == "corpus":
        return [spec.participant.partition("/")[0] for spec in sessions]
    if per == "participant":
        return [spec.participant for spec in sessions]
    widths: dict[str, set[int]] = {}
    for spec in sessions:
        widths.setdefault(spec.participant, set()).add(spec.n_channels)
    return [s.participant if len(widths[s.participant]) == 1 else s.path for s in sessions]


def locate(
    sessions: Sequence[SessionSpec],
    paths: Iterable[str],
    *,
    shared: bool,
    unseen: Unseen = "refuse",
) -> dict[str, int]:
    """Map session paths to the index whose layers will serve them.

    Args:
        sessions: The sessions the encoder was built for.
        paths: Sessions to look up, `corpus/participant/session`.
        shared: Whether all sessions of a participant share every layer; a new day then needs no
            layer of its own and takes the index of any day of its participant.
        unseen: What to do with a new day otherwise. `nearest` borrows the layers of the recording
            day of the same participant that is closest in time (names are ISO dates; the earlier
            one of two equally close), as closed-loop systems start a day with the last one's.

    Raises:
        ConfigError: a session is unknown and cannot be served; the message names the known ones.
    """
    known = {spec.path: index for index, spec in enumerate(sessions)}
    return {
        path: known[path] if path in known else _stand_in(sessions, path, shared, unseen)
        for path in paths
    }


def _stand_in(sessions: Sequence[SessionSpec], path: str, shared: bool, unseen: Unseen) -> int:
    participant, _, day = path.rpartition("/")
    own = [(spec, index) for index, spec in enumerate(sessions) if spec.participant == participant]
    if own and shared:
        return own[0][1]
    if own and unseen == "nearest":
        return min(own, key=lambda pair: _distance(pair[0].path.rpartition("/")[2], day))[1]
    names = ", ".join(spec.path for spec in sessions)
    remedy = "ask for unseen='nearest' to borrow the closest day's layers, or train with it"
    hint = remedy if own else "train on this participant first"
    raise ConfigError(f"{path}: the model has no layers for this session; {hint}. Known: {names}")


def _distance(known: str, wanted: str) -> tuple[int, str]:
    try:
        days = abs((date.fromisoformat(known) - date.fromisoformat(wanted)).days)
    except ValueError:
        raise ConfigError(
            f"cannot tell how far session {wanted!r} is from {known!r}: names are not ISO dates"
        ) from None
    return days, known
