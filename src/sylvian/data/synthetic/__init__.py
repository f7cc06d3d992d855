"""Simulated participants: prompts, articulation, electrodes, files in the published layouts."""

from sylvian.data.synthetic.ceiling import Ceiling, ceiling
from sylvian.data.synthetic.config import (
    NeuralConfig,
    ParticipantConfig,
    SpeechConfig,
    SyntheticConfig,
)
from sylvian.data.synthetic.language import PROMPT_SETS, draw_prompts, lm_text
from sylvian.data.synthetic.simulate import simulate

__all__ = [
    "PROMPT_SETS",
    "Ceiling",
    "NeuralConfig",
    "ParticipantConfig",
    "SpeechConfig",
    "SyntheticConfig",
    "ceiling",
    "draw_prompts",
    "lm_text",
    "simulate",
]
