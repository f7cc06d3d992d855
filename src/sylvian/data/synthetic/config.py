"""Everything that can be chosen about simulated participants."""

from __future__ import annotations

from datetime import date
from typing import Any, Literal

from pydantic import Field, field_validator, model_validator

from sylvian.config import Config

Layout = Literal["card2024", "willett2023"]


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

    @field_validator("silence_ms")
    @classmethod
    def _ordered(cls, value: tuple[float, float]) -> tuple[float, float]:
        if not 100 <= value[0] <= value[1]:
            raise ValueError("silence_ms must be two increasing numbers of at least 100 ms")
        return value


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


class ParticipantConfig(Config):
    """One simulated participant and what is recorded from them."""

    name: str = Field(pattern=r"[A-Z]\d+", description="Name; in lower case it starts file names.")
    layout: Layout = Field(description="Published layout the files are written in.")
    first_day: date = Field(default=date(2031, 1, 6), description="Day of the first session.")
    days_between: int = Field(default=3, ge=1, description="Days from a session to the next.")
    sessions: int = Field(default=4, ge=1, le=200, description="Recording days.")
    train_trials: int = Field(default=80, ge=1, description="Training sentences a day.")
    eval_trials: int = Field(
        default=20, ge=0, description="Labelled held-out sentences a day (`val`, or T12's `test`)."
    )
    hidden_trials: int = Field(
        default=10, ge=0, description="Unlabelled sentences a day (`test`, or T12's `holdout`)."
    )
    block_trials: int = Field(default=40, ge=1, description="Most trials of a training block.")
    fifty_share: float = Field(
        default=0.5, ge=0, le=1, description="Share of the 50-word set; the rest is the large set."
    )
    max_words: int = Field(default=10, ge=3, le=12, description="Longest sentence.")
    train_only_sessions: tuple[int, ...] = Field(
        default=(0,),
        description="Sessions (from 0) without unlabelled trials and, in card2024, without val.",
    )
    cues_per_session: int = Field(
        default=0, ge=0, description="Trials a day of [DO NOTHING] and the like, in training."
    )
    speech: SpeechConfig = SpeechConfig()
    neural: NeuralConfig = NeuralConfig()


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


class SharedSpeaker(ParticipantConfig):
    """A simulated speaker whose electrodes follow the space that tasks share, not gestures."""

    latent: LatentConfig = Field(description="What is shared with other tasks.")


class MoverConfig(Config):
    """One simulated participant who moves a hand, and what is recorded: crossings only."""

    name: str = Field(pattern=r"[A-Z]\d+", description="Name; it is part of file names.")
    first_day: date = Field(default=date(2031, 1, 6), description="Day of the first session.")
    days_between: int = Field(default=3, ge=1, description="Days from a session to the next.")
    sessions: int = Field(default=4, ge=1, le=200, description="Recording days.")
    blocks: int = Field(default=10, ge=1, le=20, description="Blocks a day.")
    block_trials: int = Field(default=20, ge=1, description="Trials of a block.")
    neural: NeuralConfig = NeuralConfig()
    latent: LatentConfig = Field(description="What is shared with other tasks.")


class MonkeyConfig(MoverConfig):
    """A monkey that reaches, motor cortex; blocks are centre-out and random-target in turn."""

    layout: Literal["evenchen2019"] = Field(
        default="evenchen2019", description="Published layout the files are written in."
    )
    electrodes: int = Field(default=96, ge=1, le=1024, description="Electrodes of the array.")


class WriterConfig(MoverConfig):
    """Somebody who attempts to write by hand; the first block of a day is of single letters."""

    layout: Literal["willett2021"] = Field(
        default="willett2021", description="Published layout the files are written in."
    )
    max_words: int = Field(default=4, ge=3, le=12, description="Longest sentence.")

    @property
    def electrodes(self) -> int:
        """Electrodes of both arrays; the layout fixes them."""
        return 192


AnyParticipant = ParticipantConfig | SharedSpeaker | MonkeyConfig | WriterConfig


class SyntheticConfig(Config):
    """A whole simulated corpus; equal configs give equal bytes.

    The default is a small corpus of two people: S15 in the Brain-to-Text '25 layout (512 features)
    and S12 in the Brain-to-Text '24 layout (256 features after reading).
    """

    seed: int = Field(default=0, ge=0, description="Seed of everything random.")
    participants: tuple[AnyParticipant, ...] = (
        ParticipantConfig(name="S15", layout="card2024"),
        ParticipantConfig(name="S12", layout="willett2023"),
    )

    @classmethod
    def demo(cls) -> SyntheticConfig:
        """Give what `sylvian demo` simulates: enough to learn from in minutes on two cores."""
        shape: dict[str, Any] = {
            "sessions": 4,
            "train_trials": 80,
            "eval_trials": 40,
            "hidden_trials": 4,
            "max_words": 8,
            "speech": SpeechConfig(words_per_minute=90.0),
            "neural": NeuralConfig(snr=1.5),
        }
        return cls(
            participants=(
                ParticipantConfig(name="S15", layout="card2024", **shape),
                ParticipantConfig(name="S12", layout="willett2023", **shape),
            )
        )

    @classmethod
    def quick(cls) -> SyntheticConfig:
        """Give what `sylvian demo --quick` simulates: one person, short and clear."""
        return cls(
            participants=(
                ParticipantConfig(
                    name="S15",
                    layout="card2024",
                    sessions=2,
                    train_trials=100,
                    eval_trials=80,
                    hidden_trials=4,
                    fifty_share=0.8,
                    max_words=6,
                    train_only_sessions=(),
                    speech=SpeechConfig(words_per_minute=90.0),
                    neural=NeuralConfig(snr=1.5),
                ),
            )
        )

    @classmethod
    def species(cls, sharing: float, *, seed: int = 0) -> SyntheticConfig:
        """Give two speakers, two monkeys and a writer, to see what pretraining buys.

        Args:
            sharing: Share of the latents' variance that is common to all tasks, from 0 to 1.
            seed: Seed of everything random, the circuits included.
        """
        latent = LatentConfig(sharing=sharing, seed=seed)
        speech: dict[str, Any] = {
            "sessions": 2,
            "train_trials": 60,
            "eval_trials": 40,
            "hidden_trials": 4,
            "fifty_share": 0.8,
            "max_words": 6,
            "train_only_sessions": (),
            "speech": SpeechConfig(words_per_minute=90.0),
            "neural": NeuralConfig(snr=1.5),
            "latent": latent,
        }
        moves: dict[str, Any] = {"neural": NeuralConfig(snr=1.5), "latent": latent}
        return cls(
            seed=seed,
            participants=(
                SharedSpeaker(name="S15", layout="card2024", **speech),
                SharedSpeaker(name="S12", layout="willett2023", **speech),
                MonkeyConfig(name="M1", **moves),
                MonkeyConfig(name="M2", **moves),
                WriterConfig(name="H5", sessions=2, blocks=8, block_trials=12, **moves),
            ),
        )

    @model_validator(mode="after")
    def _distinct(self) -> SyntheticConfig:
        names = [participant.name for participant in self.participants]
        if not names or len(set(names)) != len(names):
            raise ValueError("participants must be one or more, with different names")
        return self
