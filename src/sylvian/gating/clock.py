"""When each recording began: trials in the order they were recorded, and a clock for each day."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from itertools import groupby

from pydantic import Field

from sylvian.config import Config
from sylvian.errors import DataError
from sylvian.types import TrialInfo


class ClockConfig(Config):
    """The time between recordings, which the releases do not tell."""

    pause_s: float = Field(
        default=3.0, ge=0, description="Seconds from the end of a trial to the next of its block."
    )
    block_pause_s: float = Field(
        default=120.0, ge=0, description="Seconds from the end of a block to the next of its day."
    )


@dataclass(frozen=True, slots=True)
class Moment:
    """A recording and when it began.

    Attributes:
        info: The trial.
        day: `corpus/participant/session`.
        begins_s: Seconds since the day's first trial began.
    """

    info: TrialInfo
    day: str
    begins_s: float


def in_order(
    wanted: Iterable[TrialInfo], everyone: Iterable[TrialInfo], *, clock: ClockConfig
) -> tuple[Moment, ...]:
    """Lay trials out in time, day by day: block by block, trial by trial.

    The clock also runs during trials that are not wanted, such as those of other splits. Trial
    numbers that are missing take no time.

    Args:
        wanted: The trials to be heard.
        everyone: All trials of the corpus.
        clock: The time between them.

    Raises:
        DataError: a day has no date, a trial comes twice or has no length, or one is wanted that
            the corpus does not have.
    """
    keys = {info.key for info in wanted}
    ordered = sorted(everyone, key=lambda info: info.key)
    _check(ordered)
    lost = keys - {info.key for info in ordered}
    if lost:
        raise DataError(f"{min(lost)}: not in the corpus, so nobody knows when it was recorded")
    days = groupby(ordered, key=lambda info: info.key.session_path)
    moments = (moment for day, infos in days for moment in _of_day(day, infos, clock))
    return tuple(moment for moment in moments if moment.info.key in keys)


def _of_day(day: str, infos: Iterable[TrialInfo], clock: ClockConfig) -> Iterator[Moment]:
    now_s, block = 0.0, -1
    for place, info in enumerate(infos):
        if place:
            now_s += clock.pause_s if info.key.block == block else clock.block_pause_s
        block = info.key.block
        yield Moment(info, day, now_s)
        now_s += info.n_bins * info.bin_s


def _check(ordered: list[TrialInfo]) -> None:
    for before, info in zip([None, *ordered], ordered, strict=False):
        if before is not None and before.key == info.key:
            raise DataError(f"{info.key}: comes twice, so its order in time is unknown")
        if info.n_bins <= 0 or info.bin_s <= 0:
            raise DataError(f"{info.key}: has no length, so no clock can run; prepare it again")
        try:
            date.fromisoformat(info.key.session)
        except ValueError:
            raise DataError(
                f"{info.key}: session {info.key.session!r} is no date, so its trials have no order "
                "in time; a gate needs recordings that are dated"
            ) from None
