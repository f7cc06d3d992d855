import math
from collections import Counter

import numpy as np
import pytest
from matplotlib.collections import PatchCollection
from matplotlib.colors import to_hex

from sylvian.errors import ConfigError
from sylvian.evaluate.confusion import Confusions, count_confusions
from sylvian.figures.confusion import CLASSES, RAMPS, STEPS, confusion_key, confusion_matrix, ranked
from sylvian.figures.style import SINGLE_MM, canvas, panel, plotted
from sylvian.text.vocabulary import PHONES, SIL


@pytest.fixture
def axis():
    return panel(canvas(SINGLE_MM, 95), 12, 5, 75, 75)


@pytest.fixture
def counts():
    # T occurs 10 times: 6 right, 3 taken for D, 1 left out. D occurs 4 times, all right.
    # S is put in twice, but never occurs.
    return Confusions(
        labels=("D", "S", "T"),
        pairs=np.array([[4, 0, 0], [0, 0, 0], [3, 0, 6]]),
        deletions=np.array([0, 0, 1]),
        insertions=np.array([0, 2, 0]),
        n_trials=5,
    )


def cells(axis):
    """Map (x, y) of every coloured cell to its colour."""
    found = {}
    for collection in axis.collections:
        assert isinstance(collection, PatchCollection)
        for path, colour in zip(collection.get_paths(), collection.get_facecolors(), strict=True):
            x, y = path.get_extents().min + 0.46
            found[round(float(x), 3), round(float(y), 3)] = to_hex(colour)
    return found


def test_rates_are_per_true_phoneme(counts):
    said = {each.said(): (each.count, each.rate) for each in ranked(counts)}
    assert said["T taken for D"] == (3, pytest.approx(0.3))
    assert said["T left out"] == (1, pytest.approx(0.1))
    assert said["S put in"][0] == 2 and math.isnan(said["S put in"][1])
    assert [each.count for each in ranked(counts)] == [3, 2, 1]


def test_cells_lie_at_true_and_predicted_in_their_kinds_colour(axis, counts):
    confusion_matrix(axis, counts)
    # by articulation: T, D, S
    assert [label.get_text() for label in axis.get_xticklabels()] == ["T", "D", "S", "ins."]
    assert cells(axis) == {
        (0.0, 1.0): RAMPS["substitution"][5],  # T heard as D, 30 %
        (0.0, 3.6): RAMPS["deletion"][4],  # T left out, 10 %
    }
    shaded = [patch for patch in axis.patches if patch.get_width() > 0.5]
    assert len(shaded) == 1 and shaded[0].get_x() == pytest.approx(2 - 0.46)


def test_insertions_stand_right_of_the_matrix(axis):
    confusion_matrix(axis, count_confusions([(["T", "D"], ["T", "D", "D"])]))
    assert cells(axis) == {(2.6, 1.0): RAMPS["insertion"][5]}


def test_order_by_errors(axis, counts):
    confusion_matrix(axis, counts, order="errors")
    assert [label.get_text() for label in axis.get_xticklabels()] == ["T", "S", "D", "ins."]


@pytest.mark.parametrize("step", range(len(STEPS)))
def test_colour_steps_begin_where_the_key_says(axis, step):
    n = round(1000 * STEPS[step])
    true = ["T"] * 1000
    for n_wrong, colour in ((n, RAMPS["substitution"][step]), (n - 1, None)):
        axis.clear()
        confusion_matrix(
            axis, count_confusions([(true, ["D"] * n_wrong + ["T"] * (1000 - n_wrong))])
        )
        found = cells(axis).get((0.0, 1.0))
        assert found == (colour or (RAMPS["substitution"][step - 1] if step else None))


def test_every_phone_has_one_class():
    members = Counter(phone for phones in CLASSES.values() for phone in phones)
    assert members == Counter([*PHONES, SIL])


def test_numbers_name_n_and_leave_matches_out(axis, counts):
    confusion_matrix(axis, counts)
    columns = plotted(axis.figure)[0].columns
    assert list(columns["kind"]) == ["substitution", "insertion", "deletion"]
    assert set(columns["n_trials"]) == {5}


def test_nothing_counted_is_refused(axis):
    with pytest.raises(ConfigError, match="no phonemes were counted"):
        confusion_matrix(axis, count_confusions([]))


def test_key_shows_all_ramps(axis):
    confusion_key(axis)
    assert len(axis.patches) == sum(len(ramp) for ramp in RAMPS.values())
    assert {text.get_text() for text in axis.texts} >= {"substituted", "deleted", "inserted", "0.5"}
