"""Which of several equal processes this is; known from the environment, before torch is loaded.

`torchrun`, `srun` and Lightning's own launcher all start the same command several times and tell
each process by environment variables who it is. One of them leads: it makes folders, writes files
and talks to people. The others compute.
"""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from pathlib import Path

from sylvian.errors import CheckpointError, ConfigError

_INTERACTIVE = ("bash", "interactive")  # shells in which Lightning does not count on srun either
_SPREAD = ("train.devices", "train.nodes")


def leads() -> bool:
    """Say whether this process is the one that writes and prints; true where it is alone."""
    if "RANK" in os.environ:
        return _number("RANK") == 0
    if "LOCAL_RANK" in os.environ:
        return _number("LOCAL_RANK") == 0 and _number("NODE_RANK") == 0
    return not _by_slurm() or _number("SLURM_PROCID") == 0


def wait_for(path: Path, *, seconds: float = 60.0) -> None:
    """Wait until the process that leads has written a file.

    Raises:
        CheckpointError: it has not come in so many seconds.
    """
    end = time.monotonic() + seconds
    while not path.exists():
        if time.monotonic() > end:
            raise CheckpointError(
                f"{path}: not there after {seconds:g} s; the first process writes it, and all "
                "machines must see one folder of runs"
            )
        time.sleep(0.05)


def check_processes(devices: int, nodes: int) -> None:
    """Compare what was started with what was asked for.

    Raises:
        ConfigError: the numbers differ; processes would wait for others that never come, or each
            would train alone and write over the others' files.
    """
    found, wanted = _n_started(), devices * nodes
    if found is not None and found != wanted:
        raise ConfigError(
            f"{found} processes were started, but train.devices={devices} and train.nodes={nodes} "
            f"ask for {wanted}; set both to what torchrun or srun starts"
        )


def check_single(verb: str, overrides: Sequence[str] = ()) -> None:
    """Refuse several processes to a verb that has many trainings, whose files they would all write.

    Args:
        verb: What was asked for, to name it.
        overrides: Its `key=value`, which must not ask for more processes either: Lightning would
            run the verb's command again in each of them.

    Raises:
        ConfigError: this is one of several processes, or would start some.
    """
    found = _n_started()
    if found is not None and found > 1:
        raise ConfigError(
            f"{verb}: {found} processes were started, and each would write the same files; "
            "start it once, and give train.devices to a single 'sylvian train'"
        )
    for item in overrides:
        key, _, value = item.partition("=")
        if key.strip().endswith(_SPREAD) and value.strip() != "1":
            raise ConfigError(
                f"{verb}: {item}, but each of its trainings has one device; leave it out, "
                "and give train.devices to a single 'sylvian train'"
            )


def _n_started() -> int | None:
    """How many processes somebody else started; None where that is left to us."""
    if "WORLD_SIZE" in os.environ:
        return _number("WORLD_SIZE")
    return _number("SLURM_STEP_NUM_TASKS", 1) if _by_slurm() else None


def _by_slurm() -> bool:
    return "SLURM_NTASKS" in os.environ and os.environ.get("SLURM_JOB_NAME") not in _INTERACTIVE


def _number(name: str, default: int = 0) -> int:
    value = os.environ.get(name, str(default))
    if not value.isdecimal():
        raise ConfigError(f"environment variable {name}={value!r} is not a number; unset it")
    return int(value)
