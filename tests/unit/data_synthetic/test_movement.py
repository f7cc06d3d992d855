import numpy as np
import pytest

from sylvian.data.synthetic.movement import minimum_jerk, reach, with_motion
from sylvian.data.synthetic.pen import LETTERS, spelled, strokes, write


def test_the_minimum_jerk_course_is_the_published_polynomial():
    course = minimum_jerk(np.zeros(2), np.array([1.0, -2.0]), 40)
    share = course[:, 0]
    np.testing.assert_allclose(course[:, 1], -2 * share)
    np.testing.assert_allclose(course[-1], [1, -2])
    assert share[19] == pytest.approx(0.5)
    peak = np.diff(share, prepend=0).max() * 40
    assert peak == pytest.approx(1.875, rel=0.01)  # times the mean speed (Flash and Hogan 1985)


def test_centre_out_reaches_end_at_one_of_eight_targets_and_start_at_the_centre():
    moved = reach("CO", 60, np.random.default_rng(0))
    ends = moved.place[np.array(moved.stops) - 1]
    np.testing.assert_allclose(np.hypot(*ends.T), 1)
    assert len(np.unique(np.round(np.degrees(np.arctan2(*ends.T)) / 45))) in (8, 9)  # 180 = -180
    np.testing.assert_allclose(moved.place[list(moved.starts)], 0, atol=1e-12)


def test_random_targets_are_reached_three_in_a_row():
    moved = reach("RT", 20, np.random.default_rng(0))
    ends = moved.place[np.array(moved.stops) - 1]
    assert np.abs(ends).max() <= 1 and len(np.unique(ends, axis=0)) == 20
    trial = moved.behaviour[moved.starts[1] : moved.stops[1]]
    goals = np.unique(np.round(trial[:, :2] + trial[:, 7:9], 9)[trial[:, 9] > 0], axis=0)
    assert len(goals) == 3


def test_trials_follow_one_another_and_the_hand_never_jumps():
    for task in ("CO", "RT"):
        moved = reach(task, 15, np.random.default_rng(1))
        edges = np.ravel(list(zip(moved.starts, moved.stops, strict=True)))
        assert (np.diff(edges) > 0).all() and edges[-1] < len(moved.place) == len(moved.behaviour)
        assert np.abs(np.diff(moved.place, axis=0)).max() < 0.25


def test_motion_is_the_derivative_of_place():
    time = np.arange(200)[:, None] * 0.02
    moved = with_motion(np.concatenate([np.sin(time), 2 * np.sin(time)], axis=1))
    np.testing.assert_allclose(moved[5:-5, 2], np.cos(time[5:-5, 0]), atol=1e-3)
    np.testing.assert_allclose(moved[5:-5, 4], -np.sin(time[5:-5, 0]), atol=1e-3)
    np.testing.assert_allclose(moved[5:-5, 6], np.abs(np.cos(time[5:-5, 0])) * 5**0.5, atol=3e-3)


def test_every_letter_of_t5s_alphabet_has_its_own_shape_inside_the_square():
    assert len(LETTERS) == 31 and len(set(LETTERS.values())) == 31
    for letter in LETTERS:
        for stroke in strokes(letter):
            assert stroke.shape[0] >= 2 and stroke.shape[1] == 2
            assert stroke.min() >= 0 and stroke.max() <= 1


def test_the_pen_goes_through_every_point_and_touches_only_in_strokes():
    moved = write(["ab", ""], np.random.default_rng(0))
    written = moved.place[moved.starts[0] : moved.stops[0]]
    for letter in "ab":
        for point in np.concatenate(strokes(letter)):
            assert np.abs(written - point).max(1).min() < 1e-9
    pen = moved.behaviour[:, -1]
    assert set(pen) == {0.0, 1.0} and np.diff(pen).max() == 1
    assert (np.diff(pen) == 1).sum() == sum(len(strokes(letter)) for letter in "ab")
    assert not pen[moved.starts[1] : moved.stops[1]].any()


def test_sentences_are_spelled_in_t5s_alphabet():
    assert spelled("It\u2019s me, too \u2013 isn't it?") == "it's>me,>too>>isn't>it?"
    assert spelled("Hello.") == "hello~"
