"""What a simulated participant is like: parts of everybody's configuration."""

from __future__ import annotations

from typing import Any

from pydantic import Field, field_validator, model_serializer

from sylvian.config import Config
from sylvian.text import PHONES


class LikenessConfig(Config):
    """Phones that somebody's articulators hardly tell apart: a confusion to be found again."""

    pairs: tuple[tuple[str, str], ...] = Field(
        min_length=1, description="Pairs of phones, such as B and P; each phone in one pair only."
    )
    share: float = Field(
        default=0.95,
        ge=0,
        le=1,
        description="How far both gestures move towards their middle; at 1 they are the same.",
    )

    @field_validator("pairs")
    @classmethod
    def _of_different_phones(
        cls, value: tuple[tuple[str, str], ...]
    ) -> tuple[tuple[str, str], ...]:
        phones = [phone for pair in value for phone in pair]
        unknown = sorted(set(phones) - set(PHONES))
        if unknown:
            raise ValueError(f"{unknown[0]} is none of the phones {' '.join(PHONES)}")
        if len(set(phones)) < len(phones):
            raise ValueError("a phone may be in one pair only, and not beside itself")
        return value


class SpeechConfig(Config):
    """How a simulated participant attempts to speak."""

    words_per_minute: float = Field(
        default=60.0,
        ge=10,
        le=120,
        description="Mean rate inside a sentence; T12 attempted 62 and T15 some 32 words a minute.",
    )
    pause_share: float = Field(
        default=0.22, gt=0, lt=0.7, description="Share of a word's time that is the pause after it."
    )
    duration_spread: float = Field(
        default=0.2,
        ge=0,
        le=1,
        description="Spread of a phoneme's duration (log standard deviation).",
    )
    tempo_spread: float = Field(
        default=0.1,
        ge=0,
        le=1,
        description="Spread of the tempo over trials (log standard deviation).",
    )
    coarticulation_ms: float = Field(
        default=35.0,
        gt=0,
        le=200,
        description="How far neighbouring phonemes blend (Gaussian width).",
    )
    jitter: float = Field(
        default=0.1,
        ge=0,
        description="Private error of each articulation, in units of a full gesture.",
    )
    silence_ms: tuple[float, float] = Field(
        default=(300.0, 700.0), description="Shortest and longest silence before and after speech."
    )
    alike: LikenessConfig | None = Field(
        default=None, description="Phones with nearly the same gesture; null: none."
    )

    @field_validator("silence_ms")
    @classmethod
    def _ordered(cls, value: tuple[float, float]) -> tuple[float, float]:
        if not 100 <= value[0] <= value[1]:
            raise ValueError("silence_ms must be two increasing numbers of at least 100 ms")
        return value

    @model_serializer(mode="wrap")
    def _as_before_phones_were_alike(self, write: Any) -> dict[str, Any]:
        data: dict[str, Any] = write(self)
        if self.alike is None:  # equal configs are to have the digest they always had
            data.pop("alike", None)
        return data


class NeuralConfig(Config):
    """How articulation shows in the electrodes' activity."""

    snr: float = Field(
        default=1.0,
        ge=0,
        le=10,
        description="The dial: multiplies every electrode's depth of modulation. 0 is noise only, "
        "1 looks like T12.",
    )
    depth: float = Field(
        default=0.3,
        gt=0,
        le=2,
        description="Modulation of the log rate at snr 1, standard deviation over speech, of a "
        "typical tuned electrode.",
    )
    tuned_fraction: float = Field(default=0.7, ge=0, le=1, description="Electrodes tuned at all.")
    velocity_share: float = Field(
        default=0.3, ge=0, le=1, description="Share of tuning that follows change, not posture."
    )
    crossings_per_bin: float = Field(
        default=0.55, gt=0, le=5, description="Typical threshold crossings in a 20 ms bin."
    )
    rate_spread: float = Field(
        default=0.5,
        ge=0,
        le=1.5,
        description="Spread of that over electrodes (log standard deviation).",
    )
    noise_rank: int = Field(
        default=6, ge=0, le=64, description="Independent sources of shared noise."
    )
    noise: float = Field(
        default=0.25, ge=0, le=1, description="Shared noise in the log rate (standard deviation)."
    )
    noise_ms: float = Field(default=400.0, gt=0, description="Time constant of the shared noise.")
    power_gain: float = Field(
        default=0.35,
        ge=0,
        le=2,
        description="Modulation of spike-band power relative to that of crossings.",
    )
    power_overlap: float = Field(
        default=0.8,
        ge=0,
        le=1,
        description="Correlation of an electrode's two preferred directions, crossings and power.",
    )
    dead_fraction: float = Field(
        default=0.03, ge=0, lt=1, description="Electrodes that record nothing at all."
    )
    session_turnover: float = Field(
        default=0.15,
        ge=0,
        le=1,
        description="Electrodes whose tuning turns from a day to the next.",
    )
    session_turn: float = Field(
        default=0.7, ge=0, le=1, description="How far it turns: 0 not, 1 to an unrelated direction."
    )
    session_baseline: float = Field(
        default=0.2,
        ge=0,
        le=1,
        description="Change of the log rate between days (standard deviation).",
    )
    block_baseline: float = Field(
        default=0.1,
        ge=0,
        le=1,
        description="Change of the log rate between blocks (standard deviation).",
    )


class ImaginedConfig(Config):
    """Sessions of imagined speech, and how it differs from attempted speech in the electrodes."""

    sessions: tuple[int, ...] = Field(
        min_length=1,
        description="Sessions (from 0) in which sentences of the 50-word set are imagined.",
    )
    depth: float = Field(
        default=0.5, ge=0, le=2, description="Depth of modulation relative to attempted speech."
    )
    turnover: float = Field(
        default=0.5, ge=0, le=1, description="Electrodes whose preferred direction is another one."
    )
    turn: float = Field(
        default=0.7, ge=0, le=1, description="How far it turns: 0 not, 1 to an unrelated direction."
    )


class LatentConfig(Config):
    """How much of what drives the electrodes is common to all tasks; see `latents.py`."""

    sharing: float = Field(
        ge=0,
        le=1,
        description="Share of the latents' variance that comes from the circuit of all tasks; the "
        "rest comes from one of the task alone. 0: tasks have nothing in common.",
    )
    seed: int = Field(
        default=0, ge=0, description="Draw of the circuits; participants who share have the same."
    )
