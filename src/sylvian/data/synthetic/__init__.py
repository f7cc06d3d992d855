"""Simulated participants: prompts, articulation, electrodes, files in the published layouts."""

from sylvian.data.synthetic.ceiling import Ceiling, ceiling
from sylvian.data.synthetic.config import (
    LatentConfig,
    MonkeyConfig,
    NeuralConfig,
    ParticipantConfig,
    SharedSpeaker,
    SpeechConfig,
    SyntheticConfig,
    WriterConfig,
)
from sylvian.data.synthetic.language import PROMPT_SETS, draw_prompts, lm_text
from sylvian.data.synthetic.simulate import simulate

__all__ = [
    "PROMPT_SETS",
    "Ceiling",
    "LatentConfig",
    "MonkeyConfig",
    "NeuralConfig",
    "ParticipantConfig",
    "SharedSpeaker",
    "SpeechConfig",
    "SyntheticConfig",
    "WriterConfig",
    "ceiling",
    "draw_prompts",
    "lm_text",
    "simulate",
]
