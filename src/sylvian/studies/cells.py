"""Who is fine-tuned in a study, on which kind of speech, and with which rows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from sylvian.errors import ConfigError
from sylvian.recipes import build_recipe
from sylvian.studies.lines import ATTEMPTED, IMAGINED, Line, Study
from sylvian.text import is_cue
from sylvian.types import Strategy, TrialInfo, TrialKey

if TYPE_CHECKING:
    from sylvian.data.store import PreparedCorpus

RULE = "bit"  # how studies divide trials
LAST_BLOCKS = "blocks"  # where nothing of what a row learns is held out
TRAIN, VAL = "train", "val"


@dataclass(frozen=True, slots=True)
class Cell:
    """One row of a study for one participant and kind of speech."""

    participant: str
    strategies: tuple[Strategy, ...]
    line: Line
    done: tuple[Strategy, ...] = ()  # those of them that the participant did
    rule: str | None = None  # divides trials; None: as the study says
    only: frozenset[TrialKey] | None = None  # trials that are judged; None: all of the split

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
    there = _Divided.of(corpus, said(overrides, "splits") or RULE, data)
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
                found, note = _teachable(cell, there, split)
                cells += found
                notes += note
    if not cells:
        what = "imagined speech" if study.imagined_only else "labelled speech"
        what = "attempted together with imagined speech" if study.transfer else what
        told = f"{corpus}: no {what} of {wanted or 'anybody'} to fine-tune on"
        raise ConfigError(". ".join([told, *notes]).removesuffix("."))
    return cells, tuple(notes)


def _concerns(line: Line, study: Study, strategies: tuple[Strategy, ...]) -> bool:
    return strategies == IMAGINED or not (line.imagined or study.imagined_only)


def _teachable(cell: Cell, there: _Divided, split: str) -> tuple[list[Cell], list[str]]:
    """Find the trials that a row learns from, should they not be where the column's are.

    Returns:
        The row, or none; and what has to be said about it.
    """
    lacking = there.lacking(cell.participant, cell.taught, (TRAIN, VAL))
    if lacking is None:
        return [cell], []
    name = f"{cell.line.label} of {cell.participant} {cell.speech}"
    blocks = there.divided(LAST_BLOCKS)
    trained = {info.key for part in (TRAIN, VAL) for info in blocks.parts[part]}
    judged = {i.key for i in there.labelled(split, cell.participant, cell.strategies)}
    if blocks.lacking(cell.participant, cell.taught, (TRAIN, VAL)) or judged & trained:
        return [], [f"Left out: {name} (of what it learns, {lacking})."]
    told = f"{name}: its epoch was chosen on the last blocks of what it learns ({lacking})."
    return [replace(cell, rule=LAST_BLOCKS, only=frozenset(judged))], [told]


@dataclass(frozen=True)
class _Divided:
    """A corpus divided by a rule.

    Attributes:
        rule: Its name.
        corpus: The corpus.
        parts: Split -> trials.
    """

    rule: str
    corpus: PreparedCorpus
    parts: Mapping[str, tuple[TrialInfo, ...]]

    @classmethod
    def of(cls, corpus: str, rule: str, data: Path) -> _Divided:
        from sylvian.data.store import PreparedCorpus

        opened = PreparedCorpus.open(data, corpus)
        return cls(rule, opened, {}).divided(rule)

    def divided(self, rule: str) -> _Divided:
        """Divide the same corpus by another rule."""
        name = self.corpus.facts.name
        recipe = build_recipe("tfs", [f"corpus={name}", f"splits={rule}"])
        return replace(self, rule=rule, parts=self.corpus.splits(recipe.splits))

    @property
    def participants(self) -> list[str]:
        """Who has any label."""
        return sorted({info.key.participant for info in self.corpus.infos if info.phonemes})

    def done(self, participant: str, kind: tuple[Strategy, ...]) -> tuple[Strategy, ...]:
        """Give those of a kind that somebody did."""
        infos = [i for i in self.corpus.infos if i.phonemes and i.key.participant == participant]
        there = {info.strategy for info in infos}
        return tuple(one for one in kind if one in there)

    def labelled(self, split: str, participant: str, kind: tuple[Strategy, ...]) -> list[TrialInfo]:
        """List somebody's labelled trials of a kind of speech in a split."""
        return [
            info
            for info in self.parts.get(split, ())
            if info.key.participant == participant and info.strategy in kind
            if info.phonemes and not is_cue(info.sentence or "")
        ]

    def lacking(
        self, participant: str, kind: tuple[Strategy, ...], splits: Sequence[str]
    ) -> str | None:
        """Say which splits have no labelled trial of a kind of speech; None: all have."""
        names = dict.fromkeys(splits)
        missing = [name for name in names if not self.labelled(name, participant, kind)]
        told = f"splits={self.rule}: no labelled trial in {' or '.join(missing)}"
        return told if missing else None


def grouped(cells: Sequence[Cell]) -> Iterator[list[Cell]]:
    """Put the rows together that are compared with one another."""
    alike: dict[tuple[str, str, str], list[Cell]] = {}
    for cell in cells:
        alike.setdefault((cell.participant, cell.speech, cell.line.group), []).append(cell)
    yield from alike.values()
