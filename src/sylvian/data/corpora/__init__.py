"""The published releases we can prepare, by name; a lab adds its own through an entry point."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import partial
from importlib import import_module
from importlib.metadata import entry_points
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from sylvian.data.corpora.base import (
    ChannelGroup,
    Corpus,
    CorpusFacts,
    ParticipantFacts,
    SessionRef,
)
from sylvian.errors import ConfigError

if TYPE_CHECKING:
    from sylvian.data.corpora.card2024 import Card2024
    from sylvian.data.corpora.card2024_facts import CARD2024
    from sylvian.data.corpora.falcon import Falcon, FalconH1, FalconM1, FalconM2
    from sylvian.data.corpora.falcon_facts import FALCON, FALCON_H1, FALCON_M1, FALCON_M2
    from sylvian.data.corpora.fan2023 import Fan2023
    from sylvian.data.corpora.fan2023_facts import FAN2023
    from sylvian.data.corpora.kunz2025 import Kunz2025
    from sylvian.data.corpora.kunz2025_facts import KUNZ2025
    from sylvian.data.corpora.synthetic import SYNTHETIC, Synthetic
    from sylvian.data.corpora.willett2021 import Willett2021
    from sylvian.data.corpora.willett2021_facts import WILLETT2021
    from sylvian.data.corpora.willett2023 import Willett2023
    from sylvian.data.corpora.willett2023_facts import WILLETT2023

__all__ = [
    "CARD2024",
    "CORPORA",
    "FACTS",
    "FALCON",
    "FALCON_H1",
    "FALCON_M1",
    "FALCON_M2",
    "FAN2023",
    "KUNZ2025",
    "SYNTHETIC",
    "WILLETT2021",
    "WILLETT2023",
    "Card2024",
    "ChannelGroup",
    "Corpus",
    "CorpusFacts",
    "Falcon",
    "FalconH1",
    "FalconM1",
    "FalconM2",
    "Fan2023",
    "Kunz2025",
    "ParticipantFacts",
    "SessionRef",
    "Synthetic",
    "Willett2021",
    "Willett2023",
    "corpus_class",
    "corpus_names",
]

ENTRY_POINTS = "sylvian.corpora"
BRAINSET = "brainset-"
CorpusClass = Callable[[Path], Corpus]

# Name -> the module here that reads the corpus, what in it builds the reader, and its facts. They
# are imported when they are asked for: listing the names, as `--help` does, opens none.
_PLACES = {
    "card2024": ("card2024", "Card2024", "CARD2024"),
    "willett2023": ("willett2023", "Willett2023", "WILLETT2023"),
    "willett2021": ("willett2021", "Willett2021", "WILLETT2021"),
    "fan2023": ("fan2023", "Fan2023", "FAN2023"),
    "falcon": ("falcon", "Falcon", "FALCON"),
    "falcon_h1": ("falcon", "FalconH1", "FALCON_H1"),
    "falcon_m1": ("falcon", "FalconM1", "FALCON_M1"),
    "falcon_m2": ("falcon", "FalconM2", "FALCON_M2"),
    "kunz2025": ("kunz2025", "Kunz2025", "KUNZ2025"),
    "churchland2012": ("churchland2012", "Churchland2012", "CHURCHLAND2012"),
    "odoherty2017": ("odoherty2017", "ODoherty2017", "ODOHERTY2017"),
    "perich2018": ("perich2018", "Perich2018", "PERICH2018"),
    "evenchen2019": ("evenchen2019", "EvenChen2019", "EVENCHEN2019"),
    "chowdhury2020": ("chowdhury2020", "Chowdhury2020", "CHOWDHURY2020"),
    "ma2023": ("ma2023", "Ma2023", "MA2023"),
    "temmar2025": ("temmar2025", "Temmar2025", "TEMMAR2025"),
    "mc_maze": ("neural_latents", "McMaze", "MC_MAZE"),
    "mc_rtt": ("neural_latents", "McRtt", "MC_RTT"),
    "degenhart2020": ("degenhart2020", "Degenhart2020", "DEGENHART2020"),
    "hennig2018": ("hennig2018", "Hennig2018", "HENNIG2018"),
    "golub2018": ("golub2018", "Golub2018", "GOLUB2018"),
    "synthetic": ("synthetic", "Synthetic", "SYNTHETIC"),
}

# What `fetch` knows by a name of its own -> the corpus whose reader takes it.
_READ_BY = {
    "falcon_h2": "falcon",
    "mc_maze_large": "mc_maze",
    "mc_maze_medium": "mc_maze",
    "mc_maze_small": "mc_maze",
}

_Value = TypeVar("_Value")


class _Lazy(Mapping[str, _Value], Generic[_Value]):
    """One column of the table above."""

    def __init__(self, column: int) -> None:
        self._column = column

    def __getitem__(self, name: str) -> _Value:
        place = _PLACES[name]
        found: _Value = getattr(import_module(f"{__name__}.{place[0]}"), place[self._column])
        return found

    def __iter__(self) -> Iterator[str]:
        return iter(_PLACES)

    def __len__(self) -> int:
        return len(_PLACES)


CORPORA: Mapping[str, CorpusClass] = _Lazy(1)
FACTS: Mapping[str, CorpusFacts] = _Lazy(2)


def corpus_class(name: str) -> CorpusClass:
    """Return what builds the corpus `name` from its raw folder: ours, or one a lab installed.

    `brainset-NAME` is whatever brainsets (torch_brain) has prepared under that name.

    Raises:
        ConfigError: no corpus has that name, and the message lists those that exist; or more than
            one has.
    """
    installed = [entry for entry in entry_points(group=ENTRY_POINTS) if entry.name == name]
    homes = ["sylvian"] * (name in _PLACES) + [entry.value for entry in installed]
    if len(homes) > 1:
        raise ConfigError(
            f"{len(homes)} corpora are called {name!r}: {', '.join(homes)}; rename or uninstall "
            "all but one"
        )
    if not homes and name.startswith(BRAINSET):
        from sylvian.data.corpora.brainset import Brainset

        return partial(Brainset, name=name.removeprefix(BRAINSET))
    if name in _READ_BY:
        other = _READ_BY[name]
        raise ConfigError(
            f"{name!r} is a part of the corpus {other!r}, which reads it: use that name, as in "
            f"'sylvian prepare {other}'"
        )
    if not homes:
        raise ConfigError(
            f"unknown corpus {name!r}; there are: {', '.join(corpus_names())}, and "
            f"{BRAINSET}NAME for what brainsets has prepared"
        )
    found: CorpusClass = installed[0].load() if installed else CORPORA[name]
    return found


def corpus_names() -> tuple[str, ...]:
    """List the names `corpus_class` knows, sorted."""
    return tuple(sorted({*_PLACES, *(entry.name for entry in entry_points(group=ENTRY_POINTS))}))


def __getattr__(name: str) -> Any:
    """Import a reader or its facts by their own name (`Card2024`, `CARD2024`)."""
    for module, *names in _PLACES.values():
        if name in names:
            return getattr(import_module(f"{__name__}.{module}"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
