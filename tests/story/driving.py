"""The command line as a person calls it."""

import json
from collections.abc import Callable
from typing import Any

from sylvian.data.synthetic import NeuralConfig, ParticipantConfig

SMALL = (  # an encoder that learns nothing in seconds
    "encoder.width=32",
    "encoder.depth=1",
    "encoder.heads=1",
    "encoder.feedforward=32",
    "train.batch_size=16",
    "train.warmup_fraction=0",
)
Call = Callable[..., "Outcome"]


class Outcome:
    """What one call printed and how it ended."""

    def __init__(self, status: int, out: str, err: str) -> None:
        self.status, self.out, self.err = status, out, err

    @property
    def json(self) -> dict[str, Any]:
        """The last line of standard output."""
        found = json.loads(self.out.strip().splitlines()[-1])
        assert isinstance(found, dict)
        return found


def speaker(**changes: Any) -> ParticipantConfig:
    """Somebody who says a few short, clear sentences."""
    few: dict[str, Any] = {
        "name": "S15",
        "layout": "card2024",
        "sessions": 2,
        "train_trials": 24,
        "eval_trials": 8,
        "hidden_trials": 4,
        "max_words": 4,
        "fifty_share": 1.0,
        "train_only_sessions": (),
        "neural": NeuralConfig(snr=2.0),
    }
    return ParticipantConfig(**few | changes)
