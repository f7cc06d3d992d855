"""`sweep.json`: every draw, how far it came, and how well; what a search is continued from."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

import pydantic
from pydantic import Field, JsonValue

from sylvian.config import Config
from sylvian.errors import CheckpointError, ConfigError
from sylvian.sweep.config import SweepConfig
from sylvian.sweep.space import Space

FORMAT: Literal[1] = 1
FILE = "sweep.json"
State = Literal["waiting", "running", "finished", "stopped", "failed"]


class Draw(Config):
    """One point of the space and what became of it."""

    number: int = Field(ge=1, description="from 1, in the order drawn")
    values: dict[str, JsonValue] = Field(description="what was drawn, by recipe key")
    run: str = Field("", description="its run folder, below the folder of runs")
    epochs: int = Field(ge=1, description="epochs of a whole training")
    state: State = Field(
        "waiting",
        description="finished: trained to the end; stopped: given up for its PER, resumable; "
        "failed: see note",
    )
    pers: tuple[float, ...] = Field((), description="val PER after each epoch")
    note: str | None = Field(None, description="why it failed")

    @property
    def best(self) -> tuple[float, int] | None:
        """Lowest PER so far and its epoch (from 1); None before the first epoch."""
        if not self.pers:
            return None
        best = min(self.pers)
        return best, self.pers.index(best) + 1

    @property
    def is_over(self) -> bool:
        """Whether nothing is left to do unless somebody asks for more."""
        return self.state in ("finished", "stopped")

    def heard(self, epoch: int, per: float) -> Draw:
        """Note the PER of an epoch; one that comes again after a resume replaces the first."""
        return self.model_copy(update={"pers": (*self.pers[: epoch - 1], per)})

    def became(self, state: State, note: str | None = None) -> Draw:
        """Change state."""
        return self.model_copy(update={"state": state, "note": note})


class Ledger(Config):
    """One search: what defines it, and its draws so far."""

    format: Literal[1] = FORMAT
    recipe: str = Field(description="recipe of every draw")
    overrides: tuple[str, ...] = Field(description="overrides of every draw")
    recipe_digest: str = Field(description="digest of the recipe before anything is drawn")
    data_digest: str = Field(description="digest of the prepared corpus")
    space: Space
    settings: SweepConfig
    draws: tuple[Draw, ...] = ()

    @classmethod
    def read(cls, folder: Path) -> Ledger | None:
        """Read the ledger of a sweep's folder; None where there is none yet.

        Raises:
            CheckpointError: it is damaged, or another version's.
        """
        path = folder / FILE
        if not path.exists():
            return None
        try:
            return cls.model_validate_json(path.read_bytes())
        except (OSError, pydantic.ValidationError) as failure:
            raise CheckpointError(
                f"{path}: not a ledger this version of sylvian reads ({_reason(failure)}); restore "
                "it, or move it away: repeating the sweep finds finished runs again"
            ) from None

    def write(self, folder: Path) -> None:
        """Replace the ledger on disk in one step."""
        partial = folder / f"{FILE}.partial"
        with partial.open("w") as file:
            file.write(self.model_dump_json(indent=1) + "\n")
            file.flush()
            os.fsync(file.fileno())
        partial.replace(folder / FILE)

    @property
    def due(self) -> tuple[Draw, ...]:
        """Draws that are wanted and not over, in their order."""
        return tuple(d for d in self.draws[: self.settings.draws] if not d.is_over)

    def with_draw(self, draw: Draw) -> Ledger:
        """Replace the draw of that number."""
        draws = tuple(draw if old.number == draw.number else old for old in self.draws)
        return self.model_copy(update={"draws": draws})

    def same_search(self, other: Ledger, folder: Path) -> None:
        """Make sure that `other` may continue this one.

        Raises:
            ConfigError: it is about something else; the message names what.
        """
        differing = [name for name, mine, theirs in self._compared(other) if mine != theirs]
        if differing:
            raise ConfigError(
                f"{folder / FILE}: holds a sweep with another {' and '.join(differing)}; repeat "
                "that command to continue it, or give another --out"
            )

    def _compared(self, other: Ledger) -> Iterator[tuple[str, Any, Any]]:
        yield "recipe", self.recipe_digest, other.recipe_digest
        yield "prepared corpus", self.data_digest, other.data_digest
        yield "space", self.space, other.space
        yield "seed", self.settings.seed, other.settings.seed


def _reason(failure: Exception) -> str:
    if isinstance(failure, pydantic.ValidationError):
        first = failure.errors(include_url=False)[0]
        where = ".".join(map(str, first["loc"]))
        return f"{where}: {first['msg']}" if where else str(first["msg"])
    return str(failure)
