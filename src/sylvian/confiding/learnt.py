"""What `calibrate` learnt, and whether it is of use for other lists."""

from __future__ import annotations

from pydantic import Field

from sylvian import config
from sylvian.confiding.lists import Lists, Origin, named, strategies_of
from sylvian.config import Config
from sylvian.errors import ConfigError, DataError
from sylvian.evaluate.recalibration import Logistic
from sylvian.jobs import Job
from sylvian.runs import RunFolder

NAME = "confidence.json"


class Confidence(Config):
    """What was learnt about a run's lists on one split."""

    decoder: str = Field(description="Where the lists came from; other lists mean other things.")
    split: str = Field(description="Split it was fitted on.")
    temperature: float = Field(gt=0, description="Divides the totals before the softmax.")
    sentences: Logistic = Field(description="From sentence features to confidence.")
    words: Logistic = Field(description="From word features to confidence.")
    most_wrong: float = Field(description="Word error rate asked for among what is shown.")
    threshold: float | None = Field(
        description="Least confidence that is shown; null: no threshold keeps what was asked for."
    )
    strategies: tuple[str, ...] | None = Field(
        None, description="What participants did while it was learnt; null: not on record."
    )
    origin: Origin | None = Field(
        None, description="What the lists were made with; null: not on record."
    )


def learnt_confidence(run: RunFolder) -> Confidence:
    """Read what `calibrate` learnt.

    Raises:
        ConfigError: the run was not calibrated.
    """
    found = run.read_optional(NAME)
    if found is None:
        raise ConfigError(f"{run.path}: not calibrated; run 'sylvian calibrate {run.path}' first")
    return config.load(Confidence, found["confidence"])


def refuse_others(learnt: Confidence, lists: Lists) -> tuple[str, ...]:
    """Refuse lists that the confidence was not learnt for.

    Returns:
        What could not be checked, because an earlier version did not write it down.

    Raises:
        DataError: they came from another decoder, encoder or language model, from other weights or
            settings, or from trials of another strategy.
    """
    job = lists.job
    if lists.decoder != learnt.decoder:
        raise DataError(
            f"{job.folder}: decoded by {lists.decoder}, confidence was learnt with "
            f"{learnt.decoder}; decode both alike, or run 'sylvian calibrate {job.run.path}' again"
        )
    _refuse_speech(learnt, job)
    if learnt.origin is None:
        return (
            f"{job.run.path / NAME}: of an earlier version, it does not say what it was learnt "
            f"with, so nothing was checked; run 'sylvian calibrate {job.run.path}' again",
        )
    if differing := learnt.origin.differences(lists.origin):
        raise DataError(
            f"{job.folder}: not the kind of lists that confidence was learnt from "
            f"({named(differing)}); {_again(learnt, lists)}"
        )
    return ()


def _refuse_speech(learnt: Confidence, job: Job) -> None:
    known = learnt.strategies
    if known is None:
        known = strategies_of(Job.open(job.run, learnt.split).infos)
    strange = [one for one in strategies_of(job.infos) if one not in known]
    if not strange:
        return
    split = "val/" + "+".join(strategies_of(job.infos))
    raise DataError(
        f"{job.folder}: {' and '.join(strange)} speech, of which confidence was learnt nothing "
        f"(only of {' and '.join(known)}), so no threshold is known to hold; decode {split} and "
        f"run 'sylvian calibrate {job.run.path} --split {split}'"
    )


def _again(learnt: Confidence, lists: Lists) -> str:
    """Say what to run: the lists that it was learnt on may have to be made anew, too."""
    job = lists.job
    calibrate = f"run 'sylvian calibrate {job.run.path}"
    calibrate += "' again" if learnt.split == "val" else f" --split {learnt.split}' again"
    try:
        alike = not Origin.of(Job.open(job.run, learnt.split)).differences(lists.origin)
    except DataError:
        alike = False
    return calibrate if alike else f"decode {learnt.split} and {job.split} alike, and {calibrate}"
