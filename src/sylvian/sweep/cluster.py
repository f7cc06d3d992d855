"""Where the draws are trained: a Ray of our own on this machine, or somebody's cluster."""

from __future__ import annotations

import logging
import os
import secrets
import shutil
import socket
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from sylvian.errors import ConfigError
from sylvian.sweep.config import SweepConfig

QUIET = {
    "RAY_USAGE_STATS_ENABLED": "0",  # nobody is told that we ran
    "RAY_AIR_NEW_OUTPUT": "0",  # its table would come between ours
    "RAY_CHDIR_TO_TRIAL_DIR": "0",
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",  # `metrics.csv` and the ledger say it all
    "TUNE_DISABLE_SIGINT_HANDLER": "1",  # Ctrl-C shall arrive as KeyboardInterrupt
    "TUNE_WARN_THRESHOLD_S": "60",
}
ALONE = {
    # Despite its name it also makes Ray on Linux listen on the loopback address only.
    "RAY_ENABLE_WINDOWS_OR_OSX_CLUSTER": "0",
    "RAY_AUTH_MODE": "token",  # others with an account here must not give our workers orders
}
PATIENCE_S = 10.0
STORE_BYTES = 80 * 2**20  # nothing but small results passes through Ray; its least is 75 MiB
_LOGGERS = ("ray", "ray.tune", "ray.train", "ray.air", "ray._private", "ray.data")


@contextmanager
def ray_running(settings: SweepConfig) -> Iterator[dict[str, float]]:
    """Start Ray on this machine, or join the cluster of `settings`; leave nothing running after.

    A Ray of our own is reachable from this machine alone, wants a token that only its processes
    know, and keeps its files in a folder that is removed at the end.

    Yields:
        What there is to share out: `CPU` and `GPU` counts.

    Raises:
        ConfigError: the cluster does not answer, or Ray already runs in this process.
    """
    address = settings.address
    own = ALONE | {"RAY_AUTH_TOKEN": secrets.token_hex(32)} if address is None else {}
    with _environment(QUIET | own), _scratch() as scratch:
        import ray

        if ray.is_initialized():
            raise ConfigError("Ray already runs in this process; call ray.shutdown() first")
        with _hushed():
            _init(address, scratch)
            try:
                there: dict[str, float] = ray.cluster_resources()  # type: ignore[no-untyped-call]
                yield there
            finally:
                ray.shutdown()


def _init(address: str | None, scratch: Path) -> None:
    import ray

    if address is None:
        ray.init(
            address="local",
            include_dashboard=False,
            log_to_driver=False,
            logging_level=logging.CRITICAL,
            object_store_memory=STORE_BYTES,
            _node_ip_address="127.0.0.1",
            _temp_dir=str(scratch),
        )
        return
    if address != "auto":
        _knock(address)
    try:
        ray.init(address=address, log_to_driver=False, logging_level=logging.CRITICAL)
    except (ConnectionError, RuntimeError, ValueError) as failure:
        reason = str(failure).strip().splitlines()[0]
        raise ConfigError(
            f"--address {address}: no Ray cluster to join ({reason}); start one with 'ray start "
            "--head' and give its host:port, and set RAY_AUTH_MODE=token and RAY_AUTH_TOKEN if it "
            "wants a token"
        ) from None


def _knock(address: str) -> None:
    """Make sure that somebody listens at `address`; Ray itself would wait for ever."""
    host, colon, port = address.rpartition(":")
    if "://" in address or not colon or not port.isdecimal():
        raise ConfigError(
            f"--address {address}: give host:port of the cluster's head, or run 'sylvian sweep ... "
            "--address auto' on a machine of the cluster"
        )
    try:
        socket.create_connection((host.strip("[]"), int(port)), timeout=PATIENCE_S).close()
    except (OSError, OverflowError) as failure:
        raise ConfigError(
            f"--address {address}: nobody answers there ({failure}); start a cluster with 'ray "
            "start --head' and give its host:port"
        ) from None


def share_of(settings: SweepConfig, there: Mapping[str, float]) -> dict[str, float]:
    """Give the cores and GPUs of one draw, as Ray names them.

    Raises:
        ConfigError: one draw wants more than there is, and would wait for ever.
    """
    gpus = min(there.get("GPU", 0.0), 1.0) if settings.gpus is None else settings.gpus
    for name, wanted in (("CPU", settings.cpus), ("GPU", gpus)):
        if wanted > there.get(name, 0.0):
            raise ConfigError(
                f"{name.lower()}s={wanted:g}: one draw wants more than the {there.get(name, 0):g} "
                f"{name}s there are; ask for less"
            )
    return {"cpu": settings.cpus, "gpu": gpus}


@contextmanager
def _environment(values: Mapping[str, str]) -> Iterator[None]:
    before = {name: os.environ.get(name) for name in values}
    os.environ.update(values)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


@contextmanager
def _scratch() -> Iterator[Path]:
    """Make a folder with a short name: a socket's path may have hardly a hundred characters."""
    short = Path("/tmp")
    folder = Path(tempfile.mkdtemp(prefix="sylvian-", dir=short if short.is_dir() else None))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _hushed() -> Iterator[None]:
    """Keep Ray from talking over our own progress; what goes wrong is told in our words."""
    loggers = [logging.getLogger(name) for name in _LOGGERS]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
