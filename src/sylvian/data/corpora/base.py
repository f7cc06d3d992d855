"""What a corpus is: facts about a published release, and a reader that streams its trials."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal, Protocol, runtime_checkable

from pydantic import Field

from sylvian.config import Config
from sylvian.types import Strategy, Trial, TrialInfo

Species = Literal["human", "monkey", "other"]


class ChannelGroup(Config):
    """Neighbouring columns of the feature matrix that share an array and a kind of feature."""

    array: str = Field(description="Electrode array or area, e.g. `ventral 6v`.")
    feature: str = Field(description="`threshold crossings` or `spike-band power`.")
    start: int = Field(ge=0, description="First column.")
    stop: int = Field(gt=0, description="Column after the last.")


class ParticipantFacts(Config):
    """What is known about one participant's share of a release, before looking at the disk."""

    n_channels: int | None = Field(
        gt=0,
        description="Columns of the feature matrix we prepare; null where each session has its own "
        "number, because its columns are the units that were sorted that day.",
    )
    channels: tuple[ChannelGroup, ...] = Field(default=(), description="Layout of the columns.")
    sessions: Mapping[str, Mapping[str, int]] = Field(
        default={},
        description="ISO date -> split -> trials; a split whose count nobody published is absent.",
    )
    trials: Mapping[str, int] = Field(default={}, description="Split -> trials of all sessions.")
    strategies: tuple[Strategy, ...] = Field(
        default=(Strategy.ATTEMPTED,), description="What the participant was asked to do."
    )
    species: Species = Field(
        default="human",
        description="A person, a monkey, or (`other`) another animal or one that nobody named.",
    )
    sees_future: bool = Field(
        default=False,
        description="The released features were z-scored with their whole block, later bins too.",
    )


class CorpusFacts(Config):
    """What is known about a release: who, how much, under which licence, and where to get it."""

    name: str = Field(description="Short name, first author and year.")
    title: str = Field(description="Name of the release.")
    participants: Mapping[str, ParticipantFacts] = Field(description="By participant name.")
    splits: tuple[str, ...] = Field(description="Published split names, in reading order.")
    bin_s: float = Field(default=0.02, gt=0, description="Width of a bin in seconds.")
    licence: str = Field(default="", description="Licence of the release.")
    citation: str = Field(default="", description="What to cite.")
    doi: str = Field(default="", description="DOI of the release.")
    directions: str = Field(default="", description="What to download and where to put it.")

    @property
    def sees_future(self) -> bool:
        """Whether any participant's released features have seen the future."""
        return any(facts.sees_future for facts in self.participants.values())


@dataclass(frozen=True, slots=True)
class SessionRef:
    """One recording day on disk.

    Attributes:
        participant: Name of the participant.
        session: ISO date; what tells apart two recordings of one day follows it, where their
            columns are not the same units (`2013-10-03-CO`).
        paths: Split -> the file that holds its trials; only the files that exist.
        context: Digest of everything else the trials depend on (lexicon, description table), so
            that a change of it makes `prepare` read the session again.
        notes: What the reader wants the person to know; ends up among the report's warnings.
        files: Block -> its file, where the blocks of a split lie in several files.
    """

    participant: str
    session: str
    paths: Mapping[str, Path]
    context: str = ""
    notes: tuple[str, ...] = ()
    files: Mapping[int, Path] = field(default_factory=dict)

    def where(self, info: TrialInfo) -> str:
        """Say which file a trial came from, for the beginning of an error message."""
        path = self.files.get(info.key.block) or self.paths.get(info.split)
        return self.session if path is None else str(path)


@runtime_checkable
class Corpus(Protocol):
    """A reader of one published release.

    Built from the folder of downloaded files. Reading never changes that folder.
    """

    @property
    def facts(self) -> CorpusFacts:
        """What is known about the release."""
        ...

    def sessions(self) -> tuple[SessionRef, ...]:
        """List the sessions on disk, sorted by participant and date.

        Raises:
            DataError: the folder is missing or holds no session.
        """
        ...

    def trials(self, session: SessionRef) -> Iterator[Trial]:
        """Yield the trials of a session split by split, in the order of the files.

        Features are float32 `[bins channels]` as published, before any normalisation of ours.

        Raises:
            DataError: a file is damaged or not of the published layout.
        """
        ...
