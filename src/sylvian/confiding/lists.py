"""A split's lists of candidates, and what they were made with: confidence is of such lists only."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from jaxtyping import Float
from pydantic import Field

from sylvian import config
from sylvian.config import Config
from sylvian.decode.combine import total_score
from sylvian.decode.confidence import Belief, believe
from sylvian.decode.config import DecodeConfig
from sylvian.decoding import Setting, in_use, read_decodes
from sylvian.errors import DataError
from sylvian.jobs import Job
from sylvian.runs import RunFolder
from sylvian.types import NBest, TrialInfo, TrialKey

WEIGHTS = ("acoustic_scale", "lm_weight", "llm_weight", "end_to_end_weight", "word_bonus")
FILES = {"lm": "n-gram", "lexicon": "lexicon", "larger": "larger n-gram", "words": "word set"}
_SHOWN = 3  # differences named in a message


class Origin(Config):
    """What lists were made with and are ranked by; confidence learnt from others says nothing."""

    checkpoint: str | None = Field(description="Digest of the weights that heard the recordings.")
    made: dict[str, Any] = Field(description="How the split was decoded, as in `decode.json`.")
    weights: dict[str, float] = Field(description="Weights in use: those `tune` chose, if any.")
    files: dict[str, str | None] = Field(
        description="Digests of n-grams, lexicon and word set; null: there is none, or no file."
    )

    @classmethod
    def of(cls, job: Job) -> Origin:
        """Read what a decoded split's lists came from.

        Raises:
            DataError: the split was not decoded.
        """
        made = job.run.read_optional(f"{job.split}/decode.json")
        if made is None:
            raise DataError(
                f"{job.folder}: not decoded; run 'sylvian decode {job.run.path} --split "
                f"{job.split}'"
            )
        stamp = (job.run.read_optional(f"{job.split}/logits.json") or {}).get("stamp", {})
        told = Setting.from_json(made).to_json()
        ranked = config.dump(in_use(job, made).decode)
        return cls(
            checkpoint=stamp.get("checkpoint"),
            made=told,
            weights={name: ranked[name] for name in WEIGHTS},
            files={
                name: made.get(f"{name}_sha256") or _digest(path)
                for name, path in _paths(told).items()
            },
        )

    def differences(self, other: Origin) -> list[str]:
        """Say in what other lists differ from these, what matters most first; none: in nothing."""
        return list(self._differences(other))

    def _differences(self, other: Origin) -> Iterator[str]:
        if self.checkpoint != other.checkpoint:
            yield "other weights of the encoder"
        for name in WEIGHTS:
            old, new = self.weights[name], other.weights[name]
            if old != new:
                yield f"{name} {_plain(new)} in place of {_plain(old)}"
        paths, others = _paths(self.made), _paths(other.made)
        for name, what in FILES.items():
            known, now = self.files.get(name), other.files.get(name)
            same = known == now if known and now else paths[name] == others[name]
            if not same:
                yield f"another {what}"
        # through `Setting`, so that a field that came later has its default in older files, too
        mine, theirs = (Setting.from_json(one.made).to_json() for one in (self, other))
        for key, old in mine["decode"].items():
            new = theirs["decode"][key]
            if key != "word_set" and old != new:
                yield f"decoded with {key} {_plain(new)} in place of {_plain(old)}"
        if _reader(mine) != _reader(theirs):
            yield "another second pass"
        if mine["end_to_end"] != theirs["end_to_end"]:
            yield "sentences generated otherwise"


@dataclass(frozen=True)
class Lists:
    """The lists of a split, ready to be believed.

    Attributes:
        job: The split.
        decoder: Where they came from (`Decodes.decoder`).
        weights: Weights in use.
        nbests: List of each trial.
        origin: What they were made with.
    """

    job: Job
    decoder: str
    weights: DecodeConfig
    nbests: dict[TrialKey, NBest]
    origin: Origin

    @classmethod
    def open(cls, run: RunFolder, split: str) -> Lists:
        """Read a decoded split.

        Raises:
            DataError: it was not decoded, or without an n-gram.
        """
        job = Job.open(run, split)
        decodes = read_decodes(job)
        if decodes.nbest is None:
            raise DataError(
                f"{job.folder}: decoded without an n-gram, one candidate a trial says nothing of "
                "its confidence; run 'sylvian decode' with --lm"
            )
        made = run.read_optional(f"{split}/decode.json") or {}
        weights = in_use(job, made).decode
        return cls(job, decodes.decoder, weights, decodes.nbest, Origin.of(job))

    def totals(self, key: TrialKey) -> Float[np.ndarray, " candidates"]:
        """Give the total scores of a trial's candidates, best first (nats)."""
        return np.array([total_score(h.scores, self.weights) for h in self.nbests[key].hypotheses])

    def beliefs(self, infos: Sequence[TrialInfo], temperature: float) -> list[Belief]:
        """Share out belief among the candidates of trials."""
        return [
            believe(self.nbests[info.key], self.weights, temperature=temperature) for info in infos
        ]


def strategies_of(infos: Iterable[TrialInfo]) -> tuple[str, ...]:
    """List what participants did in these trials."""
    return tuple(sorted({info.strategy.value for info in infos}))


def named(differences: Sequence[str]) -> str:
    """Join a few differences for a message."""
    more = len(differences) - _SHOWN
    return ", ".join(differences[:_SHOWN]) + (f" and {more} more" if more > 0 else "")


def _paths(made: dict[str, Any]) -> dict[str, str | None]:
    own = {name: made.get(name) for name in ("lm", "lexicon", "larger")}
    return own | {"words": made["decode"].get("word_set")}


def _digest(path: str | None) -> str | None:
    if path is None or not Path(path).is_file():
        return None
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _reader(made: dict[str, Any]) -> dict[str, Any] | None:
    """Tell a rescoring model by its digest and reading, wherever it lies."""
    llm = made["llm"]
    return {key: value for key, value in llm.items() if key != "name"} if llm else None


def _plain(value: float) -> str:
    return f"{value:.4g}"
