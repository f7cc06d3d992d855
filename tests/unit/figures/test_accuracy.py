import math
from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sylvian.errors import ConfigError
from sylvian.figures.accuracy import (
    LEAST_TOP,
    error_by_session,
    error_kinds,
    error_rates,
    group_name,
    interval,
    nice_top,
    percent,
    seen_and_unseen,
)
from sylvian.figures.days import calendar_ticks, date_labels
from sylvian.figures.style import DOUBLE_MM, INK, PAPER, SINGLE_MM, canvas, panel, plotted
from sylvian.types import EditCounts, Score


@pytest.fixture
def axis():
    return panel(canvas(DOUBLE_MM, 60), 15, 8, 120, 35)


def texts(axis):
    return [text.get_text() for text in axis.texts]


def test_sessions_stand_at_their_dates_in_percent_from_zero(axis, make_score):
    scores = [
        make_score("session:c/P/2024-03-01", errors=(20, 0, 0), low=0.15, high=0.41),
        make_score("session:c/P/2024-01-01", errors=(10, 0, 0)),
        make_score("session:c/P/2024-01-31", errors=(30, 0, 0), low=0.2, high=0.35, n_trials=9),
    ]
    error_by_session(axis, scores, overall=make_score())
    marks = next(line for line in axis.lines if len(line.get_xdata()) == 3)
    assert list(marks.get_xdata()) == [
        date(2024, m, d).toordinal() for m, d in ((1, 1), (1, 31), (3, 1))
    ]
    assert list(marks.get_ydata()) == pytest.approx([10, 30, 20])
    bottom, top = axis.get_ylim()
    assert bottom == 0 and top >= 41
    assert "3 days, n = 9–20 a day; 95 % intervals" in axis.get_title("left")
    assert "10.0 %" in axis.get_title("left")
    ends = [tuple(line.get_ydata()) for line in axis.lines if len(line.get_xdata()) == 2]
    assert (15.0, 41.0) in [tuple(round(y, 6) for y in pair) for pair in ends]
    assert plotted(axis.figure)[0].columns["rate"] == pytest.approx([0.1, 0.3, 0.2])
    assert [label.get_text() for label in axis.get_xticklabels()][0] == "Jan 1\n2024"


def test_many_sessions_get_a_calendar(axis, make_score):
    first = date(2023, 8, 11).toordinal()
    days = [date.fromordinal(first + 14 * k) for k in range(45)]
    error_by_session(axis, [make_score(f"session:c/T15/{day}") for day in days])
    labels = [label.get_text() for label in axis.get_xticklabels()]
    assert 3 <= len(labels) <= 9
    assert sum("2024" in label for label in labels) == 1


def test_note_fits_above_a_narrow_panel(make_score):
    figure = canvas(SINGLE_MM, 50)
    axis = panel(figure, 11, 6, 77, 33)
    days = [date.fromordinal(738_000 + 9 * k) for k in range(45)]
    scores = [make_score(f"session:c/T15/{day}", n_trials=10 + 4 * day.day) for day in days]
    error_by_session(axis, scores, overall=make_score())
    figure.draw_without_rendering()
    assert axis._left_title.get_window_extent().x1 <= axis.get_window_extent().x1


def test_sessions_without_dates_are_spaced_evenly(axis, make_score):
    error_by_session(axis, [make_score("session:c/P/day b"), make_score("session:c/P/day a")])
    assert [label.get_text() for label in axis.get_xticklabels()] == ["day a", "day b"]
    assert list(axis.get_xticks()) == [0, 1]


def test_missing_interval_and_one_session(axis, make_score, nan):
    error_by_session(axis, [make_score("session:c/P/2024-01-01", low=nan, high=nan, n_trials=1)])
    assert axis.get_ylim()[1] >= 10
    assert axis.get_title("left").startswith("1 day, n = 1;")


@pytest.mark.parametrize("draw", [error_by_session, error_rates])
def test_one_axis_one_unit(axis, make_score, draw):
    with pytest.raises(ConfigError, match="per, wer"):
        draw(axis, [make_score(), make_score(unit="per")])
    with pytest.raises(ConfigError, match="none"):
        draw(axis, [])


def test_rows_say_rate_interval_and_n(axis, make_score, nan):
    rows = [
        make_score("prompt_set:Switchboard", n_trials=1037),
        make_score("prompt_set:none", errors=(0, 0, 0), n=0, low=nan, high=nan, n_trials=0),
    ]
    error_rates(axis, rows)
    assert [label.get_text() for label in axis.get_yticklabels()] == ["Switchboard", "none"]
    assert {"10.0 (8.0–13.0)", "1,037", "–"} <= set(texts(axis))
    assert axis.get_xlim()[0] == 0


def test_only_seen_is_hollow(axis, make_score):
    seen_and_unseen(axis, [make_score("seen"), make_score("unseen")])
    faces = [line.get_markerfacecolor() for line in axis.lines if line.get_marker() == "o"]
    assert faces == [PAPER, INK]


def test_kinds_add_up_to_the_rate(axis, make_score):
    error_kinds(axis, [make_score(errors=(6, 3, 1))], labels=["WER"])
    bars = [patch.get_width() for patch in axis.patches]
    assert bars == pytest.approx([6, 3, 1])
    assert axis.patches[-1].get_x() + bars[-1] == pytest.approx(10)
    with pytest.raises(ConfigError):
        error_kinds(axis, [], labels=[])


def test_words(make_score, nan):
    assert percent(0.1234) == "12.3" and percent(nan) == "–"
    assert interval(make_score()) == "8.0–13.0"
    assert interval(make_score(low=nan, high=nan)) == "no interval"
    assert interval(make_score(errors=(0, 0, 0), low=0.0, high=0.0)) == "no interval"
    assert group_name("prompt_set:a:b") == "a:b" and group_name("seen") == "seen"


@given(st.lists(st.floats(0, 5), min_size=1), st.floats(0, 5) | st.just(math.nan))
def test_top_holds_every_interval_and_is_not_far(highs, odd):
    scores = [Score("wer", "g", EditCounts(1, 0, 0, 4), 0.0, h, 3) for h in [*highs, odd]]
    top = nice_top(scores)
    highest = max([*highs, 0.25, 0.0 if math.isnan(odd) else odd])
    assert highest <= top <= max(LEAST_TOP, 2.2 * highest)


@given(st.dates(date(1990, 1, 1), date(2090, 1, 1)), st.integers(0, 12_000))
def test_calendar_ticks_are_few_and_inside(first, n_days):
    last = date.fromordinal(first.toordinal() + n_days)
    ticks = calendar_ticks(first, last)
    assert ticks == sorted(set(ticks)) and all(first <= tick <= last for tick in ticks)
    if n_days < 8 * 365:
        assert 1 <= len(ticks) <= 9


def test_date_labels_name_the_year_once():
    days = [date(2023, 10, 1), date(2024, 1, 1), date(2024, 4, 1)]
    assert date_labels(days) == ["Oct\n2023", "Jan\n2024", "Apr"]
    assert date_labels([date(2024, 4, 1)]) == ["Apr 1\n2024"]
