"""Simulated participants: prompts, articulation, electrodes, files in the published layouts."""

from sylvian.data.synthetic.ceiling import Ceiling, ceiling
from sylvian.data.synthetic.config import (
    MonkeyConfig,
    ParticipantConfig,
    SharedSpeaker,
    SyntheticConfig,
    WriterConfig,
)
from sylvian.data.synthetic.keyword import KeywordConfig
from sylvian.data.synthetic.language import PROMPT_SETS, draw_prompts, lm_text
from sylvian.data.synthetic.simulate import simulate
from sylvian.data.synthetic.traits import (
    ImaginedConfig,
    LatentConfig,
    LikenessConfig,
    NeuralConfig,
    SpeechConfig,
)

__all__ = [
    "PROMPT_SETS",
    "Ceiling",
    "ImaginedConfig",
    "KeywordConfig",
    "LatentConfig",
    "LikenessConfig",
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
