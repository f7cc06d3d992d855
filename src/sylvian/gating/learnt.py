"""What was learnt about a keyword, and whether it is of use for the run at hand."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from pydantic import Field

from sylvian import config
from sylvian.config import Config
from sylvian.errors import ConfigError
from sylvian.evaluate.detection import Detection
from sylvian.gating.hearing import encoder_digest
from sylvian.jobs import Job
from sylvian.runs import RunFolder
from sylvian.text import Lexicon, normalize_sentence
from sylvian.types import TrialInfo

NAME = "gate.json"


class LearntGate(Config):
    """A keyword and the score from which on it unlocks, for one encoder and one lexicon."""

    keyword: str = Field(description="What unlocks, normalised.")
    sounds: tuple[tuple[str, ...], ...] = Field(
        description="Pronunciations of each of its words; another lexicon gives other scores."
    )
    encoder: str = Field(description="Digest of the weights the scores came from.")
    split: str = Field(description="Split it was learnt on.")
    most_false: float = Field(description="False accepts allowed (fraction).")
    threshold: float | None = Field(
        description="Least score that unlocks, nats a frame; null: none keeps what was asked for."
    )
    n_keywords: int = Field(description="Utterances of the keyword it was learnt on.")
    n_others: int = Field(description="Other utterances it was learnt on.")
    held_out: dict[str, Any] | None = Field(
        description="Both errors with 95 % intervals, cross-fitted; null: too few utterances."
    )
    strategies: tuple[str, ...] | None = Field(
        None, description="What participants did while it was learnt; null: not on record."
    )


def sounds_of(keyword: str, lexicon: Lexicon) -> tuple[tuple[str, ...], ...]:
    """Spell out how each word of a normalised keyword may sound."""
    words = keyword.split()
    spoken = [lexicon.get(word) or (lexicon.pronounce(word),) for word in words]
    return tuple(tuple(" ".join(phones) for phones in ways) for ways in spoken)


def read_gate(run: RunFolder, lexicon: Lexicon, *, keyword: str | None = None) -> LearntGate:
    """Read what `learn_gate` left, if it is for this encoder, this lexicon and this keyword.

    Args:
        run: The run.
        lexicon: Pronunciations in use.
        keyword: What the caller means to unlock with; None: whatever was learnt.

    Raises:
        ConfigError: nothing was learnt, it was learnt for something else, or no threshold was
            found.
    """
    again = f"run 'sylvian gate learn {run.path} --keyword ...' again"
    found = run.read_optional(NAME)
    if found is None:
        raise ConfigError(
            f"{run.path}: no {NAME}, so no keyword can unlock; run 'sylvian gate learn {run.path} "
            "--keyword ...' first"
        )
    learnt = config.load(LearntGate, found.get("gate", {}))
    if keyword is not None and normalize_sentence(keyword) != learnt.keyword:
        raise ConfigError(
            f"{run.path / NAME}: its threshold is for {learnt.keyword!r}, not for {keyword!r}; "
            f"{again}"
        )
    if learnt.encoder != encoder_digest(run):
        raise ConfigError(
            f"{run.path / NAME}: its threshold is of encoder {learnt.encoder}, this run has "
            f"another one; {again}"
        )
    if learnt.sounds != sounds_of(learnt.keyword, lexicon):
        raise ConfigError(
            f"{run.path / NAME}: {learnt.keyword!r} was learnt with other pronunciations than the "
            f"lexicon has now; give that lexicon, or {again}"
        )
    if learnt.threshold is None:
        raise ConfigError(
            f"{run.path / NAME}: no threshold keeps false accepts at {learnt.most_false:.1%}, so "
            "nothing can unlock; learn with a larger --most-false or on more recordings"
        )
    return learnt


def refuse_other_speech(learnt: LearntGate, job: Job) -> None:
    """Refuse trials of a strategy of which the threshold was learnt nothing, before any is heard.

    Nobody knows how often such speech unlocks: a gate learnt on attempted speech says nothing about
    a person's inner speech.

    Raises:
        ConfigError: there are such trials.
    """
    known = learnt.strategies
    if known is None:  # learnt by a version that did not write it down
        known = strategies_of(Job.open(job.run, learnt.split).infos)
    own = strategies_of(job.infos)
    strange = [one for one in own if one not in known]
    if strange:
        raise ConfigError(
            f"{job.run.path / NAME}: its threshold was learnt on {' and '.join(known)} speech "
            f"alone, {job.split} has {' and '.join(strange)} speech, and the gate stays shut; run "
            f"'sylvian gate learn {job.run.path} --keyword ... --split val/{'+'.join(own)}' first"
        )


def strategies_of(infos: Iterable[TrialInfo]) -> tuple[str, ...]:
    """List what participants did in these trials."""
    return tuple(sorted({info.strategy.value for info in infos}))


def told(found: Detection | None) -> dict[str, Any] | None:
    """Give both errors as plain data."""
    if found is None:
        return None
    return {
        "false_accepts": found.false_accepts._asdict(),
        "n_others": found.n_others,
        "misses": found.misses._asdict(),
        "n_keywords": found.n_keywords,
    }
