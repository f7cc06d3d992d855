"""The outcome of a scoring as a frozen thing that survives a trip to disk."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, is_dataclass
from pathlib import Path
from typing import Any

from sylvian.errors import CheckpointError
from sylvian.evaluate.files import read_json, write_json
from sylvian.types import EditCounts, Score

FORMAT = 1
UNITS = ("per", "wer", "cer")
ALL, SEEN, UNSEEN = "all", "seen", "unseen"


@dataclass(frozen=True, slots=True)
class ScoreReport:
    """The error rates of one decoding, group by group.

    Attributes:
        scores: One `Score` per unit and group, `all` first. A group without references (no trial
            in it, or none with labels in that unit) has a NaN rate; one of too few
            trials, or without an error, has a NaN interval.
        n_trials: Trials scored; cues are not among them.
        cues: How often each instruction, such as `[DO NOTHING]`, was left out of the scoring.
        zero_shot: Strategies of which the model learnt no label.
    """

    scores: tuple[Score, ...]
    n_trials: int
    cues: Mapping[str, int] = field(default_factory=dict)
    zero_shot: tuple[str, ...] = ()

    def find(self, unit: str, group: str = ALL) -> Score | None:
        """Look up the score of one group; None where the report has no such group."""
        matches = (s for s in self.scores if s.unit == unit and s.group == group)
        return next(matches, None)

    def groups(self, prefix: str = "") -> tuple[str, ...]:
        """List the groups whose names start with `prefix` (`session:`, `prompt_set:`), in order."""
        names = (score.group for score in self.scores)
        return tuple(dict.fromkeys(name for name in names if name.startswith(prefix)))

    @property
    def strategies(self) -> tuple[str, ...]:
        """What participants did in the trials that were scored."""
        return tuple(group.partition(":")[2] for group in self.groups("strategy:"))

    def to_json(self) -> dict[str, Any]:
        """Return plain JSON data; rates are derived, and null where they mean nothing."""
        return {
            "format": FORMAT,
            "n_trials": self.n_trials,
            "cues": dict(self.cues),
            **({"zero_shot": list(self.zero_shot)} if self.zero_shot else {}),
            "scores": [_to_row(score) for score in self.scores],
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> ScoreReport:
        """Read back what `to_json` gave.

        Raises:
            CheckpointError: a key is missing or unknown.
        """
        unknown = data.keys() - {"format", "n_trials", "cues", "zero_shot", "scores"}
        if unknown:
            raise CheckpointError(f"scores: unknown key {min(unknown)!r}; score the run again")
        try:
            scores = tuple(_from_row(row) for row in data["scores"])
            apart = tuple(data.get("zero_shot", ()))
            return cls(scores, int(data["n_trials"]), dict(data["cues"]), apart)
        except (KeyError, TypeError, ValueError) as failure:
            raise CheckpointError(
                f"scores: missing or malformed entry ({failure}); score the run again"
            ) from None

    def write(self, path: Path) -> None:
        """Write `scores.json`; the file appears whole or not at all."""
        write_json(path, self.to_json())

    @classmethod
    def read(cls, path: Path) -> ScoreReport:
        """Read `scores.json`.

        Raises:
            CheckpointError: the file is missing, damaged, or of another format.
        """
        try:
            return cls.from_json(read_json(path, version=FORMAT))
        except CheckpointError as failure:
            if str(path) in str(failure):
                raise
            raise CheckpointError(f"{path}: {failure}") from None


def blank(value: float) -> float | None:
    """Turn NaN, a number that means nothing, into None for JSON and tables."""
    return None if math.isnan(value) else value


def plain(value: Any) -> Any:
    """Give dataclasses, mappings and sequences as JSON knows them, with None in place of NaN."""
    if is_dataclass(value) and not isinstance(value, type):
        return {one.name: plain(getattr(value, one.name)) for one in fields(value)}
    if isinstance(value, Mapping):
        return {name: plain(one) for name, one in value.items()}
    if isinstance(value, list | tuple | set | frozenset):
        return [plain(one) for one in value]
    return blank(value) if isinstance(value, float) else value


def _to_row(score: Score) -> dict[str, Any]:
    return {
        "unit": score.unit,
        "group": score.group,
        "rate": blank(score.rate),
        "low": blank(score.low),
        "high": blank(score.high),
        "n_trials": score.n_trials,
        **asdict(score.counts),
    }


def _from_row(row: Mapping[str, Any]) -> Score:
    values = dict(row)
    values.pop("rate")  # derived from the counts
    unit, group, n_trials = values.pop("unit"), values.pop("group"), values.pop("n_trials")
    low, high = (math.nan if (v := values.pop(k)) is None else float(v) for k in ("low", "high"))
    return Score(unit, group, EditCounts(**values), low, high, n_trials)
