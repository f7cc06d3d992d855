"""Recordings in the order they were made, and when each began."""

from dataclasses import replace

import pytest

from sylvian.errors import DataError
from sylvian.gating import ClockConfig, in_order
from sylvian.types import TrialInfo, TrialKey

CLOCK = ClockConfig(pause_s=2.0, block_pause_s=60.0)


def said(block, trial, *, day="2031-01-06", seconds=4.0, split="val"):
    key = TrialKey("synthetic", "S15", day, block, trial)
    return TrialInfo(key, split, round(seconds / 0.02), sentence="yes")


def test_time_runs_block_by_block_and_begins_anew_each_day():
    everyone = [said(1, 0), said(1, 3, seconds=6.0), said(2, 0), said(1, 0, day="2031-01-09")]
    moments = in_order(reversed(everyone), everyone, clock=CLOCK)
    assert [moment.info for moment in moments] == everyone
    assert [moment.begins_s for moment in moments] == pytest.approx([0.0, 6.0, 72.0, 0.0])
    assert len({moment.day for moment in moments}) == 2


def test_it_also_runs_while_others_are_recorded():
    everyone = [said(1, 0, split="test"), said(1, 1), said(1, 2, split="test"), said(1, 3)]
    found = in_order([everyone[3], everyone[1]], everyone, clock=CLOCK)
    assert [moment.begins_s for moment in found] == pytest.approx([6.0, 18.0])


@pytest.mark.parametrize(
    ("everyone", "told"),
    [
        ([said(1, 0, day="day-3")], "'day-3' is no date"),
        ([said(1, 0), said(1, 0, split="test")], "comes twice"),
        ([replace(said(1, 0), n_bins=0)], "has no length"),
    ],
)
def test_recordings_without_an_order_in_time_are_refused(everyone, told):
    with pytest.raises(DataError, match=told):
        in_order(everyone[:1], everyone, clock=CLOCK)


def test_a_recording_the_corpus_does_not_have_is_refused():
    with pytest.raises(DataError, match="nobody knows when"):
        in_order([said(1, 5)], [said(1, 0)], clock=CLOCK)
