"""Who is fine-tuned in a study, on which kind of speech, and with which rows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from sylvian.errors import ConfigError
from sylvian.studies.lines import ATTEMPTED, IMAGINED, Line, Study
from sylvian.types import Strategy


@dataclass(frozen=True, slots=True)
class Cell:
    """One row of a study for one participant and kind of speech."""

    participant: str
    strategies: tuple[Strategy, ...]
    line: Line
    done: tuple[Strategy, ...] = ()  # those of them that the participant did

    @property
    def other(self) -> tuple[Strategy, ...]:
        """The other kind of speech."""
        return ATTEMPTED if self.strategies == IMAGINED else IMAGINED

    @property
    def taught(self) -> tuple[Strategy, ...]:
        """What the row's model learns."""
        both = (*ATTEMPTED, *IMAGINED)
        return {"same": self.strategies, "other": self.other, "both": both}[self.line.taught]

    def judged(self, split: str) -> str:
        """Name the trials that are judged: those of the column's own kind of speech."""
        if self.line.taught == "same":
            return split
        return f"{split}/{'+'.join(self.done or self.strategies)}"

    @property
    def speech(self) -> str:
        """Name the kind of speech."""
        return "imagined" if self.strategies == IMAGINED else "attempted"


def said(overrides: Sequence[str], key: str) -> str | None:
    """Give what the last override of a key says; None: nothing."""
    found = [item.partition("=")[2] for item in overrides if item.partition("=")[0] == key]
    return found[-1] if found else None


def columns(study: Study, corpus: str, overrides: Sequence[str], data: Path) -> Iterator[Cell]:
    """List participants and kinds of speech that have labels, each with its rows."""
    from sylvian.data.store import PreparedCorpus

    infos = PreparedCorpus.open(data, corpus).infos
    wanted = said(overrides, "participant")
    there = {(i.key.participant, i.strategy) for i in infos if i.phonemes}
    names = sorted({name for name, _ in there if wanted in (None, name)})
    some = False
    for participant in names:
        kinds = {
            kind: tuple(one for one in kind if (participant, one) in there)
            for kind in (ATTEMPTED, IMAGINED)
        }
        if study.transfer and not all(kinds.values()):
            continue
        for strategies, done in kinds.items():
            is_imagined = strategies == IMAGINED
            for line in study.lines if done else ():
                if is_imagined or not (line.imagined or study.imagined_only):
                    some = True
                    yield Cell(participant, strategies, line, done)
    if not some:
        what = "imagined speech" if study.imagined_only else "labelled speech"
        what = "attempted together with imagined speech" if study.transfer else what
        raise ConfigError(f"{corpus}: no {what} of {wanted or 'anybody'} to fine-tune on")


def grouped(cells: Sequence[Cell]) -> Iterator[list[Cell]]:
    """Put the rows together that are compared with one another."""
    alike: dict[tuple[str, str, str], list[Cell]] = {}
    for cell in cells:
        alike.setdefault((cell.participant, cell.speech, cell.line.group), []).append(cell)
    yield from alike.values()
