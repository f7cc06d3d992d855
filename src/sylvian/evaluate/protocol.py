"""What was chosen on which trials, and how often the reporting split was looked at.

The file lives in the run folder, only ever grows, and its sentences stand under every table.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Literal

from sylvian import config
from sylvian.errors import CheckpointError, ConfigError
from sylvian.evaluate.files import read_json, write_json
from sylvian.text import counted
from sylvian.types import TrialKey

FORMAT = 1
NAME = "protocol.json"

_RULES = {
    "benchmark": "Splits are the benchmark's own.",
    "bit": "Splits are BIT's: val and test are random halves of the published labelled held-out "
    "trials, so they share sessions and blocks.",
}


class Entry(config.Config):
    """One thing that happened.

    Attributes:
        kind: `stated` (facts of the data), `selected` (a choice was made) or `opened` (a split was
            decoded and scored, or written out for a competition).
        time: When, UTC, ISO 8601.
        what: What was chosen (`best epoch by PER`, `decoder weights`).
        split: Name of the split that was used.
        n_trials: Number of its trials.
        trials: Digest of their keys.
        split_rule: How trials were split (`benchmark`, `bit`).
        sees_future: Whether the released features were normalised with bins from their future.
    """

    kind: Literal["stated", "selected", "opened"]
    time: str
    what: str | None = None
    split: str | None = None
    n_trials: int | None = None
    trials: str | None = None
    split_rule: str | None = None
    sees_future: bool | None = None


@dataclass(frozen=True, slots=True)
class Protocol:
    """The growing record of one run; every change is on disk when the call returns."""

    folder: Path

    @classmethod
    def open(cls, folder: Path) -> Protocol:
        """Open the record of a run folder; one that does not exist yet is empty.

        Raises:
            CheckpointError: the record is damaged or of another format.
        """
        protocol = cls(folder)
        _ = protocol.entries
        return protocol

    @property
    def path(self) -> Path:
        """The file."""
        return self.folder / NAME

    @property
    def entries(self) -> tuple[Entry, ...]:
        """Everything on record, oldest first.

        Raises:
            CheckpointError: the file is damaged or of another format.
        """
        if not self.path.exists():
            return ()
        content = read_json(self.path, version=FORMAT)
        try:
            return tuple(config.load(Entry, entry) for entry in content["entries"])
        except (ConfigError, KeyError, TypeError) as failure:
            raise CheckpointError(
                f"{self.path}: not a record of this version ({failure}); restore the file"
            ) from None

    def state(self, *, split_rule: str, sees_future: bool) -> None:
        """Record the facts of the data; stating the same twice records it once.

        Args:
            split_rule: Name of the rule trials were split by.
            sees_future: Whether the released features have seen the future.
        """
        facts = (split_rule, sees_future)
        if facts not in [(e.split_rule, e.sees_future) for e in self.entries]:
            self._append(
                Entry(kind="stated", time=_now(), split_rule=facts[0], sees_future=facts[1])
            )

    def selected(self, what: str, split: str, keys: Iterable[TrialKey]) -> None:
        """Record that something was chosen.

        Args:
            what: What was chosen, as it should read in `… chosen on val`.
            split: Split whose trials decided.
            keys: Those trials.
        """
        n_trials, trials = trials_digest(keys)
        self._append(
            Entry(
                kind="selected",
                time=_now(),
                what=what,
                split=split,
                n_trials=n_trials,
                trials=trials,
            )
        )

    def opened(self, split: str, keys: Iterable[TrialKey]) -> None:
        """Record that the results on a split were looked at.

        Args:
            split: The split.
            keys: The trials that were scored or written out.
        """
        n_trials, trials = trials_digest(keys)
        self._append(
            Entry(kind="opened", time=_now(), split=split, n_trials=n_trials, trials=trials)
        )

    def inherit(self, others: Iterable[Protocol]) -> None:
        """Take over the facts and choices of the models this one is made of, each once.

        What was opened stays their own: nobody looked at this model's results yet.
        """
        known = {config.digest(entry) for entry in self.entries}
        for entry in (entry for other in others for entry in other.entries):
            if entry.kind != "opened" and config.digest(entry) not in known:
                known.add(config.digest(entry))
                self._append(entry)

    def n_openings(self, split: str) -> int:
        """Count how often results on a split were looked at, or on some trials of it."""
        return sum(e.kind == "opened" and overlap(e.split, split) for e in self.entries)

    def notes(self, split: str | None = None) -> list[str]:
        """Say what a reader of a table must know, in plain sentences.

        Args:
            split: The split the table reports; None speaks of every split that was opened.
        """
        entries = self.entries
        return [*_choices(entries), *_openings(entries, split), *_facts(entries)]

    def _append(self, entry: Entry) -> None:
        kept = [config.dump(e) for e in (*self.entries, entry)]
        entries = [{k: v for k, v in e.items() if v is not None} for e in kept]
        write_json(self.path, {"format": FORMAT, "entries": entries})


def overlap(one: str | None, other: str | None) -> bool:
    """Whether two splits may have trials in common.

    `test/imagined` is part of `test`, and has nothing in common with `test/attempted`.
    """
    (name, _, own), (same, _, others) = (str(split).partition("/") for split in (one, other))
    if name != same:
        return False
    return not own or not others or bool(set(own.split("+")) & set(others.split("+")))


def trials_digest(keys: Iterable[TrialKey]) -> tuple[int, str]:
    """Count distinct trials and digest their keys, whatever their order (16 hexadecimal digits)."""
    names = sorted({str(key) for key in keys})
    return len(names), hashlib.sha256("\n".join(names).encode()).hexdigest()[:16]


def _choices(entries: tuple[Entry, ...]) -> Iterator[str]:
    made = dict.fromkeys(
        (e.what, e.split, e.n_trials, e.trials) for e in entries if e.kind == "selected"
    )
    for what, split, n_trials, trials in made:
        yield f"Chosen on {split}: {what} ({counted(n_trials or 0, 'trial')}, {trials})."


def _openings(entries: tuple[Entry, ...], split: str | None) -> Iterator[str]:
    seen = dict.fromkeys(e.split for e in entries if e.kind == "opened")
    for name in [split] if split is not None else seen:
        opened = sum(e.kind == "opened" and overlap(e.split, name) for e in entries)
        chosen = [e for e in entries if e.kind == "selected" and overlap(e.split, name)]
        choices = dict.fromkeys(e.what for e in chosen)
        if choices:
            listing = ", ".join(str(what) for what in choices)
            yield f"Rates on {name} are optimistic: {listing} chosen on the same trials."
        elif opened > 1:
            yield f"{name} has been opened {opened} times; only the first look was blind."
        else:
            yield f"{name} has {'been opened once' if opened else 'not been opened'}."


def _facts(entries: tuple[Entry, ...]) -> Iterator[str]:
    stated = [e for e in entries if e.kind == "stated"]
    for rule in dict.fromkeys(e.split_rule for e in stated):
        yield _RULES.get(str(rule), f"Splits follow the rule {rule!r}.")
    if any(e.sees_future for e in stated):
        yield (
            "The features were normalised over whole blocks, so every bin has seen the "
            "future: these rates are offline rates."
        )


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")
