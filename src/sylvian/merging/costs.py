"""What an answer costs: seconds by part, and the weights that must be in memory for it."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from sylvian.runs import RunFolder

try:
    import resource
except ImportError:  # not on Windows
    resource = None  # type: ignore[assignment]


@dataclass(frozen=True, slots=True)
class Cost:
    """Seconds for all trials of a split, and weights.

    Attributes:
        encoder_s: Encoders, when their logits were made.
        search_s: First pass.
        second_pass_s: A language model reading candidates.
        merger_s: What merging added.
        weights: Bytes of each model, by name; a model that several share counts once.
        unweighed: Language models whose bytes nobody noted; they are not in `weights`.
    """

    encoder_s: float = 0.0
    search_s: float = 0.0
    second_pass_s: float = 0.0
    merger_s: float = 0.0
    weights: Mapping[str, int] = field(default_factory=dict)
    unweighed: tuple[str, ...] = ()

    def __add__(self, other: Cost) -> Cost:
        return Cost(
            self.encoder_s + other.encoder_s,
            self.search_s + other.search_s,
            self.second_pass_s + other.second_pass_s,
            self.merger_s + other.merger_s,
            {**self.weights, **other.weights},
            tuple(dict.fromkeys((*self.unweighed, *other.unweighed))),
        )

    @property
    def seconds(self) -> float:
        """All that was measured."""
        return self.encoder_s + self.search_s + self.second_pass_s + self.merger_s

    @property
    def weights_mb(self) -> float:
        """Megabytes of all models together."""
        return sum(self.weights.values()) / 1e6


def cost_of(run: RunFolder, made: dict[str, Any]) -> Cost:
    """Read the cost of a run's decodes from what they were made with (`decode.json`)."""
    result, weights, read_s = made["result"], encoder_weights(run), 0.0
    unweighed: tuple[str, ...] = ()
    if made.get("end_to_end"):
        spoken, unweighed = _spoken(run, made)
        weights |= spoken
    if (llm := made.get("llm")) and (second := made.get("second_pass")):
        weights[f"llm {llm['digest']}"] = int(second["weight_bytes"])
        read_s = float(second["seconds"])
    encoder_s, search_s = float(result["seconds_encoder"]), float(result["seconds_search"])
    return Cost(encoder_s, search_s, read_s, 0.0, weights, unweighed)


def encoder_weights(run: RunFolder) -> dict[str, int]:
    """Give the bytes of a run's saved weights; of an ensemble, those of its members."""
    if members := run.members:
        return {name: size for member in members for name, size in encoder_weights(member).items()}
    path = run.best / "weights.safetensors"
    return {str(path.resolve()): path.stat().st_size} if path.is_file() else {}


def _spoken(run: RunFolder, made: dict[str, Any]) -> tuple[dict[str, int], tuple[str, ...]]:
    """Give the bytes of what spoke, and what older decodes do not tell the bytes of.

    Adapters are part of their run's model; the base is one model for all runs that share it.
    """
    path = run.best / "adapters.safetensors"
    adapters = path.stat().st_size if path.is_file() else 0
    weights = {name: size + adapters for name, size in encoder_weights(run).items()}
    speaker = made.get("speaker")
    if speaker is None:
        return weights, (str(made["end_to_end"]["llm"]["name"]),)
    held = int(speaker["weight_bytes"])  # held in two precisions it is there twice
    return weights | {f"llm {speaker['fingerprint']} {held}": held}, ()


def total(costs: Iterable[Cost]) -> Cost:
    """Add up costs."""
    return sum(costs, Cost())


def peak_memory_mb() -> float | None:
    """Largest resident memory of this process so far; None where the system does not say."""
    if resource is None:
        return None
    unit = 1 if sys.platform == "darwin" else 1024  # bytes there, kilobytes elsewhere
    return float(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6)
