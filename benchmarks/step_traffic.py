"""What does a pretraining step ask of an accelerator? Kernels, bytes and operations, counted here.

Runs one step of the published sizes (64 windows of 10 s, 192 channels, bf16) on the CPU, but the
way it runs on an accelerator: the whole batch smoothed at once, attention through torch's fused
function, torch's own dropout. Counts the operations that start a kernel, the bytes that they read
and write if nothing is cached or fused, and the bytes kept for the backward pass. Fused attention
is counted as several kernels, so all of these are upper bounds. `docs/scaling.md` plans with them.
"""

import argparse
import json
from typing import Any

from torch import Tensor, nn
from torch.autograd.graph import saved_tensors_hooks
from torch.nn import functional
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

import sylvian.models.attention as attention
import sylvian.models.transformer as transformer
from pretraining_step import Ours, batch_of, sessions, step, useful_flop
from sylvian.models.frontend import patches_together
from sylvian.models.packed import attend_padded

# These give memory without a kernel, are views in disguise, or draw masks on the CPU.
FREE = ("empty", "alias", "detach", "_unsafe_view", "_local_scalar", "profiler", "rand")


class Count(TorchDispatchMode):
    """Counts operations and the bytes of their arguments and results."""

    def __init__(self) -> None:
        super().__init__()
        self.kernels, self.n_bytes = 0, 0

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Run an operation and count it."""
        result = func(*args, **(kwargs or {}))
        name = func._schema.name.removeprefix("aten::")
        if not func.is_view and not name.startswith(FREE):
            self.kernels += 1
            touched = (leaf for leaf in tree_leaves((args, result)) if isinstance(leaf, Tensor))
            self.n_bytes += sum(tensor.numel() * tensor.element_size() for tensor in touched)
        return result


def run_as_on_an_accelerator() -> None:
    """Exchange what the CPU does in ways of its own."""

    def drop(values: Tensor, rate: float, *, training: bool = True) -> Tensor:
        return functional.dropout(values, rate) if training and rate else values

    def patches(
        encoder: transformer.Transformer, features: Tensor, lengths: Any, _: Any, hidden: Any
    ) -> list[list[Tensor]]:
        kept = {"smoother": encoder.smoother, "hidden": hidden}
        return patches_together(features, lengths, patch_bins=encoder.frame_bins, **kept)

    attention.drop = transformer.drop = drop
    attention.attend_packed = attend_padded
    transformer.Transformer._patches = patches


def kept_bytes(side: Ours, batch: Any) -> int:
    """Bytes that the forward pass keeps for the backward pass, parameters aside."""
    storages: dict[int, int] = {}
    alive: list[Tensor] = []

    def pack(tensor: Tensor) -> Tensor:
        alive.append(tensor)
        storages[tensor.untyped_storage().data_ptr()] = tensor.untyped_storage().nbytes()
        return tensor

    with saved_tensors_hooks(pack, lambda tensor: tensor):
        side.loss(batch)
    for parameter in side.model.parameters():
        storages.pop(parameter.untyped_storage().data_ptr(), None)
    return sum(storages.values())


def main() -> None:
    """Read the command line, count, print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--json", action="store_true", help="print one JSON object last")
    arguments = parser.parse_args()
    run_as_on_an_accelerator()
    known = sessions(1)
    side, batch = Ours(known), batch_of([(0, 500)] * arguments.batch, known, 0)
    step(side, batch)
    with Count() as forward:
        loss = side.loss(batch)
    with Count() as backward:
        loss.backward()
    with Count() as update:
        nn.utils.clip_grad_norm_(side.model.parameters(), 1.0)
        side.optimizer.step()
    parts = {"forward": forward, "backward": backward, "update": update}
    counted = {f"{name}_kernels": part.kernels for name, part in parts.items()}
    counted |= {f"{name}_gb": part.n_bytes / 1e9 for name, part in parts.items()}
    counted |= {
        "kernels": sum(part.kernels for part in parts.values()),
        "gb": sum(part.n_bytes for part in parts.values()) / 1e9,
        "kept_gb": kept_bytes(side, batch) / 1e9,
        "tflop": useful_flop(batch) / 1e12,
    }
    for name, value in counted.items():
        print(f"{name:20s} {value:10.3f}")
    if arguments.json:
        print(json.dumps(counted))


if __name__ == "__main__":
    main()
