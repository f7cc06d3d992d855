"""Who is fine-tuned in a study, on which kind of speech, and with which rows."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from sylvian.errors import ConfigError
from sylvian.recipes import build_recipe
from sylvian.studies.lines import ATTEMPTED, IMAGINED, Line, Study
from sylvian.text import is_cue
from sylvian.types import Strategy

RULE = "bit"  # how studies divide trials
TRAIN, VAL = "train", "val"


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


def columns(
    study: Study, corpus: str, overrides: Sequence[str], data: Path, *, split: str = "test"
) -> tuple[list[Cell], tuple[str, ...]]:
    """List participants and kinds of speech that can be learnt and judged, each with its rows.

    Args:
        study: What is compared.
        corpus: The corpus.
        overrides: As for `run_study`; `splits=` divides by another rule than BIT's.
        data: Folder of prepared corpora.
        split: What is judged on.

    Returns:
        The rows, and a sentence for each column or row without labelled trials to learn from, to
        choose an epoch by, or to be judged on.

    Raises:
        ConfigError: nobody is left.
    """
    wanted = said(overrides, "participant")
    there = _Labels.of(corpus, said(overrides, "splits") or RULE, data, split)
    cells: list[Cell] = []
    notes: list[str] = []
    for participant in [name for name in there.participants if wanted in (None, name)]:
        kinds = {kind: there.done(participant, kind) for kind in (ATTEMPTED, IMAGINED)}
        if study.transfer and not all(kinds.values()):
            continue
        for strategies, done in kinds.items():
            own = [line for line in study.lines if done and _concerns(line, study, strategies)]
            column = [Cell(participant, strategies, line, done) for line in own]
            lacking = there.lacking(participant, strategies, (TRAIN, VAL, split))
            if column and lacking:
                notes.append(f"Left out: {participant} {column[0].speech} ({lacking}).")
                continue
            for cell in column:
                if lacking := there.lacking(participant, cell.taught, (TRAIN, VAL)):
                    name = f"{cell.line.label} of {participant} {cell.speech}"
                    notes.append(f"Left out: {name} (of what it learns, {lacking}).")
                else:
                    cells.append(cell)
    if not cells:
        what = "imagined speech" if study.imagined_only else "labelled speech"
        what = "attempted together with imagined speech" if study.transfer else what
        told = f"{corpus}: no {what} of {wanted or 'anybody'} to fine-tune on"
        raise ConfigError(". ".join([told, *notes]).removesuffix("."))
    return cells, tuple(notes)


def _concerns(line: Line, study: Study, strategies: tuple[Strategy, ...]) -> bool:
    return strategies == IMAGINED or not (line.imagined or study.imagined_only)


@dataclass(frozen=True, slots=True)
class _Labels:
    """Where a corpus has labelled speech.

    Attributes:
        rule: How it was divided.
        anywhere: Who did what.
        found: The same by split.
    """

    rule: str
    anywhere: frozenset[tuple[str, Strategy]]
    found: frozenset[tuple[str, str, Strategy]]

    @classmethod
    def of(cls, corpus: str, rule: str, data: Path, split: str) -> _Labels:
        from sylvian.data.store import PreparedCorpus

        opened = PreparedCorpus.open(data, corpus)
        recipe = build_recipe("tfs", [f"corpus={corpus}", f"splits={rule}"])
        parts = opened.splits(recipe.splits)
        return cls(
            rule,
            frozenset((i.key.participant, i.strategy) for i in opened.infos if i.phonemes),
            frozenset(
                (name, i.key.participant, i.strategy)
                for name in {TRAIN, VAL, split}
                for i in parts.get(name, ())
                if i.phonemes and not is_cue(i.sentence or "")
            ),
        )

    @property
    def participants(self) -> list[str]:
        return sorted({name for name, _ in self.anywhere})

    def done(self, participant: str, kind: tuple[Strategy, ...]) -> tuple[Strategy, ...]:
        """Give those of a kind that somebody did."""
        return tuple(one for one in kind if (participant, one) in self.anywhere)

    def lacking(
        self, participant: str, kind: tuple[Strategy, ...], splits: Sequence[str]
    ) -> str | None:
        """Say which splits have no labelled trial of a kind of speech; None: all have."""
        missing = [
            name
            for name in dict.fromkeys(splits)
            if not any((name, participant, one) in self.found for one in kind)
        ]
        return (
            f"splits={self.rule}: no labelled trial in {' or '.join(missing)}" if missing else None
        )


def grouped(cells: Sequence[Cell]) -> Iterator[list[Cell]]:
    """Put the rows together that are compared with one another."""
    alike: dict[tuple[str, str, str], list[Cell]] = {}
    for cell in cells:
        alike.setdefault((cell.participant, cell.speech, cell.line.group), []).append(cell)
    yield from alike.values()
