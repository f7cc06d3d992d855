"""The encoders there are, and how to build one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated

import torch
from pydantic import Field

from sylvian.models.base import Encoder
from sylvian.models.gru import Gru, GruConfig
from sylvian.models.sessions import SessionSpec
from sylvian.models.transformer import Transformer, TransformerConfig

__all__ = ["Encoder", "EncoderConfig", "SessionSpec", "build_encoder"]

EncoderConfig = Annotated[TransformerConfig | GruConfig, Field(discriminator="kind")]


def build_encoder(
    config: TransformerConfig | GruConfig, sessions: Sequence[SessionSpec], *, seed: int = 0
) -> Encoder:
    """Build an encoder with fresh weights.

    Args:
        config: Which encoder, how large.
        sessions: The recording days it must serve, in the order `Batch.session` counts them.
        seed: Decides the initial weights; torch's own random state is left alone.

    Raises:
        ConfigError: the sessions contradict one another or do not suit the encoder.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        if isinstance(config, GruConfig):
            return Gru(config, sessions)
        return Transformer(config, sessions)
