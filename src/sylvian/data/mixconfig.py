"""What a mix of corpora is asked to hold."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Annotated, Literal

from pydantic import Field, NonNegativeInt, PositiveFloat

from sylvian.config import Config
from sylvian.data.corpora.base import Species
from sylvian.data.normalize import NormalizeConfig
from sylvian.errors import ConfigError
from sylvian.types import Strategy

Weight = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Target = tuple[str, tuple[str, ...]]

_Fraction = Annotated[float, Field(ge=0, le=1)]


class MixConfig(Config):
    """Whose recordings are pretrained on, how they are read, and how often each is seen.

    A *source* is one participant of one corpus, named `corpus/participant`.
    """

    species: Literal["all", "human", "monkey"] = Field(
        default="all", description="Of people, of monkeys, or of all there are."
    )
    corpora: tuple[str, ...] | None = Field(
        default=None, description="Names of prepared corpora; null: all that are prepared."
    )
    participants: tuple[str, ...] | None = Field(
        default=None, description="`T15` (in any corpus) or `card2024/T15`; null: everyone."
    )
    exclude: tuple[str, ...] = Field(
        default=(), description="Left out: `corpus` or `corpus/participant`."
    )
    target: Literal["include", "exclude", "only"] = Field(
        default="include",
        description="The participant to be fine-tuned: in the mix as everyone, left out of it, or, "
        "in every corpus that has them, alone in it.",
    )
    strategies: tuple[Strategy, ...] | None = Field(
        default=None, description="Only trials with one of these; null: whatever was asked for."
    )
    features: Literal["spikes", "all"] = Field(
        default="spikes",
        description="`spikes`: threshold crossings and counts only, which all corpora have.",
    )
    bin_s: PositiveFloat = Field(
        default=0.02, description="Width of a bin in seconds; recordings of another stay out."
    )
    weights: Mapping[str, Weight] = Field(
        default={},
        description="`corpus` or, with precedence, `corpus/participant` -> how many times as often "
        "as by its duration it is drawn; 0 leaves it out.",
    )
    cap_hours: PositiveFloat | None = Field(
        default=None, description="Most hours of one source in an epoch, before its weight."
    )
    human_fraction: _Fraction = Field(
        default=1.0, description="Share of each person's training trials that is kept."
    )
    monkey_fraction: _Fraction = Field(
        default=1.0, description="The same of each monkey, or of any animal that is no monkey."
    )
    seed: NonNegativeInt = Field(default=0, description="Which trials a fraction keeps.")
    unlabelled: bool = Field(
        default=False,
        description="Train on the unlabelled trials of hidden splits too; never on labelled ones.",
    )
    clip: PositiveFloat | None = Field(
        default=10.0, description="Largest absolute value after the z-score; null: as it is."
    )
    normalize: NormalizeConfig = Field(
        default=NormalizeConfig(dead_channels="repair"),
        description="Z-score. Here `auto` is `none` where the release is z-scored, `participant` "
        "where the channels are the same on all days, and `session` elsewhere.",
    )

    def fraction(self, species: Species) -> float:
        """Say which share of a participant's training trials is kept."""
        share: float = getattr(self, fraction_field(species))
        return share

    def weight(self, corpus: str, participant: str) -> float:
        """Look up the weight of a source: its own, its corpus', or 1."""
        whole = self.weights.get(corpus, 1.0)
        return self.weights.get(f"{corpus}/{participant}", whole)


def fraction_field(species: Species) -> str:
    """Name the field that says how much of a participant is kept."""
    return "human_fraction" if species == "human" else "monkey_fraction"


@dataclass(frozen=True, slots=True)
class Who:
    """One source, before anything of it is read.

    Attributes:
        corpus: Name of the corpus.
        participant: Name of the participant.
        species: A person, a monkey, or something else.
    """

    corpus: str
    participant: str
    species: Species

    def __str__(self) -> str:
        return f"{self.corpus}/{self.participant}"

    def is_named(self, names: Iterable[str]) -> bool:
        """Say whether its corpus or it itself is among `names`."""
        return self.corpus in names or str(self) in names


def unwanted(config: MixConfig, who: Who, target: Target | None) -> str | None:
    """Say why the config leaves a source out, as the rest of a sentence; None: it does not."""
    if who.is_named(config.exclude):
        return "excluded by name"
    if (reason := _of_target(config, who, target)) is not None:
        return reason
    named = config.participants
    if named is not None and not {who.participant, str(who)} & {*named}:
        return f"not among the participants of the mix ({', '.join(named)})"
    if config.species not in ("all", who.species):
        kind = "neither human nor monkey" if who.species == "other" else f"a {who.species}"
        return f"{kind}, the mix takes {config.species} recordings"
    if config.fraction(who.species) == 0:
        return f"{fraction_field(who.species)} is 0"
    return "its weight is 0" if config.weight(who.corpus, who.participant) == 0 else None


def _of_target(config: MixConfig, who: Who, target: Target | None) -> str | None:
    if target is None or config.target == "include":
        return None
    corpus, participants = target
    if config.target == "only":
        alone = ", ".join(participants)
        return None if who.participant in participants else f"the mix is of {alone} alone"
    is_target = who.corpus == corpus and who.participant in participants
    return "to be fine-tuned, and target is 'exclude'" if is_target else None


def refuse_repeats(config: MixConfig) -> None:
    """Refuse a corpus that is named twice.

    Raises:
        ConfigError: one is.
    """
    named = config.corpora or ()
    for name in named:
        if named.count(name) > 1:
            raise ConfigError(f"corpora: {name!r} is named {named.count(name)} times; once will do")


def refuse_unknown(config: MixConfig, everyone: Iterable[Who], corpora: Iterable[str]) -> None:
    """Refuse names that stand for nobody, because a misspelt one would change nothing, silently.

    Args:
        config: The mix.
        everyone: All sources that the mix is made from.
        corpora: Corpora that may be excluded though nothing of them is at hand.

    Raises:
        ConfigError: the message lists whom there is.
    """
    full = {str(who) for who in everyone}
    whole = {who.corpus for who in everyone}
    elsewhere = {*corpora} - whole
    known = {
        "participants": full | {who.participant for who in everyone},
        "exclude": full | whole | {name for name in config.exclude if _corpus(name) in elsewhere},
        "weights": full | whole,
    }
    for field, names in known.items():
        for name in getattr(config, field) or ():
            if name not in names:
                raise ConfigError(
                    f"{field}: {name!r} is nobody here; there are: {', '.join(sorted(full))}"
                )


def _corpus(name: str) -> str:
    return name.partition("/")[0]
