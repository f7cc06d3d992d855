"""Randomness as a function of where we are, instead of a stream that must be saved.

Everything random in training draws from a generator seeded by the run's seed and an address:
`("plan", epoch)`, `("augment", epoch, trial)`, `("step", epoch, index)`. A resumed run asks the
same questions and gets the same answers, whatever was drawn in between, in whatever process.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager

import torch


def derive_seed(seed: int, *address: str | int) -> int:
    """Return 63 bits that depend on `seed` and on every part of `address`."""
    text = "\x1f".join(str(part) for part in (seed, *address))
    return int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big") >> 1


def generator_at(seed: int, *address: str | int) -> torch.Generator:
    """Return a CPU generator for one place in the run."""
    generator = torch.Generator()
    generator.manual_seed(derive_seed(seed, *address))
    return generator


@contextmanager
def torch_seeded(seed: int, *, device: torch.device) -> Iterator[None]:
    """Seed torch's own streams inside the block and give the caller's back afterwards.

    Why here: `torch.nn.Dropout` takes no generator, so this is the one place where a global stream
    is touched; nobody outside the block can tell.
    """
    devices = [device] if device.type == "cuda" else []
    with torch.random.fork_rng(devices=devices):
        torch.manual_seed(seed)
        yield
