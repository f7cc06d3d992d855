"""What a study is made of: rows, the row each is compared with, and the models they need."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from sylvian.types import Strategy

ATTEMPTED = (Strategy.ATTEMPTED, Strategy.VOCALIZED, Strategy.SILENT)
IMAGINED = (Strategy.IMAGINED,)

System = Literal["greedy", "cascade", "rescored", "alone", "ctc", "joint"]
"""How a row is decoded. greedy: phonemes; cascade: its phoneme stage with an n-gram; rescored: that
and a language model's reading; alone, ctc, joint: end to end, as `joint=` of `decode` says."""

Taught = Literal["same", "other", "both"]
"""Which speech a row's model learns, of attempted and imagined: the row's own, the other, both."""

Role = Literal["llm", "larger", "other", "audio"]


@dataclass(frozen=True, slots=True)
class LanguageModels:
    """What sentences are found with; a row whose model is not given is left out, and named.

    Attributes:
        llm: What an encoder speaks to; None: the recipe's.
        larger: Another of the same kind and more weights.
        other: Another of another kind, e.g. one that cannot read phonemes.
        audio: An audio-LLM.
        rescorer: Reads a cascade's candidates.
        ngram: ARPA file of a cascade's first pass; None: of the training sentences.
    """

    llm: str | None = None
    larger: str | None = None
    other: str | None = None
    audio: str | None = None
    rescorer: str | None = None
    ngram: Path | None = None

    def of(self, role: Role) -> str | None:
        """Name the model of a role."""
        named: str | None = getattr(self, role)
        return named


@dataclass(frozen=True, slots=True)
class Line:
    """One row of a study before it is run.

    Attributes:
        label: What the table calls it.
        recipe: A named recipe.
        overrides: What makes it this row.
        imagined: Whether it makes sense for imagined speech only.
        system: How it is decoded.
        role: Which language model its encoder speaks to.
        group: Rows that are compared with one another alone.
        taught: Which speech its model learns; judged is the column's own.
    """

    label: str
    recipe: str
    overrides: tuple[str, ...] = ()
    imagined: bool = False
    system: System = "greedy"
    role: Role = "llm"
    group: str = ""
    taught: Taught = "same"


@dataclass(frozen=True, slots=True)
class Study:
    """What is compared: rows, and the row every other one is compared with.

    Attributes:
        title: What the table is called.
        lines: Its rows.
        against: Label of the row that the others are compared with.
        imagined_only: Whether attempted speech is left out.
        unit: What is counted: errors in phonemes (`per`) or words (`wer`).
        transfer: Whether it needs participants who both attempted and imagined speech.
    """

    title: str
    lines: tuple[Line, ...]
    against: str = "tfs"
    imagined_only: bool = False
    unit: Literal["per", "wer"] = "per"
    transfer: bool = False
