"""End to end: what a recipe says about the language model its encoder speaks to."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from sylvian.config import Config
from sylvian.models.endtoend import LossWeights
from sylvian.models.opening import BackboneConfig
from sylvian.models.sentence_search import BeamConfig, GenerationConfig
from sylvian.models.speechllm import SpeechLlmConfig

Joint = Literal["alone", "ctc", "cascade"]


class EndToEnd(Config):
    """The second half of an end-to-end system (paper.md section 6), behind the encoder."""

    llm: BackboneConfig = Field(BackboneConfig(), description="the language model")
    speech: SpeechLlmConfig = Field(
        SpeechLlmConfig(), description="how the encoder's latents become part of its prompt"
    )
    losses: LossWeights = Field(
        LossWeights(ctc=0.1),
        description="weights of the parts; BIT has no CTC part here (ctc=0), ours keeps the "
        "phoneme head true while the encoder moves, for joint decoding",
    )
    as_written: bool = Field(
        False, description="learn capitals and punctuation too; no error rate sees them"
    )
    n_validated: int | None = Field(
        64, ge=1, description="val trials that each epoch generates sentences for; null: all"
    )
    generate: GenerationConfig = Field(BeamConfig(), description="how `decode` finds sentences")
    words: Literal["any", "lexicon"] = Field(
        "any",
        description="what `decode` may write; lexicon: its words alone (of the n-gram, where one "
        "is asked)",
    )
    joint: Joint = Field(
        "alone",
        description="what else `decode` asks about its sentences. alone: nothing; ctc: how likely "
        "the encoder's own phonemes are; cascade: that and an n-gram, whose candidates join",
    )
