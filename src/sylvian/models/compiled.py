"""The trunk through `torch.compile`: fewer, fused kernels on an accelerator."""

from __future__ import annotations

from collections.abc import Iterable
from typing import cast

import torch

from sylvian.models.attention import attend
from sylvian.models.transformer import Block, Transformer


def compile_trunk(encoder: Transformer, *, backend: str = "inductor") -> None:
    """Compile an encoder's blocks in place; names and values of its parameters stay as they are.

    What surrounds attention (norms, projections, dropout, MLP, residual sums) is compiled once for
    any number of rows and shared by all blocks; attention itself, fused already, is left alone,
    because it would be compiled anew for every batch's lengths. Streaming (`step`) is not compiled.
    Compilation takes place at the first batch, and once more at the first in evaluation mode.

    Args:
        encoder: What to compile, before or after it moved to its device.
        backend: Compiler; `inductor` needs a C++ compiler on a CPU and Triton on a GPU.

    Why here: on a CPU dropout of our own breaks the graph and there is nothing to gain
    (results/RESULTS.md); an accelerator fuses the passes over the residual stream.
    """
    apart = torch.compiler.disable(attend)  # type: ignore[no-untyped-call]
    for block in cast("Iterable[Block]", encoder.blocks):
        block.attention.attend = apart
        block.compile(backend=backend, dynamic=True)
