"""A keyword gate over a run's recordings: what was not unlocked is neither decoded nor stored."""

from sylvian.gating.clock import ClockConfig, Moment, in_order
from sylvian.gating.learning import LearnResult, learn_gate
from sylvian.gating.learnt import LearntGate
from sylvian.gating.running import GateResult, run_gate

__all__ = [
    "ClockConfig",
    "GateResult",
    "LearnResult",
    "LearntGate",
    "Moment",
    "in_order",
    "learn_gate",
    "run_gate",
]
