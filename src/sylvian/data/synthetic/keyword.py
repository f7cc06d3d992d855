"""A phrase that a simulated participant says now and then, such as one that unlocks a gate."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from pydantic import Field, field_validator

from sylvian.config import Config
from sylvian.text import is_cue, normalize_sentence


class KeywordConfig(Config):
    """What is said between the prompts, and how often."""

    phrase: str = Field(
        default="Chitty chitty bang bang.",
        description="What is said, as a prompt shows it; the default is the phrase of Kunz et al. "
        "2025, which unlocks imagined speech.",
    )
    share: float = Field(
        default=0.1, gt=0, lt=1, description="Share of a block's prompts of a split that it takes."
    )

    @field_validator("phrase")
    @classmethod
    def _can_be_said(cls, value: str) -> str:
        if is_cue(value) or not any("a" <= letter <= "z" for letter in normalize_sentence(value)):
            raise ValueError("the keyword has no word that can be said; choose another")
        return value

    def taken(self, splits: Sequence[str], rng: np.random.Generator) -> list[int]:
        """Choose the places of a block at which the phrase is said in place of the prompt.

        Args:
            splits: Split of each trial of the block; each gets its share.
            rng: The day's source of randomness; what is drawn from it afterwards does not change.
        """
        own = rng.spawn(1)[0]
        found: list[int] = []
        for split in dict.fromkeys(splits):
            places = [place for place, other in enumerate(splits) if other == split]
            found += own.permutation(places)[: round(self.share * len(places))].tolist()
        return found
