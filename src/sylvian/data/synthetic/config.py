"""Everything that can be chosen about simulated participants."""

from __future__ import annotations

from datetime import date
from typing import Any, Literal

from pydantic import Field, model_serializer, model_validator

from sylvian.config import Config
from sylvian.data.synthetic.keyword import KeywordConfig
from sylvian.data.synthetic.traits import (
    ImaginedConfig,
    LatentConfig,
    NeuralConfig,
    SpeechConfig,
)
from sylvian.types import Strategy

Layout = Literal["card2024", "willett2023"]


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
    imagined: ImaginedConfig | None = Field(
        default=None, description="Sessions of imagined speech; null: all speech is attempted."
    )
    keyword: KeywordConfig | None = Field(
        default=None, description="A phrase said between the prompts; null: none is."
    )

    def strategy(self, session: int) -> Strategy:
        """Say what is done in a session (from 0)."""
        imagined = self.imagined is not None and session in self.imagined.sessions
        return Strategy.IMAGINED if imagined else Strategy.ATTEMPTED

    @model_validator(mode="after")
    def _imagines_in_sessions_there_are(self) -> ParticipantConfig:
        for session in self.imagined.sessions if self.imagined else ():
            if not 0 <= session < self.sessions:
                raise ValueError(f"imagined session {session} is none of 0 to {self.sessions - 1}")
        return self

    @model_serializer(mode="wrap")
    def _as_before_there_was_imagery(self, write: Any) -> dict[str, Any]:
        data: dict[str, Any] = write(self)
        for name in ("imagined", "keyword"):  # equal configs are to have the digest they always had
            if data.get(name) is None:
                data.pop(name, None)
        return data


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
        monkey = MonkeyConfig(
            name="M1",
            sessions=3,
            blocks=6,
            neural=NeuralConfig(snr=1.5),
            latent=LatentConfig(sharing=0.0),  # these speakers follow gestures, not a common space
        )
        return cls(
            participants=(
                ParticipantConfig(name="S15", layout="card2024", **shape),
                ParticipantConfig(name="S12", layout="willett2023", **shape),
                monkey,
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

    @classmethod
    def transfer(cls, sharing: float, *, seed: int = 0) -> SyntheticConfig:
        """Give a newcomer with 40 labelled sentences (S15) and others to learn from beforehand.

        The others, those of `species`, have clearer recordings; S12 says 300 sentences.

        Args:
            sharing: Share of the latents' variance that is common to all tasks, from 0 to 1.
            seed: Seed of everything random, the circuits included.
        """
        clear = NeuralConfig(snr=3.0)
        newcomer: dict[str, Any] = {"train_trials": 20, "hidden_trials": 0}
        other: dict[str, Any] = {"train_trials": 150, "hidden_trials": 0, "eval_trials": 10}
        changes = [newcomer, other | {"neural": clear}, *([{"neural": clear}] * 3)]
        whole = cls.species(sharing, seed=seed)
        people = zip(whole.participants, changes, strict=True)
        changed = tuple(one.model_copy(update=update) for one, update in people)
        return cls(seed=seed, participants=changed)

    @model_validator(mode="after")
    def _distinct(self) -> SyntheticConfig:
        names = [participant.name for participant in self.participants]
        if not names or len(set(names)) != len(names):
            raise ValueError("participants must be one or more, with different names")
        return self
