"""The published releases we can prepare, by name; a lab adds its own through an entry point."""

from __future__ import annotations

from collections.abc import Callable
from importlib.metadata import entry_points
from pathlib import Path

from sylvian.data.corpora.base import (
    ChannelGroup,
    Corpus,
    CorpusFacts,
    ParticipantFacts,
    SessionRef,
)
from sylvian.data.corpora.card2024 import Card2024
from sylvian.data.corpora.card2024_facts import CARD2024
from sylvian.data.corpora.synthetic import SYNTHETIC, Synthetic
from sylvian.data.corpora.willett2023 import Willett2023
from sylvian.data.corpora.willett2023_facts import WILLETT2023
from sylvian.errors import ConfigError

__all__ = [
    "CARD2024",
    "CORPORA",
    "FACTS",
    "SYNTHETIC",
    "WILLETT2023",
    "Card2024",
    "ChannelGroup",
    "Corpus",
    "CorpusFacts",
    "ParticipantFacts",
    "SessionRef",
    "Synthetic",
    "Willett2023",
    "corpus_class",
    "corpus_names",
]

ENTRY_POINTS = "sylvian.corpora"
CorpusClass = Callable[[Path], Corpus]

CORPORA: dict[str, CorpusClass] = {
    "card2024": Card2024,
    "willett2023": Willett2023,
    "synthetic": Synthetic,
}
FACTS: dict[str, CorpusFacts] = {facts.name: facts for facts in (CARD2024, WILLETT2023, SYNTHETIC)}


def corpus_class(name: str) -> CorpusClass:
    """Return what builds the corpus `name` from its raw folder: ours, or one a lab installed.

    Raises:
        ConfigError: no corpus has that name; the message lists those that exist.
    """
    if name in CORPORA:
        return CORPORA[name]
    for entry in entry_points(group=ENTRY_POINTS):
        if entry.name == name:
            found: CorpusClass = entry.load()
            return found
    raise ConfigError(f"unknown corpus {name!r}; there are: {', '.join(corpus_names())}")


def corpus_names() -> tuple[str, ...]:
    """List the names `corpus_class` knows, sorted."""
    return tuple(sorted({*CORPORA, *(entry.name for entry in entry_points(group=ENTRY_POINTS))}))
